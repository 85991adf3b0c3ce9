import SluiceBasics

// Whose turn it is by age.
extension Lineup {
    package struct Oldest: Sendable, Equatable {
        /// Needs no more than the capacity and what its lane has left.
        package var waiting: UInt32?
        /// Fits the budget, too.
        package var admitted: UInt32?
    }

    /// How far a cell is searched when its oldest request needs too much.
    private static let reach = 16

    /// The oldest requests of tenants that are not at their cap. O(cells · log n).
    ///
    /// - Parameter budget: tokens that may be spent now; less than 0: none at all; `nil`: not limited.
    package func oldest(capacity: Int, budget: Int?) -> Oldest {
        var oldest = Oldest()
        var waitingSequence = UInt64.max
        var admittedSequence = UInt64.max
        for group in self.firstCells.indices {
            var index = self.firstCells[group]
            if index != Self.none, self.isFair, self.ledger.isAtCap(UInt32(group)) { continue }
            while index != Self.none {
                let cell = self.cells[Int(index)]
                index = cell.next
                let lane = Int(cell.head.lane)
                let room = lane < self.laneRooms.count ? self.laneRooms[lane] : .max
                guard room >= 0 else { continue }
                if let found = self.oldest(in: cell, limit: min(room, capacity), before: waitingSequence) {
                    oldest.waiting = found.slot
                    waitingSequence = found.sequence
                }
                if let found = self.oldest(in: cell, limit: min(room, budget ?? .max), before: admittedSequence) {
                    oldest.admitted = found.slot
                    admittedSequence = found.sequence
                }
            }
        }
        return oldest
    }

    private func oldest(in cell: Cell, limit: Int, before bound: UInt64) -> (slot: UInt32, sequence: UInt64)? {
        guard cell.head.sequence < bound, limit >= 0 else { return nil }
        if cell.head.tokens <= limit { return (cell.headSlot, cell.head.sequence) }
        guard cell.count > 1, SizeClass.of(limit) >= SizeClass.of(cell.head.tokens) else { return nil }
        // The limit lies within the class: somebody behind may fit.
        let start = self.tree.rank(of: OrderKey(rank: cell.rank, sequence: cell.head.sequence)) + 1
        for rank in start..<(start + min(Self.reach, cell.count - 1)) {
            guard let next = self.tree.element(at: rank) else { return nil }
            let facts = self.waiting[Int(next.value)].facts
            guard facts.sequence < bound else { return nil }
            if facts.tokens <= limit { return (next.value, facts.sequence) }
        }
        return nil
    }
}
