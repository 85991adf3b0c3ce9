import SluiceBasics

/// Counts events, and some of them as marked, over the last while, in twelve buckets.
package struct RollingRatio: Sendable {
    private static let bucketCount = 12

    private let bucketWidth: Int64
    private var totals = [Int](repeating: 0, count: RollingRatio.bucketCount)
    private var marks = [Int](repeating: 0, count: RollingRatio.bucketCount)
    private var newest: Int64 = 0
    package private(set) var total = 0
    package private(set) var marked = 0

    package init(window: Duration) {
        self.bucketWidth = max(1, window.wholeNanoseconds / Int64(Self.bucketCount))
    }

    /// Forgets what is older than the window.
    package mutating func advance(to now: Instant) {
        let current = now.nanoseconds / self.bucketWidth
        guard current > self.newest else { return }
        let passed = min(current - self.newest, Int64(Self.bucketCount))
        for step in 0..<passed {
            let index = Int((current - step) % Int64(Self.bucketCount))
            guard index >= 0 else { continue }
            self.total -= self.totals[index]
            self.marked -= self.marks[index]
            self.totals[index] = 0
            self.marks[index] = 0
        }
        self.newest = current
    }

    package mutating func count(at now: Instant) {
        self.advance(to: now)
        self.totals[self.index] += 1
        self.total += 1
    }

    package mutating func mark(at now: Instant) {
        self.advance(to: now)
        self.marks[self.index] += 1
        self.marked += 1
    }

    package mutating func clear() {
        for index in self.totals.indices {
            self.totals[index] = 0
            self.marks[index] = 0
        }
        self.total = 0
        self.marked = 0
    }

    private var index: Int { Int(max(0, self.newest) % Int64(Self.bucketCount)) }
}
