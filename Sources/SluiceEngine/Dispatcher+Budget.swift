import SluiceBasics
import SluiceCore

// The side of whoever keeps the pools' shares of budgets that other dispatchers use as well.
extension Dispatcher {
    /// From now on nothing starts in these pools that has not been leased from their budgets.
    ///
    /// - Parameter wanted: called whenever `budgetQuestion` may have become due sooner; from any thread, briefly.
    package func shareBudgets(of pools: [String], wanted: @escaping @Sendable () -> Void) {
        let now = self.clock.now()
        self.budgetWanted.withLock { $0 = wanted }
        self.perform(now) { state, effects in state.machine.shareBudgets(of: pools, now: now, &effects) }
    }

    /// What to ask the keeper of the pool's budget now; else when to look again, `nil`: when it is wanted.
    package func budgetQuestion(pool: String) -> (question: BudgetQuestion?, next: Instant?) {
        let now = self.clock.now()
        return self.state.withLock { $0.machine.budgetQuestion(pool: pool, now: now) }
    }

    /// What the keeper answered; `nil` if it had answered a later question before.
    package func grantShare(pool: String, _ answer: BudgetAnswer?) {
        let now = self.clock.now()
        self.perform(now) { state, effects in
            state.machine.grantShare(pool: pool, answer, now: now, &effects)
        }
    }

    /// Gives back what the pool holds with the next question; nothing starts any more.
    package func leaveBudget(pool: String) { self.state.withLock { $0.machine.leaveBudget(pool: pool) } }
}
