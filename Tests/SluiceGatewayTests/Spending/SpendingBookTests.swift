import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceTestKit
import Testing

@testable import SluiceGateway

@Suite("Budgets of keys and tenants")
struct SpendingBookTests {
    private static let prices = PriceTable(
        entries: ["m": .init(prices: TokenPrices(input: 1, output: 1_000_000))]
    )

    private let clock = ManualClock()

    private func book(_ rules: [SpendingRule]) -> SpendingBook {
        SpendingBook(rules: rules, prices: Self.prices, clock: self.clock)
    }

    private func rule(_ name: String, key: String? = nil, tenant: String? = nil, dollars: Int64) -> SpendingRule {
        SpendingRule(
            name: name,
            key: key,
            tenant: tenant,
            limit: SpendingLimit(amount: Money(nanodollars: dollars * 1_000_000_000), period: .day)
        )
    }

    /// A request whose answer has `tokens` at most, a dollar each.
    private func submission(
        _ number: UInt64,
        tokens: Int,
        key: String? = nil,
        tenant: String = "t",
        model: String = "m"
    ) -> Submission {
        Submission(
            id: RequestID(milliseconds: 1, random: (number, number)),
            pool: "default",
            tenant: tenant,
            producer: key,
            model: model,
            operation: "chat/completions",
            tokenEstimate: tokens,
            completionEstimate: tokens,
            isCompletionLimited: true,
            deadline: self.clock.now() + .seconds(60)
        )
    }

    private func ended(_ submission: Submission, used: Int?) -> RequestRecord {
        var record = RequestRecord(submission: submission, submittedAt: self.clock.now())
        record.usage = used.map { TokenUsage(prompt: 0, completion: $0) }
        return record
    }

    /// The code of the refusal; `nil` when it is reserved.
    private func refusal(_ book: SpendingBook, _ submission: Submission) -> String? {
        do throws(GatewayError) {
            try book.reserve(submission)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("what runs is reserved, what ends is settled, and the two kinds of refusal are told apart")
    func reserveAndSettle() throws {
        let book = self.book([self.rule("day", dollars: 10)])
        let first = self.submission(1, tokens: 6)
        try book.reserve(first)
        #expect(self.refusal(book, self.submission(2, tokens: 6)) == "budget_reserved")
        book.ended(self.ended(first, used: 2))
        let second = self.submission(3, tokens: 8)
        try book.reserve(second)
        book.ended(self.ended(second, used: 8))
        #expect(book.status().first?.spent == Money(nanodollars: 10_000_000_000))
        #expect(self.refusal(book, self.submission(4, tokens: 1)) == "budget_exceeded")
    }

    @Test("a request is covered by all budgets that name its key or tenant, and refused by one takes from none")
    func several() throws {
        let book = self.book([
            self.rule("team", tenant: "a", dollars: 100), self.rule("ci", key: "ci", dollars: 5),
        ])
        #expect(
            self.refusal(book, self.submission(1, tokens: 6, key: "ci", tenant: "a"))
                == "budget_exceeded"
        )
        #expect(book.status().allSatisfy { $0.reserved == .zero })
        try book.reserve(self.submission(2, tokens: 6, key: "other", tenant: "a"))
        #expect(book.status().map(\.reserved) == [Money(nanodollars: 6_000_000_000), .zero])
        try book.reserve(self.submission(3, tokens: 600, tenant: "b"))
        #expect(book.status().map(\.reserved) == [Money(nanodollars: 6_000_000_000), .zero])
    }

    @Test("what is not accepted, fails or is cancelled gives its reservation back")
    func givenBack() throws {
        let book = self.book([self.rule("day", dollars: 10)])
        let first = self.submission(1, tokens: 10)
        try book.reserve(first)
        book.cancel(first.id)
        let second = self.submission(2, tokens: 10)
        try book.reserve(second)
        book.ended(self.ended(second, used: nil))
        #expect(book.status().first?.left == Money(nanodollars: 10_000_000_000))
    }

    @Test("what answered is paid for: another target's model, an alias, nothing for what failed")
    func routed() throws {
        var prices = Self.prices.entries
        prices["large"] = .init(prices: TokenPrices(input: 1, output: 2_000_000))
        var names = ModelNames()
        names.byBackend["b"] = ["m": "large"]
        let book = SpendingBook(rules: [], prices: PriceTable(entries: prices), clock: self.clock, names: names)
        var record = self.ended(self.submission(1, tokens: 5), used: 5)
        record.attempts = [AttemptRecord(number: 1, backend: "a", startedAt: self.clock.now())]
        #expect(book.cost(record) == Money(nanodollars: 5_000_000_000))
        record.attempts[0].model = "large"
        #expect(book.cost(record) == Money(nanodollars: 10_000_000_000))
        record.attempts = [AttemptRecord(number: 1, backend: "b", startedAt: self.clock.now())]
        #expect(book.cost(record) == Money(nanodollars: 10_000_000_000))
    }

    @Test("models without a price are free, or refused where the budget says so")
    func unpriced() throws {
        var rule = self.rule("day", dollars: 1)
        try self.book([rule]).reserve(self.submission(1, tokens: 1_000, model: "own"))
        rule.refusesUnpriced = true
        let strict = self.book([rule])
        #expect(
            self.refusal(strict, self.submission(1, tokens: 1, model: "own"))
                == "model_has_no_price"
        )
    }

    @Test("a budget that changes while it is used goes on with what it has spent")
    func replaced() throws {
        let book = self.book([self.rule("day", dollars: 10)])
        let first = self.submission(1, tokens: 10)
        try book.reserve(first)
        book.ended(self.ended(first, used: 10))
        book.replace([self.rule("day", dollars: 12)])
        try book.reserve(self.submission(2, tokens: 2))
        #expect(self.refusal(book, self.submission(3, tokens: 1)) != nil)
    }

    @Test("many requests at once spend no more than allowed", arguments: 0..<20)
    func concurrent(seed: UInt64) async throws {
        let book = self.book([self.rule("day", dollars: 50)])
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var random = SeededRandom(seed: seed &* 100 &+ UInt64(worker))
                    for number in 0..<100 {
                        let tokens = Int.random(in: 1...9, using: &random)
                        let submission = self.submission(UInt64(worker * 1_000 + number), tokens: tokens)
                        guard (try? book.reserve(submission)) != nil else { continue }
                        book.ended(self.ended(submission, used: Int.random(in: 0...tokens, using: &random)))
                    }
                }
            }
        }
        let status = try #require(book.status().first)
        #expect(status.spent <= Money(nanodollars: 50_000_000_000))
        #expect(status.reserved == .zero)
    }
}
