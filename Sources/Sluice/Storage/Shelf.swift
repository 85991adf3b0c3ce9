import SluiceBasics
import SluiceCore

/// What ``InMemoryStorage`` keeps behind its lock: pure, synchronous, told what time it is.
///
/// DESIGN. Messages lie in a slab; everything else refers to them by slot. `lineup` orders what is ready, `timers`
/// holds the end of each delay and lease, `expiries` that of each time to live, `dead` the dead letters by time of
/// death, `slots` finds a message by id. Before anything else every function settles what has become due: one
/// comparison decides everywhere. All operations are O(log n).
struct Shelf<Payload: Sendable>: Sendable {
    /// In `slots`: the name is remembered, its message is gone.
    static var tombstone: UInt32 { .max }

    /// Ids of expired messages that are kept for whoever asks.
    private static var maximumReports: Int { 65_536 }

    let maximumMessages: Int
    let maximumDeadLetters: Int
    let maximumRemembered: Int
    var entries: [ShelfEntry] = []
    /// By slot.
    var payloads: [Payload?] = []
    var freeSlots: [UInt32] = []
    var slots: [String: UInt32] = [:]
    var lineup = Lineup(tenants: TenantPolicy(isFair: false))
    var timers = IndexedHeap()
    var expiries = IndexedHeap()
    var dead = CountedTree()
    var deaths: UInt64 = 0
    var remembered: [(id: String, until: Instant)] = []
    var firstRemembered = 0
    /// Ids of messages that have expired since somebody asked.
    var expired: [String] = []
    /// Models with a lane of their own, from 1.
    var lanes: [String: UInt8] = [:]
    var scheduling = SchedulingPolicy()
    var tenants = TenantPolicy(isFair: false)
    var sequence: UInt64 = 0
    var tokens: UInt64 = 0
    var readyByPriority = [0, 0, 0, 0]
    var delayed = 0
    var leased = 0

    init(maximumMessages: Int, maximumDeadLetters: Int, maximumRemembered: Int) {
        self.maximumMessages = maximumMessages
        self.maximumDeadLetters = maximumDeadLetters
        self.maximumRemembered = maximumRemembered
    }

    var live: Int { self.lineup.count + self.delayed + self.leased }

    // MARK: Coming in

    mutating func enqueue(_ message: NewMessage<Payload>, now: Instant) -> EnqueueResult {
        guard self.live < self.maximumMessages else { return .full }
        let slot = self.allocate()
        if let known = self.slots.updateValue(slot, forKey: message.id) {
            self.slots[message.id] = known
            self.freeSlots.append(slot)
            return .duplicate
        }
        self.sequence += 1
        var entry = ShelfEntry()
        entry.id = message.id
        self.payloads[Int(slot)] = message.payload
        if !message.metadata.isEmpty { entry.extras = ShelfEntry.Extras(metadata: message.metadata) }
        entry.model = message.model
        entry.sequence = self.sequence
        entry.enqueuedAt = now
        entry.expiresAt = message.timeToLive.map { now + $0 } ?? .distantFuture
        entry.tokens = max(0, message.estimatedTokens)
        entry.expectedNanoseconds = max(0, message.expectedProcessing?.wholeNanoseconds ?? 0)
        entry.rememberedMilliseconds = UInt32(clamping: message.remembered.wholeNanoseconds / 1_000_000)
        entry.tenant = self.lineup.enter(message.tenant)
        entry.lane = message.model.flatMap { self.lanes[$0] } ?? 0
        entry.priority = message.priority
        self.entries[Int(slot)] = entry
        if message.timeToLive != nil { self.expiries.set(slot, at: entry.expiresAt) }
        self.wait(slot, until: message.delay > .zero ? now + message.delay : now, now: now)
        return .accepted(sequence: self.sequence)
    }

    private mutating func allocate() -> UInt32 {
        if let slot = self.freeSlots.popLast() { return slot }
        if self.entries.count == self.entries.capacity, self.entries.count > 4_096 {
            // A quarter at a time: doubling would leave half of a large queue's memory empty.
            let capacity = self.entries.count + self.entries.count / 4
            self.entries.reserveCapacity(capacity)
            self.payloads.reserveCapacity(capacity)
        }
        self.entries.append(ShelfEntry())
        self.payloads.append(nil)
        return UInt32(self.entries.count - 1)
    }

    // MARK: Phases

    func facts(_ slot: UInt32) -> WaitingFacts { self.entries[Int(slot)].facts }

