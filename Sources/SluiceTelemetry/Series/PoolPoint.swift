import SluiceCore

/// A pool at one moment: what there is, and what has been counted since the start.
package struct PoolReadout: Sendable {
    package var queued = 0
    package var inFlight = 0
    /// Since the start.
    package var accepted: UInt64 = 0
    package var done: UInt64 = 0
    package var failed: UInt64 = 0
    package var dropped: UInt64 = 0
    package var rejected: UInt64 = 0
    package var tokens: UInt64 = 0
    /// From submission to the end, since the start.
    package var latency = Histogram()
    package var breaker = BreakerState.closed
    package var concurrencyLimit: Int?

    package init() {}

    /// - Parameters:
    ///   - latency, tokens: of its ended requests, since the start.
    package init(_ pool: PoolStatus, latency: Histogram?, tokens: UInt64) {
        self.queued = pool.queued
        self.inFlight = pool.inFlight
        self.accepted = pool.accepted
        for (reason, count) in pool.ended {
            switch reason.outcome {
            case .done: self.done += count
            case .failed, .expired, .lost, .dead: self.failed += count
            case .dropped: self.dropped += count
            case .rejected: self.rejected += count
            case .cancelled: break
            }
        }
        self.tokens = tokens
        self.latency = latency ?? Histogram()
        self.breaker = pool.breaker.state
        self.concurrencyLimit = pool.concurrency?.limit
    }
}

/// A pool during one step of time.
package struct PoolPoint: Sendable, Equatable {
    /// The most there were at once.
    package var queued = 0
    package var inFlight = 0
    /// A second, on average.
    package var accepted = 0.0
    package var done = 0.0
    package var failed = 0.0
    package var dropped = 0.0
    package var rejected = 0.0
    package var tokens = 0.0
    /// Milliseconds from submission to the end; `nil` when nothing ended.
    package var median: Double?
    package var slow: Double?
    /// The worst it was.
    package var breaker = BreakerState.closed
    package var concurrencyLimit: Int?

    package init() {}

    /// What happened between two moments.
    init(from old: PoolReadout, to new: PoolReadout, seconds: Double) {
        func rate(_ count: KeyPath<PoolReadout, UInt64>) -> Double {
            let (before, after) = (old[keyPath: count], new[keyPath: count])
            return after > before ? Double(after - before) / seconds : 0
        }
        self.queued = new.queued
        self.inFlight = new.inFlight
        self.accepted = rate(\.accepted)
        self.done = rate(\.done)
        self.failed = rate(\.failed)
        self.dropped = rate(\.dropped)
        self.rejected = rate(\.rejected)
        self.tokens = rate(\.tokens)
        let latency = new.latency.since(old.latency)
        self.median = latency.quantile(0.5).map { $0 * 1000 }
        self.slow = latency.quantile(0.95).map { $0 * 1000 }
        self.breaker = new.breaker
        self.concurrencyLimit = new.concurrencyLimit
    }

    /// Several steps of equal length as one; `nil` when none of them is known.
    static func joined(_ points: some Collection<PoolPoint?>) -> PoolPoint? {
        let known = points.compactMap { $0 }
        guard var joined = known.last else { return nil }
        let count = Double(known.count)
        func mean(_ value: KeyPath<PoolPoint, Double>) -> Double { known.reduce(0) { $0 + $1[keyPath: value] } / count }
        for point in known {
            joined.queued = max(joined.queued, point.queued)
            joined.inFlight = max(joined.inFlight, point.inFlight)
            if point.breaker.rank > joined.breaker.rank { joined.breaker = point.breaker }
        }
        joined.accepted = mean(\.accepted)
        joined.done = mean(\.done)
        joined.failed = mean(\.failed)
        joined.dropped = mean(\.dropped)
        joined.rejected = mean(\.rejected)
        joined.tokens = mean(\.tokens)
        // Of quantiles there is no true mean: the typical step for the median, the worst for the slow end.
        let medians = known.compactMap(\.median).sorted()
        joined.median = medians.isEmpty ? nil : medians[medians.count / 2]
        joined.slow = known.compactMap(\.slow).max()
        return joined
    }
}

extension BreakerState {
    fileprivate var rank: Int {
        switch self {
        case .closed: 0
        case .halfOpen: 1
        case .open: 2
        }
    }
}
