import SluiceBasics

/// Decides what runs when: pools, slots, deadlines, retries, breakers, estimates. No I/O, no clock: it is told what
/// happened and when, and answers what to do.
///
/// DESIGN. The shell keeps it in a lock, calls one method per event and carries out the effects outside the lock. A
/// request's way: `submit` → (grant) → `start` → `firstByte` → `finish`, the last three fenced by the token of the
/// lease. Whatever frees capacity (an end, a change of mode, a breaker that closes, time) ends in `pump`, the only
/// place that claims. `wake` is the latest time by which the shell has to call `tick`.
package struct DispatchMachine: Sendable {
    var pools: [DispatchPool] = []
    var backends: [DispatchBackend] = []
    /// In the order of `pools`: there are few, and comparing a few names is faster than hashing one.
    private(set) var names: [String] = []
    var random: SeededRandom
    let leaseMode: LeaseMode
    /// By how much estimates of tokens miss what backends count.
    var correction = EstimateCorrection()
    /// Whether effects carry an event for every step.
    package var reportsSteps = false
    /// Call `tick` at this time or before.
    package private(set) var wake = Instant.distantFuture

    /// A pool whose backend is not listed gets one with default settings.
    package init(
        pools: [PoolConfiguration],
        backends: [BackendPolicy],
        seed: UInt64,
        leaseMode: LeaseMode = .held
    ) {
        self.random = SeededRandom(seed: seed)
        self.leaseMode = leaseMode
        for policy in backends where !self.backends.contains(where: { $0.name == policy.name }) {
            self.backends.append(DispatchBackend(name: policy.name, breaker: CircuitBreaker(policy.breaker)))
        }
        for configuration in pools where !self.names.contains(configuration.name) {
            let backend =
                configuration.route == nil
                ? self.backendIndex(configuration.backend) : self.routeIndex(configuration.name)
            let index = self.pools.count
            self.names.append(configuration.name)
            self.backends[backend].pools.append(index)
            self.pools.append(DispatchPool(configuration, index: index, backend: backend))
        }
        for backend in self.backends.indices { self.adoptConcurrency(backend, now: .zero) }
    }

    private mutating func backendIndex(_ name: String) -> Int {
        if let known = self.backends.firstIndex(where: { $0.name == name }) { return known }
        self.backends.append(DispatchBackend(name: name, breaker: CircuitBreaker(BreakerConfiguration())))
        return self.backends.count - 1
    }

    package var poolNames: [String] { self.names }

    package func poolIndex(_ name: String) -> Int? { self.names.firstIndex(of: name) }

    mutating func wake(by instant: Instant) {
        if instant < self.wake { self.wake = instant }
    }

    // MARK: Attempts

    /// The last stop before money is spent: checks fencing, cancellation and the deadline.
    package mutating func start(
        _ handle: RequestHandle,
        _ token: LeaseToken,
        now: Instant,
        _ effects: inout DispatchEffects
    ) -> Departure {
        guard Int(handle.pool) < self.pools.count else { return .fenced }
        let pool = Int(handle.pool)
        let target = self.target(handle)
        let backend = target?.backend ?? self.backends[self.pools[pool].backend].name
        switch self.pools[pool].queue.start(handle, token, backend: backend, model: target?.model, now: now) {
        case .fenced: return .fenced
        case .ended(let request):
            self.settle(request.notes, .neutral, .none, pool: pool, now: now, &effects)
            self.report(request.record, .ended, now, &effects)
            self.pump(backendOf: pool, now: now, &effects)
            return .ended(request)
        case .proceed(let attempt):
            self.noteStart(pool, now: now)
            self.pools[pool].attemptsStarted += 1
            self.pools[pool].budget.count(at: now)
            if self.reportsSteps, let record = self.pools[pool].queue.record(handle) {
                self.report(record, .started, now, &effects)
            }
            let deadline = self.pools[pool].queue.deadline(handle) ?? now
            return .proceed(attempt: attempt, backend: backend, deadline: deadline)
        }
    }

    /// Where nobody wants to hear of it.
    ///
    /// - Returns: whether that opened a target, for which others may wait: then `tick` is due.
    @discardableResult
    package mutating func firstByte(_ handle: RequestHandle, _ token: LeaseToken, now: Instant) -> Bool {
        guard Int(handle.pool) < self.pools.count else { return false }
        defer { _ = self.pools[Int(handle.pool)].queue.firstByte(handle, token, now: now) }
        return self.noteContent(handle, token, now: now)
    }

    /// - Parameter limits: what the backend said about its limits with the head of its answer.
    package mutating func firstByte(
        _ handle: RequestHandle,
        _ token: LeaseToken,
        limits: ProviderObservation? = nil,
        now: Instant,
        _ effects: inout DispatchEffects
    ) {
        guard Int(handle.pool) < self.pools.count else { return }
        if limits != nil, let facts = self.pools[Int(handle.pool)].queue.attemptFacts(handle, token) {
            self.note(limits, facts, pool: Int(handle.pool), now: now)
        }
        let opened = self.noteContent(handle, token, now: now)
        let isCurrent = self.pools[Int(handle.pool)].queue.firstByte(handle, token, now: now)
        defer { if opened { self.pump(backendOf: Int(handle.pool), now: now, &effects) } }
        guard isCurrent, self.reportsSteps, let record = self.pools[Int(handle.pool)].queue.record(handle) else {
            return
        }
        self.report(record, .streaming, now, &effects)
    }

    /// Keeps a lease alive; only needed in `LeaseMode.expiring`.
    package mutating func extend(_ handle: RequestHandle, _ token: LeaseToken, now: Instant) -> ExtendAnswer {
        guard Int(handle.pool) < self.pools.count else { return .fenced }
        let expiry = now + self.pools[Int(handle.pool)].configuration.lease
        guard self.leaseMode == .expiring else {
            return self.pools[Int(handle.pool)].queue.holds(handle, token) ? .extended : .fenced
        }
        self.wake(by: expiry)
        return self.pools[Int(handle.pool)].queue.extend(handle, token, until: expiry)
    }

    package mutating func finish(
        _ handle: RequestHandle,
        _ token: LeaseToken,
        _ result: AttemptResult,
        now: Instant,
        _ effects: inout DispatchEffects
    ) -> Ending {
        guard Int(handle.pool) < self.pools.count else { return .fenced }
        let pool = Int(handle.pool)
        guard let facts = self.pools[pool].queue.attemptFacts(handle, token) else {
            return self.finishUnowned(handle, token, result, now: now, &effects)
        }
        let result = result.plausible(estimate: facts.tokens)
        self.observe(result, facts, handle, now: now, &effects)
        self.note(result.limits, facts, pool: pool, now: now)
        let verdict = self.verdict(on: result, facts, handle, now: now)
        self.note(verdict, on: result, pool: pool, now: now)
        let answer = self.pools[pool].queue.finish(handle, token, result: result, verdict: verdict, now: now)
        let ending = self.conclude(answer, handle, verdict, now: now, &effects)
        if case .success(_, let usage?, _) = result, case .ended(let request) = ending {
            self.correction.learn(request.record.submission, usage)
        }
        self.pump(backendOf: pool, now: now, &effects)
        self.assertBooks(pool)
        return ending
    }

    /// Books a retry; holds the pool back when the backend asked for patience, whatever becomes of this request.
    private mutating func note(_ verdict: Verdict, on result: AttemptResult, pool: Int, now: Instant) {
        var until = Instant.zero
        if case .retry = verdict {
            self.pools[pool].retries += 1
            self.pools[pool].budget.mark(at: now)
        }
        // With several targets only the one that asked is left alone.
        if self.pools[pool].router != nil { return }
        if case .failure(let failure) = result, let asked = failure.retryAfter, asked > .zero,
            failure.failureClass == .rateLimited || failure.failureClass == .overloaded
        {
            // What it asked for is for all; the rest of a request's own back-off is not.
            until = now + min(asked, self.pools[pool].configuration.retry.maximumRetryAfter)
        } else if case .throttle(let delay) = verdict {
            until = now + delay
        }
        guard until > self.pools[pool].throttledUntil else { return }
        self.pools[pool].throttledUntil = until
        self.wake(by: until)
    }

    private mutating func conclude(
        _ answer: FinishAnswer,
        _ handle: RequestHandle,
        _ verdict: Verdict,
        now: Instant,
        _ effects: inout DispatchEffects
    ) -> Ending {
        switch answer {
        case .ended(let request):
            self.report(request.record, .ended, now, &effects)
            return .ended(request)
        case .requeued(let due):
            self.pools[Int(handle.pool)].queue.noteRequeue(handle, verdict)
            let tokens = self.pools[Int(handle.pool)].queue.chargeable(handle)
            self.pools[Int(handle.pool)].limit.arrive(tokens: tokens)
            self.wake(by: due)
            if self.reportsSteps, let record = self.pools[Int(handle.pool)].queue.record(handle) {
                self.report(record, .queued, waiting: verdict.waitingReason, now, &effects)
            }
            return .requeued(delay: due - now)
        case .fenced, .unknown: return .fenced
        }
    }

    /// A zombie reports. Its success counts if nobody else has the request, nothing else of it does.
    private mutating func finishUnowned(
        _ handle: RequestHandle,
        _ token: LeaseToken,
        _ result: AttemptResult,
        now: Instant,
        _ effects: inout DispatchEffects
    ) -> Ending {
        guard case .success(_, let usage, _) = result else { return .fenced }
        let answer = self.pools[Int(handle.pool)].queue.finish(
            handle,
            token,
            result: result,
            verdict: .done(usage),
            now: now
        )
        guard case .ended(let request) = answer else { return .fenced }
        self.report(request.record, .ended, now, &effects)
        return .ended(request)
    }

    /// Teaches the breaker and the estimate.
    private mutating func observe(
        _ result: AttemptResult,
        _ facts: AttemptFacts,
        _ handle: RequestHandle,
        now: Instant,
        _ effects: inout DispatchEffects
    ) {
        let pool = Int(handle.pool)
        let patience = now - facts.claimedAt
        let usual = self.pools[pool].service.trusted
        var verdict = BackendVerdict.neutral
        if facts.wasStarted {
            self.followService(pool, now: now)
            switch result {
            case .success:
                verdict = .healthy
                self.pools[pool].service.record(patience, tokens: facts.tokens)
            case .failure(let failure):
                verdict = failure.verdict(patience: patience, usual: usual)
                switch failure.failureClass {
                case .serverError, .readTimeout, .reset, .malformedResponse, .deadline:
                    self.pools[pool].service.record(patience, tokens: facts.tokens)
                default: break
                }
            }
        }
        self.noteEnd(result, verdict, facts, pool: pool, now: now)
        var notes = facts.notes
        if facts.wasStarted { self.land(&notes, handle, result, now: now) }
        self.settle(notes, verdict, facts.wasStarted ? result.use : .none, pool: pool, now: now, &effects)
    }

    private mutating func verdict(
        on result: AttemptResult,
        _ facts: AttemptFacts,
        _ handle: RequestHandle,
        now: Instant
    ) -> Verdict {
        let pool = Int(handle.pool)
        switch result {
        case .success(_, let usage, _): return .done(usage)
        case .failure(let failure):
            let route = self.outlook(handle, failure, now: now)
            let moves = self.pools[pool].queue.route(handle)?.trail.moves ?? 0
            let question = RetryQuestion(
                failure: failure,
                policy: self.pools[pool].configuration.retry,
                attempts: facts.attempts - moves,
                throttles: facts.notes.throttles,
                cancelCause: facts.cancelCause,
                now: now,
                deadline: facts.deadline,
                notBefore: self.backends[self.pools[pool].backend].breaker.openUntil ?? .zero,
                budgetAllows: self.pools[pool].budgetAllowsRetry(at: now),
                route: route
            )
            return question.answer(random: &self.random)
        }
    }

    // MARK: Time

    /// Does what has become due by `now`.
    package mutating func tick(now: Instant, _ effects: inout DispatchEffects) {
        for pool in self.pools.indices {
            let reaped = self.pools[pool].queue.reap(now: now)
            if !reaped.ended.isEmpty { self.pools[pool].limit.depart() }
            if !reaped.recovered.isEmpty || reaped.ready > 0 { self.pools[pool].limit.reconsider() }
            for request in reaped.ended {
                self.settle(request.notes, .neutral, .estimated, pool: pool, now: now, &effects)
                self.report(request.record, .ended, now, &effects)
                effects.ended.append(request)
            }
            for (handle, notes) in reaped.recovered {
                self.settle(notes, .neutral, .estimated, pool: pool, now: now, &effects)
                self.pools[pool].queue.clearPermit(handle)
            }
            for handle in reaped.overdue {
                if let seat = self.pools[pool].queue.seat(handle) { effects.cancellations.append(seat) }
            }
            self.assertBooks(pool)
        }
        for backend in self.backends.indices { self.pump(backend: backend, now: now, &effects) }
        self.wake = .distantFuture
        for pool in self.pools.indices {
            self.wake(by: self.pools[pool].nextDue(after: now))
            guard self.pools[pool].readyCount() > 0 else { continue }
            let backend = self.pools[pool].backend
            if let until = self.backends[backend].breaker.openUntil, until > now { self.wake(by: until) }
        }
    }
}
