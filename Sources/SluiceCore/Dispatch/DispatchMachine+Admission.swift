import SluiceBasics

extension DispatchMachine {
    /// Takes a request in, or says why not and what would help.
    package mutating func submit(
        _ submission: Submission,
        seat: UInt64,
        now: Instant,
        _ effects: inout DispatchEffects
    ) -> Admission {
        guard let pool = self.poolIndex(submission.pool) else {
            let known = self.poolNames.joined(separator: ", ")
            return .rejected(Rejection(.malformed, message: "Unknown pool '\(submission.pool)'. Pools: \(known)."))
        }
        let charged = self.correction.corrected(submission.estimate, model: submission.model)
        // What has been learned may let a request in, but does not shut out what fits by its own number.
        let least = min(charged.total, submission.tokenEstimate)
        if let rejection = self.refusal(of: submission, tokens: least, pool: pool, now: now) {
            self.pools[pool].rejections.add(rejection.reason)
            return .rejected(rejection)
        }
        let lane = self.lane(submission, pool: pool, now: now)
        switch self.pools[pool].queue.enqueue(submission, charged: charged, seat: seat, lane: lane, now: now) {
        case .accepted(let handle):
            self.wake(by: submission.deadline)
            self.pools[pool].limit.arrive(tokens: charged.total)
            if self.pools[pool].readyCount() == 1 { self.pools[pool].limit.reconsider() }
            if self.reportsSteps, let record = self.pools[pool].queue.record(handle) {
                self.report(record, .queued, now, &effects)
            }
            let lease = self.pump(pool, now: now, &effects, own: handle)
            if lease == nil { self.wakeForGate(pool, now: now) }
            self.assertBooks(pool)
            return .accepted(handle, lease)
        case .duplicate(let state):
            let message = "Request \(submission.id) is already \(state.rawValue) in pool '\(submission.pool)'."
            return .rejected(self.booked(Rejection(.duplicateConflict, message: message), pool: pool))
        case .full(let bound):
            return .rejected(self.booked(self.fullRejection(bound, submission, pool: pool), pool: pool))
        }
    }

    /// Books a request that was refused before it reached admission.
    package mutating func reject(_ submission: Submission, _ rejection: Rejection) {
        guard let pool = self.poolIndex(submission.pool) else { return }
        self.pools[pool].rejections.add(rejection.reason)
    }

    private mutating func booked(_ rejection: Rejection, pool: Int) -> Rejection {
        self.pools[pool].rejections.add(rejection.reason)
        return rejection
    }

    private mutating func fullRejection(_ bound: QueueBound, _ submission: Submission, pool: Int) -> Rejection {
        .full(
            bound,
            of: submission,
            self.pools[pool].configuration,
            held: self.pools[pool].stats(),
            relief: self.pools[pool].relief
        )
    }

    // `mutating` though it changes nothing: reading through a mutable path borrows the pool, where a plain method makes
    // the compiler copy its collections, a dozen reference counts.
    private mutating func refusal(
        of submission: Submission,
        tokens: Int,
        pool: Int,
        now: Instant
    ) -> Rejection? {
        let name = self.pools[pool].configuration.name
        if self.pools[pool].mode == .draining {
            return .draining(name)
        }
        if let capacity = self.pools[pool].limit.tokenCapacity, tokens > capacity {
            return .tooManyTokens(tokens, capacity: capacity, self.pools[pool].configuration)
        }
        let remaining = submission.deadline - now
        guard remaining > .zero else {
            return .pastDeadline
        }
        guard self.pools[pool].mode == .running else { return nil }
        if let rejection = self.overloadRefusal(submission, pool: pool, now: now) { return rejection }
        return self.delayRefusal(submission, remaining: remaining, pool: pool, now: now)
    }

