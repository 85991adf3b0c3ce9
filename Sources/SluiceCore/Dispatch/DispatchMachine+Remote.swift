import SluiceBasics

// Work that lies in a queue of others: how much of it to take, and how to book what never ran here.
extension DispatchMachine {
    /// Of those that wait here and cannot start, for their tenants' caps or their lanes, so many per slot are enough,
    /// or so many in all.
    private static let patience = 4
    private static let leastPatience = 64

    /// How many more requests of the pool would start at once: its free slots, less what could start here already, and
    /// nothing while it is paused, draining, throttled or its circuit is open. A half-open circuit takes a probe at a
    /// time.
    package mutating func room(pool name: String, now: Instant) -> Int {
        guard let pool = self.poolIndex(name), self.pools[pool].mode == .running else { return 0 }
        guard self.pools[pool].throttledUntil <= now else { return 0 }
        self.followLanes(pool, now: now)
        let places = min(self.pools[pool].freeSlots(), self.pools[pool].limit.room(at: now))
        let waiting = self.pools[pool].queue.lineup.startable(upTo: places)
        // What comes may be more of the same.
        let stuck = self.pools[pool].readyCount() - waiting
        let bearable = max(Self.leastPatience, min(1 << 20, self.pools[pool].slots()) * Self.patience)
        let free = max(0, min(places - waiting, bearable - stuck))
        if self.pools[pool].router != nil { return min(free, max(0, self.targetRoom(pool, now: now) - waiting)) }
        let backend = self.pools[pool].backend
        switch self.backends[backend].breaker.state {
        case .closed: return free
        case .open, .halfOpen:
            // A probe is under way, or somebody here waits to be one.
            guard waiting == 0, self.backends[backend].breaker.admits(at: now) else { return 0 }
            return min(1, free)
        }
    }

    package func mode(pool name: String) -> PoolMode? { self.poolIndex(name).map { self.pools[$0].mode } }

    package func slots(pool name: String) -> Int? { self.poolIndex(name).map { self.pools[$0].configuration.slots } }

    /// Why nothing of the pool may start, whatever waits; `nil` when something may.
    package mutating func blockage(pool name: String, now: Instant) -> WaitingReason? {
        guard let pool = self.poolIndex(name) else { return nil }
        if self.pools[pool].mode != .running { return .poolPaused }
        // An open circuit stays so until somebody comes to be its probe.
        let backend = self.pools[pool].backend
        if self.backends[backend].breaker.state == .open, !self.backends[backend].breaker.admits(at: now) {
            return .circuitOpen
        }
        if !self.pools[pool].routeAdmits(at: now) {
            return self.pools[pool].router?.isRateLimited == true ? .rateLimited : .circuitOpen
        }
        if self.pools[pool].throttledUntil > now || self.pools[pool].limit.room(at: now) == 0 { return .rateLimited }
        return self.pools[pool].freeSlots() == 0 ? .slotsFull : nil
    }

    /// Books a request of this pool that ended without having been queued here, and reports its end.
    package mutating func book(
        _ submission: Submission,
        _ reason: OutcomeReason,
        message: String,
        now: Instant,
        _ effects: inout DispatchEffects
    ) -> RequestRecord {
        var record = RequestRecord(
            submission: submission,
            submittedAt: submission.remote?.submittedAt ?? now
        )
        record.state = .ended
        record.endedAt = now
        record.reason = reason
        record.message = message
        guard let pool = self.poolIndex(submission.pool) else { return record }
        self.pools[pool].queue.bookForeign(reason)
        self.report(record, .ended, now, &effects)
        self.assertBooks(pool)
        return record
    }

    /// Takes back that a request was accepted: it has gone on to somebody else, unsent.
    package mutating func unbook(_ pool: String, _ reason: OutcomeReason) {
        guard let pool = self.poolIndex(pool) else { return }
        self.pools[pool].queue.unbook(reason)
        self.assertBooks(pool)
    }

    /// What has become of an answer changes how its request ended.
    package mutating func rebook(_ pool: String, _ old: OutcomeReason, as new: OutcomeReason) {
        guard let pool = self.poolIndex(pool) else { return }
        self.pools[pool].queue.rebook(old, as: new)
    }
}

extension InMemoryQueue {
    /// Accepted and ended at once.
    mutating func bookForeign(_ reason: OutcomeReason) {
        self.stats.accepted += 1
        self.stats.ended.add(reason)
    }

    mutating func unbook(_ reason: OutcomeReason) {
        guard self.stats.accepted > 0, self.stats.ended.remove(reason) else { return }
        self.stats.accepted -= 1
    }

    mutating func rebook(_ old: OutcomeReason, as new: OutcomeReason) { self.stats.ended.move(old, to: new) }
}
