import SluiceBasics

/// What runs next, or why nothing does.
package enum Choice: Sendable, Equatable {
    /// Nobody waits, or only tenants at their cap.
    case nothing
    case chosen(Chosen)
    /// Nothing that waits fits what is left; the smallest that its lane would let through needs so many tokens.
    /// 0: their lanes hold all of them back (see `Lineup.laneNeeds`), or tokens are owed.
    case blocked(needs: Int)
    /// Somebody has waited for too long to be passed by, and needs so many tokens: nothing else is started meanwhile.
    case held(slot: UInt32, needs: Int)
}

package struct Chosen: Sendable, Equatable {
    package enum Reason: String, Sendable, CaseIterable {
        /// First in line.
        case order
        /// The best score.
        case score
        /// The best score, though below the policy's minimum: nothing better was there.
        case belowMinimum = "below_minimum"
        /// It had waited for `maximumWait`.
        case overdue
    }

    package var slot: UInt32
    package var score: Double
    package var reason: Reason
    /// What the scorers took as available; `nil`: tokens are not limited.
    package var available: Int?
    /// How many were compared.
    package var compared: Int
}

// Choosing.
extension Lineup {
    /// How far a cell is searched for something that fits when its oldest request does not.
    private static let reach = 16

    private struct Search {
        var best: Chosen?
        var bestPriority = Priority.low
        var bestSequence = UInt64.max
        var oldest: UInt32?
        var oldestFacts = WaitingFacts(sequence: .max, enqueuedAt: .distantFuture, tokens: 0)
        var least = Int.max
        /// Whether a lane has kept something from starting.
        var isHeldBack = false
        var compared = 0
        var skipped = 0
    }

    /// What runs next. Nothing changes: `claim` does.
    ///
    /// - Parameters:
    ///   - budget: tokens that may be spent now; less than 0: none at all; `nil`: not limited.
    ///   - bonus: what custom scorers add for the request in a slot.
    package mutating func choose(
        _ policy: SchedulingPolicy,
        budget: Int?,
        now: Instant,
        bonus: ((UInt32) -> Double)? = nil
    ) -> Choice {
        if self.tree.isEmpty { return .nothing }
        self.forgetLaneNeeds()
        if let budget, budget < 0 { return .blocked(needs: 0) }
        guard self.isFair else {
            let choice = self.choose(in: 0, policy, budget: budget, now: now, bonus)
            return choice == .blocked(needs: .max) ? .blocked(needs: 0) : choice
        }
        var least = Int.max
        var answer = Choice.nothing
        var rank = 0
        while let turn = self.ledger.turns.element(at: rank) {
            switch self.choose(in: turn.value, policy, budget: budget, now: now, bonus) {
            case .nothing: break
            case .blocked(let needs):
                least = min(least, needs)
                answer = .blocked(needs: least == .max ? 0 : least)
            case .chosen(let chosen): return .chosen(chosen)
            case .held(let slot, let needs): return .held(slot: slot, needs: needs)
            }
            rank += 1
        }
        return answer
    }

    private mutating func forgetLaneNeeds() {
        guard !self.laneRooms.isEmpty || !self.laneNeeds.isEmpty else { return }
        self.laneNeeds.removeAll(keepingCapacity: true)
        for _ in self.laneRooms.indices { self.laneNeeds.append(.max) }
    }

    /// Its lane does not let it through.
    private mutating func holdBack(_ facts: WaitingFacts, _ search: inout Search) {
        search.isHeldBack = true
        guard Int(facts.lane) < self.laneNeeds.count else { return }
        self.laneNeeds[Int(facts.lane)] = min(self.laneNeeds[Int(facts.lane)], facts.tokens)
    }

    @inline(always)
    func laneRoom(_ lane: UInt8) -> Int {
        Int(lane) < self.laneRooms.count ? self.laneRooms[Int(lane)] : .max
    }

    private mutating func choose(
        in group: UInt32,
        _ policy: SchedulingPolicy,
        budget: Int?,
        now: Instant,
        _ bonus: ((UInt32) -> Double)?
    ) -> Choice {
        guard Int(group) < self.firstCells.count else { return .nothing }
        var search = Search()
        var index = self.firstCells[Int(group)]
        while index != Self.none {
            self.look(at: Int(index), policy, budget: budget, now: now, bonus, &search)
            index = self.cells[Int(index)].next
        }
        if let oldest = search.oldest, search.oldestFacts.wait(at: now) >= policy.maximumWait {
            let facts = search.oldestFacts
            guard facts.tokens <= budget ?? .max else { return .held(slot: oldest, needs: facts.tokens) }
            let available = self.available(budget, facts.lane)
            return .chosen(
                Chosen(slot: oldest, score: 0, reason: .overdue, available: available, compared: search.compared)
            )
        }
        if search.compared < policy.candidates, search.best != nil, case .scored = policy.order {
            self.lookFurther(in: group, policy, budget: budget, now: now, bonus, &search)
        }
        if search.best == nil { self.lookForSmallest(in: group, policy, budget: budget, now: now, bonus, &search) }
        if var best = search.best {
            best.compared = search.compared
            return .chosen(best)
        }
        return search.least < .max || search.isHeldBack ? .blocked(needs: search.least) : .nothing
    }

    private func available(_ budget: Int?, _ lane: UInt8) -> Int? {
        let room = self.laneRoom(lane)
        guard let budget else { return room == .max ? nil : room }
        return min(budget, room)
    }

