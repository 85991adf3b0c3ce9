import SluiceBasics

/// A vocabulary read from a file in tiktoken's format, to count tokens exactly: one word per line, its bytes in base64,
/// a blank, its rank. What is not a line of the file (the pattern that cuts texts into pieces) follows from the family.
///
/// Takes the memory of its words and about 24 bytes for each: 5 MB for cl100k, 11 MB for o200k. A value that is only
/// read; copies share it.
public struct TokenVocabulary: Sendable {
    /// Bytes of a file, and words in it, beyond which it is refused.
    public static let maximumFileBytes = 64 << 20
    public static let maximumWords = 1_000_000
    /// Bytes of one word.
    public static let maximumWordBytes = 1_024

    public let family: TokenizerFamily
    /// How many words it has.
    public var wordCount: Int { self.ranks.count }

    /// All words, one after the other.
    private var bytes: [UInt8] = []
    /// Where each begins in `bytes`; one more at the end.
    private var starts: [UInt32] = [0]
    private var ranks: [UInt32] = []
    /// Numbers of words plus 1 by hash; 0 is free. A power of two, at most half full.
    private var slots: [UInt32] = []
    private(set) var longestWord = 0

    /// - Throws: what is wrong, with the line.
    public init(tiktoken file: [UInt8], family: TokenizerFamily) throws(TokenVocabularyError) {
        self.family = family
        guard file.count <= Self.maximumFileBytes else {
            throw TokenVocabularyError(line: nil, "The file has \(file.count) bytes, at most \(Self.maximumFileBytes).")
        }
        self.slots = [UInt32](repeating: 0, count: 1_024)
        try self.read(file.span)
        try self.checkRanks()
        for byte in UInt8.min...UInt8.max where self.rank([byte].span, 0, 1) == nil {
            throw TokenVocabularyError(
                line: nil,
                "The byte \(byte) is not among the words, so not every text has tokens."
            )
        }
    }

    /// The rank of the word that lies there; `nil` when it is none.
    func rank(_ text: Span<UInt8>, _ start: Int, _ end: Int) -> UInt32? {
        let count = end - start
        guard count > 0, count <= self.longestWord else { return nil }
        let mask = self.slots.count - 1
        var slot = Self.hash(text, start, end) & mask
        while case let found = self.slots[slot], found > 0 {
            if self.holds(Int(found) - 1, text, start, count) { return self.ranks[Int(found) - 1] }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func holds(_ word: Int, _ text: Span<UInt8>, _ start: Int, _ count: Int) -> Bool {
        let first = Int(self.starts[word])
        guard Int(self.starts[word + 1]) - first == count else { return false }
        for offset in 0..<count where self.bytes[first + offset] != text[start + offset] { return false }
        return true
    }

    private static func hash(_ text: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in start..<end { hash = (hash ^ UInt64(text[index])) &* 0x0000_0100_0000_01B3 }
        return Int(truncatingIfNeeded: (hash ^ hash >> 29) & 0x7FFF_FFFF)
    }

    // MARK: Reading a file

    private mutating func read(_ file: Span<UInt8>) throws(TokenVocabularyError) {
        var line = 0
        var place = 0
        while place < file.count {
            line += 1
            var end = place
            while end < file.count, file[end] != 0x0A { end += 1 }
            let last = end > place && file[end - 1] == 0x0D ? end - 1 : end
            if last > place { try self.readLine(file.extracting(place..<last), line) }
            place = end + 1
        }
    }

    private mutating func readLine(_ text: Span<UInt8>, _ line: Int) throws(TokenVocabularyError) {
        var blank = 0
        while blank < text.count, text[blank] != 0x20 { blank += 1 }
        guard blank > 0, blank + 1 < text.count else {
            throw TokenVocabularyError(line: line, "A line is a word in base64, a blank and a rank.")
        }
        let rank = try Self.number(text.extracting(blank + 1..<text.count), line)
        let start = self.bytes.count
        try self.appendWord(text.extracting(0..<blank), line)
        let count = self.bytes.count - start
        guard self.ranks.count < Self.maximumWords else {
            throw TokenVocabularyError(line: line, "There are more than \(Self.maximumWords) words.")
        }
        guard self.rank(self.bytes.span, start, self.bytes.count) == nil else {
            throw TokenVocabularyError(line: line, "The word stands on an earlier line already.")
        }
        self.ranks.append(rank)
        self.starts.append(UInt32(self.bytes.count))
        self.longestWord = max(self.longestWord, count)
        if self.ranks.count * 2 > self.slots.count {
            self.slots = [UInt32](repeating: 0, count: self.slots.count * 2)
            for word in self.ranks.indices { self.insert(word) }
        } else {
            self.insert(self.ranks.count - 1)
        }
    }

    private mutating func insert(_ word: Int) {
        let mask = self.slots.count - 1
        var slot = Self.hash(self.bytes.span, Int(self.starts[word]), Int(self.starts[word + 1])) & mask
        while self.slots[slot] > 0 { slot = (slot + 1) & mask }
        self.slots[slot] = UInt32(word + 1)
    }

    private mutating func appendWord(_ text: Span<UInt8>, _ line: Int) throws(TokenVocabularyError) {
        var letters = text.count
        while letters > 0, text.count - letters < 2, text[letters - 1] == 0x3D { letters -= 1 }
        let word = text.extracting(0..<letters)
        let count = letters / 4 * 3 + max(0, letters % 4 - 1)
        guard text.count % 4 == 0, letters % 4 != 1, count > 0 else {
            throw TokenVocabularyError(line: line, "The word is not in base64.")
        }
        guard count <= Self.maximumWordBytes else {
            throw TokenVocabularyError(line: line, "The word has \(count) bytes, at most \(Self.maximumWordBytes).")
        }
        for index in 0..<count {
            guard let byte = word.base64Byte(index) else {
                throw TokenVocabularyError(line: line, "The word is not in base64.")
            }
            self.bytes.append(UInt8(truncatingIfNeeded: byte))
        }
    }

    private static func number(_ text: Span<UInt8>, _ line: Int) throws(TokenVocabularyError) -> UInt32 {
        var number = 0
        for index in text.indices {
            guard TextCensus.isDigit(text[index]), text.count <= 9 else {
                throw TokenVocabularyError(line: line, "The rank is not a whole number of up to nine digits.")
            }
            number = number * 10 + Int(text[index] - 0x30)
        }
        return UInt32(number)
    }

    private func checkRanks() throws(TokenVocabularyError) {
        var seen: Set<UInt32> = []
        var last: UInt32?
        var isAscending = true
        for rank in self.ranks {
            if let last, rank <= last { isAscending = false }
            last = rank
        }
        guard !isAscending else { return }
        for (index, rank) in self.ranks.enumerated() where !seen.insert(rank).inserted {
            throw TokenVocabularyError(line: nil, "The rank \(rank) of word \(index + 1) is another word's already.")
        }
    }
}

/// Why a file is no vocabulary.
public struct TokenVocabularyError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Counts from 1; `nil` when it is about the whole file.
    public let line: Int?
    public let message: String

    init(line: Int?, _ message: String) {
        self.line = line
        self.message = message
    }

    public var description: String { self.line.map { "line \($0): \(self.message)" } ?? self.message }
}
