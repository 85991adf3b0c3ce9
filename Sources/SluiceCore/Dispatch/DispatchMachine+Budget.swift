import SluiceBasics

// Limits that other dispatchers share: what to ask the keeper of a pool's budget, and what it answers.
extension DispatchMachine {
    /// From now on these pools may not use more than they hold of their budgets, which somebody else keeps.
    package mutating func shareBudgets(of names: [String], now: Instant, _ effects: inout DispatchEffects) {
        for pool in names.compactMap({ self.poolIndex($0) }) {
            let limit = self.pools[pool].configuration.scheduling.limit
            self.pools[pool].limit.beginSharing(limit, now: now)
            self.pools[pool].queue.configure(
                DispatchPool.rules(self.pools[pool].configuration, self.pools[pool].limit)
            )
        }
        effects.wantsBudget = true
    }

    /// What to ask now. `nil`: nothing before `next`, or before something happens if that is `nil` too.
    package mutating func budgetQuestion(
        pool name: String,
        now: Instant
    ) -> (question: BudgetQuestion?, next: Instant?) {
        guard let pool = self.poolIndex(name) else { return (nil, nil) }
        if let question = self.pools[pool].limit.share?.question(at: now) { return (question, nil) }
        return (nil, self.pools[pool].limit.share?.nextLook(at: now))
    }

    /// - Parameter answer: `nil` if the question was outdated.
    package mutating func grantShare(
        pool name: String,
        _ answer: BudgetAnswer?,
        now: Instant,
        _ effects: inout DispatchEffects
    ) {
        guard let pool = self.poolIndex(name), self.pools[pool].limit.share != nil else { return }
        let capacity = self.pools[pool].limit.tokenCapacity
        if let answer {
            self.pools[pool].limit.share?.accept(answer, at: now)
        } else {
            self.pools[pool].limit.share?.disown(at: now)
        }
        // What is in force may be somebody else's limit.
        if self.pools[pool].limit.tokenCapacity != capacity {
            let rules = DispatchPool.rules(self.pools[pool].configuration, self.pools[pool].limit)
            self.pools[pool].queue.configure(rules)
        }
        self.pools[pool].limit.reconsider()
        // Another dispatcher's limit may be the smaller one.
        let rules = DispatchPool.rules(self.pools[pool].configuration, self.pools[pool].limit)
        if rules.tokenCapacity != self.pools[pool].queue.rules.tokenCapacity { self.pools[pool].queue.configure(rules) }
        _ = self.pump(pool, now: now, &effects, own: nil)
        self.noteBudget(pool, &effects)
    }

    /// Nothing starts any more; what is held goes back with the next question.
    package mutating func leaveBudget(pool name: String) {
        guard let pool = self.poolIndex(name) else { return }
        self.pools[pool].limit.share?.leave()
    }

    /// Something has happened to a pool's share: whether its keeper should look sooner.
    @inline(always)
    mutating func noteBudget(_ pool: Int, _ effects: inout DispatchEffects) {
        if self.pools[pool].limit.isRestless { effects.wantsBudget = true }
    }
}

extension PoolLimit {
    @inline(always)
    var isRestless: Bool { self.share?.isRestless ?? false }
}
