import SluiceBasics

/// Admits requests and their tokens under a `RateLimit`. A value that is told the time.
///
/// Work reserves what it is estimated to need, and settles with what it used; the books are then as if that had been
/// reserved from the start. More than was there is charged all the same and leaves a negative balance that refill
/// pays. There is one admission rule: `check` says yes exactly when `reserve` would.
///
/// All numbers are whole, from 0 to 2^40; what is outside counts as the nearest of these. `reserve`, `settle` and the
/// questions are O(1) amortised; settling is O(log n) when n requests were admitted since and are not settled.
package struct Throttle: Sendable {
    /// Steps back of the clock up to this length are waited out; longer ones are a new start of the same clock.
    package static let clockTolerance: Int64 = 1_000_000_000
    /// Longer than every span that is remembered.
    static let year: Int64 = 31_536_000_000_000_000

    package internal(set) var limit: RateLimit
    package let options: ThrottleOptions
    /// Tells the reservations of several limiters apart.
    package let number: UInt32
    let timeToLive: Int64
    let maximumReservations: Int

    /// The time that was told last.
    var anchor: Int64
    /// By how much the time told is before `anchor`.
    var lag: Int64 = 0
    /// Nanoseconds that have passed for the limiter. Never goes back.
    var time: Int64 = 0

    /// `nil`: not limited, or limited by the window.
    var requestBucket: TokenBucket?
    var tokenBucket: TokenBucket?
    /// Limits of the window, `nil`: not limited, or limited by the bucket.
    var requestsPerWindow: Int?
    var tokensPerWindow: Int?

    var window = UsageWindow()
    var book = ReservationBook()
    var history: ConsumptionHistory
    package internal(set) var totals = ThrottleTotals()

    package init(
        _ limit: RateLimit,
        options: ThrottleOptions = ThrottleOptions(),
        number: UInt32 = 0,
        now: Instant
    ) {
        self.limit = limit
        self.number = number
        self.options = options
        self.timeToLive = max(1, options.reservationTimeToLive.wholeNanosecondsWithinYear)
        self.maximumReservations = min(max(1, options.maximumReservations), 1 << 24)
        self.anchor = now.nanoseconds
        self.history = ConsumptionHistory(options)
        switch limit.mode {
        case .smooth:
            self.requestBucket = limit.requestsPerMinute.map {
                TokenBucket(perMinute: $0, capacity: limit.burstRequests ?? $0)
            }
            self.tokenBucket = limit.tokensPerMinute.map {
                TokenBucket(perMinute: $0, capacity: limit.burstTokens ?? $0)
            }
        case .strict:
            self.requestsPerWindow = limit.requestsPerMinute.map(TokenBucket.bounded)
            self.tokensPerWindow = limit.tokensPerMinute.map(TokenBucket.bounded)
        }
    }

    /// Lets time pass up to `now`.
    package mutating func advance(to now: Instant) {
        let (difference, overflow) = now.nanoseconds.subtractingReportingOverflow(self.anchor)
        let elapsed = overflow ? (now.nanoseconds < self.anchor ? Int64.min : .max) : difference
        guard elapsed > 0 else {
            self.lag = 0 &- max(elapsed, -Int64.max)
            if self.lag > Self.clockTolerance {
                self.anchor = now.nanoseconds
                self.lag = 0
            }
            return
        }
        self.anchor = now.nanoseconds
        self.lag = 0
        self.pass(elapsed)
    }

    /// Lets nanoseconds pass, not negative.
    mutating func pass(_ elapsed: Int64) {
        self.requestBucket?.refill(elapsed)
        self.tokenBucket?.refill(elapsed)
        self.time += min(elapsed, Self.year)
        self.window.advance(to: self.time)
        self.history.advance(to: self.time)
        while let oldest = self.book.oldest, self.time - oldest.time >= self.timeToLive { self.expireOldest() }
        // After 146 years of leaps nothing is held, so counting may begin anew.
        if self.time > .max / 2 && self.book.openCount == 0 && self.history.held == 0 && self.window.live.isEmpty {
            self.time = 0
        }
    }

    /// Tokens that could be reserved now; negative when overdrawn, `nil`: not limited.
    package mutating func availableTokens(at now: Instant) -> Int? {
        self.advance(to: now)
        return self.tokenBucket?.available ?? self.tokensPerWindow.map { $0 &- self.window.tokens }
    }

    /// Requests that could be reserved now; `nil`: not limited.
    package mutating func availableRequests(at now: Instant) -> Int? {
        self.advance(to: now)
        return self.requestBucket?.available ?? self.requestsPerWindow.map { $0 &- self.window.requests }
    }

    /// The most tokens that one request can ever reserve, `nil`: not limited.
    package var tokenCapacity: Int? { self.tokenBucket?.capacity ?? self.tokensPerWindow }

    /// Whether `reserve` would succeed.
    package mutating func check(_ tokens: Int, at now: Instant) -> ThrottleAnswer {
        self.advance(to: now)
        let amount = TokenBucket.bounded(tokens)
        return self.admits(amount) ? .allowed : .refused(self.refusal(amount))
    }

    /// Charges one request and its tokens, all or nothing.
    package mutating func reserve(_ tokens: Int, at now: Instant) -> Result<ThrottleReservation, ThrottleRefusal> {
        self.advance(to: now)
        let amount = TokenBucket.bounded(tokens)
        guard self.admits(amount) else {
            self.totals.refused &+= 1
            return .failure(self.refusal(amount))
        }
        return .success(self.charge(amount))
    }

    /// The only rule of admission.
    @inline(always)
    private func admits(_ tokens: Int) -> Bool {
        if let bucket = self.requestBucket, !bucket.has(1) { return false }
        if let bucket = self.tokenBucket, !bucket.has(tokens) { return false }
        if let limit = self.requestsPerWindow, self.window.requests >= limit { return false }
        if let limit = self.tokensPerWindow, self.window.tokens &+ tokens > limit { return false }
        return true
    }

    /// Why `admits` says no.
    private func refusal(_ tokens: Int) -> ThrottleRefusal {
        let requests = self.wait(for: 1, .requests, self.requestBucket, self.requestsPerWindow)
        let others = self.wait(for: tokens, .tokens, self.tokenBucket, self.tokensPerWindow)
        let first = ThrottleRefusal(limit: .requests, availableIn: requests.map { self.duration($0) })
        return first.orLonger(ThrottleRefusal(limit: .tokens, availableIn: others.map { self.duration($0) }))
    }

    private func wait(for amount: Int, _ kind: LimitKind, _ bucket: TokenBucket?, _ limit: Int?) -> Int64? {
        if let bucket { return bucket.wait(for: amount) }
        return limit.map { self.window.wait(for: amount, of: kind, limit: $0, now: self.time) } ?? 0
    }

    /// From the time that was told, which may be a little before the limiter's.
    private func duration(_ nanoseconds: Int64) -> Duration {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(self.lag)
        return .nanoseconds(overflow ? .max : sum)
    }

    private mutating func charge(_ tokens: Int) -> ThrottleReservation {
        if self.book.openCount >= self.maximumReservations { self.expireOldest() }
        if self.book.isFull { self.compact() }
        self.requestBucket?.charge(1)
        self.tokenBucket?.charge(tokens)
        let slot = self.window.add(tokens, at: self.time)
        self.history.append(tokens, at: self.time)
        self.totals.admitted &+= 1
        let serial = self.book.append(time: self.time, tokens: tokens, slot: slot)
        return ThrottleReservation(serial: serial, limiter: self.number)
    }

    private mutating func compact() {
        let isOpen = self.book.compact()
        self.requestBucket?.compact(isOpen, capacity: self.book.capacity)
        self.tokenBucket?.compact(isOpen, capacity: self.book.capacity)
    }
}
