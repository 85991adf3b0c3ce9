import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceTestKit
import Testing

@testable import SluiceGateway

/// What requests cost that took more than one call. A token of a prompt costs a dollar, one of an answer ten; of model
/// `dear` twice that.
@Suite struct SpendingAttemptsTests {
    private static let prices = PriceTable(entries: [
        "m": .init(prices: TokenPrices(input: 1_000_000, output: 10_000_000)),
        "dear": .init(prices: TokenPrices(input: 2_000_000, output: 20_000_000)),
    ])

    private func book(_ rules: [SpendingRule] = [], route: RoutePlan? = nil) -> SpendingBook {
        var names = ModelNames()
        names.routes["default"] = route
        return SpendingBook(rules: rules, prices: Self.prices, clock: ManualClock(), names: names)
    }

    /// A prompt of 8 tokens and an answer of 4.
    private func submission(_ model: String = "m") -> Submission {
        Submission(
            id: RequestID(milliseconds: 1, random: (1, 1)),
            pool: "default",
            tenant: "t",
            model: model,
            operation: "chat/completions",
            tokenEstimate: 12,
            completionEstimate: 4,
            isCompletionLimited: true,
            deadline: .zero + .seconds(60)
        )
    }

    private func record(_ attempts: [(model: String?, failure: FailureClass?)], usage: TokenUsage?) -> RequestRecord {
        var record = RequestRecord(submission: self.submission(), submittedAt: .zero)
        for (index, (model, failure)) in attempts.enumerated() {
            var attempt = AttemptRecord(number: index + 1, backend: "a", startedAt: .zero)
            attempt.model = model
            attempt.failure = failure
            attempt.endedAt = .zero
            record.attempts.append(attempt)
        }
        record.usage = usage
        return record
    }

    private func dollars(_ attempts: [(model: String?, failure: FailureClass?)], _ usage: TokenUsage? = nil) -> Double?
    {
        self.book().cost(self.record(attempts, usage: usage))?.dollars
    }

    private let used = TokenUsage(prompt: 1, completion: 1)

    @Test func `calls that may have been worked on cost their prompt, beside the one that answered`() {
        #expect(self.dollars([(nil, nil)], self.used) == 11)
        #expect(self.dollars([(nil, .cancelled), (nil, nil)], self.used) == 19)
        #expect(self.dollars([(nil, nil), (nil, .cancelled)], self.used) == 19)
        #expect(self.dollars([(nil, .serverError), ("dear", .readTimeout), (nil, nil)], self.used) == 35)
        #expect(self.dollars([(nil, .reset)]) == 8)
    }

    @Test(arguments: [FailureClass.connectRefused, .connectTimeout, .connectError, .rateLimited, .authentication])
    func `what was not sent, or refused, costs nothing`(failure: FailureClass) {
        #expect(self.dollars([(nil, failure), (nil, nil)], self.used) == 11)
        #expect(self.dollars([(nil, failure)]) == 0)
    }

    @Test func `an answer of which nobody said what it took costs its estimate`() {
        #expect(self.dollars([(nil, nil)]) == 48)
        var broken = self.record([(nil, .reset)], usage: nil)
        broken.attempts[0].firstByteAt = .zero
        #expect(self.book().cost(broken)?.dollars == 48)
    }

    @Test func `what never was sent costs nothing, and a model without a price has no cost`() {
        #expect(self.dollars([]) == 0)
        #expect(self.dollars([("free", nil)], self.used) == nil)
    }

    private func reserved(_ route: RoutePlan?) throws -> Double? {
        let limit = SpendingLimit(amount: Money(nanodollars: 1_000_000_000_000), period: .total)
        let book = self.book([SpendingRule(name: "b", key: nil, tenant: nil, limit: limit)], route: route)
        try book.reserve(self.submission())
        return book.status().first?.reserved.dollars
    }

    @Test func `the dearest target is reserved for, and twice where second calls are made`() throws {
        let plan = RoutePlan(
            targets: [RoutePlan.Target(backend: "a", model: "dear"), RoutePlan.Target(backend: "b")],
            hedgeRatio: 0
        )
        var hedged = plan
        hedged.hedgeRatio = 0.1
        #expect(try self.reserved(nil) == 50)
        #expect(try self.reserved(plan) == 100)
        #expect(try self.reserved(hedged) == 200)
    }

    @Test func `a target without a price is no way around a budget that refuses such`() {
        let limit = SpendingLimit(amount: Money(nanodollars: 1_000_000_000_000), period: .total)
        let rule = SpendingRule(name: "b", key: nil, tenant: nil, limit: limit, refusesUnpriced: true)
        let plan = RoutePlan(targets: [RoutePlan.Target(backend: "a"), RoutePlan.Target(backend: "b", model: "free")])
        let book = self.book([rule], route: plan)
        #expect(throws: GatewayError.self) { try book.reserve(self.submission()) }
        #expect(book.status().first?.reserved == .zero)
    }
}
