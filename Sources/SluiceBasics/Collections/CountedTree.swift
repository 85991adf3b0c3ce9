/// Orders entries: by `rank`, then by `sequence`, which is unique within one tree.
package struct OrderKey: Hashable, Comparable, Sendable {
    package let rank: UInt64
    package let sequence: UInt64

    package init(rank: UInt64, sequence: UInt64) {
        self.rank = rank
        self.sequence = sequence
    }

    @inline(always)
    package static func < (left: OrderKey, right: OrderKey) -> Bool {
        left.rank != right.rank ? left.rank < right.rank : left.sequence < right.sequence
    }
}

/// A B-tree of unique keys that knows how many keys lie before each of them.
///
/// DESIGN. Every operation touches O(log n) nodes of 768 contiguous bytes; the ends of the tree, where a queue works,
/// stay in the processor's cache however long the queue is. All nodes live in one array: no class, no allocation per
/// entry. Leaves and inner nodes have the same shape. An inner entry refers to a child, its `count` is the number of
/// keys below, its key a lower bound of them; the key of a node's first entry is never compared, so it may be too
/// high.
package struct CountedTree: Sendable {
    private struct Entry: Sendable {
        var key: OrderKey
        /// In a leaf the value, else the child node.
        var reference: UInt32
        var count: UInt32
    }

    private static let fanOut = 32
    /// A node with fewer entries takes some from its neighbour, or joins it.
    private static let minimum = 8

    private var entries: [Entry]
    private var used: [Int]
    private var freeNodes: [UInt32] = []
    private var root: UInt32 = 0
    /// Levels above the leaves.
    private var height = 0
    package private(set) var count = 0

    package init() {
        self.entries = []
        self.used = []
        self.root = self.allocate()
    }

    package var isEmpty: Bool { self.count == 0 }

    private mutating func allocate() -> UInt32 {
        if let node = self.freeNodes.popLast() { return node }
        let blank = Entry(key: OrderKey(rank: 0, sequence: 0), reference: 0, count: 0)
        self.entries.append(contentsOf: repeatElement(blank, count: Self.fanOut))
        self.used.append(0)
        return UInt32(self.used.count - 1)
    }

    private mutating func free(_ node: UInt32) {
        self.used[Int(node)] = 0
        self.freeNodes.append(node)
    }

    @inline(always)
    private func base(_ node: UInt32) -> Int { Int(node) * Self.fanOut }

    /// How many of the node's keys lie before `key`.
    @inline(always)
    private func lowerBound(_ key: OrderKey, in node: UInt32) -> Int {
        let base = self.base(node)
        var low = 0
        var high = self.used[Int(node)]
        while low < high {
            let middle = (low + high) / 2
            if self.entries[base + middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The child that holds `key` if any does. The first key counts as less than every other.
    @inline(always)
    private func childIndex(_ key: OrderKey, in node: UInt32) -> Int {
        let base = self.base(node)
        var low = 1
        var high = self.used[Int(node)]
        while low < high {
            let middle = (low + high) / 2
            if key < self.entries[base + middle].key { high = middle } else { low = middle + 1 }
        }
        return low - 1
    }

    private func total(_ node: UInt32) -> UInt32 {
        let base = self.base(node)
        var sum: UInt32 = 0
        for index in 0..<self.used[Int(node)] { sum += self.entries[base + index].count }
        return sum
    }

    @inline(always)
    private mutating func insert(_ entry: Entry, at index: Int, of node: UInt32) {
        let base = self.base(node)
        var position = base + self.used[Int(node)]
        while position > base + index {
            self.entries[position] = self.entries[position - 1]
            position -= 1
        }
        self.entries[base + index] = entry
        self.used[Int(node)] += 1
    }

    @inline(always)
    private mutating func removeEntry(at index: Int, of node: UInt32) {
        let base = self.base(node)
        let last = base + self.used[Int(node)] - 1
        var position = base + index
        while position < last {
            self.entries[position] = self.entries[position + 1]
            position += 1
        }
        self.used[Int(node)] -= 1
    }
}

// Insertion.
extension CountedTree {
    /// The key must not be in the tree yet.
    package mutating func insert(_ key: OrderKey, _ value: UInt32) {
        self.count += 1
        let entry = Entry(key: key, reference: value, count: 1)
        guard let right = self.insert(entry, into: self.root, level: self.height) else { return }
        let left = self.root
        self.root = self.allocate()
        self.height += 1
        for child in [left, right] {
            let key = self.entries[self.base(child)].key
            self.insert(
                Entry(key: key, reference: child, count: self.total(child)),
                at: self.used[Int(self.root)],
                of: self.root
            )
        }
    }

    /// Returns the new right half if the node had to be split.
    private mutating func insert(_ entry: Entry, into node: UInt32, level: Int) -> UInt32? {
        if level == 0 { return self.place(entry, at: self.lowerBound(entry.key, in: node), of: node) }
        let index = self.childIndex(entry.key, in: node)
        let position = self.base(node) + index
        let child = self.entries[position].reference
        self.entries[position].count += 1
        guard let right = self.insert(entry, into: child, level: level - 1) else { return nil }
        let moved = self.total(right)
        self.entries[position].count -= moved
        let separator = self.entries[self.base(right)].key
        return self.place(Entry(key: separator, reference: right, count: moved), at: index + 1, of: node)
    }

    private mutating func place(_ entry: Entry, at index: Int, of node: UInt32) -> UInt32? {
        guard self.used[Int(node)] == Self.fanOut else {
            self.insert(entry, at: index, of: node)
            return nil
        }
        let right = self.allocate()
        // Keys mostly grow: a split at the end leaves the left node full instead of half empty.
        let kept = index == Self.fanOut ? Self.fanOut : Self.fanOut / 2
        for offset in kept..<Self.fanOut {
            self.entries[self.base(right) + offset - kept] = self.entries[self.base(node) + offset]
        }
        self.used[Int(right)] = Self.fanOut - kept
        self.used[Int(node)] = kept
        if index <= kept && kept < Self.fanOut {
            self.insert(entry, at: index, of: node)
        } else {
            self.insert(entry, at: index - kept, of: right)
        }
        return right
    }
}

// Removal.
extension CountedTree {
    /// Returns the value that the key had, `nil` if it is not in the tree.
    @discardableResult
    package mutating func remove(_ key: OrderKey) -> UInt32? {
        guard let value = self.remove(key, from: self.root, level: self.height) else { return nil }
        self.count -= 1
        while self.height > 0 && self.used[Int(self.root)] == 1 {
            let child = self.entries[self.base(self.root)].reference
            self.free(self.root)
            self.root = child
            self.height -= 1
        }
        return value
    }

    private mutating func remove(_ key: OrderKey, from node: UInt32, level: Int) -> UInt32? {
        if level == 0 {
            let index = self.lowerBound(key, in: node)
            guard index < self.used[Int(node)], self.entries[self.base(node) + index].key == key else { return nil }
            let value = self.entries[self.base(node) + index].reference
            self.removeEntry(at: index, of: node)
            return value
        }
        let index = self.childIndex(key, in: node)
        let position = self.base(node) + index
        let child = self.entries[position].reference
        guard let value = self.remove(key, from: child, level: level - 1) else { return nil }
        self.entries[position].count -= 1
        if self.used[Int(child)] < Self.minimum { self.refill(index, of: node, level: level) }
        return value
    }

    /// Joins a child that has become too small with a neighbour, or shares their entries evenly.
    private mutating func refill(_ index: Int, of node: UInt32, level: Int) {
        guard self.used[Int(node)] > 1 else { return }
        let leftIndex = index > 0 ? index - 1 : 0
        let position = self.base(node) + leftIndex
        let left = self.entries[position].reference
        let right = self.entries[position + 1].reference
        if level > 1 {
            // The first key of a node may be too high; between others it has to be right.
            self.entries[self.base(right)].key = self.entries[position + 1].key
        }
        let leftCount = self.used[Int(left)]
        let rightCount = self.used[Int(right)]
        if leftCount + rightCount <= Self.fanOut {
            self.moveFirst(rightCount, of: right, toEndOf: left)
            self.entries[position].count += self.entries[position + 1].count
            self.removeEntry(at: leftIndex + 1, of: node)
            self.free(right)
            return
        }
        let half = (leftCount + rightCount) / 2
        if leftCount < half {
            self.moveFirst(half - leftCount, of: right, toEndOf: left)
        } else {
            self.moveLast(leftCount - half, of: left, toStartOf: right)
        }
        let sum = self.entries[position].count + self.entries[position + 1].count
        self.entries[position].count = self.total(left)
        self.entries[position + 1].count = sum - self.entries[position].count
        self.entries[position + 1].key = self.entries[self.base(right)].key
    }

    private mutating func moveFirst(_ number: Int, of source: UInt32, toEndOf target: UInt32) {
        let from = self.base(source)
        let to = self.base(target) + self.used[Int(target)]
        for offset in 0..<number { self.entries[to + offset] = self.entries[from + offset] }
        let rest = self.used[Int(source)] - number
        for offset in 0..<rest { self.entries[from + offset] = self.entries[from + number + offset] }
        self.used[Int(source)] = rest
        self.used[Int(target)] += number
    }

    private mutating func moveLast(_ number: Int, of source: UInt32, toStartOf target: UInt32) {
        let to = self.base(target)
        let had = self.used[Int(target)]
        for offset in (0..<had).reversed() { self.entries[to + number + offset] = self.entries[to + offset] }
        let kept = self.used[Int(source)] - number
        for offset in 0..<number { self.entries[to + offset] = self.entries[self.base(source) + kept + offset] }
        self.used[Int(source)] = kept
        self.used[Int(target)] = had + number
    }
}

// Questions.
extension CountedTree {
    /// The least key and its value.
    package var first: (key: OrderKey, value: UInt32)? { self.element(at: 0) }

    /// The key that has exactly `rank` keys before it.
    package func element(at rank: Int) -> (key: OrderKey, value: UInt32)? {
        guard rank >= 0 && rank < self.count else { return nil }
        var node = self.root
        var left = UInt32(rank)
        for _ in 0..<self.height {
            var position = self.base(node)
            while left >= self.entries[position].count {
                left -= self.entries[position].count
                position += 1
            }
            node = self.entries[position].reference
        }
        let entry = self.entries[self.base(node) + Int(left)]
        return (entry.key, entry.reference)
    }

    /// How many keys are less than `key`, whether or not it is in the tree.
    package func rank(of key: OrderKey) -> Int {
        var node = self.root
        var before = 0
        for _ in 0..<self.height {
            let index = self.childIndex(key, in: node)
            let base = self.base(node)
            for position in base..<base + index { before += Int(self.entries[position].count) }
            node = self.entries[base + index].reference
        }
        return before + self.lowerBound(key, in: node)
    }

    package func value(of key: OrderKey) -> UInt32? {
        var node = self.root
        for _ in 0..<self.height {
            node = self.entries[self.base(node) + self.childIndex(key, in: node)].reference
        }
        let index = self.lowerBound(key, in: node)
        guard index < self.used[Int(node)] else { return nil }
        let entry = self.entries[self.base(node) + index]
        return entry.key == key ? entry.reference : nil
    }

    /// The least key that is not before `key`, and its value.
    package func first(from key: OrderKey) -> (key: OrderKey, value: UInt32)? {
        var node = self.root
        /// The subtree to the right of the way down, where the answer is if the leaf holds nothing but lesser keys.
        var next: UInt32?
        var nextLevel = 0
        for level in stride(from: self.height, to: 0, by: -1) {
            let index = self.childIndex(key, in: node)
            let position = self.base(node) + index
            if index + 1 < self.used[Int(node)] {
                next = self.entries[position + 1].reference
                nextLevel = level - 1
            }
            node = self.entries[position].reference
        }
        let index = self.lowerBound(key, in: node)
        if index < self.used[Int(node)] {
            let entry = self.entries[self.base(node) + index]
            return (entry.key, entry.reference)
        }
        guard var child = next else { return nil }
        for _ in 0..<nextLevel { child = self.entries[self.base(child)].reference }
        let entry = self.entries[self.base(child)]
        return (entry.key, entry.reference)
    }

    /// Calls `body` with each key from the one at `rank` on, in order, until it returns `false`.
    package func walk(from rank: Int, _ body: (OrderKey, UInt32) -> Bool) {
        var rank = rank
        while rank >= 0, rank < self.count {
            var node = self.root
            var left = UInt32(rank)
            for _ in 0..<self.height {
                var position = self.base(node)
                while left >= self.entries[position].count {
                    left -= self.entries[position].count
                    position += 1
                }
                node = self.entries[position].reference
            }
            let base = self.base(node)
            for index in Int(left)..<self.used[Int(node)] {
                let entry = self.entries[base + index]
                guard body(entry.key, entry.reference) else { return }
            }
            rank += self.used[Int(node)] - Int(left)
        }
    }
}