    /// Considers a cell's oldest request that fits.
    @inline(__always)
    private mutating func look(
        at cell: Int,
        _ policy: SchedulingPolicy,
        budget: Int?,
        now: Instant,
        _ bonus: ((UInt32) -> Double)?,
        _ search: inout Search
    ) {
        let head = self.cells[cell].head
        let slot = self.cells[cell].headSlot
        let room = self.laneRoom(head.lane)
        if head.tokens <= room { search.least = min(search.least, head.tokens) } else { self.holdBack(head, &search) }
        guard room >= 0 else { return }
        // Beyond its lane's room nothing can be kept for it: that is the backend's to give.
        if head.sequence < search.oldestFacts.sequence, head.tokens <= min(self.capacity, room) {
            search.oldest = slot
            search.oldestFacts = head
        }
        let limit = min(room, budget ?? .max)
        if head.tokens <= limit {
            self.compare(slot, head, policy, available: self.available(budget, head.lane), now: now, bonus, &search)
        } else if self.cells[cell].count > 1, SizeClass.of(limit) >= SizeClass.of(head.tokens) {
            // The limit lies within the class: somebody behind may fit.
            let start = self.tree.rank(of: OrderKey(rank: self.cells[cell].rank, sequence: head.sequence)) + 1
            let end = start + min(Self.reach, self.cells[cell].count - 1)
            for rank in start..<end {
                guard let next = self.tree.element(at: rank) else { return }
                let facts = self.waiting[Int(next.value)].facts
                guard facts.tokens <= limit else { continue }
                let available = self.available(budget, facts.lane)
                return self.compare(next.value, facts, policy, available: available, now: now, bonus, &search)
            }
        }
    }

    @inline(__always)
    private mutating func compare(
        _ slot: UInt32,
        _ facts: WaitingFacts,
        _ policy: SchedulingPolicy,
        available: Int?,
        now: Instant,
        _ bonus: ((UInt32) -> Double)?,
        _ search: inout Search
    ) {
        search.compared += 1
        switch policy.order {
        case .fifo:
            guard facts.sequence < search.bestSequence else { return }
            search.best = Chosen(slot: slot, score: 0, reason: .order, available: available, compared: 0)
        case .priority:
            guard search.best == nil || self.isBefore(facts, search) else { return }
            search.best = Chosen(slot: slot, score: 0, reason: .order, available: available, compared: 0)
        case .scored(let weights):
            var score = weights.score(
                priority: facts.priority,
                tokens: facts.tokens,
                availableTokens: available,
                waitNanoseconds: now.nanoseconds - facts.enqueuedAt.nanoseconds,
                receiveCount: Int(facts.receiveCount),
                expectedNanoseconds: Int64(facts.expectedProcessing) * 1_000_000
            )
            if let bonus { score += bonus(slot) }
            if let best = search.best {
                guard score > best.score || (score == best.score && self.isBefore(facts, search)) else { return }
            }
            let reason: Chosen.Reason = score < policy.minimumScore ? .belowMinimum : .score
            search.best = Chosen(slot: slot, score: score, reason: reason, available: available, compared: 0)
        }
        search.bestPriority = facts.priority
        search.bestSequence = facts.sequence
    }

    @inline(__always)
    private func isBefore(_ facts: WaitingFacts, _ search: Search) -> Bool {
        facts.priority != search.bestPriority
            ? facts.priority < search.bestPriority : facts.sequence < search.bestSequence
    }

    /// Fills the window with what stands behind the heads, by priority and age: a short queue is compared whole.
    private mutating func lookFurther(
        in group: UInt32,
        _ policy: SchedulingPolicy,
        budget: Int?,
        now: Instant,
        _ bonus: ((UInt32) -> Double)?,
        _ search: inout Search
    ) {
        for priority in Priority.allCases {
            var index = self.firstCells[Int(group)]
            while index != Self.none {
                let cell = self.cells[Int(index)]
                index = cell.next
                guard search.compared < policy.candidates else { return }
                guard cell.head.priority == priority, cell.count > 1 else { continue }
                let limit = min(self.laneRoom(cell.head.lane), budget ?? .max)
                guard limit >= 0, cell.head.tokens <= limit else { continue }
                let available = self.available(budget, cell.head.lane)
                let start = self.tree.rank(of: OrderKey(rank: cell.rank, sequence: cell.head.sequence)) + 1
                let end = start + min(cell.count - 1, policy.candidates - search.compared)
                for rank in start..<end {
                    guard let next = self.tree.element(at: rank) else { break }
                    let facts = self.waiting[Int(next.value)].facts
                    guard facts.tokens <= limit else { continue }
                    self.compare(next.value, facts, policy, available: available, now: now, bonus, &search)
                }
            }
        }
    }

    /// If this does not fit, nothing of the tenant does.
    private mutating func lookForSmallest(
        in group: UInt32,
        _ policy: SchedulingPolicy,
        budget: Int?,
        now: Instant,
        _ bonus: ((UInt32) -> Double)?,
        _ search: inout Search
    ) {
        guard self.tracksSizes else { return }
        var key = Self.sizeKey(group: group, lane: 0, 0, 0)
        while let smallest = self.sizes.first(from: key), smallest.key.rank >> 32 == UInt64(group) {
            let facts = self.waiting[Int(smallest.value)].facts
            let limit = min(self.laneRoom(facts.lane), budget ?? .max)
            if facts.tokens <= self.laneRoom(facts.lane) {
                search.least = min(search.least, facts.tokens)
            } else {
                self.holdBack(facts, &search)
            }
            if facts.tokens <= limit, limit >= 0 {
                let available = self.available(budget, facts.lane)
                self.compare(smallest.value, facts, policy, available: available, now: now, bonus, &search)
            }
            guard facts.lane < .max else { return }
            key = Self.sizeKey(group: group, lane: facts.lane + 1, 0, 0)
        }
    }
}
