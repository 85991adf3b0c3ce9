import SluiceBasics

// Pools with several targets: who gets a call, what is learned from it, and second calls.
extension DispatchMachine {
    /// A pool with targets has a backend of its own, whose circuit never opens: each target is left alone by itself.
    mutating func routeIndex(_ pool: String) -> Int {
        var breaker = BreakerConfiguration()
        breaker.consecutiveFailures = .max
        breaker.minimumCalls = .max
        self.backends.append(DispatchBackend(name: "route:\(pool)", breaker: CircuitBreaker(breaker)))
        return self.backends.count - 1
    }

    // MARK: Departure

    /// Chooses where a request goes that has just been claimed; `nil` when there is only the one backend.
    mutating func chooseTarget(_ handle: RequestHandle, now: Instant) -> RouteChoice? {
        let pool = Int(handle.pool)
        guard self.pools[pool].router != nil, let facts = self.routeFacts(handle) else { return nil }
        var notes = self.pools[pool].queue.route(handle) ?? RouteNotes()
        guard
            let (choice, permit) = self.pools[pool].router?.depart(&notes.trail, facts, now: now, random: &self.random)
        else { return nil }
        notes.clear()
        notes.permit = permit
        self.pools[pool].queue.noteRoute(handle, notes)
        return choice
    }

    /// The target that was chosen for a claimed request.
    mutating func target(_ handle: RequestHandle) -> RoutePlan.Target? {
        let pool = Int(handle.pool)
        guard let permit = self.pools[pool].queue.route(handle)?.permit else { return nil }
        return self.pools[pool].router?.plan.targets[permit.target]
    }

    private mutating func routeFacts(_ handle: RequestHandle) -> RouteFacts? {
        let retry = self.pools[Int(handle.pool)].configuration.retry
        return self.pools[Int(handle.pool)].queue.routeFacts(
            handle,
            mayRepeat: retry.mode == .auto,
            maximumAttempts: retry.maximumAttempts
        )
    }

    /// While no target can be asked, the pool is looked at again when the first one can.
    mutating func awaitTargets(_ pool: Int, now: Instant) {
        guard self.pools[pool].router != nil, self.pools[pool].readyCount() > 0 else { return }
        if let opens = self.pools[pool].routeOpens(after: now) { self.wake(by: opens) }
    }

    /// How many requests the targets take: one that is tested takes a single one.
    mutating func targetRoom(_ pool: Int, now: Instant) -> Int {
        guard let router = self.pools[pool].router, self.pools[pool].routeAdmits(at: now) else { return 0 }
        return router.statuses(now: now).contains { $0.state == .ready && !$0.isFallback } ? .max : 1
    }

    // MARK: Second calls

    /// A second call for a request whose first one is late; `nil` when there may be none.
    package mutating func hedge(
        _ handle: RequestHandle,
        _ token: LeaseToken,
        now: Instant
    ) -> (attempt: Int, choice: RouteChoice)? {
        guard Int(handle.pool) < self.pools.count,
            let facts = self.pools[Int(handle.pool)].queue.attemptFacts(handle, token)
        else { return nil }
        let pool = Int(handle.pool)
        guard facts.wasStarted, facts.cancelCause == nil, facts.deadline > now, var notes = facts.notes.route,
            notes.permit != nil, notes.hedge == nil, !notes.hadContent, let route = self.routeFacts(handle),
            self.pools[pool].limit.budget(at: now).map({ $0 >= facts.notes.reservedTokens }) ?? true,
            let (choice, permit) = self.pools[pool].router?.hedge(&notes.trail, route, now: now, random: &self.random)
        else { return nil }
        notes.hedge = permit
        notes.hedgeReservation = self.pools[pool].limit.reserve(facts.notes.reservedTokens, now: now)
        self.pools[pool].queue.noteRoute(handle, notes)
        self.pools[pool].attemptsStarted += 1
        let attempt = self.pools[pool].queue.startHedge(handle, choice, now: now)
        return (attempt, choice)
    }

    /// Ends one of two calls for the same request; the other one is then the one that counts.
    ///
    /// - Parameter isOvertaken: it was given up because the other one came first.
    package mutating func closeHedged(
        _ handle: RequestHandle,
        _ token: LeaseToken,
        attempt: Int,
        _ result: AttemptResult,
        isOvertaken: Bool,
        now: Instant
    ) {
        guard Int(handle.pool) < self.pools.count,
            let facts = self.pools[Int(handle.pool)].queue.attemptFacts(handle, token),
            var notes = facts.notes.route, let first = notes.permit, let second = notes.hedge,
            attempt == first.attempt || attempt == second.attempt
        else { return }
        let pool = Int(handle.pool)
        let permit = attempt == first.attempt ? first : second
        if isOvertaken && permit == first { self.pools[pool].router?.noteHedgeWon() }
        self.settle(permit, handle, result, notes, isOvertaken: isOvertaken, now: now)
        if let reservation = notes.hedgeReservation {
            self.pools[pool].limit.settle(reservation, of: facts.notes.reservedTokens, result.use, now: now)
            if let due = self.pools[pool].limit.due { self.wake(by: due) }
        }
        notes.hedgeReservation = nil
        self.pools[pool].queue.noteRoute(handle, notes)
        self.pools[pool].queue.closeHedged(handle, attempt, result, now: now)
    }

