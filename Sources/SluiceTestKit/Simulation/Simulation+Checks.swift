import SluiceBasics
import SluiceCore

// What must hold.
extension Simulation {
    /// Carries out effects, and checks each.
    mutating func absorb(
        _ effects: DispatchEffects,
        own: (request: Int, lease: QueueLease)? = nil
    ) throws(Violation) {
        try self.follow(effects)
        for ended in effects.ended {
            if self.bug == .outcomeIsLost && ended.notes.seat % 7 == 0 { continue }
            try self.end(ended, result: nil, isDirect: false)
            if self.bug == .outcomeIsReportedTwice { try self.end(ended, result: nil, isDirect: false) }
        }
        for seat in effects.cancellations { self.tellToStop(Int(seat)) }
        var grants: [(request: Int, lease: QueueLease)] = []
        effects.grants.forEach { grants.append((Int($0.seat), $0.lease)) }
        if let own { grants.append(own) }
        // In the order in which the machine claimed them.
        grants.sort { ($0.lease.handle.pool, $0.lease.token) < ($1.lease.handle.pool, $1.lease.token) }
        for grant in grants {
            if self.bug == .grantIsLost && grant.request % 11 == 0 { continue }
            try self.grant(grant.request, grant.lease)
        }
        self.arm()
    }

    mutating func follow(_ effects: DispatchEffects) throws(Violation) {
        for change in effects.changes {
            guard case .breaker(_, let state) = change.change,
                let pool = self.pools.firstIndex(where: { $0.configuration.name == change.pool })
            else { continue }
            try self.follow(state, backend: self.pools[pool].backend)
        }
    }

    private mutating func follow(_ state: BreakerState, backend: Int) throws(Violation) {
        guard self.backends[backend].state != state else { return }
        guard self.backends[backend].state != .open || self.backends[backend].openUntil <= self.now else {
            throw self.violation("circuit \(backend) went from open to \(state) before its time")
        }
        self.backends[backend].state = state
        self.backends[backend].epoch += 1
        self.backends[backend].probes = 0
        guard state == .open else { return }
        self.report.openings += 1
        self.backends[backend].openUntil = self.now + self.plan.backends[backend].breaker.openFor
    }

    /// Most tasks stop soon; some are slow, or have their answer already.
    private mutating func tellToStop(_ number: Int) {
        guard let flight = self.requests[number].owner, self.flights[flight].fate != nil else { return }
        if self.requests[number].submission.deadline <= self.now, self.requests[number].cancelCause == nil {
            self.requests[number].cancelCause = .deadline
        }
        guard self.random.unit() < 0.9 else { return }
        self.flights[flight].version += 1
        self.flights[flight].fate?.result = .failure(AttemptFailure(.cancelled, message: "told to stop"))
        let delay = Duration.milliseconds(Int.random(in: 0...100, using: &self.random))
        self.agenda.add(.complete(flight: flight, version: self.flights[flight].version), at: self.now + delay)
    }

    mutating func noteThrottle(_ result: AttemptResult, _ number: Int) {
        guard case .failure(let failure) = result, let asked = failure.retryAfter, asked > .zero,
            failure.failureClass == .rateLimited || failure.failureClass == .overloaded
        else { return }
        let pool = self.requests[number].pool
        let cap = self.pools[pool].configuration.retry.maximumRetryAfter
        self.pools[pool].throttledUntil = max(self.pools[pool].throttledUntil, self.now + min(asked, cap))
    }

    /// A request reached an outcome: its first, and a right one?
    mutating func end(_ ended: EndedRequest, result: AttemptResult?, isDirect: Bool) throws(Violation) {
        let number = Int(ended.notes.seat)
        let request = self.requests[number]
        guard request.phase != .ended else { throw self.violation("request \(number) ended twice") }
        guard let reason = ended.record.reason, reason.outcome != .rejected else {
            throw self.violation("request \(number) ended without a reason")
        }
        guard isDirect || request.phase == .queued else {
            throw self.violation("request \(number) ended as \(reason) while \(request.phase)")
        }
        try self.checkReason(reason, number, result)
        self.report.outcomes.add(reason)
        self.report.note(number &* 31 &+ reason.ordinal)
        let pool = request.pool
        if request.phase == .queued {
            if request.due == nil { self.pools[pool].takeReady(request) }
            self.pools[pool].queued -= 1
        } else {
            self.pools[pool].inFlight -= 1
            self.pools[pool].land(request, result)
        }
        self.pools[pool].bytes -= request.submission.payloadBytes
        self.pools[pool].ended += 1
        let tenant = request.submission.tenant
        self.pools[pool].tenants[tenant, default: 0] -= 1
        self.requests[number].phase = .ended
        self.requests[number].due = nil
        self.requests[number].owner = nil
    }

