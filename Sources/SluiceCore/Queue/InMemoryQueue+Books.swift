import SluiceBasics

extension InMemoryQueue {
    /// When the longest-waiting request came in. O(priorities · log n).
    package var oldestQueuedAt: Instant? {
        var oldest: Instant?
        func consider(_ slot: UInt32) {
            guard let at = self.entries[Int(slot)].record?.submittedAt else { return }
            oldest = min(oldest ?? at, at)
        }
        for rank in UInt64(0)...UInt64(Priority.low.rawValue) {
            let position = self.ready.rank(of: OrderKey(rank: rank, sequence: 0))
            if let element = self.ready.element(at: position) { consider(element.value) }
        }
        // Delayed requests are not ordered by age; the one that is due first stands for them.
        if let delayed = self.scheduled.first { consider(delayed.item) }
        return oldest
    }

    /// Visits live requests in slots of the range, in no particular order.
    package func forEachLive(in slots: Range<Int>, _ body: (RequestHandle, RequestRecord) -> Void) {
        for slot in slots.clamped(to: self.entries.indices) {
            guard self.entries[slot].phase != .free, self.entries[slot].phase != .dead,
                let record = self.entries[slot].record
            else { continue }
            body(self.handle(slot), record)
        }
    }

    package var slotCount: Int { self.entries.count }

    /// Counts everything again and compares; `nil` when all is well. O(n log n), for tests and operators.
    package func audit() -> String? {
        var counted = QueueStats()
        var perTenant: [String: Int] = [:]
        var watched = 0
        for slot in self.entries.indices {
            let entry = self.entries[slot]
            guard entry.phase != .free else { continue }
            guard let record = entry.record, self.ids.slot(of: record.submission.id.key) == UInt32(slot) else {
                return "Slot \(slot) is \(entry.phase) without a record or an id."
            }
            if let complaint = self.audit(entry, slot) { return complaint }
            if entry.watchesDeadline { watched += 1 }
            if entry.phase == .dead {
                counted.dead += 1
                continue
            }
            if entry.phase.isQueued { counted.queued += 1 } else { counted.inFlight += 1 }
            if entry.phase == .scheduled { counted.delayed += 1 }
            counted.bytes += entry.payloadBytes
            perTenant[record.submission.tenant, default: 0] += 1
        }
        if counted.queued != self.stats.queued || counted.inFlight != self.stats.inFlight
            || counted.dead != self.stats.dead || counted.bytes != self.stats.bytes
            || counted.delayed != self.stats.delayed
        {
            return "Counted \(counted), booked \(self.stats)."
        }
        if self.ready.count != counted.queued - counted.delayed || self.scheduled.count != counted.delayed {
            return "\(self.ready.count) ready and \(self.scheduled.count) scheduled, but \(counted.queued) queued."
        }
        if self.ids.count != self.stats.live + self.stats.dead { return "\(self.ids.count) ids." }
        if self.deadlines.count != watched { return "\(self.deadlines.count) deadlines for \(watched) requests." }
        let ledger = self.lineup.ledger
        if ledger.tenants != perTenant.count { return "\(ledger.tenants) tenants booked." }
        for name in perTenant.keys.sorted() where perTenant[name] != ledger.live(name) {
            return "Tenant \(name) has \(perTenant[name] ?? 0), booked \(ledger.live(name))."
        }
        if self.rules.policy != nil {
            if self.lineup.count != self.ready.count {
                return "\(self.lineup.count) are lined up, \(self.ready.count) are ready."
            }
            if let complaint = self.lineup.audit() { return complaint }
            if ledger.inFlight != counted.inFlight { return "Tenants have \(ledger.inFlight) in flight." }
        }
        return self.stats.balances ? nil : "The books do not balance: \(self.stats)."
    }

    private func audit(_ entry: QueueEntry, _ slot: Int) -> String? {
        let isReady = self.ready.value(of: entry.key) == UInt32(slot)
        let isScheduled = self.scheduled.time(of: UInt32(slot)) != nil
        let isLeased = self.leases.time(of: UInt32(slot)) != nil
        if isReady != (entry.phase == .ready) { return "Slot \(slot) is \(entry.phase), ready: \(isReady)." }
        if isScheduled != (entry.phase == .scheduled) { return "Slot \(slot) is \(entry.phase), scheduled too." }
        if isLeased && !entry.phase.isInFlight { return "Slot \(slot) is \(entry.phase) and leased." }
        if entry.phase.isQueued && !entry.watchesDeadline { return "Slot \(slot) is queued without a deadline." }
        if entry.phase == .dead && entry.watchesDeadline { return "Slot \(slot) is dead with a deadline." }
        return nil
    }
}
