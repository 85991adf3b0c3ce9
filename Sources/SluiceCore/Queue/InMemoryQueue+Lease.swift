import SluiceBasics

// Claim, start, finish: two steps before the call, so that it is known afterwards whether it was ever sent.
extension InMemoryQueue {
    /// Claims the next request in line. Requests at the head whose deadline has passed end on the way.
    ///
    /// - Parameter expiry: when the claim lapses unless extended; `nil`: never, its holder lives in this process.
    package mutating func claim(
        now: Instant,
        expiry: Instant?,
        ended: (EndedRequest) -> Void = { _ in }
    ) -> QueueLease? {
        while let head = self.ready.first {
            let slot = Int(head.value)
            guard self.entries[slot].deadline > now else {
                if let request = self.expire(slot, now: now) { ended(request) }
                continue
            }
            return self.take(slot, now: now, expiry: expiry)
        }
        return nil
    }

    /// Claims what the policy chooses. Requests whose deadline has passed end on the way.
    ///
    /// - Parameter budget: tokens that may be spent now; less than 0: none; `nil`: not limited.
    package mutating func claim(
        now: Instant,
        expiry: Instant?,
        budget: Int?,
        ended: (EndedRequest) -> Void = { _ in }
    ) -> ClaimAnswer {
        guard let policy = self.rules.policy else {
            return self.claim(now: now, expiry: expiry, ended: ended).map { .claimed($0, nil) } ?? .nothing
        }
        while true {
            switch self.lineup.choose(policy, budget: budget, now: now) {
            case .nothing: return .nothing
            case .blocked(let needs): return .blocked(needs: needs)
            case .held(let slot, let needs):
                guard self.entries[Int(slot)].deadline <= now else { return .held(needs: needs) }
                if let request = self.expire(Int(slot), now: now) { ended(request) }
            case .chosen(let chosen):
                guard self.entries[Int(chosen.slot)].deadline <= now else {
                    return .claimed(self.take(Int(chosen.slot), now: now, expiry: expiry), chosen)
                }
                if let request = self.expire(Int(chosen.slot), now: now) { ended(request) }
            }
        }
    }

    /// Claims one request out of line, after a scheduler has chosen it.
    package mutating func claim(_ handle: RequestHandle, now: Instant, expiry: Instant?) -> QueueLease? {
        guard let slot = self.slot(handle), self.entries[slot].phase == .ready, self.entries[slot].deadline > now
        else { return nil }
        return self.take(slot, now: now, expiry: expiry)
    }

    private mutating func take(_ slot: Int, now: Instant, expiry: Instant?) -> QueueLease {
        self.leaveLine(slot)
        self.tokens += 1
        self.entries[slot].claim(token: self.tokens, now: now)
        if let expiry { self.leases.set(UInt32(slot), at: expiry) }
        self.stats.inFlight += 1
        return QueueLease(
            id: self.entries[slot].id,
            handle: self.handle(slot),
            token: LeaseToken(value: self.tokens),
            deadline: self.entries[slot].deadline
        )
    }

    /// From `ready` to a holder.
    private mutating func leaveLine(_ slot: Int) {
        self.ready.remove(self.entries[slot].key)
        self.stats.queued -= 1
        guard self.rules.policy != nil else { return }
        self.lineup.claim(UInt32(slot), cost: self.entries[slot].cost)
    }

    /// The last stop before money is spent. Asking again with the same token is harmless.
    package mutating func start(
        _ handle: RequestHandle,
        _ token: LeaseToken,
        backend: String,
        model: String? = nil,
        now: Instant
    ) -> StartAnswer {
        guard let slot = self.owned(handle, token) else { return self.fence(.fenced) }
        if self.entries[slot].phase == .started { return .proceed(attempt: self.entries[slot].calls) }
        if let cause = self.entries[slot].cancelCause {
            return self.conclude(slot, cause.reason, message: cause.explanation, now: now).map { .ended($0) } ?? .fenced
        }
        if self.entries[slot].deadline <= now {
            return self.expire(slot, now: now).map { .ended($0) } ?? .fenced
        }
        self.entries[slot].start(backend: backend, model: model, now: now)
        return .proceed(attempt: self.entries[slot].calls)
    }