    private func checkReason(_ reason: OutcomeReason, _ number: Int, _ result: AttemptResult?) throws(Violation) {
        let request = self.requests[number]
        let isCircuitOpen = self.backends[self.pools[request.pool].backend].state == .open
        var failure: AttemptFailure?
        if case .failure(let why) = result { failure = why }
        let isRight: Bool
        switch reason {
        case .ok: isRight = request.owner != nil && result != nil && failure == nil
        case .late: isRight = request.owner == nil && result != nil && failure == nil
        case .clientGone, .operatorRequest, .shutdown: isRight = request.cancelCause?.reason == reason
        case .deadline:
            let isThrottled = failure?.failureClass == .rateLimited || failure?.failureClass == .overloaded
            isRight = request.submission.deadline <= self.now || isCircuitOpen || isThrottled
        case .backend, .malformedResponse, .resultTooLarge: isRight = failure != nil
        case .outcomeUnknown:
            isRight = self.pools[request.pool].configuration.retry.mode == .neverAfterSend
        case .poison: isRight = request.recoveries > 2
        case .shed:
            let target = self.pools[request.pool].configuration.scheduling.shedding.target
            isRight = target != nil && request.phase == .queued && request.due == nil
        default: isRight = false
        }
        guard isRight else { throw self.violation("request \(number) ended as \(reason), result \(result as Any)") }
    }

    /// A failed attempt is to be repeated: is that allowed?
    mutating func requeue(_ number: Int, _ result: AttemptResult, _ delay: Duration) throws(Violation) {
        let request = self.requests[number]
        let pool = request.pool
        let policy = self.pools[pool].configuration.retry
        guard case .failure(let failure) = result, !failure.committed, request.cancelCause == nil,
            self.now + delay < request.submission.deadline
        else { throw self.violation("request \(number) was requeued after \(result), delay \(delay)") }
        let isThrottle =
            failure.failureClass == .rateLimited || (failure.failureClass == .overloaded && failure.retryAfter != nil)
        switch failure.failureClass {
        case .connectRefused, .connectTimeout, .connectError, .rateLimited, .overloaded: break
        case .serverError, .readTimeout, .reset, .malformedResponse:
            guard policy.mode == .auto else { throw self.violation("request \(number) was repeated after it was sent") }
        default: throw self.violation("request \(number) was repeated after \(failure.failureClass)")
        }
        if isThrottle {
            self.requests[number].throttles += 1
            self.requests[number].attempts -= 1
            let asked = min(failure.retryAfter ?? .zero, policy.maximumRetryAfter)
            let doublings = min(40, self.requests[number].throttles - 1)
            let backoff = min(policy.maximumDelay, policy.baseDelay * (1 << doublings)) / 2
            guard self.requests[number].throttles <= policy.maximumThrottles, delay >= max(asked, backoff) else {
                throw self.violation("request \(number) was throttled for \(delay) by \(failure)")
            }
            if asked == .zero {
                self.pools[pool].throttledUntil = max(self.pools[pool].throttledUntil, self.now + delay)
            }
        } else {
            self.report.retries += 1
            try self.checkBudget(pool)
        }
        self.requests[number].phase = .queued
        self.requests[number].owner = nil
        self.pools[pool].inFlight -= 1
        self.pools[pool].land(request, result)
        self.pools[pool].queued += 1
        if delay > .zero {
            self.requests[number].due = self.now + delay
            self.delayed.append(number)
        } else {
            self.pools[pool].makeReady(number, self.requests[number])
        }
    }

    /// One-sided: the machine's window is 55 to 60 s long, so every retry of the last 55 s is in it.
    private mutating func checkBudget(_ pool: Int) throws(Violation) {
        let policy = self.pools[pool].configuration.retry
        let recent = self.now - .seconds(55)
        let minute = self.now - .seconds(60)
        self.pools[pool].retries.removeAll { $0 < recent }
        self.pools[pool].starts.removeAll { $0 < minute }
        let allowed = max(policy.budgetFloor, Int(Double(self.pools[pool].starts.count) * policy.budgetRatio))
        guard self.pools[pool].retries.count < allowed else {
            throw self.violation("\(self.pools[pool].retries.count + 1) retries in a minute, \(allowed) allowed")
        }
        self.pools[pool].retries.append(self.now)
    }

    func checkRejection(_ rejection: Rejection, _ number: Int) throws(Violation) {
        let request = self.requests[number]
        let pool = self.pools[request.pool]
        let isRight: Bool
        switch rejection.reason {
        case .paused: isRight = pool.mode == .draining
        case .full:
            isRight =
                pool.queued + pool.inFlight >= pool.configuration.maximumRequests
                || pool.bytes + request.submission.payloadBytes > pool.configuration.maximumBytes
        case .tenantFull:
            isRight =
                pool.tenants[request.submission.tenant, default: 0] >= pool.configuration.maximumRequestsPerTenant
                ?? .max
        case .wouldMissDeadline: isRight = pool.mode == .running && pool.queued + pool.inFlight >= 0
        case .overloaded: isRight = pool.configuration.scheduling.shedding.target != nil && !pool.ready.isEmpty
        default: isRight = false
        }
        guard isRight, !rejection.message.isEmpty else { throw self.violation("rejected: \(rejection)") }
    }

