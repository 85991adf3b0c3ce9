import SluiceBasics

// Overload: who has to go, and who is not let in.
extension DispatchMachine {
    /// Sheds what is due. To be called whenever something has left the line, or time has passed.
    mutating func shed(_ pool: Int, now: Instant, _ effects: inout DispatchEffects) {
        guard self.pools[pool].shedding.isEnabled else { return }
        // A paused pool waits because somebody wants it to.
        let oldest = self.pools[pool].mode == .paused ? nil : self.pools[pool].queue.oldestReadyAt
        let count = self.pools[pool].shedding.look(oldest: oldest, at: now)
        if let due = self.pools[pool].shedding.due { self.wake(by: due) }
        guard count > 0, let oldest else { return }
        for _ in 0..<count {
            guard let victim = self.victim(pool, now: now),
                let request = self.pools[pool].queue.shed(
                    victim,
                    message: self.sheddingMessage(victim, pool: pool, oldest: oldest, now: now),
                    now: now
                )
            else { break }
            self.pools[pool].limit.reconsider()
            self.report(request.record, .ended, now, &effects)
            effects.ended.append(request)
        }
        // Who is left may not be too old.
        _ = self.pools[pool].shedding.look(oldest: self.pools[pool].queue.oldestReadyAt, at: now)
        self.assertBooks(pool)
    }

    /// Of the lowest class that tenants have waiting who fill their shares: who would miss his deadline anyhow, else
    /// the newest.
    private mutating func victim(_ pool: Int, now: Instant) -> RequestHandle? {
        let last = self.pools[pool].queue.newestOfLowest()
        guard let newest = last.first else { return nil }
        for handle in last {
            let ahead = self.pools[pool].queue.ahead(of: handle) ?? 0
            let wait = self.estimatedWait(pool, ahead: ahead, now: now) ?? .zero
            guard let deadline = self.pools[pool].queue.deadline(handle), deadline > now + wait else { return handle }
        }
        return newest
    }

    private mutating func sheddingMessage(
        _ handle: RequestHandle,
        pool: Int,
        oldest: Instant,
        now: Instant
    ) -> String {
        let record = self.pools[pool].queue.record(handle)
        let priority = record?.submission.priority.name ?? "low"
        let waited = record.map { now - $0.submittedAt } ?? .zero
        return "\(self.overload(pool, oldest: oldest, now: now)). What is least important goes first: this request, of "
            + "priority \(priority), had waited \(Rejection.seconds(waited)) s and was not sent. "
            + "Try again in \(Rejection.seconds(self.sheddingRelief(pool))) s or later."
    }

    private mutating func overload(_ pool: Int, oldest: Instant, now: Instant) -> String {
        let name = self.pools[pool].configuration.name
        let policy = self.pools[pool].configuration.scheduling.shedding
        return
            "Pool '\(name)' is overloaded: its oldest request has waited \(Rejection.seconds(now - oldest)) s, and for "
            + "\(Rejection.seconds(policy.interval)) s (pools.\(name).shed_interval) the oldest has waited longer than "
            + "\(Rejection.seconds(policy.target ?? .zero)) s (pools.\(name).shed_after)"
    }

    /// When trying again makes sense.
    private mutating func sheddingRelief(_ pool: Int) -> Duration {
        max(.seconds(1), self.pools[pool].configuration.scheduling.shedding.interval)
    }

    /// Whoever would be the next to be shed is not let in. A tenant that keeps within its share of the line has not
    /// caused the overload, and is.
    mutating func overloadRefusal(_ submission: Submission, pool: Int, now: Instant) -> Rejection? {
        guard self.pools[pool].shedding.isShedding, self.pools[pool].mode == .running else { return nil }
        guard self.pools[pool].queue.lineup.fillsShare(submission.tenant, adding: 1) else { return nil }
        let last = self.pools[pool].queue.newestOfLowest().first
        let lowest = last.flatMap { self.pools[pool].queue.record($0)?.submission.priority }
        guard self.pools[pool].shedding.refuses(submission.priority, lowest: lowest) else { return nil }
        let oldest = self.pools[pool].queue.oldestReadyAt ?? now
        let message =
            "\(self.overload(pool, oldest: oldest, now: now)). Until that has passed, requests of priority "
            + "\((lowest ?? .low).name) or lower are not accepted; this one is \(submission.priority.name). "
            + "Try again in \(Rejection.seconds(self.sheddingRelief(pool))) s or later."
        return Rejection(.overloaded, message: message, retryAfter: self.sheddingRelief(pool))
    }
}

extension InMemoryQueue {
    /// How far from the end of the line to look for the lowest class where the line does not go by class.
    private static let reach = 64

    /// When the oldest request came in that could run.
    var oldestReadyAt: Instant? {
        var oldest: Instant?
        for rank in UInt64(0)...UInt64(Priority.low.rawValue) {
            let position = self.ready.rank(of: OrderKey(rank: rank, sequence: 0))
            guard let element = self.ready.element(at: position) else { continue }
            let at = self.entries[Int(element.value)].submittedAt
            oldest = min(oldest ?? at, at)
        }
        return oldest
    }

    /// Of those at the end of the line whose tenants have their shares of it, the ones of the lowest class, the newest
    /// first.
    func newestOfLowest() -> [RequestHandle] {
        var slots: [Int] = []
        for offset in 0..<min(Self.reach, self.ready.count) {
            guard let element = self.ready.element(at: self.ready.count - 1 - offset) else { break }
            if self.lineup.fillsShare(self.entries[Int(element.value)].tenant) { slots.append(Int(element.value)) }
        }
        if slots.isEmpty, let newest = self.newestOfLargest { slots.append(newest) }
        guard let lowest = slots.map({ self.entries[$0].priority }).max() else { return [] }
        return slots.filter { self.entries[$0].priority == lowest }.map { self.handle($0) }
    }

    /// The newest of the lowest class of the tenant that takes most of the line for its weight, by a sample.
    private var newestOfLargest: Int? {
        var largest: (tenant: UInt32, share: Double)?
        for number in 0..<Self.reach {
            guard let element = self.ready.element(at: self.ready.count * number / Self.reach) else { break }
            let tenant = self.entries[Int(element.value)].tenant
            let account = self.lineup.ledger.accounts[Int(tenant)]
            let share = Double(account.waiting) / Double(max(1, account.weight))
            if share > largest?.share ?? -1 { largest = (tenant, share) }
        }
        return largest.flatMap { self.lineup.newestOfLowest($0.tenant).map { Int($0) } }
    }

    /// Ends a request that waits because others have waited too long.
    mutating func shed(_ handle: RequestHandle, message: String, now: Instant) -> EndedRequest? {
        guard let slot = self.slot(handle), self.entries[slot].phase == .ready else { return nil }
        return self.conclude(slot, .shed, message: message, now: now)
    }
}
