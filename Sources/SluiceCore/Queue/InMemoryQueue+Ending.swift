import SluiceBasics

// The one way out, and the way back in.
extension InMemoryQueue {
    /// Ends a live request: counts it, frees what it held, hands its record out.
    mutating func conclude(_ slot: Int, _ reason: OutcomeReason, message: String?, now: Instant) -> EndedRequest? {
        self.detach(slot)
        self.unwatchDeadline(slot)
        self.stats.ended.add(reason)
        self.stats.bytes -= self.entries[slot].payloadBytes
        self.lineup.leave(self.entries[slot].tenant)
        self.entries[slot].end(reason, message: message, now: now)
        if reason.outcome == .dead && self.rules.maximumDead > 0 { return self.bury(slot, now: now) }
        let notes = self.entries[slot].notes
        guard let record = self.vacate(slot) else { return nil }
        return EndedRequest(record: record, notes: notes)
    }

    mutating func concluded(_ slot: Int, _ reason: OutcomeReason, message: String?, now: Instant) -> FinishAnswer {
        self.conclude(slot, reason, message: message, now: now).map { .ended($0) } ?? .unknown
    }

    mutating func expire(_ slot: Int, now: Instant) -> EndedRequest? {
        self.conclude(
            slot,
            .deadline,
            message: "The deadline passed before the request could be sent to the backend.",
            now: now
        )
    }

    private mutating func vacate(_ slot: Int) -> RequestRecord? {
        self.ids.remove(self.entries[slot].id.key)
        self.freeSlots.append(UInt32(slot))
        return self.entries[slot].vacate()
    }

    private mutating func bury(_ slot: Int, now: Instant) -> EndedRequest? {
        self.entries[slot].phase = .dead
        self.dead.insert(self.graveKey(slot), UInt32(slot))
        self.stats.dead += 1
        let ended = self.entries[slot].record.map { EndedRequest(record: $0, notes: self.entries[slot].notes) }
        while self.stats.dead > self.rules.maximumDead, let oldest = self.dead.first { self.forget(Int(oldest.value)) }
        return ended
    }

    private func graveKey(_ slot: Int) -> OrderKey {
        let died = self.entries[slot].record?.endedAt ?? .zero
        return OrderKey(rank: UInt64(bitPattern: max(0, died.nanoseconds)), sequence: self.entries[slot].key.sequence)
    }

    private mutating func forget(_ slot: Int) {
        self.dead.remove(self.graveKey(slot))
        self.stats.dead -= 1
        _ = self.vacate(slot)
    }

    /// Takes a dead request back among the living, in no phase yet: the caller books and places it.
    mutating func revive(_ slot: Int) {
        self.dead.remove(self.graveKey(slot))
        self.stats.dead -= 1
        self.entries[slot].tenant = self.lineup.enter(self.entries[slot].record?.submission.tenant ?? "")
        self.stats.bytes += self.entries[slot].payloadBytes
        self.entries[slot].record?.reason = nil
        self.entries[slot].record?.message = nil
        self.entries[slot].record?.endedAt = nil
    }

    package mutating func cancel(_ handle: RequestHandle, cause: CancelCause, now: Instant) -> QueueCancelAnswer {
        guard let slot = self.slot(handle), self.entries[slot].phase != .dead else { return .unknown }
        if self.entries[slot].phase.isQueued {
            return self.conclude(slot, cause.reason, message: cause.explanation, now: now).map { .ended($0) }
                ?? .unknown
        }
        if self.entries[slot].cancelCause == nil { self.entries[slot].cancelCause = cause }
        return .pending
    }

    /// Puts a dead request back in line with a new deadline and a clean slate. `false` if it is not dead.
    package mutating func redrive(_ handle: RequestHandle, deadline: Instant) -> Bool {
        guard let slot = self.slot(handle), self.entries[slot].phase == .dead else { return false }
        self.revive(slot)
        self.stats.redriven += 1
        self.entries[slot].attempts = 0
        self.entries[slot].recoveries = 0
        self.entries[slot].cancelCause = nil
        self.entries[slot].deadline = deadline
        self.entries[slot].record?.submission.deadline = deadline
        self.makeReady(slot)
        self.watchDeadline(slot)
        return true
    }

    /// Forgets requests that died before `instant`, at most `limit` of them; returns how many.
    package mutating func purge(diedBefore instant: Instant, limit: Int) -> Int {
        var purged = 0
        while purged < limit, let oldest = self.dead.first,
            oldest.key.rank < UInt64(bitPattern: max(0, instant.nanoseconds))
        {
            self.forget(Int(oldest.value))
            purged += 1
        }
        return purged
    }
}
