import SluiceBasics

extension Throttle {
    /// Changes the limit in operation. Reservations stay, and so does what was used.
    ///
    /// A bucket keeps the share to which it is full, so that changing a limit to and fro gains nothing, and what is
    /// overdrawn stays so. A limit that is new, or was strict before, begins with what the last 60 s have left of it;
    /// a limit that becomes strict counts what was admitted in the 60 s before the change.
    package mutating func configure(_ limit: RateLimit, at now: Instant) {
        self.advance(to: now)
        guard limit != self.limit else { return }
        self.limit = limit
        let isStrict = limit.mode == .strict
        self.requestsPerWindow = isStrict ? limit.requestsPerMinute.map(TokenBucket.bounded) : nil
        self.tokensPerWindow = isStrict ? limit.tokensPerMinute.map(TokenBucket.bounded) : nil
        self.configure(
            \.requestBucket,
            perMinute: isStrict ? nil : limit.requestsPerMinute,
            burst: limit.burstRequests,
            used: self.window.requests
        )
        self.configure(
            \.tokenBucket,
            perMinute: isStrict ? nil : limit.tokensPerMinute,
            burst: limit.burstTokens,
            used: self.window.tokens
        )
    }

    /// As at the start. What is reserved is forgotten; the totals stay.
    package mutating func reset(at now: Instant) {
        var fresh = Throttle(self.limit, options: self.options, number: self.number, now: now)
        fresh.totals = self.totals
        fresh.book = self.book
        fresh.book.clear()
        fresh.history.clear(next: self.book.nextSerial)
        fresh.requestBucket?.refit(capacity: self.book.capacity)
        fresh.tokenBucket?.refit(capacity: self.book.capacity)
        self = fresh
    }

    private mutating func configure(
        _ bucket: WritableKeyPath<Throttle, TokenBucket?>,
        perMinute: Int?,
        burst: Int?,
        used: Int
    ) {
        guard let perMinute else {
            self[keyPath: bucket] = nil
            return
        }
        let capacity = burst ?? perMinute
        guard self[keyPath: bucket] == nil else {
            self[keyPath: bucket]?.configure(perMinute: perMinute, capacity: capacity)
            return
        }
        var fresh = TokenBucket(perMinute: perMinute, capacity: capacity)
        fresh.restore(
            level: max(0, fresh.capacity &- used),
            remainder: 0,
            first: self.book.first,
            end: self.book.end,
            capacity: self.book.capacity
        )
        self[keyPath: bucket] = fresh
    }
}
