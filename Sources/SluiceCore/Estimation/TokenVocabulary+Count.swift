import SluiceBasics

extension TokenVocabulary {
    /// How many tokens the text has. Marks of special tokens in it, such as `<|endoftext|>`, count as the text they
    /// are.
    public func count(_ text: String) -> Int {
        var text = text
        text.makeContiguousUTF8()
        return self.count(text.utf8.span)
    }

    /// As the other, for UTF-8. Bytes that are no UTF-8 are taken for symbols.
    public func count(_ text: Span<UInt8>) -> Int {
        var count = 0
        self.forEachPiece(text) { start, end, merge in
            count += self.rank(text, start, end) != nil ? 1 : merge.run(text, start, end, self)
        }
        return count
    }

    /// The ranks of the text's tokens.
    public func tokens(_ text: Span<UInt8>) -> [Int] {
        var tokens: [Int] = []
        self.forEachPiece(text) { start, end, merge in
            if let rank = self.rank(text, start, end) { return tokens.append(Int(rank)) }
            _ = merge.run(text, start, end, self)
            merge.forEachPart { from, to in
                if let rank = self.rank(text, start + from, start + to) { tokens.append(Int(rank)) }
            }
        }
        return tokens
    }

    private func forEachPiece(_ text: Span<UInt8>, _ body: (Int, Int, inout BytePairMerge) -> Void) {
        var merge = BytePairMerge()
        var place = 0
        while place < text.count {
            let end = TokenPieces.end(text, place, self.family)
            body(place, end, &merge)
            place = end
        }
    }
}

/// Merges the bytes of a piece into the words of a vocabulary: always the pair whose word has the lowest rank, the
/// leftmost first. O(n log n) in the length of the piece. Keeps its memory from piece to piece.
struct BytePairMerge {
    private static let none = UInt32.max

    /// By the place where a part begins: where the next begins, and the one before.
    private var next: [Int32] = []
    private var before: [Int32] = []
    /// The rank of a part together with the next one.
    private var pairRank: [UInt32] = []
    /// Rank and place of pairs, as one number; the least is first. Pairs that are no more are passed over.
    private var heap: [UInt64] = []
    private var length = 0

    /// Returns the number of parts.
    mutating func run(_ text: Span<UInt8>, _ start: Int, _ end: Int, _ words: borrowing TokenVocabulary) -> Int {
        self.length = end - start
        // Larger pieces are merged by parts: 2 GB have no place in a table of 32 bits.
        guard self.length < Int(Int32.max) else { return self.length / 4 }
        self.prepare()
        for place in 0..<max(0, self.length - 1) { self.look(at: place, text, start, words) }
        var parts = self.length
        while let least = self.popLeast() {
            let place = Int(least & 0xFFFF_FFFF)
            guard self.pairRank[place] == UInt32(least >> 32) else { continue }
            let gone = Int(self.next[place])
            let after = self.next[gone]
            self.next[place] = after
            if Int(after) < self.length { self.before[Int(after)] = Int32(place) }
            self.pairRank[gone] = Self.none
            parts -= 1
            self.look(at: place, text, start, words)
            if self.before[place] >= 0 { self.look(at: Int(self.before[place]), text, start, words) }
        }
        return parts
    }

    /// Calls `body` with the parts of the last run, as offsets in the piece.
    func forEachPart(_ body: (Int, Int) -> Void) {
        var place = 0
        while place < self.length {
            body(place, Int(self.next[place]))
            place = Int(self.next[place])
        }
    }

    private mutating func prepare() {
        self.next.removeAll(keepingCapacity: true)
        self.before.removeAll(keepingCapacity: true)
        self.pairRank.removeAll(keepingCapacity: true)
        self.heap.removeAll(keepingCapacity: true)
        for place in 0..<self.length {
            self.next.append(Int32(place + 1))
            self.before.append(Int32(place - 1))
            self.pairRank.append(Self.none)
        }
    }

    private mutating func look(at place: Int, _ text: Span<UInt8>, _ start: Int, _ words: borrowing TokenVocabulary) {
        let middle = Int(self.next[place])
        guard middle < self.length else {
            self.pairRank[place] = Self.none
            return
        }
        let rank = words.rank(text, start + place, start + Int(self.next[middle])) ?? Self.none
        self.pairRank[place] = rank
        if rank != Self.none { self.push(UInt64(rank) << 32 | UInt64(place)) }
    }

    private mutating func push(_ value: UInt64) {
        self.heap.append(value)
        var place = self.heap.count - 1
        while place > 0, case let parent = (place - 1) / 2, self.heap[parent] > value {
            self.heap[place] = self.heap[parent]
            place = parent
        }
        self.heap[place] = value
    }

    private mutating func popLeast() -> UInt64? {
        guard let least = self.heap.first, let last = self.heap.popLast() else { return nil }
        guard !self.heap.isEmpty else { return least }
        var place = 0
        while case var child = 2 * place + 1, child < self.heap.count {
            if child + 1 < self.heap.count, self.heap[child + 1] < self.heap[child] { child += 1 }
            guard self.heap[child] < last else { break }
            self.heap[place] = self.heap[child]
            place = child
        }
        self.heap[place] = last
        return least
    }
}
