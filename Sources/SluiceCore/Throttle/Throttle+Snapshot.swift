import SluiceBasics

/// What a limiter has to know after a restart. Times are of the wall clock, because no other survives one.
public struct ThrottleSnapshot: Sendable, Hashable, Codable {
    /// The level of a bucket: `tokens` and `remainder` / 60,000,000,000 of one.
    public struct Balance: Sendable, Hashable, Codable {
        public var tokens: Int
        public var remainder: Int64

        public init(tokens: Int, remainder: Int64) {
            self.tokens = tokens
            self.remainder = remainder
        }
    }

    /// What was admitted in the last 60 s, put together by moments.
    public struct Usage: Sendable, Hashable, Codable {
        /// Nanoseconds before the snapshot.
        public var age: Int64
        public var requests: Int
        public var tokens: Int

        public init(age: Int64, requests: Int, tokens: Int) {
            self.age = age
            self.requests = requests
            self.tokens = tokens
        }
    }

    /// Counts the snapshots of one limiter. A later one has a higher number.
    public var sequence: UInt64
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    public var takenAt: Int64
    public var limit: RateLimit
    /// `nil`: not limited, or strict.
    public var requests: Balance?
    public var tokens: Balance?
    /// Oldest first.
    public var lastMinute: [Usage]

    public init(
        sequence: UInt64,
        takenAt: Int64,
        limit: RateLimit,
        requests: Balance?,
        tokens: Balance?,
        lastMinute: [Usage]
    ) {
        self.sequence = sequence
        self.takenAt = takenAt
        self.limit = limit
        self.requests = requests
        self.tokens = tokens
        self.lastMinute = lastMinute
    }
}

extension Throttle {
    /// - Parameter wallClock: Nanoseconds since 1970 at `now`.
    package mutating func snapshot(at now: Instant, wallClock: Int64, sequence: UInt64 = 0) -> ThrottleSnapshot {
        self.advance(to: now)
        return ThrottleSnapshot(
            sequence: sequence,
            takenAt: wallClock,
            limit: self.limit,
            requests: self.requestBucket.map { .init(tokens: $0.available, remainder: $0.remainder) },
            tokens: self.tokenBucket.map { .init(tokens: $0.available, remainder: $0.remainder) },
            lastMinute: self.window.live.map {
                .init(age: self.time - $0.latest, requests: $0.requests, tokens: $0.tokens)
            }
        )
    }

    /// Takes over the books of a snapshot, with what has come back since, under the limit of this one.
    ///
    /// A snapshot from the future counts as taken now. What was reserved and not settled then stays charged; what is
    /// reserved here and not settled yet is forgotten.
    package mutating func restore(_ snapshot: ThrottleSnapshot, at now: Instant, wallClock: Int64) {
        let (difference, overflow) = wallClock.subtractingReportingOverflow(snapshot.takenAt)
        let elapsed = overflow ? (wallClock > snapshot.takenAt ? Int64.max : 0) : max(0, difference)
        let limit = self.limit
        var restored = Throttle(snapshot.limit, options: self.options, number: self.number, now: now)
        restored.totals = self.totals
        restored.book = self.book
        restored.book.clear()
        restored.history.clear(next: self.book.nextSerial)
        restored.time = UsageWindow.length
        for usage in snapshot.lastMinute.suffix(2_000).sorted(by: { $0.age > $1.age }) {
            let age = min(max(usage.age, 0), UsageWindow.length)
            let tokens = TokenBucket.bounded(usage.tokens)
            let requests = TokenBucket.bounded(usage.requests)
            _ = restored.window.add(tokens, requests: requests, at: UsageWindow.length - age)
        }
        let capacity = restored.book.capacity
        restored.requestBucket?.refit(capacity: capacity)
        restored.tokenBucket?.refit(capacity: capacity)
        if let balance = snapshot.requests {
            restored.requestBucket?.restore(
                level: balance.tokens,
                remainder: balance.remainder,
                first: 0,
                end: 0,
                capacity: capacity
            )
        }
        if let balance = snapshot.tokens {
            restored.tokenBucket?.restore(
                level: balance.tokens,
                remainder: balance.remainder,
                first: 0,
                end: 0,
                capacity: capacity
            )
        }
        restored.pass(elapsed)
        restored.configure(limit, at: now)
        self = restored
    }
}
