import SluiceBasics

/// Chooses where each call of a pool goes, and learns from how it ends. Told the time and given randomness.
///
/// `depart` or `hedge` → call → `firstContent` → `settle`, or `release` when it was never made. What a request has
/// tried is in its `RouteTrail`.
package struct Router: Sendable {
    struct TargetState: Sendable {
        var health = TargetHealth()
        var times = TargetTimes()
        var inFlight = 0
        var attempts: UInt64 = 0
        var failures: UInt64 = 0
        var hedges: UInt64 = 0
    }

    package let plan: RoutePlan
    var states: [TargetState]
    var hedges: HedgeBudget
    /// Indices of targets that are weighed against one another; kept, so that a choice makes no list.
    var candidates: [Int] = []

    package init(_ plan: RoutePlan) {
        self.plan = plan
        self.states = plan.targets.map { _ in TargetState() }
        self.hedges = HedgeBudget(ratio: plan.hedgeRatio)
        self.candidates.reserveCapacity(plan.targets.count)
    }

    // MARK: Departure

    /// Whether a new request could go somewhere now.
    package mutating func admits(at now: Instant) -> Bool {
        for target in 0..<self.plan.mainCount where self.states[target].health.admits(at: now) { return true }
        for target in self.plan.fallbacks(self.refuge) where self.states[target].health.admits(at: now) { return true }
        return false
    }

    /// When a new request could go somewhere; `nil` when that hangs on the answer to a probe.
    package mutating func opens(after now: Instant) -> Instant? {
        var soonest: Instant?
        for target in 0..<self.plan.mainCount { soonest = self.sooner(soonest, target, now) }
        for target in self.plan.fallbacks(self.refuge) { soonest = self.sooner(soonest, target, now) }
        return soonest
    }

    private func sooner(_ soonest: Instant?, _ target: Int, _ now: Instant) -> Instant? {
        guard let opens = self.states[target].health.opens(after: now) else { return soonest }
        return min(soonest ?? opens, opens)
    }

    /// Whose list it is when none of the ordinary targets can be asked.
    private var refuge: FallbackClass {
        let isLimited = (0..<self.plan.mainCount).allSatisfy { target in
            let health = self.states[target].health
            return !health.isReady && (health.cause == .rateLimited || health.cause == .overloaded)
        }
        return isLimited ? .rateLimit : .error
    }

    /// Whether what keeps all targets closed is their rates.
    package var isRateLimited: Bool { self.refuge == .rateLimit }

    /// Chooses a target and counts a call on it.
    package mutating func depart(
        _ trail: inout RouteTrail,
        _ facts: RouteFacts,
        now: Instant,
        random: inout SeededRandom
    ) -> (RouteChoice, RoutePermit) {
        if trail.tried == 0 { self.hedges.countRequest() }
        let target = self.choose(trail, facts, now: now, &random)
        trail.note(target)
        let timeout = self.timeout(target, trail, facts, now: now)
        let choice = RouteChoice(
            target: target,
            backend: self.plan.targets[target].backend,
            model: self.plan.targets[target].model,
            timeout: timeout,
            hedgeAfter: self.hedgeDelay(target, trail, facts, now: now)
        )
        return (choice, self.permit(target, timeout, isHedge: false, now: now))
    }

    private mutating func permit(
        _ target: Int,
        _ patience: Duration?,
        isHedge: Bool,
        now: Instant
    ) -> RoutePermit {
        let isProbe = self.states[target].health.depart(at: now)
        self.states[target].inFlight += 1
        self.states[target].attempts &+= 1
        return RoutePermit(
            target: target,
            generation: self.states[target].health.generation,
            isProbe: isProbe,
            isHedge: isHedge,
            at: now,
            patience: patience
        )
    }

    /// A second call for a request whose first one is late, if there is somebody to ask and the budget has room.
    package mutating func hedge(
        _ trail: inout RouteTrail,
        _ facts: RouteFacts,
        now: Instant,
        random: inout SeededRandom
    ) -> (RouteChoice, RoutePermit)? {
        guard self.hedges.allows, facts.mayRepeat, facts.attemptsLeft > 0, self.collectHedges(trail) else { return nil }
        let target = self.pick(facts, &random)
        trail.note(target)
        self.hedges.take()
        self.states[target].hedges &+= 1
        let choice = RouteChoice(
            target: target,
            backend: self.plan.targets[target].backend,
            model: self.plan.targets[target].model,
            timeout: self.plan.attemptTimeout,
            hedgeAfter: nil
        )
        return (choice, self.permit(target, choice.timeout, isHedge: true, now: now))
    }

    /// The second call was the one that counted.
    package mutating func noteHedgeWon() { self.hedges.win() }

    package var hedgeCounts: (taken: UInt64, won: UInt64) { (self.hedges.taken, self.hedges.won) }

    // MARK: Arrival

    /// The first content of a stream has come.
    package mutating func firstContent(_ permit: RoutePermit, model: String, now: Instant) {
        guard self.states.indices.contains(permit.target) else { return }
        self.states[permit.target].times.record(now - permit.at, model: model, isStream: true)
        // A target that is tested with a long stream must not stay closed to its end. The call is still under way.
        if permit.isProbe { self.heed(permit, .healthy, now: now) }
    }

    /// - Parameters:
    ///   - usual: the time that answers of the pool usually take.
    ///   - maximumRetryAfter: the longest request for patience that is honoured as it is.
    ///   - isOvertaken: given up because another call for the same request came first.
    package mutating func settle(
        _ permit: RoutePermit,
        _ result: AttemptResult,
        _ facts: RouteFacts,
        hadContent: Bool,
        usual: Duration?,
        maximumRetryAfter: Duration,
        isOvertaken: Bool = false,
        now: Instant
    ) {
        let target = permit.target
        guard self.states.indices.contains(target) else { return }
        let elapsed = now - permit.at
        var sign = HealthSign.healthy
        switch result {
        case .success:
            if !facts.isStream { self.states[target].times.record(elapsed, model: facts.model, isStream: false) }
        case .failure(let failure):
            let isOverdue = permit.patience.map { elapsed >= $0 } ?? false
            sign = failure.healthSign(
                choosesModel: self.plan.targets[target].model != nil,
                standsForMany: self.plan.targets[target].standsForMany,
                isOverdue: isOverdue && !failure.committed,
                patience: elapsed,
                usual: usual
            )
            if failure.failureClass != .cancelled { self.states[target].failures &+= 1 }
            // Counting only those that came in time would make the usual time ever shorter.
            let isTimeout = failure.failureClass == .readTimeout && sign != .neutral
            if (isTimeout || isOvertaken && !permit.isHedge) && !hadContent {
                self.states[target].times.recordAtLeast(elapsed, model: facts.model, isStream: facts.isStream)
            }
        }
        if case .unusable(let cause, let asked?) = sign {
            sign = .unusable(cause, for: min(asked, maximumRetryAfter))
        }
        self.land(permit, sign, now: now)
    }

    /// The call was never made, or nobody knows what became of it.
    package mutating func release(_ permit: RoutePermit, now: Instant) {
        guard self.states.indices.contains(permit.target) else { return }
        self.land(permit, .neutral, now: now)
    }

    private mutating func land(_ permit: RoutePermit, _ sign: HealthSign, now: Instant) {
        self.states[permit.target].inFlight = max(0, self.states[permit.target].inFlight - 1)
        self.heed(permit, sign, now: now)
    }

    private mutating func heed(_ permit: RoutePermit, _ sign: HealthSign, now: Instant) {
        self.states[permit.target].health.settle(
            permit,
            sign,
            coolDown: self.plan.coolDown,
            threshold: self.plan.failuresToCoolDown,
            at: now
        )
    }

    // MARK: After a failure

    /// Notes what the request met, and says what there is for it.
    package mutating func outlook(
        _ trail: inout RouteTrail,
        _ failure: AttemptFailure,
        now: Instant
    ) -> RouteOutlook {
        guard let kind = failure.fallbackClass else { return .nowhere }
        trail.last = kind
        if kind.isAboutRequest {
            let list = self.plan.fallbacks(kind)
            guard list.contains(where: { !trail.hasTried($0) }) else { return .nowhere }
            trail.list = kind
        }
        var untried: Instant?
        var tried: Instant?
        self.forEachChoice(trail) { router, target in
            let opens = router.states[target].health.opens(after: now) ?? now + Self.probePatience
            if trail.hasTried(target) {
                tried = min(tried ?? opens, opens)
            } else {
                untried = min(untried ?? opens, opens)
            }
        }
        if let untried {
            if kind.isAboutRequest || failure.isInexpressible { trail.noteMove() }
            return untried <= now ? .another : .anotherLater(untried)
        }
        return .again(tried ?? now)
    }

    /// How long the answer to somebody else's probe is waited for.
    private static let probePatience = Duration.seconds(1)

    /// All targets that the request may go to: the ordinary ones and then the fallbacks, or its list.
    private func forEachChoice(_ trail: RouteTrail, _ body: (Router, Int) -> Void) {
        if let list = trail.list {
            for target in self.plan.fallbacks(list) { body(self, target) }
            return
        }
        for target in 0..<self.plan.mainCount { body(self, target) }
        for target in self.plan.fallbacks(trail.last ?? .error) where target >= self.plan.mainCount {
            body(self, target)
        }
    }

    // MARK: To be seen

    package func statuses(now: Instant) -> [RouteTargetStatus] {
        self.states.indices.map { index in
            let state = self.states[index]
            var status = RouteTargetStatus(
                target: self.plan.targets[index],
                isFallback: index >= self.plan.mainCount,
                inFlight: state.inFlight,
                state: .ready,
                coolsFor: nil,
                cause: state.health.isReady ? nil : state.health.cause,
                firstToken: state.times.firstToken.mean.mean,
                answer: state.times.whole.mean.mean,
                attempts: state.attempts,
                failures: state.failures,
                hedges: state.hedges,
                timesCooled: state.health.timesCooled
            )
            switch state.health.phase {
            case .ready: break
            case .cooling(let until):
                status.state = .cooling
                status.coolsFor = max(.zero, until - now)
            case .probing: status.state = .probing
            }
            return status
        }
    }
}
