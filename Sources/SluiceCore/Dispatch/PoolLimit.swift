import SluiceBasics

/// What a pool may spend, and until when there is not enough of it.
///
/// DESIGN. While nothing that waits fits, the pool need not look again before `due`. Something smaller, other rules or
/// somebody's leaving resets it. Tokens that come back only move it: to look through all tenants at every settlement
/// would cost as much as there are tenants.
struct PoolLimit: Sendable {
    /// `nil`: neither requests nor tokens are limited.
    private(set) var throttle: Throttle?
    /// Instead of `throttle`, once other dispatchers share the limit. It stays when there is no limit any more, because
    /// the keeper of the budget knows it.
    var share: BudgetShare?
    /// Nothing can start before, because of the limit.
    private(set) var due: Instant?
    /// What the smallest that waits needs, or somebody for whom tokens are kept.
    private(set) var needs = 0
    private(set) var isHeld = false
    /// Tokens charged per request, as a moving average.
    private(set) var meanTokens = 0.0

    /// Grows with every new book of reservations: what was kept by an older one means nothing to the next.
    private var generation: UInt32 = 1

    init(_ limit: RateLimit?, now: Instant) {
        self.throttle = limit.map { Throttle($0, number: self.generation, now: now) }
    }

    /// From now on the limit is shared with other dispatchers.
    mutating func beginSharing(_ limit: RateLimit?, now: Instant) {
        guard self.share == nil else { return }
        self.due = nil
        self.throttle = nil
        self.generation &+= 1
        self.share = BudgetShare(limit ?? RateLimit(), now: now)
    }

    mutating func configure(_ limit: RateLimit?, now: Instant) {
        self.due = nil
        if self.share != nil {
            self.share?.configure(limit ?? RateLimit(), at: now)
            return
        }
        guard let limit else {
            self.throttle = nil
            return
        }
        guard self.throttle == nil else { return self.throttle?.configure(limit, at: now) ?? () }
        self.generation &+= 1
        self.throttle = Throttle(limit, number: self.generation, now: now)
    }

    /// The most tokens that one request may take; `nil`: any number.
    var tokenCapacity: Int? { self.throttle?.tokenCapacity ?? self.share?.tokenCapacity }

    var limitsTokens: Bool { self.tokenCapacity != nil }

    /// Whether it is worth looking for something to start.
    @inline(always)
    func mayStart(at now: Instant) -> Bool { self.due.map { $0 <= now } ?? true }

    /// Tokens that may be spent now, less than 0: not even a request of none; `nil`: not limited.
    mutating func budget(at now: Instant) -> Int? {
        if let requests = self.availableRequests(at: now), requests < 1 { return -1 }
        return self.availableTokens(at: now)
    }

    mutating func availableTokens(at now: Instant) -> Int? {
        if self.share != nil { return self.share?.availableTokens(at: now) }
        return self.throttle?.availableTokens(at: now)
    }

    mutating func availableRequests(at now: Instant) -> Int? {
        if self.share != nil { return self.share?.availableRequests(at: now) }
        return self.throttle?.availableRequests(at: now)
    }

    mutating func check(_ tokens: Int, at now: Instant) -> ThrottleAnswer? {
        if self.share != nil { return self.share?.check(tokens, at: now) }
        return self.throttle?.check(tokens, at: now)
    }

