import SluiceBasics

/// One limit, as it stands.
public struct LimitUse: Sendable, Hashable {
    /// What can be used at once: the capacity of the bucket, or the limit of the window.
    public var limit: Int
    /// Rounded down; negative when overdrawn.
    public var available: Int
    /// `limit - available`.
    public var used: Int
    /// 0 to 100, above when overdrawn. Exact, where `used` is rounded.
    public var percentage: Double
}

/// Counts since the limiter was made.
public struct ThrottleTotals: Sendable, Hashable {
    public internal(set) var admitted = 0
    public internal(set) var refused = 0
    public internal(set) var settled = 0
    public internal(set) var cancelled = 0
    /// Reservations that nobody settled in time. Their estimates stand.
    public internal(set) var expired = 0
    /// Settlements and cancellations of what was not open.
    public internal(set) var unknownReservations = 0
    /// What the settled requests were estimated at and what they used.
    public internal(set) var estimatedTokens = 0
    public internal(set) var actualTokens = 0

    public init() {}
}

/// A limiter, as it stands.
public struct ThrottleMetrics: Sendable, Hashable {
    /// The requests of the history; cancelled ones are not among them.
    public struct History: Sendable, Hashable {
        public var count: Int
        /// What they used, or reserved where that is not known yet.
        public var totalTokens: Int
        /// `nil`: no data.
        public var averageTokensPerRequest: Double?
        /// How many of them are settled.
        public var settledCount: Int
    }

    /// `nil`: not limited.
    public var requests: LimitUse?
    /// `nil`: not limited.
    public var tokens: LimitUse?
    /// Mean of `min / max` of estimated and used tokens over the settled ones of the newest requests
    /// (`ThrottleOptions.efficiencyWindow`). Both 0 count as 1, one of both 0 as 0. `nil`: no data.
    public var efficiency: Double?
    /// The same over all requests of the history. `nil`: no data.
    public var estimationAccuracy: Double?
    public var history: History
    /// Reservations that wait to be settled.
    public var openReservations: Int
    /// Admitted in the last 60 s (within 60 ms), limited or not.
    public var requestsInLastMinute: Int
    public var tokensInLastMinute: Int
    public var totals: ThrottleTotals
}

extension Throttle {
    /// O(1) amortised.
    package mutating func metrics(at now: Instant) -> ThrottleMetrics {
        self.advance(to: now)
        let history = self.history
        return ThrottleMetrics(
            requests: Self.use(self.requestBucket, self.requestsPerWindow, self.window.requests),
            tokens: Self.use(self.tokenBucket, self.tokensPerWindow, self.window.tokens),
            efficiency: history.efficiency,
            estimationAccuracy: history.accuracy,
            history: ThrottleMetrics.History(
                count: history.count,
                totalTokens: history.tokens,
                averageTokensPerRequest: history.count > 0 ? Double(history.tokens) / Double(history.count) : nil,
                settledCount: history.settledCount
            ),
            openReservations: self.book.openCount,
            requestsInLastMinute: self.window.requests,
            tokensInLastMinute: self.window.tokens,
            totals: self.totals
        )
    }

    private static func use(_ bucket: TokenBucket?, _ limit: Int?, _ used: Int) -> LimitUse? {
        if let bucket {
            return LimitUse(
                limit: bucket.capacity,
                available: bucket.available,
                used: bucket.capacity - bucket.available,
                percentage: bucket.usedShare * 100
            )
        }
        return limit.map { limit in
            LimitUse(
                limit: limit,
                available: limit &- used,
                used: used,
                percentage: limit > 0 ? Double(used) / Double(limit) * 100 : 0
            )
        }
    }
}

extension Duration {
    /// In nanoseconds, at most one year and not negative.
    var wholeNanosecondsWithinYear: Int64 { min(max(self.wholeNanoseconds, 0), Throttle.year) }
}