    // MARK: Arrival

    /// The first content has come.
    ///
    /// - Returns: whether the target that it came from was only being tested.
    mutating func noteContent(_ handle: RequestHandle, _ token: LeaseToken, now: Instant) -> Bool {
        let pool = Int(handle.pool)
        guard self.pools[pool].router != nil, self.pools[pool].queue.holds(handle, token),
            let notes = self.pools[pool].queue.route(handle), let permit = notes.permit, !notes.hadContent,
            let facts = self.routeFacts(handle)
        else { return false }
        self.pools[pool].router?.firstContent(permit, model: facts.model, now: now)
        return permit.isProbe
    }

    /// The call that counts has come to its end.
    mutating func land(_ notes: inout DispatchNotes, _ handle: RequestHandle, _ result: AttemptResult, now: Instant) {
        guard let route = notes.route, let permit = route.permit else { return }
        self.settle(permit, handle, result, route, isOvertaken: false, now: now)
        notes.route?.permit = nil
    }

    private mutating func settle(
        _ permit: RoutePermit,
        _ handle: RequestHandle,
        _ result: AttemptResult,
        _ notes: RouteNotes,
        isOvertaken: Bool,
        now: Instant
    ) {
        guard let facts = self.routeFacts(handle) else { return }
        let pool = Int(handle.pool)
        let usual = self.pools[pool].service.trusted
        let maximumRetryAfter = self.pools[pool].configuration.retry.maximumRetryAfter
        self.pools[pool].router?.settle(
            permit,
            result,
            facts,
            hadContent: notes.hadContent,
            usual: usual,
            maximumRetryAfter: maximumRetryAfter,
            isOvertaken: isOvertaken,
            now: now
        )
    }

    /// Gives back what calls hold of which nobody has told the end.
    mutating func release(_ notes: DispatchNotes, pool: Int, now: Instant) {
        guard let route = notes.route else { return }
        if let permit = route.permit { self.pools[pool].router?.release(permit, now: now) }
        if let permit = route.hedge { self.pools[pool].router?.release(permit, now: now) }
        if let reservation = route.hedgeReservation {
            self.pools[pool].limit.settle(reservation, of: notes.reservedTokens, .estimated, now: now)
        }
    }

    /// What the targets have for a request that has just failed; `nil` when there is only the one backend.
    mutating func outlook(_ handle: RequestHandle, _ failure: AttemptFailure, now: Instant) -> RouteOutlook? {
        let pool = Int(handle.pool)
        guard var notes = self.pools[pool].queue.route(handle) else { return nil }
        let outlook = self.pools[pool].router?.outlook(&notes.trail, failure, now: now)
        self.pools[pool].queue.noteRoute(handle, notes)
        return outlook
    }

    /// Whether one of the targets can be asked, for whoever wants to know why a request waits.
    mutating func targetsReading(_ pool: Int, now: Instant) -> Explanation.Reading? {
        guard let router = self.pools[pool].router else { return nil }
        let open = self.pools[pool].routeAdmits(at: now)
        let away = router.statuses(now: now).filter { $0.state != .ready && !$0.isFallback }.count
        return Explanation.Reading(
            .targets,
            isOpen: open,
            value: Double(router.plan.mainCount - away),
            threshold: 1,
            unit: .targets,
            reopensIn: self.pools[pool].routeOpens(after: now).map { $0 - now },
            detail: "\(away) of \(router.plan.mainCount) targets are left alone after failures"
        )
    }
}

extension InMemoryQueue {
    func route(_ handle: RequestHandle) -> RouteNotes? { self.slot(handle).flatMap { self.entries[$0].notes.route } }

    mutating func noteRoute(_ handle: RequestHandle, _ notes: RouteNotes) {
        guard let slot = self.slot(handle) else { return }
        self.entries[slot].notes.route = notes
    }

    func routeFacts(_ handle: RequestHandle, mayRepeat: Bool, maximumAttempts: Int) -> RouteFacts? {
        guard let slot = self.slot(handle), let submission = self.entries[slot].record?.submission else { return nil }
        // Of a claimed request the attempt to come is not counted yet.
        let made =
            self.entries[slot].attempts + (self.entries[slot].phase == .started ? 0 : 1)
            - (self.entries[slot].notes.route?.trail.moves ?? 0)
        return RouteFacts(
            model: submission.model,
            isStream: submission.isStream,
            mayRepeat: mayRepeat,
            attemptsLeft: max(0, maximumAttempts - made)
        )
    }

    /// Returns the number of the attempt.
    mutating func startHedge(_ handle: RequestHandle, _ choice: RouteChoice, now: Instant) -> Int {
        guard let slot = self.slot(handle) else { return 0 }
        self.entries[slot].startHedge(backend: choice.backend, model: choice.model, now: now)
        return self.entries[slot].calls
    }

    mutating func closeHedged(_ handle: RequestHandle, _ attempt: Int, _ result: AttemptResult, now: Instant) {
        guard let slot = self.slot(handle) else { return }
        self.entries[slot].closeHedged(attempt, result, now: now)
    }
}
