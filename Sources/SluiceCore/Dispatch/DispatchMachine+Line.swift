import SluiceBasics

/// One of those who wait, as an onlooker sees it.
package struct LinePlace: Sendable {
    package var handle: RequestHandle
    package var seat: UInt64
    /// `nil` where no scores are made.
    package var score: ScoreBreakdown?
    /// It has waited for longer than the policy's maximum: served by age.
    package var isOverdue: Bool
}

// The line as it stands, for whoever watches.
extension DispatchMachine {
    /// Those who would be started next, in that order, if nothing but the policy and the turns of tenants decided:
    /// neither what is left of limits nor what has yet to come.
    ///
    /// The first `limit` by age, and priority where that counts, are looked at. O(limit · log n).
    package mutating func line(_ pool: Int, limit: Int, now: Instant) -> [LinePlace] {
        guard pool < self.pools.count else { return [] }
        let budget = self.pools[pool].limit.budget(at: now).map { max(0, $0) }
        return self.pools[pool].queue.line(limit, budget: budget, now: now)
    }

    /// What the scorers know of a live request, and the weights in force; `nil` where no scores are made.
    ///
    /// - Parameter own: whether what it was charged itself counts as available: for one that is just being started.
    package mutating func scoring(
        _ handle: RequestHandle,
        own: Bool = false,
        now: Instant
    ) -> (facts: ScoringFacts, weights: ScoringWeights)? {
        let pool = Int(handle.pool)
        guard pool < self.pools.count,
            case .scored(let weights) = self.pools[pool].configuration.scheduling.policy.order
        else { return nil }
        var budget = self.pools[pool].limit.availableTokens(at: now)
        if own, let left = budget {
            budget = left.addingReportingOverflow(self.pools[pool].queue.chargeable(handle)).partialValue
        }
        let facts = self.pools[pool].queue.scoringFacts(handle, budget: budget.map { max(0, $0) }, now: now)
        return facts.map { ($0, weights) }
    }

    /// Tokens and requests that the pool's limit has left; `nil`: not limited.
    package mutating func allowance(_ pool: Int, now: Instant) -> (tokens: Int?, requests: Int?) {
        guard pool < self.pools.count else { return (nil, nil) }
        return (
            self.pools[pool].limit.availableTokens(at: now), self.pools[pool].limit.availableRequests(at: now)
        )
    }

    /// Virtual service of a tenant, in weighted tokens over its share; `nil` without fair turns or live requests.
    package func virtualService(_ tenant: String, pool: Int) -> Double? {
        guard pool < self.pools.count, self.pools[pool].configuration.scheduling.tenants.isFair else { return nil }
        let ledger = self.pools[pool].queue.lineup.ledger
        return ledger.number(of: tenant).map { ledger.service($0) }
    }
}

extension InMemoryQueue {
    fileprivate struct Waiter {
        var slot: Int
        var score: ScoreBreakdown?
        var total: Double
        var isOverdue: Bool
    }

    func scoringFacts(_ handle: RequestHandle, budget: Int?, now: Instant) -> ScoringFacts? {
        guard let slot = self.slot(handle) else { return nil }
        var facts = self.entries[slot].facts
        facts.tokens = self.chargeable(slot)
        return facts.scoring(available: budget, at: now)
    }

    fileprivate func line(_ limit: Int, budget: Int?, now: Instant) -> [LinePlace] {
        let policy = self.rules.policy ?? SchedulingPolicy(order: .fifo)
        let takesTurns = self.rules.tenants.isFair
        var crowds: [UInt32: [Waiter]] = [:]
        for handle in self.peek(limit) {
            let slot = Int(handle.slot)
            let score = self.score(handle, budget: budget, now: now)
            let isOverdue = now - self.entries[slot].submittedAt >= policy.maximumWait
            crowds[takesTurns ? self.entries[slot].tenant : 0, default: []].append(
                Waiter(slot: slot, score: score, total: score?.total ?? 0, isOverdue: isOverdue)
            )
        }
        for tenant in crowds.keys {
            crowds[tenant]?.sort { self.isBefore($0, $1, policy) }
        }
        return self.merge(crowds)
    }

    private func isBefore(_ left: Waiter, _ right: Waiter, _ policy: SchedulingPolicy) -> Bool {
        let (one, other) = (self.entries[left.slot], self.entries[right.slot])
        if left.isOverdue != right.isOverdue { return left.isOverdue }
        if left.isOverdue || policy.order == .fifo { return one.key.sequence < other.key.sequence }
        if left.total != right.total { return left.total > right.total }
        return one.priority != other.priority
            ? one.priority < other.priority : one.key.sequence < other.key.sequence
    }

    /// Crowds in turn: whoever has had least is next, of equals who has been there longest, and is charged for it.
    private func merge(_ crowds: [UInt32: [Waiter]]) -> [LinePlace] {
        let ledger = self.lineup.ledger
        let ordered = crowds.sorted {
            ledger.accounts[Int($0.key)].arrival < ledger.accounts[Int($1.key)].arrival
        }
        var queues = ordered.map { tenant, waiters in
            (
                waiters: waiters, next: 0, service: ledger.service(tenant),
                weight: self.weight(ofTenant: tenant)
            )
        }
        var places: [LinePlace] = []
        while true {
            var turn: Int?
            for index in queues.indices where queues[index].next < queues[index].waiters.count {
                if turn.map({ queues[index].service < queues[$0].service }) ?? true { turn = index }
            }
            guard let turn else { return places }
            let waiter = queues[turn].waiters[queues[turn].next]
            queues[turn].next += 1
            queues[turn].service += Double(self.entries[waiter.slot].cost) / queues[turn].weight
            places.append(
                LinePlace(
                    handle: self.handle(waiter.slot),
                    seat: self.entries[waiter.slot].notes.seat,
                    score: waiter.score,
                    isOverdue: waiter.isOverdue
                )
            )
        }
    }

    private func weight(ofTenant tenant: UInt32) -> Double {
        let policy = self.rules.tenants
        let name = self.lineup.ledger.name(tenant)
        return max(TenantPolicy.weightRange.lowerBound, policy.weights[name] ?? policy.defaultWeight)
    }
}