    /// After every step: the machine's books are the model's, no slot idles while work is ready, waiting is explained.
    mutating func check() throws(Violation) {
        for index in self.pools.indices {
            let pool = self.pools[index]
            let stats = self.machine.stats(at: index)
            guard stats.balances, stats.queued == pool.queued, stats.inFlight == pool.inFlight,
                stats.bytes == pool.bytes, stats.accepted == pool.accepted, stats.ended.ended == pool.ended
            else {
                throw self.violation(
                    "pool \(index): \(pool.queued) queued, \(pool.inFlight) in flight, \(pool.bytes) bytes, "
                        + "\(pool.accepted) accepted, \(pool.ended) ended; booked \(stats)"
                )
            }
            // A wake that is late excuses what only time would have set going.
            let mayStart =
                pool.mode != .paused && pool.throttledUntil < self.now && self.armed > self.now
                && self.admits(pool.backend)
            guard !mayStart || pool.inFlight >= pool.configuration.slots || !self.hasFeasibleWork(index) else {
                throw self.violation("pool \(index) leaves slots idle with \(pool.ready.count) requests ready")
            }
        }
        if self.report.steps % 4 == 0 { try self.checkWaiting() }
        if self.report.steps % 64 == 0, let complaint = self.machine.checkBooks() { throw self.violation(complaint) }
        self.report.note(Int(truncatingIfNeeded: self.now.nanoseconds))
    }

    /// Whether one of the requests that are ready may run. What a limit lets through is the lineup's own test.
    private func hasFeasibleWork(_ index: Int) -> Bool {
        let pool = self.pools[index]
        let scheduling = pool.configuration.scheduling
        guard scheduling.limit == nil, !scheduling.isAdaptive, !pool.followsLimits else { return false }
        return pool.ready.contains { pool.mayRun(self.requests[$0.request].submission.tenant) }
    }

    /// Was it its turn?
    func checkTurn(_ number: Int, pool: Int) throws(Violation) {
        let model = self.pools[pool]
        guard model.isExact else {
            guard model.mayRun(self.requests[number].submission.tenant) else {
                throw self.violation("request \(number) is one more than its tenant may have in flight")
            }
            return
        }
        guard model.ready.first?.request == number else {
            throw self.violation(
                "request \(number) was served before \(model.ready.first?.request ?? -1) in pool \(pool)"
            )
        }
    }

    /// One-sided: what was let through and not given back is within what has come in since the limit was set.
    func checkLimit(_ pool: Int) throws(Violation) {
        guard self.pools[pool].isSpendingKnown, let limit = self.pools[pool].configuration.scheduling.limit,
            let rate = limit.tokensPerMinute
        else {
            return
        }
        let minutes = (self.now - .zero).inSeconds / 60
        let burst = limit.mode == .smooth ? limit.burstTokens ?? rate : rate
        let most = Double(burst) + Double(rate) * (limit.mode == .smooth ? minutes : minutes.rounded(.up))
        guard Double(self.pools[pool].spent) <= most + 1 else {
            throw self.violation("pool \(pool) let \(self.pools[pool].spent) tokens through, \(most) is its limit")
        }
    }

    private func admits(_ backend: Int) -> Bool {
        switch self.backends[backend].state {
        case .closed: true
        case .open: false
        case .halfOpen: self.backends[backend].probes == 0
        }
    }

    /// Now and then one queued request, chosen at random, must be able to say why it waits and where.
    private mutating func checkWaiting() throws(Violation) {
        let index = Int.random(in: 0..<self.pools.count, using: &self.random)
        let pool = self.pools[index]
        guard let entry = pool.ready.randomElement(using: &self.random),
            let handle = self.requests[entry.request].handle
        else { return }
        let places = pool.places(entry, self.requests)
        guard let status = self.machine.waiting(handle, now: self.now), places.contains(status.position) else {
            throw self.violation("request \(entry.request) is in place \(places) and cannot say so")
        }
        let isRight: Bool
        switch status.reason {
        case .poolPaused: isRight = pool.mode == .paused
        case .circuitOpen: isRight = self.backends[pool.backend].state != .closed
        case .rateLimited:
            isRight =
                pool.throttledUntil >= self.now || pool.configuration.scheduling.limit != nil || pool.followsLimits
        case .aheadInQueue: isRight = status.position > 1
        case .slotsFull: isRight = status.position == 1
        case .tenantSlotsFull: isRight = !pool.mayRun(self.requests[entry.request].submission.tenant)
        case .backoff: isRight = false
        }
        guard isRight else { throw self.violation("request \(entry.request) says it waits for \(status)") }
    }

    func checkEnd() throws(Violation) {
        for number in self.requests.indices {
            let request = self.requests[number]
            guard request.handle == nil || request.phase == .ended else {
                throw self.violation("request \(number) never ended; it is \(request.phase)")
            }
        }
        if let complaint = self.machine.checkBooks() { throw self.violation(complaint) }
        guard self.machine.liveCount == 0 else { throw self.violation("\(self.machine.liveCount) left at the end") }
        for pool in self.pools where pool.tenants.contains(where: { $0.value != 0 }) {
            throw self.violation("tenants left at the end: \(pool.tenants)")
        }
    }
}
