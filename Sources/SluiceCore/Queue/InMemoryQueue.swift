import SluiceBasics

/// The life of every request of one pool, in memory: pure, synchronous, told what time it is.
///
/// DESIGN. Records lie in a slab; everything else refers to them by slot. One structure per fact: `ready` orders what
/// may run, `scheduled` what has to wait for a delay, `leases` holds claims that can expire, `deadlines` everything
/// that has a deadline ahead, `ids` finds a slot by name. Each operation is O(log n). Fencing: every claim gets a
/// token greater than all before; a call with another token than the newest, or for a request that nobody holds,
/// changes nothing, with one exception: a success is accepted as `done/late` while nobody else holds the request,
/// because it is paid for.
///
/// This is the reference for every other store: see `QueueStore`.
package struct InMemoryQueue: Sendable {
    package internal(set) var rules: QueueRules
    /// Set by whoever has several queues, to tell their handles apart.
    let pool: UInt16
    var entries: [QueueEntry] = []
    var freeSlots: [UInt32] = []
    var ids = SlotTable()
    var ready = CountedTree()
    var scheduled = IndexedHeap()
    var leases = IndexedHeap()
    var deadlines = CountedTree()
    /// Ordered by time of death.
    var dead = CountedTree()
    /// Who of those in `ready` runs next, if there is a policy; and whose requests there are.
    var lineup: Lineup
    var sequence: UInt64 = 0
    var tokens: UInt64 = 0
    package internal(set) var stats = QueueStats()

    package init(rules: QueueRules, pool: UInt16 = 0) {
        self.rules = rules
        self.pool = pool
        self.lineup = Lineup(tenants: rules.tenants)
        self.lineup.trackSizes(rules.tokenCapacity != nil)
    }

    // MARK: Looking up

    /// The slot of a request that still has it.
    @inline(always)
    func slot(_ handle: RequestHandle) -> Int? {
        let slot = Int(handle.slot)
        guard slot < self.entries.count, self.entries[slot].generation == handle.generation,
            self.entries[slot].phase != .free
        else { return nil }
        return slot
    }

    func handle(_ slot: Int) -> RequestHandle {
        RequestHandle(pool: self.pool, slot: UInt32(slot), generation: self.entries[slot].generation)
    }

    package func handle(of id: RequestID) -> RequestHandle? {
        self.ids.slot(of: id.key).map { self.handle(Int($0)) }
    }

    package func record(_ handle: RequestHandle) -> RequestRecord? {
        self.slot(handle).flatMap { self.entries[$0].record }
    }

    package func record(of id: RequestID) -> RequestRecord? {
        self.ids.slot(of: id.key).flatMap { self.entries[Int($0)].record }
    }

    /// The slot of a request that the bearer of the token holds.
    @inline(always)
    func owned(_ handle: RequestHandle, _ token: LeaseToken) -> Int? {
        guard let slot = self.slot(handle), self.entries[slot].phase.isInFlight, self.entries[slot].token == token.value
        else { return nil }
        return slot
    }

    /// How many requests run before this one if nothing changes; delayed ones count from the place they return to.
    package func rank(_ handle: RequestHandle) -> Int? {
        guard let slot = self.slot(handle), self.entries[slot].phase.isQueued else { return nil }
        return self.ready.rank(of: self.entries[slot].key)
    }

    /// How many requests would run before a new one of this priority.
    package mutating func backlog(ahead priority: Priority) -> Int {
        self.ready.rank(of: OrderKey(rank: self.rules.order.rank(priority), sequence: .max))
    }

    package func count(tenant: String) -> Int { self.lineup.ledger.live(tenant) }

    /// The next requests in line, not claimed.
    package func peek(_ limit: Int) -> [RequestHandle] {
        (0..<min(max(0, limit), self.ready.count)).compactMap { rank in
            self.ready.element(at: rank).map { self.handle(Int($0.value)) }
        }
    }

    // MARK: Coming in

    /// - Parameters:
    ///   - charged: what it is expected to take; `nil`: as it estimates itself.
    ///   - lane: whose limits beside the pool's apply to it.
    package mutating func enqueue(
        _ submission: Submission,
        charged: TokenEstimate? = nil,
        seat: UInt64 = 0,
        lane: UInt8 = 0,
        now: Instant
    ) -> EnqueueAnswer {
        if self.stats.live >= self.rules.maximumRequests { return .full(.requests) }
        if self.stats.bytes + submission.payloadBytes > self.rules.maximumBytes { return .full(.bytes) }
        if let limit = self.rules.maximumRequestsPerTenant, self.lineup.ledger.live(submission.tenant) >= limit {
            return .full(.tenant)
        }
        let slot = self.allocate()
        if let known = self.ids.insert(submission.id.key, UInt32(slot)) {
            self.freeSlots.append(UInt32(slot))
            return .duplicate(self.entries[Int(known)].record?.state ?? .queued)
        }
        self.sequence += 1
        let key = OrderKey(rank: self.rules.order.rank(submission.priority), sequence: self.sequence)
        let tenant = self.lineup.enter(submission.tenant)
        self.entries[slot].fill(submission, key: key, tenant: tenant, lane: lane, seat: seat, now: now)
        let estimate = charged ?? submission.estimate
        self.entries[slot].tokens = estimate.total
        self.entries[slot].cost = self.cost(prompt: estimate.prompt, estimate.completion)
        self.ready.insert(key, UInt32(slot))
        self.lineUp(slot)
        self.watchDeadline(slot)
        self.stats.accepted += 1
        self.stats.queued += 1
        self.stats.bytes += submission.payloadBytes
        return .accepted(self.handle(slot))
    }

    private mutating func allocate() -> Int {
        if let slot = self.freeSlots.popLast() { return Int(slot) }
        self.entries.append(QueueEntry())
        return self.entries.count - 1
    }

    // MARK: Indices

    /// By sequence as well: keys of the tree have to be unique.
    @inline(always)
    private func deadlineKey(_ slot: Int) -> OrderKey {
        OrderKey(
            rank: UInt64(bitPattern: max(0, self.entries[slot].deadline.nanoseconds)),
            sequence: self.entries[slot].key.sequence
        )
    }

    mutating func watchDeadline(_ slot: Int) {
        self.entries[slot].watchesDeadline = true
        self.deadlines.insert(self.deadlineKey(slot), UInt32(slot))
    }

    mutating func unwatchDeadline(_ slot: Int) {
        guard self.entries[slot].watchesDeadline else { return }
        self.entries[slot].watchesDeadline = false
        self.deadlines.remove(self.deadlineKey(slot))
    }

    /// Takes a request out of whatever structure its phase keeps it in.
    mutating func detach(_ slot: Int) {
        switch self.entries[slot].phase {
        case .ready:
            self.ready.remove(self.entries[slot].key)
            self.lineup.remove(UInt32(slot))
            self.stats.queued -= 1
        case .scheduled:
            self.scheduled.remove(UInt32(slot))
            self.stats.queued -= 1
            self.stats.delayed -= 1
        case .claimed, .started:
            self.leases.remove(UInt32(slot))
            self.stats.inFlight -= 1
            guard self.rules.policy != nil else { return }
            let served = self.entries[slot].served
            let correction = served - self.entries[slot].cost
            self.lineup.settle(self.entries[slot].tenant, correction: correction, served: served)
        case .dead, .free: break
        }
    }

    mutating func makeReady(_ slot: Int) {
        self.entries[slot].phase = .ready
        self.entries[slot].record?.state = .queued
        self.ready.insert(self.entries[slot].key, UInt32(slot))
        self.lineUp(slot)
        self.stats.queued += 1
    }

    private mutating func lineUp(_ slot: Int) {
        guard self.rules.policy != nil else { return }
        var facts = self.entries[slot].facts
        facts.tokens = self.chargeable(slot)
        self.lineup.insert(UInt32(slot), facts)
    }

    /// What a request takes from a limit.
    func chargeable(_ slot: Int) -> Int { min(self.entries[slot].tokens, self.rules.tokenCapacity ?? .max) }

    /// What a request counts against its tenant's share.
    func cost(prompt: Int, _ completion: Int) -> Int {
        let weighted = Double(max(0, prompt)) + self.rules.tenants.completionWeight * Double(max(0, completion))
        // Even what is estimated at nothing takes a slot.
        return Int(max(1, min(1e12, weighted)))
    }

    mutating func schedule(_ slot: Int, at due: Instant) {
        self.entries[slot].phase = .scheduled
        self.entries[slot].record?.state = .queued
        self.scheduled.set(UInt32(slot), at: due)
        self.stats.queued += 1
        self.stats.delayed += 1
    }

    /// Changes bounds and order while requests are queued. O(n log n) if the order changes, O(1) otherwise.
    package mutating func configure(_ rules: QueueRules) {
        let reorders = rules.order != self.rules.order
        let resizes = rules.tokenCapacity != self.rules.tokenCapacity
        let policy = self.rules.policy == nil ? nil : rules.policy ?? self.rules.policy
        self.rules = rules
        self.rules.policy = policy
        self.lineup.configure(rules.tenants)
        self.lineup.trackSizes(rules.tokenCapacity != nil || !self.lineup.laneRooms.isEmpty)
        if resizes {
            for slot in self.entries.indices where self.entries[slot].phase == .ready {
                self.lineup.remove(UInt32(slot))
                self.lineUp(slot)
            }
        }
        guard reorders else { return }
        var rebuilt = CountedTree()
        for slot in self.entries.indices {
            guard let priority = self.entries[slot].record?.submission.priority else { continue }
            self.entries[slot].key = OrderKey(
                rank: rules.order.rank(priority),
                sequence: self.entries[slot].key.sequence
            )
            if self.entries[slot].phase == .ready { rebuilt.insert(self.entries[slot].key, UInt32(slot)) }
        }
        self.ready = rebuilt
    }
}

extension RequestID {
    var key: SlotTable.Key { SlotTable.Key(high: self.high, low: self.low) }
}

extension QueueOrder {
    /// The first part of a request's ordering key; age is the second. A scheduler puts its own number here.
    package func rank(_ priority: Priority) -> UInt64 {
        switch self {
        case .fifo: 0
        case .priority: UInt64(priority.rawValue)
        }
    }
}
