import SluiceBasics
import SluiceCore
import SluiceProviders

/// How much whom may spend.
package struct SpendingRule: Sendable, Equatable {
    package var name: String
    /// Requests of one API key; `nil`: of any.
    package var key: String?
    /// Requests of one tenant; `nil`: of any.
    package var tenant: String?
    package var limit: SpendingLimit
    /// Whether models without a price are refused, because nobody could say what they cost.
    package var refusesUnpriced: Bool

    package init(name: String, key: String?, tenant: String?, limit: SpendingLimit, refusesUnpriced: Bool = false) {
        self.name = name
        self.key = key
        self.tenant = tenant
        self.limit = limit
        self.refusesUnpriced = refusesUnpriced
    }

    func covers(_ submission: Submission) -> Bool {
        (self.key == nil || self.key == submission.producer) && (self.tenant == nil || self.tenant == submission.tenant)
    }
}

/// Providers' names of models that clients know by others, and where pools with several targets send requests.
package struct ModelNames: Sendable {
    package var byPool: [String: [String: String]] = [:]
    package var byBackend: [String: [String: String]] = [:]
    package var routes: [String: RoutePlan] = [:]

    package init() {}
}

/// What requests may cost, and did. Reserves before a request is queued, settles when it has ended.
package final class SpendingBook: Sendable {
    private struct Account {
        var rule: SpendingRule
        var ledger: SpendingLedger
        /// No other account has it, before or after.
        var generation: UInt64

        /// Whether what has been spent under the one counts under the other.
        func goesOn(as rule: SpendingRule) -> Bool {
            self.rule.name == rule.name && self.rule.key == rule.key && self.rule.tenant == rule.tenant
                && self.rule.limit.period == rule.limit.period
        }
    }

    private struct State {
        var accounts: [Account] = []
        /// Of the next new account.
        var generation: UInt64 = 0
        /// Requests that hold a reservation: the sum, and in which accounts.
        var reservations: [RequestID: (amount: Money, accounts: [UInt64])] = [:]

        /// Accounts for these rules; each goes on that there is, unless its period changes or whom it covers.
        mutating func open(_ rules: [SpendingRule], now: Int) {
            self.accounts = rules.map { rule in
                guard var account = self.accounts.first(where: { $0.goesOn(as: rule) }) else {
                    self.generation += 1
                    let ledger = SpendingLedger(rule.limit, now: now)
                    return Account(rule: rule, ledger: ledger, generation: self.generation)
                }
                account.rule = rule
                account.ledger.configure(rule.limit, now: now)
                return account
            }
        }
    }

    /// One account as it stands.
    package struct Status: Sendable {
        package var rule: SpendingRule
        package var spent: Money
        package var reserved: Money
        package var left: Money
    }

    let prices: PriceTable
    private let clock: any TimeSource
    let names: ModelNames
    private let state: Lock<State>

    package init(
        rules: [SpendingRule],
        prices: PriceTable,
        clock: any TimeSource,
        names: ModelNames = ModelNames()
    ) {
        self.prices = prices
        self.names = names
        self.clock = clock
        var state = State()
        state.open(rules, now: Self.seconds(clock))
        self.state = Lock(state)
    }

    private static func seconds(_ clock: any TimeSource) -> Int { Int(clock.wallClockNanoseconds() / 1_000_000_000) }

    /// Other rules from now on. An account of the same name goes on with what it has spent, unless its period changes
    /// or whom it covers; then it begins anew.
    package func replace(_ rules: [SpendingRule]) {
        let now = Self.seconds(self.clock)
        self.state.withLock { $0.open(rules, now: now) }
    }

    package var isEmpty: Bool { self.state.withLock { $0.accounts.isEmpty } }

    package func status() -> [Status] {
        let now = Self.seconds(self.clock)
        return self.state.withLock { state in
            state.accounts.indices.map { index in
                let left = state.accounts[index].ledger.left(now: now)
                let account = state.accounts[index]
                return Status(
                    rule: account.rule,
                    spent: account.ledger.spent,
                    reserved: account.ledger.reserved,
                    left: left
                )
            }
        }
    }

    // MARK: Admission

    /// Reserves what the request may cost, in every account that covers it or in none.
    func reserve(_ submission: Submission) throws(GatewayError) {
        let most = self.most(submission)
        let isUnpriced = most == nil || !self.isPriced(submission)
        let now = Self.seconds(self.clock)
        let refusal = self.state.withLock { state -> GatewayError? in
            guard !state.accounts.isEmpty else { return nil }
            var held: [Int] = []
            for index in state.accounts.indices where state.accounts[index].rule.covers(submission) {
                let rule = state.accounts[index].rule
                if isUnpriced && rule.refusesUnpriced {
                    return Self.undo(held, .zero, &state, now, .unpriced(submission))
                }
                let answer = state.accounts[index].ledger.reserve(most ?? .zero, now: now)
                guard case .reserved = answer else {
                    return Self.undo(held, most ?? .zero, &state, now, .budget(answer, rule))
                }
                held.append(index)
            }
            if !held.isEmpty {
                state.reservations[submission.id] = (most ?? .zero, held.map { state.accounts[$0].generation })
            }
            return nil
        }
        if let refusal { throw refusal }
    }

    private static func undo(
        _ held: [Int],
        _ amount: Money,
        _ state: inout State,
        _ now: Int,
        _ error: GatewayError
    ) -> GatewayError {
        for index in held { state.accounts[index].ledger.settle(reserved: amount, actual: .zero, now: now) }
        return error
    }

    /// The request was not accepted after all.
    func cancel(_ id: RequestID) { self.settle(id, .zero) }

    /// The request has ended.
    ///
    /// - Returns: what it cost; `nil` when its model has no price.
    @discardableResult
    package func ended(_ record: RequestRecord) -> Money? {
        let cost = self.cost(record)
        self.settle(record.submission.id, cost ?? .zero)
        return cost
    }

    private func settle(_ id: RequestID, _ actual: Money) {
        let now = Self.seconds(self.clock)
        self.state.withLock { state in
            guard let reservation = state.reservations.removeValue(forKey: id) else { return }
            for index in state.accounts.indices where reservation.accounts.contains(state.accounts[index].generation) {
                state.accounts[index].ledger.settle(reserved: reservation.amount, actual: actual, now: now)
            }
        }
    }
}