    /// Nothing fits: notes what is awaited. Returns when to look again, `nil` when time alone does not help.
    mutating func block(needs: Int, isHeld: Bool, now: Instant) -> Instant? {
        self.needs = needs
        self.isHeld = isHeld
        guard case .refused(let refusal)? = self.check(needs, at: now), let wait = refusal.availableIn else {
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

    /// Somebody who waited has left. That lets others start only if tokens were kept for him.
    mutating func depart() {
        if self.isHeld { self.due = nil }
    }

    /// Something has changed.
    mutating func reconsider() { self.due = nil }

    mutating func reserve(_ tokens: Int, now: Instant) -> ThrottleReservation? {
        // Whoever was awaited has started, or need not be waited for.
        self.due = nil
        self.meanTokens += (Double(tokens) - self.meanTokens) * 0.1
        if self.share != nil {
            let reservation = try? self.share?.reserve(tokens, at: now).get()
            return reservation.map { ThrottleReservation(serial: $0.serial, limiter: self.generation) }
        }
        return try? self.throttle?.reserve(tokens, at: now).get()
    }

    mutating func settle(_ reservation: ThrottleReservation, of tokens: Int, _ use: TokenUse, now: Instant) {
        guard reservation.limiter == self.generation else { return }
        var used = tokens
        if case .counted(let tokens) = use { used = tokens }
        switch (use, self.share != nil) {
        case (.none, true): self.share?.cancel(reservation, at: now)
        case (.none, false): self.throttle?.cancel(reservation, at: now)
        case (_, true): self.share?.settle(reservation, actual: used, at: now)
        case (_, false): self.throttle?.settle(reservation, actual: used, at: now)
        }
        if let due, due > now { _ = self.block(needs: self.needs, isHeld: self.isHeld, now: now) }
    }

    /// What is left of the limit, for predictions; `nil`: there is none, or others share it, and what they leave is not
    /// known.
    mutating func left(of limit: RateLimit?, at now: Instant) -> StartQuestion.Budget? {
        guard self.throttle != nil, let limit else { return nil }
        return StartQuestion.Budget(
            tokens: self.availableTokens(at: now),
            tokensPerMinute: limit.tokensPerMinute ?? 0,
            requests: self.availableRequests(at: now),
            requestsPerMinute: limit.requestsPerMinute ?? 0
        )
    }

    /// How many more requests of the usual size could start at once.
    ///
    /// With a shared limit at least 1: what it leases depends on what waits here.
    mutating func room(at now: Instant) -> Int {
        let least = self.share == nil ? 0 : 1
        guard self.mayStart(at: now) else { return least }
        let requests = max(least, self.availableRequests(at: now) ?? .max)
        guard let tokens = self.availableTokens(at: now) else { return requests }
        guard tokens > 0 else { return least }
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
    /// A count may be so many times what had been estimated, or what a small request could be.
    private static let mostTimesEstimate = 100
    private static let mostForSmall = 100_000

    /// Without a count of tokens that cannot be true: whoever believed it would take it off the limit for years.
    func plausible(estimate: Int) -> AttemptResult {
        guard case .success(let status, let usage?, let limits) = self else { return self }
        let most = max(estimate, Self.mostForSmall).multipliedReportingOverflow(by: Self.mostTimesEstimate)
        let sum = usage.prompt.addingReportingOverflow(usage.completion)
        let isPlausible =
            usage.prompt >= 0 && usage.completion >= 0 && !sum.overflow
            && (most.overflow || sum.partialValue <= most.partialValue)
        return isPlausible ? self : .success(status: status, usage: nil, limits: limits)
    }

    var use: TokenUse {
        switch self {
        case .success(_, let usage, _):
            guard let usage else { return .estimated }
            let sum = usage.prompt.addingReportingOverflow(usage.completion)
            return .counted(sum.overflow ? .max : max(0, sum.partialValue))
        case .failure(let failure):
            guard failure.failureClass.mayHaveExecuted else { return .none }
            // A refusal counts as a request, not as tokens.
            return failure.failureClass.isRefusal ? .counted(0) : .estimated
        }
    }

    /// Whether the tenant had something of it, though nobody has counted what: it left before the end.
    var wasGivenUp: Bool {
        guard case .failure(let failure) = self else { return false }
        return failure.failureClass == .cancelled || failure.failureClass == .deadline || failure.committed
    }
}

extension FailureClass {
    /// The backend has said no before it did anything.
    var isRefusal: Bool {
        switch self {
        case .rateLimited, .overloaded, .authentication, .invalidRequest, .routeOrModel, .providerRejected: true
        default: false
        }
    }
}
