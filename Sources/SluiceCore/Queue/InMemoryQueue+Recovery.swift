import SluiceBasics

// What time does: lapsed leases, delays that are over, deadlines.
extension InMemoryQueue {
    /// When `reap` next has something to do.
    package var nextDue: Instant? {
        var due = self.deadlines.first.map { Instant(nanoseconds: Int64(bitPattern: $0.key.rank)) }
        if let time = self.scheduled.first?.at { due = min(due ?? time, time) }
        if let time = self.leases.first?.at { due = min(due ?? time, time) }
        return due
    }

    /// - Parameter limit: of each kind, so that one call stays short.
    package mutating func reap(now: Instant, limit: Int = 1_024) -> Reaped {
        var reaped = Reaped()
        var budget = limit
        while budget > 0, let slot = self.leases.popFirst(until: now) {
            self.recover(Int(slot), now: now, into: &reaped)
            budget -= 1
        }
        reaped.isPartial = budget == 0
        budget = limit
        // Deadlines before delays: what is past its deadline need not become ready.
        while budget > 0, let first = self.deadlines.first, Int64(bitPattern: first.key.rank) <= now.nanoseconds {
            self.meetDeadline(Int(first.value), now: now, into: &reaped)
            budget -= 1
        }
        reaped.isPartial = reaped.isPartial || budget == 0
        budget = limit
        while budget > 0, let slot = self.scheduled.popFirst(until: now) {
            self.stats.queued -= 1
            self.stats.delayed -= 1
            self.makeReady(Int(slot))
            reaped.ready += 1
            budget -= 1
        }
        reaped.isPartial = reaped.isPartial || budget == 0
        return reaped
    }

    /// The holder of a lease did not extend it: it is taken for dead.
    private mutating func recover(_ slot: Int, now: Instant, into reaped: inout Reaped) {
        self.entries[slot].recoveries += 1
        let wasSent = self.entries[slot].phase == .started
        let ended: EndedRequest?
        if let cause = self.entries[slot].cancelCause {
            ended = self.conclude(slot, cause.reason, message: cause.explanation, now: now)
        } else if wasSent && self.rules.replay == .neverAfterSend {
            let message =
                "The dispatcher vanished after the call was sent; retry mode never-after-send forbids another."
            ended = self.conclude(slot, .outcomeUnknown, message: message, now: now)
        } else if self.entries[slot].recoveries > self.rules.maximumRecoveries {
            let message = "\(self.entries[slot].recoveries) dispatchers vanished while they worked on it."
            ended = self.conclude(slot, .poison, message: message, now: now)
        } else if self.entries[slot].deadline <= now {
            ended = self.expire(slot, now: now)
        } else {
            let notes = self.entries[slot].notes
            self.detach(slot)
            self.makeReady(slot)
            if !self.entries[slot].watchesDeadline { self.watchDeadline(slot) }
            reaped.recovered.append((self.handle(slot), notes))
            return
        }
        if let ended { reaped.ended.append(ended) }
    }

    private mutating func meetDeadline(_ slot: Int, now: Instant, into reaped: inout Reaped) {
        if self.entries[slot].phase.isQueued {
            if let ended = self.expire(slot, now: now) { reaped.ended.append(ended) }
            return
        }
        // It runs: whoever holds it is told once. `start` and `finish` see the deadline themselves.
        self.unwatchDeadline(slot)
        if self.entries[slot].cancelCause == nil { self.entries[slot].cancelCause = .deadline }
        reaped.overdue.append(self.handle(slot))
    }

    /// Ends queued requests whose deadline comes before `instant`: nothing can start until then.
    package mutating func expireQueued(
        deadlineBefore instant: Instant,
        message: String,
        now: Instant
    ) -> [EndedRequest] {
        var ended: [EndedRequest] = []
        var rank = 0
        while let element = self.deadlines.element(at: rank),
            Int64(bitPattern: element.key.rank) < instant.nanoseconds
        {
            let slot = Int(element.value)
            guard self.entries[slot].phase.isQueued else {
                rank += 1
                continue
            }
            if let request = self.conclude(slot, .deadline, message: message, now: now) { ended.append(request) }
        }
        return ended
    }
}