    /// The first content arrived. `false` if the token is stale.
    package mutating func firstByte(_ handle: RequestHandle, _ token: LeaseToken, now: Instant) -> Bool {
        guard let slot = self.owned(handle, token), self.entries[slot].phase == .started else { return false }
        self.entries[slot].firstByte(now: now)
        return true
    }

    package mutating func extend(_ handle: RequestHandle, _ token: LeaseToken, until expiry: Instant) -> ExtendAnswer {
        guard let slot = self.owned(handle, token) else { return self.fence(.fenced) }
        self.leases.set(UInt32(slot), at: expiry)
        return self.entries[slot].cancelCause == nil ? .extended : .cancel
    }

    /// Ends an attempt. The verdict is the caller's; the queue enforces its own limits on top.
    package mutating func finish(
        _ handle: RequestHandle,
        _ token: LeaseToken,
        result: AttemptResult?,
        verdict: Verdict,
        now: Instant
    ) -> FinishAnswer {
        guard let slot = self.owned(handle, token) else {
            return self.finishUnowned(handle, token, verdict: verdict, now: now)
        }
        let wasStarted = self.entries[slot].phase == .started
        if wasStarted, let result { self.entries[slot].closeAttempt(result, verdict, now: now) }
        // Who leaves in the middle has been served so far; how much of it nobody knows.
        if wasStarted, result?.wasGivenUp == true { self.entries[slot].served = self.entries[slot].cost }
        switch verdict {
        case .done(let usage):
            self.entries[slot].record?.usage = usage
            self.entries[slot].served =
                usage.map { self.cost(prompt: $0.prompt, $0.completion) } ?? self.entries[slot].cost
            return self.concluded(slot, .ok, message: nil, now: now)
        case .end(let reason, let message):
            return self.concluded(slot, reason, message: message, now: now)
        case .retry(let delay), .throttle(let delay):
            return self.requeue(slot, after: delay, counts: verdict == .retry(after: delay), now: now)
        case .release:
            if wasStarted { self.entries[slot].attempts -= 1 }
            if let cause = self.entries[slot].cancelCause {
                return self.concluded(slot, cause.reason, message: cause.explanation, now: now)
            }
            self.detach(slot)
            self.makeReady(slot)
            return .requeued(due: now)
        }
    }

    private mutating func requeue(_ slot: Int, after delay: Duration, counts: Bool, now: Instant) -> FinishAnswer {
        if !counts && self.entries[slot].phase == .started { self.entries[slot].attempts -= 1 }
        if let cause = self.entries[slot].cancelCause {
            return self.concluded(slot, cause.reason, message: cause.explanation, now: now)
        }
        if counts && self.entries[slot].attempts >= self.rules.maximumAttempts {
            let message = "All \(self.rules.maximumAttempts) attempts failed."
            return self.concluded(slot, .attempts, message: message, now: now)
        }
        let due = now + delay
        if due >= self.entries[slot].deadline {
            let message = "The next attempt would begin after the deadline."
            return self.concluded(slot, .deadline, message: message, now: now)
        }
        self.detach(slot)
        if delay > .zero { self.schedule(slot, at: due) } else { self.makeReady(slot) }
        return .requeued(due: due)
    }

    /// A stale call. Only a success counts, and only while nobody else holds the request.
    private mutating func finishUnowned(
        _ handle: RequestHandle,
        _ token: LeaseToken,
        verdict: Verdict,
        now: Instant
    ) -> FinishAnswer {
        guard let slot = self.slot(handle) else { return .unknown }
        guard case .done(let usage) = verdict, token.value > 0, token.value <= self.entries[slot].token else {
            return self.fence(.fenced)
        }
        switch self.entries[slot].phase {
        case .ready, .scheduled:
            self.entries[slot].record?.usage = usage
            return self.concluded(slot, .late, message: nil, now: now)
        case .dead:
            // The only call that was ever made came back after all.
            guard self.entries[slot].record?.reason == .outcomeUnknown, token.value == self.entries[slot].token else {
                return self.fence(.fenced)
            }
            self.entries[slot].record?.usage = usage
            self.revive(slot)
            self.stats.resolved += 1
            return self.concluded(slot, .late, message: nil, now: now)
        case .claimed, .started, .free:
            return self.fence(.fenced)
        }
    }

    private mutating func fence<Answer>(_ answer: Answer) -> Answer {
        self.stats.fenced += 1
        return answer
    }
}
