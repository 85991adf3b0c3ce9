import SluiceBasics

/// What one dispatcher holds of a budget that several share: a `Throttle` whose tokens come in leases.
///
/// DESIGN. Somebody keeps the budget; this value asks it a `BudgetQuestion` a few times per second at most, ahead of
/// need, and admits from what it holds without asking anybody. It never uses what the keeper may have given to others:
/// - a lease ends here before it ends there (`leaseEnd`), counted from before the question was sent;
/// - what is given back is not used from the moment of asking, what is kept is;
/// - an answer that is lost gives nothing until the same question has been answered again, and there it counts as
///   taken;
/// - what a reservation did not need is usable again at once only while the keeper has not been told of it; later it
///   goes back to the keeper, and comes with the next lease.
///
/// More than reserved leaves a negative balance: the next question charges it.
package struct BudgetShare: Sendable {
    /// How long a lease lasts at the keeper.
    package static let lease = Duration.seconds(5)
    /// Clocks may run apart by one in a hundred, and the keeper's counts milliseconds.
    static let leaseEnd = Duration.milliseconds(5_000 - 50 - 20)
    /// Between two questions, unless there is plenty to be had.
    package static let pace = Duration.milliseconds(250)
    static let quickPace = Duration.milliseconds(50)
    /// The keeper forgets after a second who came first.
    static let slowestPace = Duration.milliseconds(800)
    /// A lease is renewed when this much of it has passed.
    static let renewal = Duration.seconds(3)
    /// After this long without work everything is given back.
    package static let idleAfter = Duration.seconds(10)
    /// Corrections of work that was done wait for a question that is asked anyway, or this long.
    static let reportAfter = Duration.seconds(1)
    /// What a question asks for lasts for this many seconds.
    static let horizon = 0.55
    static let mostRefunds = 64
    /// In place of a question's number: reserved while nothing was limited, so that there is nothing to give back.
    private static let uncounted = 0
    /// Without a limit: whether others have one. They have their say for half a minute after their last question.
    package static let curiosity = Duration.seconds(20)
    /// A keeper knows what it answered for half a minute; later the same question would be counted anew.
    static let answersKept = Duration.seconds(20)
    /// An idle budget is forgotten after two minutes at the earliest.
    static let epochKept = Duration.seconds(60)

    package internal(set) var limit: RateLimit
    /// What is in force: ours until an answer has come, then the least of all dispatchers'. A new limit of ours counts
    /// at once where it is stricter, and where it is not once the keeper has agreed.
    package internal(set) var limits: BudgetLimits
    /// Unused of the lease; negative: used beyond it.
    var tokens = 0
    var requests = 0
    var leaseEnds = Instant(nanoseconds: .min)
    /// Unused when its lease had ended: cannot be used, and belongs to the keeper.
    var lapsed = BudgetAmount.zero
    /// Used since the question that is on its way, less what was given back meanwhile.
    var usedSince = BudgetAmount.zero

    /// The question that will report what is reserved now.
    var nextNumber = 1
    var asked: Asked?
    var lastAsked: Instant?
    var lastAnswer: BudgetAnswer?
    var lastAnswered: Instant?
    /// Where the keeper counts what was reported with a question; what is old enough is forgotten.
    var slots: [(number: Int, slot: Int, at: Instant)] = []
    /// By the question that reported the reservation.
    var refunds: [Int: BudgetAmount] = [:]

    var demand = BudgetDemand()
    var book = ReservationBook()
    /// With less than this the next question is due.
    var lowWater = BudgetAmount(tokens: .min, requests: .min)
    var hasNewLimit = false
    var isLeaving = false
    /// Whether the keeper has heard the last word.
    package internal(set) var hasLeft = false
    /// Whether `nextLook` has become sooner since the last question.
    package internal(set) var isRestless = false

    /// A question on its way.
    struct Asked: Sendable {
        var question: BudgetQuestion
        var need: BudgetAmount?
        var at: Instant
    }

    package init(_ limit: RateLimit, now: Instant) {
        self.limit = limit
        self.limits = BudgetLimits(limit)
    }

    // MARK: Admission, as in Throttle

    /// Tokens that could be reserved now; negative when overdrawn, `nil`: not limited.
    package mutating func availableTokens(at now: Instant) -> Int? {
        guard self.limits.tokenRate >= 0 else { return nil }
        return now < self.leaseEnds ? self.tokens : min(0, self.tokens)
    }

    /// Requests that could be reserved now; `nil`: not limited.
    package mutating func availableRequests(at now: Instant) -> Int? {
        guard self.limits.requestRate >= 0 else { return nil }
        return now < self.leaseEnds ? self.requests : min(0, self.requests)
    }

    /// The most tokens that one request can ever reserve, `nil`: not limited.
    package var tokenCapacity: Int? { self.limits.tokenRate >= 0 ? self.limits.tokenCapacity : nil }

    /// Whether `reserve` would succeed. A refusal is what more is asked for.
    package mutating func check(_ tokens: Int, at now: Instant) -> ThrottleAnswer {
        let amount = Self.bounded(tokens)
        guard !self.admits(amount, at: now) else { return .allowed }
        return .refused(self.refuse(amount, at: now))
    }

    /// Charges one request and its tokens, all or nothing.
    package mutating func reserve(_ tokens: Int, at now: Instant) -> Result<ThrottleReservation, ThrottleRefusal> {
        let amount = Self.bounded(tokens)
        guard self.admits(amount, at: now) else { return .failure(self.refuse(amount, at: now)) }
        self.charge(BudgetAmount(tokens: amount, requests: 1))
        self.demand.use(amount, at: now)
        if self.isRunningLow { self.isRestless = true }
        if self.book.isFull { _ = self.book.compact() }
        let slot = self.limits.isLimited ? self.nextNumber : Self.uncounted
        let serial = self.book.append(time: now.nanoseconds, tokens: amount, slot: slot)
        return .success(ThrottleReservation(serial: serial))
    }

    /// Ends a reservation with what was really used. Once.
    @discardableResult
    package mutating func settle(
        _ reservation: ThrottleReservation,
        actual: Int,
        at now: Instant
    ) -> SettlementResult {
        self.end(reservation) { BudgetAmount(tokens: $0 - Self.bounded(actual), requests: 0) }
    }

    /// Ends the reservation of a request that was never sent.
    @discardableResult
    package mutating func cancel(_ reservation: ThrottleReservation, at now: Instant) -> SettlementResult {
        self.end(reservation) { BudgetAmount(tokens: $0, requests: 1) }
    }

    /// A new limit takes effect with the next question.
    package mutating func configure(_ limit: RateLimit, at now: Instant) {
        guard limit != self.limit else { return }
        self.limit = limit
        self.limits = self.limits.stricter(BudgetLimits(limit))
        self.hasNewLimit = true
        self.isRestless = true
    }

    /// Reservations that wait to be settled.
    package var openReservations: Int { self.book.openCount }

    private static func bounded(_ tokens: Int) -> Int { min(max(0, tokens), 1 << 40) }

    private mutating func admits(_ tokens: Int, at now: Instant) -> Bool {
        guard !self.isLeaving else { return false }
        if let available = self.availableRequests(at: now), available < 1 { return false }
        // Nothing is admitted while overdrawn, not even what costs nothing.
        if let available = self.availableTokens(at: now), available < tokens { return false }
        return true
    }

    private mutating func charge(_ amount: BudgetAmount) {
        if self.limits.tokenRate >= 0 { self.tokens = self.tokens.addingSaturated(-amount.tokens) }
        if self.limits.requestRate >= 0 { self.requests = self.requests.addingSaturated(-amount.requests) }
        self.usedSince.tokens = self.usedSince.tokens.addingSaturated(amount.tokens)
        self.usedSince.requests = self.usedSince.requests.addingSaturated(amount.requests)
    }

    private mutating func end(
        _ reservation: ThrottleReservation,
        _ unused: (Int) -> BudgetAmount
    ) -> SettlementResult {
        guard let position = self.book.position(of: reservation.serial) else { return .unknownReservation }
        let entry = self.book[position]
        _ = self.book.close(position)
        if entry.slot == Self.uncounted {
            if self.isLeaving { self.isRestless = true }
            return .settled
        }
        let amount = unused(entry.tokens)
        // Something to report, or the last word.
        let isNews = self.refunds.isEmpty && self.tokens >= 0 && amount != .zero
        if isNews || self.isLeaving { self.isRestless = true }
        guard amount != .zero else { return .settled }
        if amount.tokens < 0 || entry.slot == self.nextNumber {
            self.charge(BudgetAmount(tokens: -amount.tokens, requests: -amount.requests))
        } else {
            let there = self.refunds[entry.slot] ?? .zero
            self.refunds[entry.slot] = BudgetAmount(
                tokens: there.tokens.addingSaturated(amount.tokens),
                requests: there.requests.addingSaturated(amount.requests)
            )
        }
        return .settled
    }

    private mutating func refuse(_ tokens: Int, at now: Instant) -> ThrottleRefusal {
        let lacking = BudgetAmount(
            tokens: tokens.addingSaturated(-(self.availableTokens(at: now) ?? tokens)),
            requests: 1 - (self.availableRequests(at: now) ?? 1)
        )
        if self.limits.tokenRate >= 0 && tokens > self.limits.tokenCapacity {
            return ThrottleRefusal(limit: .tokens, availableIn: nil)
        }
        if self.limits.requestRate >= 0 && self.limits.requestCapacity < 1 {
            return ThrottleRefusal(limit: .requests, availableIn: nil)
        }
        if !self.demand.isStarved { self.isRestless = true }
        self.demand.refuse(tokens)
        let requests = ThrottleRefusal(
            limit: .requests,
            availableIn: self.wait(lacking.requests, self.lastAnswer?.left.requests, self.limits.requestRate, now)
        )
        return requests.orLonger(
            ThrottleRefusal(
                limit: .tokens,
                availableIn: self.wait(lacking.tokens, self.lastAnswer?.left.tokens, self.limits.tokenRate, now)
            )
        )
    }

    /// Until an answer can bring what is lacking, if the keeper gives all that nobody holds; `nil`: never.
    private func wait(_ lacking: Int, _ left: Int?, _ rate: Int, _ now: Instant) -> Duration? {
        guard rate >= 0, lacking > 0 else { return .zero }
        guard rate > 0 || (left ?? 1) > 0 else { return nil }
        // An answer that is on its way makes the pool look by itself, and who leaves gets none: no need to hurry.
        let soonest: Duration = self.asked != nil || self.isLeaving ? Self.pace : .milliseconds(1)
        let ask = max(soonest, (self.nextLook(at: now) ?? now) - now)
        let missing = max(0, lacking.addingSaturated(-(left ?? 0)))
        guard missing > 0, rate > 0 else { return ask }
        return max(ask, .nanoseconds(Int64(min(Double(missing) / Double(rate) * 60e9, 9e18))))
    }
}
