import SluiceBasics

/// Admits requests and their tokens under a ``RateLimit``, from any number of threads.
///
/// ```swift
/// let limiter = try RateLimiter(RateLimit(requestsPerMinute: 60, tokensPerMinute: 100_000))
/// switch limiter.reserve(1_200) {
/// case .success(let reservation):
///     let answer = try await send(prompt)
///     limiter.settle(reservation, actualTokens: answer.tokens)
/// case .failure(let refusal):
///     print("again in", refusal.availableIn ?? "never")
/// }
/// ```
///
/// A reservation that was never sent is cancelled; one that is neither settled nor cancelled expires after
/// `ThrottleOptions.reservationTimeToLive`, and its estimate stands. Token counts are whole; below 0 counts as 0.
public final class RateLimiter: Sendable {
    struct State: Sendable {
        var throttle: Throttle
        var warnings: [RateLimitFinding]
        var snapshots: UInt64 = 0
    }

    /// Named in refusals.
    public let name: String?
    let number: UInt32
    let state: Lock<State>
    let now: @Sendable () -> Instant
    let wallClock: @Sendable () -> Duration
    let rules: [RateLimitRule]
    let persistence: ThrottlePersistence?

    /// Numbers for limiters, so that a reservation is never taken for that of another.
    private static let numbers = Lock<UInt32>(0)

    /// - Parameters:
    ///   - clock: What time is told by. Should be monotonic; a step back is waited out up to a second, and is a new
    ///     start of the same clock beyond.
    ///   - rules: What the configuration has to meet besides ``RateLimitRule/standard``.
    ///   - wallClock: Time since 1970-01-01T00:00:00Z, for snapshots. `nil`: the system's.
    ///   - persistence: Where snapshots go. See ``RateLimiter/persist()``.
    /// - Throws: All errors in the configuration at once. Warnings are in ``RateLimiter/warnings``.
    public init(
        _ limit: RateLimit,
        name: String? = nil,
        options: ThrottleOptions = ThrottleOptions(),
        rules: [RateLimitRule] = [],
        clock: any Clock<Duration> = ContinuousClock(),
        wallClock: (@Sendable () -> Duration)? = nil,
        persistence: ThrottlePersistence? = nil
    ) throws(RateLimitConfigurationError) {
        let warnings = try limit.validate(options: options, further: rules)
        let number = Self.numbers.withLock { number in
            number &+= 1
            return number
        }
        let now = Self.reading(clock)
        self.name = name
        self.number = number
        self.rules = rules
        self.now = now
        self.wallClock = wallClock ?? { .nanoseconds(SystemClock().wallClockNanoseconds()) }
        self.persistence = persistence
        let throttle = Throttle(limit, options: options, number: number, now: now())
        self.state = Lock(State(throttle: throttle, warnings: warnings))
    }

    /// The clock's time since now.
    private static func reading<C: Clock<Duration>>(_ clock: C) -> @Sendable () -> Instant {
        let start = clock.now
        return { Instant.zero + start.duration(to: clock.now) }
    }

    func named(_ refusal: ThrottleRefusal) -> ThrottleRefusal {
        var refusal = refusal
        refusal.limiter = self.name
        return refusal
    }

    /// Whether ``RateLimiter/reserve(_:)`` would succeed now.
    public func check(_ tokens: Int) -> ThrottleAnswer {
        let answer = self.state.withLock { $0.throttle.check(tokens, at: self.now()) }
        guard case .refused(let refusal) = answer else { return answer }
        return .refused(self.named(refusal))
    }

    /// Charges one request and its tokens, all or nothing.
    public func reserve(_ tokens: Int) -> Result<ThrottleReservation, ThrottleRefusal> {
        self.state.withLock { $0.throttle.reserve(tokens, at: self.now()) }.mapError { self.named($0) }
    }

    /// Ends a reservation with what was really used: the books are as if that had been reserved. More than was there
    /// leaves a negative balance, which refill pays. Once.
    @discardableResult
    public func settle(_ reservation: ThrottleReservation, actualTokens: Int) -> SettlementResult {
        self.state.withLock { $0.throttle.settle(reservation, actual: actualTokens, at: self.now()) }
    }

    /// What is known of a running request so far. Replaces what was reserved or said before; the reservation stays.
    @discardableResult
    public func adjust(_ reservation: ThrottleReservation, toTokens tokens: Int) -> SettlementResult {
        self.state.withLock { $0.throttle.adjust(reservation, to: tokens, at: self.now()) }
    }

    /// Ends the reservation of a request that was never sent: as if it had not been made.
    @discardableResult
    public func cancel(_ reservation: ThrottleReservation) -> SettlementResult {
        self.state.withLock { $0.throttle.cancel(reservation, at: self.now()) }
    }

    /// Tokens that could be reserved now; negative when overdrawn, `nil`: not limited.
    public var availableTokens: Int? {
        self.state.withLock { $0.throttle.availableTokens(at: self.now()) }
    }

    /// Requests that could be reserved now; `nil`: not limited.
    public var availableRequests: Int? {
        self.state.withLock { $0.throttle.availableRequests(at: self.now()) }
    }

    /// The most tokens that one request can ever reserve; `nil`: any number.
    public var tokenCapacity: Int? {
        self.state.withLock { $0.throttle.tokenCapacity }
    }

    public var metrics: ThrottleMetrics {
        self.state.withLock { $0.throttle.metrics(at: self.now()) }
    }

    public var limit: RateLimit {
        self.state.withLock { $0.throttle.limit }
    }

    /// What was found in the present configuration that does not forbid it.
    public var warnings: [RateLimitFinding] {
        self.state.withLock { $0.warnings }
    }

    /// Changes the limit in operation, without losing reservations or what was used.
    ///
    /// A bucket keeps the share to which it is full; what is overdrawn stays so. A limit that is new, or changes from
    /// strict to smooth or back, counts what was admitted in the last 60 s.
    public func configure(_ limit: RateLimit) throws(RateLimitConfigurationError) {
        let options = self.state.withLock { $0.throttle.options }
        let warnings = try limit.validate(options: options, further: self.rules)
        self.state.withLock { state in
            state.throttle.configure(limit, at: self.now())
            state.warnings = warnings
        }
    }

    /// Everything available again, and nothing reserved; what is still running can no longer be settled.
    public func reset() {
        self.state.withLock { $0.throttle.reset(at: self.now()) }
    }
}
