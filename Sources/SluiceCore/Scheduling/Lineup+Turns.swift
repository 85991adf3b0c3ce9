import SluiceBasics

// What tenants' turns mean for who waits: how many go before, who has its share of the line, how many could start.
extension Lineup {
    /// Tenants that are looked at one by one; the others count together.
    private static let reach = 64

    /// How many of its tenant's requests stand before a request with this key in an order of all requests.
    /// O(cells of the tenant · log n).
    func own(before key: OrderKey, _ tenant: UInt32, _ order: QueueOrder) -> Int {
        let group = self.group(of: tenant)
        guard Int(group) < self.firstCells.count else { return 0 }
        var own = 0
        var index = self.firstCells[Int(group)]
        while index != Self.none {
            let cell = self.cells[Int(index)]
            index = cell.next
            let rank = order.rank(cell.head.priority)
            if rank < key.rank {
                own += cell.count
            } else if rank == key.rank {
                let start = self.tree.rank(of: OrderKey(rank: cell.rank, sequence: 0))
                own += self.tree.rank(of: OrderKey(rank: cell.rank, sequence: key.sequence)) - start
            }
        }
        return own
    }

    /// How many requests start before one that has `own` of its tenant before it: while those and it have their turns,
    /// every other tenant has as many as its weight gives it. An upper bound beyond the first few dozen tenants.
    func ahead(_ own: Int, of tenant: String) -> Int {
        let number = self.ledger.number(of: tenant)
        let weight = self.ledger.weight(of: tenant)
        let ownWaiting = number.map { self.ledger.accounts[Int($0)].waiting } ?? 0
        var others = self.count - ownWaiting
        var weights = self.ledger.waitingWeight - (ownWaiting > 0 ? min(weight, self.ledger.waitingWeight) : 0)
        func turns(_ waiting: Int, _ others: UInt64) -> Int {
            let turns = (Double(own) + 1) * Double(others) / Double(max(1, weight))
            return turns < Double(waiting) ? Int(turns.rounded(.up)) : max(0, waiting)
        }
        var ahead = own
        var looked = 0
        self.ledger.turns.walk(from: 0) { _, other in
            guard other != number else { return true }
            let account = self.ledger.accounts[Int(other)]
            ahead += turns(account.waiting, account.weight)
            others -= account.waiting
            weights -= min(weights, account.weight)
            looked += 1
            return looked < Self.reach
        }
        return ahead + turns(others, weights)
    }

    /// Whether a tenant has at least as many requests waiting as its weight gives it of the line.
    ///
    /// - Parameter more: requests that it would like to add.
    func fillsShare(_ tenant: String, adding more: Int) -> Bool {
        guard self.ledger.policy.isFair else { return true }
        let waiting = self.ledger.number(of: tenant).map { self.ledger.accounts[Int($0)].waiting } ?? 0
        let weight = self.ledger.weight(of: tenant)
        let weights = Double(self.ledger.waitingWeight) + (waiting == 0 ? Double(weight) : 0)
        return Double(waiting + more) * weights >= Double(self.count + more) * Double(weight) * (1 - 1e-9)
    }

    func fillsShare(_ tenant: UInt32) -> Bool {
        guard self.ledger.policy.isFair else { return true }
        let account = self.ledger.accounts[Int(tenant)]
        let share = Double(self.count) * Double(account.weight) * (1 - 1e-9)
        return Double(account.waiting) * Double(self.ledger.waitingWeight) >= share
    }

    /// The newest request of a tenant's lowest class. O(cells of the tenant + log n) per class.
    func newestOfLowest(_ tenant: UInt32) -> UInt32? {
        let group = self.group(of: tenant)
        guard Int(group) < self.firstCells.count else { return nil }
        var newest: (priority: Priority, sequence: UInt64, slot: UInt32)?
        var index = self.firstCells[Int(group)]
        while index != Self.none {
            let cell = self.cells[Int(index)]
            index = cell.next
            let priority = cell.head.priority
            if let newest, priority < newest.priority { continue }
            let end = self.tree.rank(of: OrderKey(rank: cell.rank, sequence: .max))
            guard let last = self.tree.element(at: end - 1) else { continue }
            if let newest, priority == newest.priority, last.key.sequence < newest.sequence { continue }
            newest = (priority, last.key.sequence, last.value)
        }
        return newest?.slot
    }

    /// How many of those that wait could start as far as their tenants' caps and their lanes go, counted up to `limit`.
    func startable(upTo limit: Int) -> Int {
        let cap = self.ledger.policy.maximumInFlight
        guard cap != nil || !self.laneRooms.isEmpty else { return min(limit, self.count) }
        guard self.isFair else { return min(limit, self.open(in: 0)) }
        var sum = 0
        var looked = 0
        self.ledger.turns.walk(from: 0) { _, tenant in
            let account = self.ledger.accounts[Int(tenant)]
            sum += min(self.open(in: tenant), max(0, (cap ?? .max) - account.inFlight))
            looked += 1
            // Who has not been looked at might start.
            if looked == Self.reach * 4 { sum = limit }
            return sum < limit
        }
        return min(limit, sum)
    }

    /// Requests of cells whose lanes let their oldest through.
    private func open(in group: UInt32) -> Int {
        guard Int(group) < self.firstCells.count else { return 0 }
        var sum = 0
        var index = self.firstCells[Int(group)]
        while index != Self.none {
            let cell = self.cells[Int(index)]
            if cell.head.tokens <= self.laneRoom(cell.head.lane) { sum += cell.count }
            index = cell.next
        }
        return sum
    }
}

extension InMemoryQueue {
    private var takesTurns: Bool { self.rules.policy != nil && self.rules.tenants.isFair }

    /// How many requests start before this one if nothing else comes, as far as can be told: no more than stand before
    /// it, and of each tenant no more than it has turns until then.
    package mutating func ahead(of handle: RequestHandle) -> Int? {
        guard let rank = self.rank(handle), let slot = self.slot(handle) else { return nil }
        guard rank > 0, self.takesTurns else { return rank }
        let tenant = self.entries[slot].tenant
        let own = self.lineup.own(before: self.entries[slot].key, tenant, self.rules.order)
        return min(rank, self.lineup.ahead(own, of: self.lineup.ledger.name(tenant)))
    }

    /// How many requests would start before a new one.
    package mutating func ahead(of submission: Submission) -> Int {
        let backlog = self.backlog(ahead: submission.priority)
        guard backlog > 0, self.takesTurns else { return backlog }
        let key = OrderKey(rank: self.rules.order.rank(submission.priority), sequence: .max)
        let tenant = self.lineup.ledger.number(of: submission.tenant)
        let own = tenant.map { self.lineup.own(before: key, $0, self.rules.order) } ?? 0
        return min(backlog, self.lineup.ahead(own, of: submission.tenant))
    }
}