    /// The message waits from now on; it is ready when the time has come.
    mutating func wait(_ slot: UInt32, until due: Instant, now: Instant) {
        if self.entries[Int(slot)].expiresAt <= now { return self.bury(slot, .expired, error: nil, now: now) }
        guard due <= now else {
            self.entries[Int(slot)].phase = .delayed
            self.timers.set(slot, at: due)
            self.delayed += 1
            return
        }
        self.entries[Int(slot)].phase = .ready
        self.lineup.insert(slot, self.facts(slot))
        self.readyByPriority[Int(self.entries[Int(slot)].priority.rawValue)] += 1
    }

    /// Takes a message out of whatever its phase keeps it in.
    mutating func detach(_ slot: UInt32, actualTokens: Int? = nil) {
        let entry = self.entries[Int(slot)]
        switch entry.phase {
        case .ready:
            self.lineup.remove(slot)
            self.readyByPriority[Int(entry.priority.rawValue)] -= 1
        case .delayed:
            self.timers.remove(slot)
            self.delayed -= 1
        case .leased:
            self.timers.remove(slot)
            self.leased -= 1
            let (correction, overflow) = (actualTokens ?? 0).subtractingReportingOverflow(entry.tokens)
            let served = actualTokens ?? 0
            self.lineup.settle(entry.tenant, correction: overflow ? 0 : correction, served: served)
        case .dead:
            self.dead.remove(OrderKey(rank: 0, sequence: entry.token))
        case .free: break
        }
    }

    /// Everything whose time has come.
    mutating func settle(now: Instant) {
        while let slot = self.timers.popFirst(until: now) {
            // The heap has let go already; `detach` finds nothing there.
            self.detach(slot)
            self.wait(slot, until: now, now: now)
        }
        while let slot = self.expiries.popFirst(until: now) {
            // What is leased is looked at when it comes back.
            guard self.entries[Int(slot)].phase != .leased else { continue }
            self.detach(slot)
            self.bury(slot, .expired, error: nil, now: now)
        }
        while self.firstRemembered < self.remembered.count, self.remembered[self.firstRemembered].until <= now {
            self.forgetFirst()
        }
    }

    private mutating func forgetFirst() {
        let id = self.remembered[self.firstRemembered].id
        if self.slots[id] == Self.tombstone { self.slots[id] = nil }
        self.remembered[self.firstRemembered].id = ""
        self.firstRemembered += 1
        if self.firstRemembered > 1_024, self.firstRemembered * 2 > self.remembered.count {
            self.remembered.removeFirst(self.firstRemembered)
            self.firstRemembered = 0
        }
    }

    /// The message must be detached. Dead letters beyond the bound are forgotten, the longest dead first.
    mutating func bury(_ slot: UInt32, _ reason: DeadLetterReason, error: String?, now: Instant) {
        let index = Int(slot)
        let extras = self.entries[index].extras
        self.entries[index].extras = ShelfEntry.Extras(
            metadata: extras?.metadata ?? [:],
            lastError: error ?? extras?.lastError,
            reason: reason
        )
        if reason == .expired, self.expired.count < Self.maximumReports {
            self.expired.append(self.entries[index].id)
        }
        self.entries[index].phase = .dead
        self.expiries.remove(slot)
        self.deaths += 1
        self.entries[index].token = self.deaths
        self.dead.insert(OrderKey(rank: 0, sequence: self.deaths), slot)
        if self.dead.count > self.maximumDeadLetters, let first = self.dead.first {
            self.dead.remove(first.key)
            self.forget(first.value, now: now)
        }
    }

    /// The message must be detached; it is gone.
    mutating func forget(_ slot: UInt32, now: Instant) {
        let entry = self.entries[Int(slot)]
        self.lineup.leave(entry.tenant)
        self.expiries.remove(slot)
        if entry.rememberedMilliseconds > 0 {
            self.slots[entry.id] = Self.tombstone
            self.remembered.append((entry.id, now + .milliseconds(Int64(entry.rememberedMilliseconds))))
            if self.remembered.count - self.firstRemembered > self.maximumRemembered { self.forgetFirst() }
        } else {
            self.slots[entry.id] = nil
        }
        self.entries[Int(slot)] = ShelfEntry()
        self.payloads[Int(slot)] = nil
        self.freeSlots.append(slot)
    }

    // MARK: Looking up

    /// The slot of a message that the bearer of the receipt holds.
    func owned(_ receipt: Receipt) -> UInt32? {
        guard let slot = self.slots[receipt.id], slot != Self.tombstone,
            self.entries[Int(slot)].phase == .leased, self.entries[Int(slot)].token == receipt.token
        else { return nil }
        return slot
    }

    func attributes(_ slot: UInt32, now: Instant) -> MessageAttributes {
        self.entries[Int(slot)].attributes(
            tenant: self.lineup.ledger.name(self.entries[Int(slot)].tenant),
            now: now
        )
    }
}
