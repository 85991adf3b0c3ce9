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

/// Providers' names of models that clients know by others.
package struct ModelNames: Sendable {
    package var byPool: [String: [String: String]] = [:]
    package var byBackend: [String: [String: String]] = [:]

    package init() {}
}

/// What requests may cost, and did. Reserves before a request is queued, settles when it has ended.
package final class SpendingBook: Sendable {
    private struct Account {
        var rule: SpendingRule
        var ledger: SpendingLedger
    }

    private struct State {
        var accounts: [Account] = []
        /// Requests that hold a reservation: the sum, and in which accounts.
        var reservations: [RequestID: (amount: Money, rules: [String])] = [:]
    }

    /// One account as it stands.
    package struct Status: Sendable {
        package var rule: SpendingRule
        package var spent: Money
        package var reserved: Money
        package var left: Money
    }

    private let prices: PriceTable
    private let clock: any TimeSource
    private let names: ModelNames
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
        let now = Self.seconds(clock)
        self.state = Lock(
            State(accounts: rules.map { Account(rule: $0, ledger: SpendingLedger($0.limit, now: now)) })
        )
    }

    private static func seconds(_ clock: any TimeSource) -> Int { Int(clock.wallClockNanoseconds() / 1_000_000_000) }

    /// Other rules from now on; an account of the same name goes on with what it has spent.
    package func replace(_ rules: [SpendingRule]) {
        let now = Self.seconds(self.clock)
        self.state.withLock { state in
            state.accounts = rules.map { rule in
                guard var account = state.accounts.first(where: { $0.rule.name == rule.name }) else {
                    return Account(rule: rule, ledger: SpendingLedger(rule.limit, now: now))
                }
                account.rule = rule
                account.ledger.configure(rule.limit, now: now)
                return account
            }
        }
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

    // MARK: Costs

    /// Of the model that the request asks for; which target it meets is not known before.
    private func prices(of submission: Submission) -> TokenPrices? {
        self.entry(submission.model, pool: submission.pool)?.prices
    }

    /// Of the model that answered, which may be another target's.
    private func prices(of record: RequestRecord) -> TokenPrices? {
        guard let attempt = record.attempts.last(where: { $0.failure == nil }) else {
            return self.prices(of: record.submission)
        }
        let model = attempt.model ?? record.submission.model
        return self.prices.entry(self.names.byBackend[attempt.backend]?[model] ?? model)?.prices
    }

    /// What is known of a model.
    func entry(_ model: String, pool: String) -> PriceTable.Entry? {
        self.prices.entry(self.names.byPool[pool]?[model] ?? model)
    }

    /// - Returns: `nil` when the model has no price.
    package func cost(_ record: RequestRecord) -> Money? {
        guard let prices = self.prices(of: record) else { return nil }
        if let usage = record.usage {
            return prices.cost(
                prompt: usage.prompt,
                completion: usage.completion,
                cached: usage.cached,
                written: usage.cacheWritten
            )
        }
        // A stream that began and broke off has been paid for, though nobody said how much.
        guard record.firstByteAt != nil else { return .zero }
        let submission = record.submission
        return prices.cost(
            prompt: submission.tokenEstimate - submission.completionEstimate,
            completion: submission.completionEstimate
        )
    }

    /// What an estimate of the prompt may be wrong by.
    private static let margin = 1.25

    /// The most that a request can cost, if it bounds its answer; else what it probably costs, doubled.
    private func most(_ submission: Submission) -> Money? {
        guard let prices = self.prices(of: submission) else { return nil }
        let prompt = Double(max(0, submission.tokenEstimate - submission.completionEstimate)) * Self.margin
        let completion =
            submission.isCompletionLimited
            ? submission.completionEstimate
            : submission.completionEstimate.multipliedReportingOverflow(by: 2).partialValue
        // A write to the provider's cache costs more than plain input.
        let highest = max(prices.input, prices.cacheWrite ?? 0)
        let bound = TokenPrices(input: highest, output: prices.output)
        return bound.cost(prompt: Int(exactly: prompt.rounded(.up)) ?? .max, completion: completion)
    }

    // MARK: Admission

    /// Reserves what the request may cost, in every account that covers it or in none.
    func reserve(_ submission: Submission) throws(GatewayError) {
        let most = self.most(submission)
        let now = Self.seconds(self.clock)
        let refusal = self.state.withLock { state -> GatewayError? in
            guard !state.accounts.isEmpty else { return nil }
            var held: [Int] = []
            for index in state.accounts.indices where state.accounts[index].rule.covers(submission) {
                let rule = state.accounts[index].rule
                if most == nil && rule.refusesUnpriced {
                    return Self.undo(held, .zero, &state, now, .unpriced(submission))
                }
                let answer = state.accounts[index].ledger.reserve(most ?? .zero, now: now)
                guard case .reserved = answer else {
                    return Self.undo(held, most ?? .zero, &state, now, .budget(answer, rule))
                }
                held.append(index)
            }
            if !held.isEmpty {
                state.reservations[submission.id] = (most ?? .zero, held.map { state.accounts[$0].rule.name })
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
            for index in state.accounts.indices where reservation.rules.contains(state.accounts[index].rule.name) {
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
