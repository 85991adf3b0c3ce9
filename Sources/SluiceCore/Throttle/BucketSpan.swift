/// What a stretch of a token bucket's life does to its level: `level → min(level + shift, ceiling)`.
///
/// Every charge and every refill has this form, and so has what several of them do one after the other. All amounts
/// are in `TokenBucket.unitsPerToken`.
struct BucketSpan: Sendable, Equatable {
    var shift: Int128
    var ceiling: Int128

    /// Higher than any level, with room for shifts in both directions.
    static let unbounded = Int128(1) << 120

    @inline(always)
    static func charge(_ units: Int128) -> BucketSpan {
        BucketSpan(shift: -units, ceiling: Self.unbounded)
    }

    @inline(always)
    func apply(_ level: Int128) -> Int128 { min(level &+ self.shift, self.ceiling) }

    @inline(always)
    func then(_ next: BucketSpan) -> BucketSpan {
        BucketSpan(shift: self.shift &+ next.shift, ceiling: min(self.ceiling &+ next.shift, next.ceiling))
    }
}

/// Spans side by side, and what any run of neighbours does together: a segment tree in one array.
struct BucketSpanTree: Sendable {
    /// The root is at 1, the leaves begin at `capacity`, a power of two.
    private var nodes: [BucketSpan]
    private(set) var capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        self.nodes = Array(repeating: BucketSpan(shift: 0, ceiling: BucketSpan.unbounded), count: capacity * 2)
    }

    @inline(always)
    subscript(position: Int) -> BucketSpan { self.nodes[self.capacity + position] }

    /// Adds the span at `position`, which comes after all that are there. O(1) amortised.
    mutating func append(_ span: BucketSpan, at position: Int) {
        var node = self.capacity + position
        self.nodes[node] = span
        // A node is asked only when everything below it is there: then its right half has just been completed.
        while node & 1 == 1 && node > 1 {
            node >>= 1
            self.nodes[node] = self.nodes[node * 2].then(self.nodes[node * 2 + 1])
        }
    }

    /// Replaces one of the spans at `..<count`. O(log count).
    mutating func set(_ position: Int, _ span: BucketSpan, count: Int) {
        var node = self.capacity + position
        self.nodes[node] = span
        var level = 1
        node >>= 1
        while node >= 1, ((position >> level) + 1) << level <= count {
            self.nodes[node] = self.nodes[node * 2].then(self.nodes[node * 2 + 1])
            node >>= 1
            level += 1
        }
    }

    /// Replaces the span at `position`, from which nothing but itself will be asked for any more. O(1).
    mutating func setAlone(_ position: Int, _ span: BucketSpan) {
        self.nodes[self.capacity + position] = span
    }

    /// All of them at once; what lies behind is of no meaning.
    mutating func replace(with spans: [BucketSpan], capacity: Int) {
        if capacity != self.capacity { self = BucketSpanTree(capacity: capacity) }
        for (position, span) in spans.enumerated() { self.nodes[capacity + position] = span }
        var node = capacity - 1
        while node >= 1 {
            self.nodes[node] = self.nodes[node * 2].then(self.nodes[node * 2 + 1])
            node -= 1
        }
    }

    /// What the spans from `start` up to but not including `end` do, in their order. O(log capacity).
    func joined(from start: Int, to end: Int) -> BucketSpan {
        var left = BucketSpan(shift: 0, ceiling: BucketSpan.unbounded)
        var right = left
        var low = self.capacity + start
        var high = self.capacity + end
        while low < high {
            if low & 1 == 1 {
                left = left.then(self.nodes[low])
                low += 1
            }
            if high & 1 == 1 {
                high -= 1
                right = self.nodes[high].then(right)
            }
            low >>= 1
            high >>= 1
        }
        return left.then(right)
    }
}
