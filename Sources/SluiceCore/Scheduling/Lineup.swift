import SluiceBasics

/// Requests that wait, in an order that leaves the choice open: the policy decides when a slot is free, by what is
/// true then.
///
/// DESIGN. A cell holds what is alike: one tenant, one lane, one size class, one priority. Within a cell only age
/// matters, so that its oldest request stands for it, and a choice looks at the few dozen cells of one tenant instead
/// of all that wait. All requests lie in one B-tree, ordered by cell and age; a cell knows its head, which is looked
/// up again only when it leaves. While tokens are limited, a second tree orders each tenant's requests by exact size,
/// so that something that fits is found if there is anything. Every change is O(log n), a choice O(cells of a tenant).
package struct Lineup: Sendable {
    struct Waiting: Sendable {
        var facts: WaitingFacts
        var cell: UInt32
    }

    struct Cell: Sendable {
        /// Tenant, lane, size class and priority: see `Lineup.rank`.
        var rank: UInt64
        var count: Int
        /// Next cell of the same tenant.
        var next: UInt32
        var headSlot: UInt32
        var head: WaitingFacts
    }

    static let none = UInt32.max
    private static let blank = Waiting(facts: WaitingFacts(sequence: 0, enqueuedAt: .zero, tokens: 0), cell: none)

    package internal(set) var ledger: TenantLedger
    /// By slot.
    var waiting: [Waiting] = []
    var cells: [Cell] = []
    private var freeCells: [UInt32] = []
    /// First cell by tenant, or of everybody at 0.
    var firstCells: [UInt32] = []
    var tree = CountedTree()
    /// By tenant, lane and tokens; empty unless `tracksSizes`.
    var sizes = CountedTree()
    private(set) var tracksSizes = false
    /// What each lane has left; less than 0: nothing of it may start. Lanes beyond the end have no limit.
    package var laneRooms: [Int] = []
    /// By lane, what the smallest needs that its lane has kept from starting at the last choice that found nothing;
    /// `.max`: nobody. Exact while sizes are tracked.
    package internal(set) var laneNeeds: [Int] = []
    /// The most that there could ever be to spend at once: nothing is kept for a request that needs more.
    package var capacity = Int.max

    package init(tenants: TenantPolicy = TenantPolicy()) {
        self.ledger = TenantLedger(policy: tenants)
    }

    package var count: Int { self.tree.count }
    package var isEmpty: Bool { self.tree.isEmpty }

    /// Caps need turns.
    var isFair: Bool { self.ledger.policy.isFair || self.ledger.policy.maximumInFlight != nil }

    @inline(always)
    func group(of tenant: UInt32) -> UInt32 { self.isFair ? tenant : 0 }

    @inline(always)
    static func rank(group: UInt32, lane: UInt8, size: UInt8, priority: UInt8) -> UInt64 {
        UInt64(group) << 32 | UInt64(lane) << 24 | UInt64(size) << 8 | UInt64(priority)
    }

    static func lane(ofRank rank: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: rank >> 24) }

    @inline(always)
    private func sizeKey(_ facts: WaitingFacts) -> OrderKey {
        Self.sizeKey(group: self.group(of: facts.tenant), lane: facts.lane, facts.tokens, facts.sequence)
    }

    static func sizeKey(group: UInt32, lane: UInt8, _ tokens: Int, _ sequence: UInt64) -> OrderKey {
        let size = UInt64(min(tokens, 0xFF_FFFF))
        return OrderKey(rank: UInt64(group) << 32 | UInt64(lane) << 24 | size, sequence: sequence)
    }

    // MARK: Looking up

    /// The oldest request that waits and needs no more than `capacity`. O(cells), for who wants to know.
    package func oldest(capacity: Int = .max) -> UInt32? {
        var oldest: UInt32?
        var sequence = UInt64.max
        for first in self.firstCells {
            var index = first
            while index != Self.none {
                let cell = self.cells[Int(index)]
                index = cell.next
                guard cell.head.sequence < sequence, cell.head.tokens <= capacity else { continue }
                sequence = cell.head.sequence
                oldest = cell.headSlot
            }
        }
        return oldest
    }

    /// Tokens of the smallest request that waits in each lane where some do, unless sizes are not tracked.
    /// O(groups · lanes · log n).
    package var smallestByLane: [UInt8: Int] {
        var least: [UInt8: Int] = [:]
        var key = OrderKey(rank: 0, sequence: 0)
        while let first = self.sizes.first(from: key) {
            let facts = self.waiting[Int(first.value)].facts
            least[facts.lane] = min(least[facts.lane] ?? .max, facts.tokens)
            key = OrderKey(rank: (first.key.rank >> 24 + 1) << 24, sequence: 0)
        }
        return least
    }

    // MARK: Coming and going

    /// The facts of a request that waits.
    package func facts(_ slot: UInt32) -> WaitingFacts? {
        guard Int(slot) < self.waiting.count, self.waiting[Int(slot)].cell != Self.none else { return nil }
        return self.waiting[Int(slot)].facts
    }

    /// The slot must not wait already.
    package mutating func insert(_ slot: UInt32, _ facts: WaitingFacts) {
        while self.waiting.count <= Int(slot) { self.waiting.append(Self.blank) }
        self.ledger.wait(facts.tenant)
        self.place(slot, facts)
    }

    private mutating func place(_ slot: UInt32, _ facts: WaitingFacts) {
        let group = self.group(of: facts.tenant)
        let rank = Self.rank(
            group: group,
            lane: facts.lane,
            size: SizeClass.of(facts.tokens),
            priority: facts.priority.rawValue
        )
        let cell = Int(self.cell(rank, group: group))
        self.waiting[Int(slot)] = Waiting(facts: facts, cell: UInt32(cell))
        self.cells[cell].count += 1
        if self.cells[cell].count == 1 || facts.sequence < self.cells[cell].head.sequence {
            self.cells[cell].head = facts
            self.cells[cell].headSlot = slot
        }
        self.tree.insert(OrderKey(rank: rank, sequence: facts.sequence), slot)
        if self.tracksSizes { self.sizes.insert(self.sizeKey(facts), slot) }
    }

    private mutating func cell(_ rank: UInt64, group: UInt32) -> UInt32 {
        while self.firstCells.count <= Int(group) { self.firstCells.append(Self.none) }
        var index = self.firstCells[Int(group)]
        while index != Self.none {
            if self.cells[Int(index)].rank == rank { return index }
            index = self.cells[Int(index)].next
        }
        let cell = Cell(
            rank: rank,
            count: 0,
            next: self.firstCells[Int(group)],
            headSlot: Self.none,
            head: Self.blank.facts
        )
        if let reused = self.freeCells.popLast() {
            index = reused
            self.cells[Int(index)] = cell
        } else {
            index = UInt32(self.cells.count)
            self.cells.append(cell)
        }
        self.firstCells[Int(group)] = index
        return index
    }

    private mutating func discard(_ cell: UInt32, group: UInt32) {
        let next = self.cells[Int(cell)].next
        if self.firstCells[Int(group)] == cell {
            self.firstCells[Int(group)] = next
        } else {
            var index = self.firstCells[Int(group)]
            while index != Self.none, self.cells[Int(index)].next != cell { index = self.cells[Int(index)].next }
            if index != Self.none { self.cells[Int(index)].next = next }
        }
        self.freeCells.append(cell)
    }

    /// Does nothing if the slot does not wait.
    package mutating func remove(_ slot: UInt32) {
        guard Int(slot) < self.waiting.count, self.waiting[Int(slot)].cell != Self.none else { return }
        let facts = self.waiting[Int(slot)].facts
        self.take(slot, facts)
        self.ledger.unwait(facts.tenant)
    }

    /// The request has got a slot; its tenant is charged what it will probably take.
    package mutating func claim(_ slot: UInt32, cost: Int) {
        guard Int(slot) < self.waiting.count, self.waiting[Int(slot)].cell != Self.none else { return }
        let facts = self.waiting[Int(slot)].facts
        self.take(slot, facts)
        self.ledger.claim(facts.tenant, cost: cost)
        self.ledger.unwait(facts.tenant)
    }

    private mutating func take(_ slot: UInt32, _ facts: WaitingFacts) {
        let cell = self.waiting[Int(slot)].cell
        let rank = self.cells[Int(cell)].rank
        self.waiting[Int(slot)].cell = Self.none
        self.tree.remove(OrderKey(rank: rank, sequence: facts.sequence))
        if self.tracksSizes { self.sizes.remove(self.sizeKey(facts)) }
        self.cells[Int(cell)].count -= 1
        guard self.cells[Int(cell)].count > 0 else {
            return self.discard(cell, group: self.group(of: facts.tenant))
        }
        guard self.cells[Int(cell)].headSlot == slot,
            let next = self.tree.first(from: OrderKey(rank: rank, sequence: facts.sequence))
        else { return }
        self.cells[Int(cell)].headSlot = next.value
        self.cells[Int(cell)].head = self.waiting[Int(next.value)].facts
    }

    // MARK: Lives

    /// A request of the tenant has come in. Returns the tenant's number, valid until as many `leave` as `enter`.
    package mutating func enter(_ tenant: String) -> UInt32 { self.ledger.enter(tenant) }

    /// A request of the tenant has ended.
    package mutating func leave(_ tenant: UInt32) { self.ledger.leave(tenant) }

    /// A claimed request is not under way any more.
    ///
    /// - Parameters:
    ///   - correction: tokens beyond what it was charged.
    ///   - served: tokens that its tenant has had of it.
    package mutating func settle(_ tenant: UInt32, correction: Int, served: Int) {
        self.ledger.settle(tenant, correction: correction, served: served)
    }

    // MARK: Rules

    /// Whether tokens are limited, so that size matters. O(n log n) when it changes to `true`.
    package mutating func trackSizes(_ isNeeded: Bool) {
        guard isNeeded != self.tracksSizes else { return }
        self.tracksSizes = isNeeded
        self.sizes = CountedTree()
        guard isNeeded else { return }
        self.tree.walk(from: 0) { _, slot in
            self.sizes.insert(self.sizeKey(self.waiting[Int(slot)].facts), slot)
            return true
        }
    }

    /// O(n log n) when fairness is switched on or off.
    package mutating func configure(_ policy: TenantPolicy) {
        let wasFair = self.isFair
        self.ledger.configure(policy)
        guard self.isFair != wasFair else { return }
        var slots: [UInt32] = []
        self.tree.walk(from: 0) { _, slot in
            slots.append(slot)
            return true
        }
        self.tree = CountedTree()
        self.sizes = CountedTree()
        self.cells = []
        self.freeCells = []
        self.firstCells = []
        for slot in slots { self.place(slot, self.waiting[Int(slot)].facts) }
    }

    /// Compares everything with everything; `nil` when all is well. For tests.
    package func audit() -> String? {
        var counts: [UInt32: Int] = [:]
        for slot in self.waiting.indices where self.waiting[slot].cell != Self.none {
            let facts = self.waiting[slot].facts
            let cell = self.cells[Int(self.waiting[slot].cell)]
            counts[self.waiting[slot].cell, default: 0] += 1
            if self.tree.value(of: OrderKey(rank: cell.rank, sequence: facts.sequence)) != UInt32(slot) {
                return "Slot \(slot) is not in the tree."
            }
            if facts.sequence < cell.head.sequence { return "Slot \(slot) is older than the head of its cell." }
            if self.tracksSizes, self.sizes.value(of: self.sizeKey(facts)) != UInt32(slot) {
                return "Slot \(slot) is not among the sizes."
            }
        }
        for (cell, count) in counts where self.cells[Int(cell)].count != count { return "Cell \(cell) miscounts." }
        let total = counts.values.reduce(0, +)
        if total != self.tree.count { return "\(total) wait, \(self.tree.count) are in the tree." }
        if self.tracksSizes, total != self.sizes.count { return "\(total) wait, \(self.sizes.count) have a size." }
        return nil
    }
}
