import SluiceBasics

/// Counts of durations in fixed buckets, as Prometheus wants them.
package struct Histogram: Sendable {
    /// Upper bounds in seconds: from a cached answer to the longest deadline.
    package static let bounds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
    ]
    private static let nanosecondBounds: [Int64] = Self.bounds.map { Int64($0 * 1e9) }

    /// Not cumulative; the last is for everything beyond the last bound.
    package private(set) var counts: [UInt64]
    package private(set) var sumNanoseconds: Double = 0
    package private(set) var count: UInt64 = 0

    package init() { self.counts = Array(repeating: 0, count: Self.bounds.count + 1) }

    package mutating func record(_ span: Duration) {
        let nanoseconds = max(0, span.wholeNanoseconds)
        let bucket = Self.nanosecondBounds.firstIndex { nanoseconds <= $0 } ?? Self.bounds.count
        self.counts[bucket] &+= 1
        self.sumNanoseconds += Double(nanoseconds)
        self.count &+= 1
    }

    /// The value below which this share of the durations lies, in seconds, interpolated within its bucket.
    package func quantile(_ share: Double) -> Double? {
        guard self.count > 0 else { return nil }
        let wanted = share * Double(self.count)
        var seen = 0.0
        for (index, count) in self.counts.enumerated() {
            let next = seen + Double(count)
            if next >= wanted && count > 0 {
                let lower = index == 0 ? 0 : Self.bounds[index - 1]
                guard index < Self.bounds.count else { return lower }
                return lower + (Self.bounds[index] - lower) * (wanted - seen) / Double(count)
            }
            seen = next
        }
        return Self.bounds.last
    }
}
