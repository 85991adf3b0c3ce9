import SluiceBasics

// What the queue knows of why a request waits.
extension InMemoryQueue {
    /// Who would be taken now if nothing else stood in the way, whether or not there are tokens for it.
    ///
    /// - Parameter budget: tokens that may be spent now; `nil`: not limited.
    mutating func winner(budget: Int?, now: Instant) -> (handle: RequestHandle, winner: Explanation.Winner)? {
        guard let policy = self.rules.policy else { return nil }
        let slot: UInt32
        switch self.lineup.choose(policy, budget: budget, now: now) {
        case .chosen(let chosen): slot = chosen.slot
        case .held(let held, _): slot = held
        case .nothing: return nil
        case .blocked:
            guard case .chosen(let chosen) = self.lineup.choose(policy, budget: nil, now: now) else { return nil }
            slot = chosen.slot
        }
        guard let record = self.entries[Int(slot)].record else { return nil }
        let winner = Explanation.Winner(
            id: record.submission.id,
            tenant: record.submission.tenant,
            priority: record.submission.priority,
            waited: max(.zero, now - record.submittedAt),
            score: self.score(Int(slot), budget: budget, now: now)
        )
        return (self.handle(Int(slot)), winner)
    }

    func score(_ handle: RequestHandle, budget: Int?, now: Instant) -> ScoreBreakdown? {
        self.slot(handle).flatMap { self.score($0, budget: budget, now: now) }
    }

    /// `nil` unless the policy makes scores.
    private func score(_ slot: Int, budget: Int?, now: Instant) -> ScoreBreakdown? {
        guard case .scored(let weights)? = self.rules.policy?.order else { return nil }
        var facts = self.entries[slot].facts
        facts.tokens = self.chargeable(slot)
        let room = self.laneRoom(facts.lane)
        let available = room == .max ? budget : min(room, budget ?? .max)
        return weights.breakdown(facts.scoring(available: available, at: now))
    }

    private func laneRoom(_ lane: UInt8) -> Int {
        Int(lane) < self.lineup.laneRooms.count ? self.lineup.laneRooms[Int(lane)] : .max
    }

    func share(_ handle: RequestHandle) -> Explanation.TenantFacts? {
        self.slot(handle).map { self.lineup.ledger.share(self.entries[$0].tenant) }
    }
}

extension TenantLedger {
    func share(_ number: UInt32) -> Explanation.TenantFacts {
        let account = self.accounts[Int(number)]
        let first = self.turns.first
        return Explanation.TenantFacts(
            name: account.name,
            weight: self.policy.weights[account.name] ?? self.policy.defaultWeight,
            counter: self.policy.isFair ? self.service(number) : nil,
            leastCounter: self.policy.isFair ? self.leastService : nil,
            leastTenant: self.policy.isFair ? first.map { self.name($0.value) } : nil,
            queued: account.waiting,
            inFlight: account.inFlight,
            maximumInFlight: self.policy.maximumInFlight
        )
    }
}
