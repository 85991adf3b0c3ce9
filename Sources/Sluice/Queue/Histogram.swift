import SluiceBasics

/// Counts of spans in buckets that are at most 1/32 wide of what they hold: percentiles to 3 %, in 5 KiB.
struct Histogram: Sendable {
    private static let bucketCount = 1_184

    private var buckets = [UInt32](repeating: 0, count: Self.bucketCount)
    private(set) var count = 0
    /// Wider than the spans themselves: a million messages that waited for hours are more than 64 bits of nanoseconds.
    private(set) var sum = Duration.zero
    private(set) var maximum: Int64 = 0

    /// In microseconds; the last bucket holds everything from 12 days on.
    static func bucket(_ microseconds: Int64) -> Int {
        let value = UInt64(max(0, microseconds))
        guard value >= 32 else { return Int(value) }
        let shift = 58 - value.leadingZeroBitCount
        return min(Self.bucketCount - 1, shift * 32 + Int(value >> UInt64(shift)))
    }

    /// The greatest span that belongs into a bucket, in microseconds.
    static func upperBound(_ bucket: Int) -> Int64 {
        guard bucket >= 64 else { return Int64(bucket) }
        let shift = bucket / 32 - 1
        return (Int64(bucket - shift * 32 + 1) << Int64(shift)) - 1
    }

    mutating func record(_ nanoseconds: Int64) {
        self.buckets[Self.bucket(nanoseconds / 1_000)] &+= 1
        self.count += 1
        self.sum += .nanoseconds(nanoseconds)
        self.maximum = max(self.maximum, nanoseconds)
    }

    mutating func clear() {
        guard self.count > 0 else { return }
        for index in self.buckets.indices { self.buckets[index] = 0 }
        self.count = 0
        self.sum = .zero
        self.maximum = 0
    }

    mutating func add(_ other: Histogram) {
        guard other.count > 0 else { return }
        for index in self.buckets.indices { self.buckets[index] &+= other.buckets[index] }
        self.count += other.count
        self.sum += other.sum
        self.maximum = max(self.maximum, other.maximum)
    }

    /// The least bound that a share of all spans does not exceed.
    func quantile(_ share: Double) -> Duration {
        guard self.count > 0 else { return .zero }
        let wanted = max(1, Int((Double(self.count) * share).rounded(.up)))
        var seen = 0
        for (index, count) in self.buckets.enumerated() {
            seen += Int(count)
            if seen >= wanted { return .microseconds(Self.upperBound(index)) }
        }
        return .nanoseconds(self.maximum)
    }
}

/// A histogram of the last while: six slices of time, of which the oldest is emptied for the next.
struct RecentHistogram: Sendable {
    private static let sliceCount: Int64 = 6

    private let sliceNanoseconds: Int64
    private var slices = [Histogram](repeating: Histogram(), count: Int(Self.sliceCount))
    private var current: Int64 = 0

    init(retention: Duration) {
        self.sliceNanoseconds = max(1, retention.wholeNanoseconds / Self.sliceCount)
    }

    /// What was recorded in the current slice of time and the five before it counts.
    mutating func advance(to now: Instant) {
        let slice = max(0, now.nanoseconds) / self.sliceNanoseconds
        guard slice > self.current else { return }
        for number in max(self.current + 1, slice - Self.sliceCount + 1)...slice {
            self.slices[Int(number % Self.sliceCount)].clear()
        }
        self.current = slice
    }

    mutating func record(_ span: Duration, at now: Instant) {
        self.advance(to: now)
        self.slices[Int(self.current % Self.sliceCount)].record(max(0, span.wholeNanoseconds))
    }

    mutating func summary(at now: Instant) -> DurationSummary {
        self.advance(to: now)
        var all = Histogram()
        for slice in self.slices { all.add(slice) }
        return DurationSummary(
            count: all.count,
            mean: all.count == 0 ? .zero : .nanoseconds((all.sum / all.count).wholeNanoseconds),
            p50: all.quantile(0.5),
            p90: all.quantile(0.9),
            p95: all.quantile(0.95),
            p99: all.quantile(0.99),
            maximum: .nanoseconds(all.maximum)
        )
    }
}
