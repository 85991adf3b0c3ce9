import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

// The limits of the pools are the fabric's: one budget in Valkey for all dispatchers of a pool.
extension FabricDispatcher {
    func shareBudgets() {
        let pools = self.pools
        self.engine.shareBudgets(of: pools.map(\.name)) {
            for pool in pools { pool.budgeting.poke() }
        }
    }

    /// Keeps the pool's share of its budget as large as it is needed: one call now and then, none per request. While
    /// Valkey is away what is held is used up, and then everything waits.
    func keepBudget(_ pool: ServedPool) async {
        await self.keepBudget(pool, checkEvery: .seconds(60)) { self.phase != .stopped }
        // What came in over HTTP has the same limit, and may take longer to end.
        guard self.engine.liveCount > 0 else { return await self.leaveBudget(pool) }
        self.begin {
            await self.keepBudget(pool, checkEvery: .milliseconds(100)) { self.engine.liveCount > 0 }
            await self.leaveBudget(pool)
        }
    }

    private func keepBudget(_ pool: ServedPool, checkEvery span: Duration, while goesOn: () -> Bool) async {
        var backoff = self.makeBackoff()
        while goesOn() {
            let (question, next) = self.engine.budgetQuestion(pool: pool.name)
            guard let question else {
                let check = self.clock.now() + span
                await pool.budgeting.wait(until: min(next ?? check, check), canBePoked: true)
                continue
            }
            if await self.ask(question, pool) {
                backoff.reset()
            } else {
                await pool.budgeting.wait(until: self.clock.now() + backoff.next(), canBePoked: false)
            }
        }
    }

    private func leaveBudget(_ pool: ServedPool) async {
        self.engine.leaveBudget(pool: pool.name)
        // An answer that was lost comes first.
        for _ in 0..<2 {
            guard let question = self.engine.budgetQuestion(pool: pool.name).question else { return }
            guard await self.ask(question, pool) else { return }
        }
    }

    private func ask(_ question: BudgetQuestion, _ pool: ServedPool) async -> Bool {
        do throws(ValkeyError) {
            let value = try await self.link.evaluate(
                FabricScript.leaseBudget,
                keys: [DispatchKeys.budget(pool: pool.name)],
                arguments: [.text(self.configuration.dispatcherID)] + question.arguments
            )
            switch LeaseBudgetAnswer(value) {
            case .leased(let answer):
                self.engine.grantShare(pool: pool.name, answer)
                self.sayOfLimit(answer, question, pool)
            case .outdated: self.engine.grantShare(pool: pool.name, nil)
            case nil: throw .protocolViolation("leaseBudget")
            }
            pool.pause.poke()
            return true
        } catch {
            self.note(error, pool)
            return false
        }
    }

    /// Dispatchers that were told different limits are seldom meant to be.
    private func sayOfLimit(_ answer: BudgetAnswer, _ question: BudgetQuestion, _ pool: ServedPool) {
        let said = answer.differs ? "\(answer.limits)" : ""
        let isNews = pool.saidOfLimit.withLock { last in
            defer { last = said }
            return last != said
        }
        guard isNews, answer.differs else { return }
        func words(_ rate: Int) -> String { rate < 0 ? "none" : String(rate) }
        self.say(
            .warning,
            "dispatchers of a pool have different limits; the smallest counts",
            [
                ("pool", pool.name),
                ("tokens_per_minute", words(question.limits.tokenRate)),
                ("tokens_per_minute_in_force", words(answer.limits.tokenRate)),
                ("requests_per_minute", words(question.limits.requestRate)),
                ("requests_per_minute_in_force", words(answer.limits.requestRate)),
                ("mode_in_force", answer.limits.isStrict ? "strict" : "smooth"),
            ]
        )
    }
}