    /// Whether it would start too late.
    private mutating func delayRefusal(
        _ submission: Submission,
        remaining: Duration,
        pool: Int,
        now: Instant
    ) -> Rejection? {
        // The estimate costs a look at the tree: only when somebody is waiting or something may hold it up.
        let gate = self.gate(pool, now: now)
        let laneWait = self.laneWait(submission, pool: pool, now: now)
        guard
            gate > .zero || laneWait > .zero || self.pools[pool].limit.throttle != nil
                || self.pools[pool].freeSlots() == 0 || self.pools[pool].readyCount() > 0
        else { return nil }
        // Behind everybody would do, as a rule; only if not, the exact place matters.
        let tokens = submission.tokenEstimate
        let everybody = self.pools[pool].readyCount()
        if gate < remaining, laneWait < remaining,
            self.estimatedWait(pool, ahead: everybody, tokens: tokens, now: now) ?? .zero < remaining
        {
            return nil
        }
        let ahead = self.pools[pool].queue.ahead(of: submission)
        let prediction = self.predictedStart(pool, ahead: ahead, tokens: tokens, now: now)
        let wait = max(gate, laneWait, prediction?.expected ?? .zero)
        guard wait >= remaining else { return nil }
        var cause = ahead > 0 ? "\(ahead) requests are ahead of it" : "its limits and slots are used up"
        if gate >= remaining {
            cause = self.gateName(pool, now: now)
        } else if laneWait >= remaining {
            let backend = self.backends[self.pools[pool].backend].name
            cause = "backend '\(backend)' has said that its limit for this model is used up"
        }
        return .wouldMissDeadline(submission.pool, wait: wait, remaining: remaining, cause: cause)
    }

    /// How long the backend's provider lets nothing of this size through.
    private mutating func laneWait(_ submission: Submission, pool: Int, now: Instant) -> Duration {
        let backend = self.pools[pool].backend
        guard !self.backends[backend].lanes.isEmpty else { return .zero }
        let lane = self.lane(submission, pool: pool, now: now)
        return self.backends[backend].lanes.wait(lane, tokens: submission.tokenEstimate, at: now)
    }

    private func gateName(_ pool: Int, now: Instant) -> String {
        if var router = self.pools[pool].router, !router.admits(at: now) {
            return "all targets of the pool have failed or refused a moment ago and are left alone until then"
        }
        let backend = self.backends[self.pools[pool].backend]
        return backend.breaker.admits(at: now)
            ? "backend '\(backend.name)' limits its rate" : "the circuit of backend '\(backend.name)' is open"
    }

    private mutating func wakeForGate(_ pool: Int, now: Instant) {
        let gate = self.gate(pool, now: now)
        if gate > .zero { self.wake(by: now + gate) }
        if let due = self.pools[pool].limit.due { self.wake(by: due) }
    }

    // MARK: Estimates

    /// How long nothing of this pool can start: its backend limits the rate, or the circuit is open.
    func gate(_ pool: Int, now: Instant) -> Duration {
        var until = self.pools[pool].throttledUntil
        let backend = self.pools[pool].backend
        if self.backends[backend].breaker.state == .open, let open = self.backends[backend].breaker.openUntil {
            until = max(until, open)
        }
        if var router = self.pools[pool].router, !router.admits(at: now), let opens = router.opens(after: now) {
            until = max(until, opens)
        }
        return until > now ? until - now : .zero
    }

    /// When a request with `ahead` others before it would start. `nil` without enough measurements, and while the pool
    /// is paused.
    mutating func estimatedWait(_ pool: Int, ahead: Int, tokens: Int = 0, now: Instant) -> Duration? {
        self.predictedStart(pool, ahead: ahead, tokens: tokens, now: now)?.expected
    }

    /// - Parameter tokens: its own.
    mutating func predictedStart(_ pool: Int, ahead: Int, tokens: Int, now: Instant) -> StartPrediction? {
        guard self.pools[pool].mode != .paused else { return nil }
        let gate = self.gate(pool, now: now)
        let slots = self.pools[pool].slots()
        // Behind a gate all slots become free before it opens.
        var question = StartQuestion(
            ahead: ahead,
            slots: slots,
            freeSlots: gate > .zero ? slots : self.pools[pool].freeSlots()
        )
        question.gate = gate
        question.tokens = tokens
        question.limit = self.pools[pool].limit.left(
            of: self.pools[pool].configuration.scheduling.limit,
            at: now
        )
        self.followService(pool, now: now)
        return self.pools[pool].service.start(question)
    }

    /// Counts the time that requests spend in slots.
    mutating func followService(_ pool: Int, now: Instant) {
        self.pools[pool].service.follow(inFlight: self.pools[pool].stats().inFlight, at: now)
    }
}
