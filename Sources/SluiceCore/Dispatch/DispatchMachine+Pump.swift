import SluiceBasics

// The only place that claims, and the keeping of the breakers' permits.
extension DispatchMachine {
    /// Fills the free slots of the pool; with an unsettled breaker also those of its neighbours at the same backend.
    mutating func pump(backendOf pool: Int, now: Instant, _ effects: inout DispatchEffects) {
        let backend = self.pools[pool].backend
        // A slot that is free at the backend is free for all of its pools.
        let isShared = self.backends[backend].concurrency != nil && self.backends[backend].pools.count > 1
        if self.backends[backend].breaker.state == .closed && !self.backends[backend].hasChanged && !isShared {
            _ = self.pump(pool, now: now, &effects, own: nil)
        } else {
            self.pump(backend: backend, now: now, &effects)
        }
    }

    mutating func pump(backend: Int, now: Instant, _ effects: inout DispatchEffects) {
        let count = self.backends[backend].pools.count
        guard count > 0 else { return }
        self.backends[backend].hasChanged = false
        let first = self.backends[backend].turn % count
        self.backends[backend].turn = first + 1
        for offset in 0..<count {
            let pool = self.backends[backend].pools[(first + offset) % count]
            _ = self.pump(pool, now: now, &effects, own: nil)
        }
    }

    /// Claims for the pool until slots, requests or permits run out. Returns the lease of `own` instead of granting it.
    mutating func pump(
        _ pool: Int,
        now: Instant,
        _ effects: inout DispatchEffects,
        own: RequestHandle?
    ) -> QueueLease? {
        var ownLease: QueueLease?
        let backend = self.pools[pool].backend
        if self.backends[backend].concurrency != nil { self.followConcurrency(backend) }
        while self.pools[pool].mayClaim(at: now) {
            let before = self.backends[backend].breaker.state
            guard let permit = self.backends[backend].breaker.permit(at: now) else { break }
            self.reportBreaker(backend, before: before, now: now, &effects)
            let expiry = self.leaseMode == .held ? nil : now + self.pools[pool].configuration.lease
            guard let lease = self.claim(pool, now: now, expiry: expiry, &effects) else {
                self.backends[backend].breaker.settle(permit, .neutral, at: now)
                break
            }
            if let expiry { self.wake(by: expiry) }
            let tokens = self.pools[pool].queue.chargeable(lease.handle)
            let reservation = self.pools[pool].limit.reserve(tokens, now: now)
            self.noteBudget(pool, &effects)
            let seat = self.pools[pool].queue.notePermit(lease.handle, permit, reservation, of: tokens)
            let lane = self.pools[pool].queue.lane(lease.handle)
            if lane > 0 {
                let account = self.backends[backend].lanes.charge(lane, tokens: tokens)
                self.pools[pool].queue.noteAccount(lease.handle, account)
            }
            if self.backends[backend].concurrency != nil { self.followConcurrency(backend) }
            if self.reportsSteps, let record = self.pools[pool].queue.record(lease.handle) {
                self.report(record, .claimed, now, &effects)
            }
            var routed = lease
            routed.choice = self.chooseTarget(lease.handle, now: now)
            if lease.handle == own {
                ownLease = routed
            } else {
                effects.grants.append(Grant(seat: seat, lease: routed, backend: self.backends[backend].name))
            }
        }
        self.awaitTargets(pool, now: now)
        self.followService(pool, now: now)
        self.shed(pool, now: now, &effects)
        return ownLease
    }

    /// Claims what the policy chooses within the limit; otherwise notes what it waits for.
    private mutating func claim(
        _ pool: Int,
        now: Instant,
        expiry: Instant?,
        _ effects: inout DispatchEffects
    ) -> QueueLease? {
        var expired: [EndedRequest] = []
        let budget = self.pools[pool].limit.budget(at: now)
        self.pools[pool].laneDue = nil
        self.followLanes(pool, now: now)
        let answer = self.pools[pool].queue.claim(now: now, expiry: expiry, budget: budget) { expired.append($0) }
        for request in expired {
            self.report(request.record, .ended, now, &effects)
            effects.ended.append(request)
        }
        switch answer {
        case .claimed(let lease, _): return lease
        case .nothing: return nil
        case .blocked(let needs):
            if let due = self.pools[pool].limit.block(needs: needs, isHeld: false, now: now) { self.wake(by: due) }
            self.noteBudget(pool, &effects)
            self.awaitLanes(pool, now: now)
            return nil
        case .held(let needs):
            if let due = self.pools[pool].limit.block(needs: needs, isHeld: true, now: now) { self.wake(by: due) }
            self.noteBudget(pool, &effects)
            return nil
        }
    }

    /// Gives a permit back to its breaker and a reservation to its limit, and follows what that changes.
    mutating func settle(
        _ notes: DispatchNotes,
        _ verdict: BackendVerdict,
        _ use: TokenUse,
        pool: Int,
        now: Instant,
        _ effects: inout DispatchEffects
    ) {
        self.release(notes, pool: pool, now: now)
        if let reservation = notes.reservation {
            self.pools[pool].limit.settle(reservation, of: notes.reservedTokens, use, now: now)
            // Tokens that come back may bring it forward.
            if let due = self.pools[pool].limit.due { self.wake(by: due) }
            self.noteBudget(pool, &effects)
        }
        // Its tenant may start another, which nobody has asked so far; also if it was claimed before there was a limit.
        if self.pools[pool].configuration.scheduling.tenants.maximumInFlight != nil {
            self.pools[pool].limit.reconsider()
        }
        guard let permit = notes.permit else { return }
        let backend = self.pools[pool].backend
        let before = self.backends[backend].breaker.state
        self.backends[backend].breaker.settle(permit, verdict, at: now)
        self.reportBreaker(backend, before: before, now: now, &effects)
    }

    private mutating func reportBreaker(
        _ backend: Int,
        before: BreakerState,
        now: Instant,
        _ effects: inout DispatchEffects
    ) {
        let state = self.backends[backend].breaker.state
        guard state != before else { return }
        self.backends[backend].hasChanged = true
        let name = self.backends[backend].name
        for pool in self.backends[backend].pools {
            let event = PoolEvent(
                pool: self.pools[pool].configuration.name,
                change: .breaker(backend: name, state),
                at: now
            )
            effects.changes.append(event)
        }
        guard let until = self.backends[backend].breaker.openUntil else { return }
        self.wake(by: until)
        // Fail fast what cannot be met any more.
        let message = "The circuit of backend '\(name)' is open, and it stays so until after the deadline."
        for pool in self.backends[backend].pools {
            let ended = self.pools[pool].queue.expireQueued(deadlineBefore: until, message: message, now: now)
            if !ended.isEmpty { self.pools[pool].limit.depart() }
            for request in ended {
                self.report(request.record, .ended, now, &effects)
                effects.ended.append(request)
            }
        }
    }

    /// Adds an event to the effects if anybody wants it.
    func report(
        _ record: RequestRecord,
        _ state: RequestState,
        waiting: WaitingReason? = nil,
        _ now: Instant,
        _ effects: inout DispatchEffects
    ) {
        guard self.reportsSteps else { return }
        effects.steps.append(
            RequestEvent(
                id: record.submission.id,
                pool: record.submission.pool,
                tenant: record.submission.tenant,
                model: record.submission.model,
                state: state,
                reason: record.reason,
                waiting: nil,
                attempt: record.attempts.count,
                at: now
            )
        )
    }
}