extension GatewayError {
    fileprivate static func unpriced(_ submission: Submission) -> GatewayError {
        .invalid(
            "Model '\(submission.model.prefix(128))' has no price, and a budget covers this request. Add it to the "
                + "price table (prices.file), or set unpriced: allow on the budget.",
            param: "model",
            code: "model_has_no_price"
        )
    }

    fileprivate static func budget(_ answer: SpendingLedger.Answer, _ rule: SpendingRule) -> GatewayError {
        switch answer {
        case .promised(let spent, let reserved):
            return GatewayError(
                status: 429,
                message:
                    "Budget '\(rule.name)': \(spent) of \(rule.limit.amount) are spent and \(reserved) are reserved "
                    + "by requests that run. Try again when one has ended.",
                type: "rate_limit_error",
                code: "budget_reserved",
                headers: [("Retry-After", "1")]
            )
        case .exhausted(let spent, let endsIn):
            return GatewayError(
                status: 429,
                message: "Budget '\(rule.name)' is used up: \(spent) of \(rule.limit.amount) a "
                    + "\(rule.limit.period.rawValue) are spent, and what is left is less than this request may cost.",
                type: "insufficient_quota",
                code: "budget_exceeded",
                headers: [("x-should-retry", "false")] + (endsIn.map { [("Retry-After", String($0))] } ?? [])
            )
        case .reserved:
            return GatewayError(status: 500, message: "The budget was reserved.", type: "server_error")
        }
    }
}
