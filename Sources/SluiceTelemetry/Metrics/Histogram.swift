import SluiceBasics
import SluiceCore

/// Upper bounds of a histogram's buckets, and what its values are divided by to be told.
package final class BucketBounds: Sendable {
    /// In the unit that is told, ascending.
    package let upper: [Double]
    /// In the unit that is recorded.
    private let recorded: [Int64]
    /// Recorded units in one told: 1e9 for durations, which are told in seconds.
    let scale: Double
    /// As Prometheus' formats write them: `le` of a number is a floating point number.
    let texts: [String]

    init(_ upper: [Double], scale: Double) {
        self.upper = upper
        self.scale = scale
        self.recorded = upper.map { Int64(($0 * scale).rounded()) }
        self.texts = upper.map { $0 == $0.rounded() ? String(Int($0)) : $0.description }
    }

    /// The bucket of a value: the first whose bound is not below it.
    func bucket(_ value: Int64) -> Int {
        var low = 0
        var high = self.recorded.count
        while low < high {
            let middle = (low + high) / 2
            if value <= self.recorded[middle] { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// From a cached answer to the longest deadline.
    package static let latency = BucketBounds(
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600],
        scale: 1e9
    )
    /// Requests that are taken at once.
    package static let batchSizes = BucketBounds([1, 2, 4, 8, 16, 32, 64, 128], scale: 1)
}

/// The request that last fell into a bucket.
///
/// Its trace follows from these, and is worked out when it is told, not when it is counted.
package struct Exemplar: Sendable {
    let request: RequestID
    let traceparent: String?
    /// Whether it came from a list: its span is another than that of who put it there.
    let isRemote: Bool
    /// In the unit that is recorded.
    let value: Int64
    let at: Instant

    /// `nil` if its caller does not keep the trace: nobody would find it.
    init?(_ submission: Submission, value: Int64, at: Instant) {
        if let caller = submission.traceparent, Self.saysUnsampled(caller) { return nil }
        self.request = submission.id
        self.traceparent = submission.traceparent
        self.isRemote = submission.remote != nil
        self.value = value
        self.at = at
    }

    var trace: TraceIdentity {
        TraceIdentity(request: self.request, traceparent: self.traceparent, isRemote: self.isRemote)
    }

    /// The lowest bit of the flags, which end at a fixed place.
    private static func saysUnsampled(_ traceparent: String) -> Bool {
        let bytes = traceparent.utf8
        guard bytes.count >= 55 else { return false }
        let digit = bytes[bytes.index(bytes.startIndex, offsetBy: 54)]
        // '0'…'9' and 'a'…'f': of the letters it is the even ones whose digit is odd.
        return digit < 58 ? digit & 1 == 0 : digit & 1 == 1
    }
}

/// Counts of values in fixed buckets, as Prometheus and OpenTelemetry want them.
package struct Histogram: Sendable {
    package let bounds: BucketBounds
    /// Not cumulative; the last is for everything beyond the last bound.
    package private(set) var counts: [UInt64]
    /// The last of each bucket; empty before the first.
    package private(set) var exemplars: [Exemplar?] = []
    private var recordedSum: Double = 0
    package private(set) var count: UInt64 = 0

    package init(_ bounds: BucketBounds = .latency) {
        self.bounds = bounds
        self.counts = Array(repeating: 0, count: bounds.upper.count + 1)
    }

    /// In the unit that is told.
    package var sum: Double { self.recordedSum / self.bounds.scale }

    package mutating func record(_ span: Duration) { self.record(span.wholeNanoseconds) }

    package mutating func record(_ value: Int64) {
        let value = max(0, value)
        self.count(value, in: self.bounds.bucket(value))
    }

    /// - Parameter at: when the request ended.
    mutating func record(_ value: Int64, of submission: Submission, at: Instant) {
        let value = max(0, value)
        let bucket = self.bounds.bucket(value)
        self.count(value, in: bucket)
        guard let exemplar = Exemplar(submission, value: value, at: at) else { return }
        if self.exemplars.isEmpty { self.exemplars = Array(repeating: nil, count: self.counts.count) }
        self.exemplars[bucket] = exemplar
    }

    private mutating func count(_ value: Int64, in bucket: Int) {
        self.counts[bucket] &+= 1
        self.recordedSum += Double(value)
        self.count &+= 1
    }

    /// Takes the counts of another of the same bounds as well.
    mutating func add(_ other: Histogram) {
        guard other.counts.count == self.counts.count else { return }
        for index in self.counts.indices { self.counts[index] &+= other.counts[index] }
        self.count &+= other.count
        self.recordedSum += other.recordedSum
    }

    /// What came since an earlier state of the same histogram.
    package func since(_ earlier: Histogram) -> Histogram {
        guard earlier.count <= self.count, earlier.counts.count == self.counts.count else { return self }
        var difference = Histogram(self.bounds)
        for index in self.counts.indices { difference.counts[index] = self.counts[index] &- earlier.counts[index] }
        difference.count = self.count &- earlier.count
        difference.recordedSum = self.recordedSum - earlier.recordedSum
        return difference
    }

    /// In the unit that is told.
    func told(_ exemplar: Exemplar) -> Double { Double(exemplar.value) / self.bounds.scale }

    /// The value below which this share of them lies, interpolated within its bucket.
    package func quantile(_ share: Double) -> Double? {
        guard self.count > 0 else { return nil }
        let upper = self.bounds.upper
        let wanted = share * Double(self.count)
        var seen = 0.0
        for (index, count) in self.counts.enumerated() {
            let next = seen + Double(count)
            if next >= wanted && count > 0 {
                let lower = index == 0 ? 0 : upper[index - 1]
                guard index < upper.count else { return lower }
                return lower + (upper[index] - lower) * (wanted - seen) / Double(count)
            }
            seen = next
        }
        return upper.last
    }
}
