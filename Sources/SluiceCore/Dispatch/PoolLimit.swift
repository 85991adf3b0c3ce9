import SluiceBasics

/// What a pool may spend, and until when there is not enough of it.
///
/// DESIGN. While nothing that waits fits, the pool need not look again before `due`; whatever changes that (time,
/// something smaller, tokens that come back, other rules) resets it.
struct PoolLimit: Sendable {
    /// `nil`: neither requests nor tokens are limited.
    private(set) var throttle: Throttle?
    /// Nothing can start before, because of the limit.
    private(set) var due: Instant?
    /// What the smallest that waits needs, or somebody for whom tokens are kept.
    private(set) var needs = 0
    private(set) var isHeld = false
    /// Tokens charged per request, as a moving average.
    private(set) var meanTokens = 0.0

    init(_ limit: RateLimit?, now: Instant) {
        self.throttle = limit.map { Throttle($0, now: now) }
    }

    mutating func configure(_ limit: RateLimit?, now: Instant) {
        self.due = nil
        guard let limit else {
            self.throttle = nil
            return
        }
        guard self.throttle == nil else { return self.throttle?.configure(limit, at: now) ?? () }
        self.throttle = Throttle(limit, now: now)
    }

    /// The most tokens that one request may take; `nil`: any number.
    var tokenCapacity: Int? { self.throttle?.tokenCapacity }

    var limitsTokens: Bool { self.tokenCapacity != nil }

    /// Whether it is worth looking for something to start.
    @inline(always)
    func mayStart(at now: Instant) -> Bool { self.due.map { $0 <= now } ?? true }

    /// Tokens that may be spent now, less than 0: not even a request of none; `nil`: not limited.
    mutating func budget(at now: Instant) -> Int? {
        guard self.throttle != nil else { return nil }
        if let requests = self.throttle?.availableRequests(at: now), requests < 1 { return -1 }
        return self.throttle?.availableTokens(at: now)
    }

    /// Nothing fits: notes what is awaited. Returns when to look again, `nil` when time alone does not help.
    mutating func block(needs: Int, isHeld: Bool, now: Instant) -> Instant? {
        self.needs = needs
        self.isHeld = isHeld
        guard case .refused(let refusal)? = self.throttle?.check(needs, at: now), let wait = refusal.availableIn else {
            self.due = nil
            return nil
        }
        let due = now + max(wait, .nanoseconds(1))
        self.due = due
        return due
    }

    /// A request has come in that may fit though nothing else does.
    mutating func arrive(tokens: Int) {
        if self.due != nil && !self.isHeld && tokens < self.needs { self.due = nil }
    }

    /// Something has changed.
    mutating func reconsider() { self.due = nil }

    mutating func reserve(_ tokens: Int, now: Instant) -> ThrottleReservation? {
        self.meanTokens += (Double(tokens) - self.meanTokens) * 0.1
        guard self.throttle != nil else { return nil }
        guard case .success(let reservation)? = self.throttle?.reserve(tokens, at: now) else { return nil }
        return reservation
    }

    mutating func settle(_ reservation: ThrottleReservation, of tokens: Int, _ use: TokenUse, now: Instant) {
        switch use {
        case .none: _ = self.throttle?.cancel(reservation, at: now)
        case .estimated: _ = self.throttle?.settle(reservation, actual: tokens, at: now)
        case .counted(let tokens): _ = self.throttle?.settle(reservation, actual: tokens, at: now)
        }
        self.due = nil
    }

    /// How many more requests of the usual size could start at once.
    mutating func room(at now: Instant) -> Int {
        guard self.throttle != nil else { return .max }
        guard self.mayStart(at: now) else { return 0 }
        let requests = max(0, self.throttle?.availableRequests(at: now) ?? .max)
        guard let tokens = self.throttle?.availableTokens(at: now) else { return requests }
        guard tokens > 0 else { return 0 }
        return min(requests, max(1, Int(min(1e9, Double(tokens) / max(1, self.meanTokens)))))
    }
}

/// What an attempt took of the budget that was kept for it.
enum TokenUse: Sendable {
    /// It was never sent.
    case none
    /// It may have been executed, and nobody has counted.
    case estimated
    case counted(Int)
}

extension AttemptResult {
    var use: TokenUse {
        switch self {
        case .success(_, let usage, _):
            guard let usage else { return .estimated }
            let sum = usage.prompt.addingReportingOverflow(usage.completion)
            return .counted(sum.overflow ? .max : max(0, sum.partialValue))
        case .failure(let failure):
            guard failure.failureClass.mayHaveExecuted else { return .none }
            // A refusal counts as a request, not as tokens.
            return failure.failureClass == .rateLimited ? .counted(0) : .estimated
        }
    }
}
