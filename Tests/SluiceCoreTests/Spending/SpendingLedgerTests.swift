import SluiceBasics
import SluiceCore
import Testing

@Suite("Spending limits")
struct SpendingLedgerTests {
    private static let dollar = Money(nanodollars: 1_000_000_000)

    private func ledger(_ dollars: Int64, _ period: SpendingLimit.Period = .total) -> SpendingLedger {
        SpendingLedger(SpendingLimit(amount: Money(nanodollars: dollars * 1_000_000_000), period: period), now: 0)
    }

    @Test("what is promised is not promised twice, and comes back")
    func promises() {
        var ledger = self.ledger(1)
        let half = Money(nanodollars: 500_000_000)
        #expect(ledger.reserve(half, now: 0) == .reserved)
        #expect(ledger.reserve(half, now: 0) == .reserved)
        #expect(ledger.reserve(Money(nanodollars: 1), now: 0) == .promised(spent: .zero, reserved: Self.dollar))
        ledger.settle(reserved: half, actual: Money(nanodollars: 100_000_000), now: 0)
        #expect(ledger.reserve(Money(nanodollars: 400_000_000), now: 0) == .reserved)
        #expect(ledger.left(now: 0) == .zero)
    }

    @Test("money that is gone is told apart from money that is promised")
    func gone() {
        var ledger = self.ledger(1, .day)
        ledger.settle(reserved: .zero, actual: Self.dollar, now: 10)
        #expect(ledger.reserve(Money(nanodollars: 1), now: 10) == .exhausted(spent: Self.dollar, endsIn: 86_390))
        #expect(ledger.reserve(Money(nanodollars: 1), now: 86_400) == .reserved)
    }

    @Test("a request that can never fit is refused at once")
    func neverFits() {
        var ledger = self.ledger(1)
        #expect(
            ledger.reserve(Money(nanodollars: 2_000_000_000), now: 0) == .exhausted(spent: .zero, endsIn: nil)
        )
    }

    @Test("a clock that is set back does not give the same money twice")
    func clockBack() {
        var ledger = self.ledger(1, .hour)
        ledger.settle(reserved: .zero, actual: Self.dollar, now: 7_300)
        #expect(ledger.reserve(Money(nanodollars: 1), now: 3_000) != .reserved)
    }

    @Test("however requests overlap, no more is spent than allowed, and in the end all of it can be", arguments: 0..<40)
    func overlapping(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var ledger = self.ledger(10)
        var running: [(reserved: Money, actual: Money)] = []
        for _ in 0..<2_000 {
            if Bool.random(using: &random) || running.isEmpty {
                let most = Money(nanodollars: Int64.random(in: 1...500_000_000, using: &random))
                if case .reserved = ledger.reserve(most, now: 0) {
                    running.append((most, Money(nanodollars: Int64.random(in: 0...most.nanodollars, using: &random))))
                }
            } else {
                let index = Int.random(in: 0..<running.count, using: &random)
                let (reserved, actual) = running.remove(at: index)
                ledger.settle(reserved: reserved, actual: actual, now: 0)
            }
            #expect(ledger.spent + ledger.reserved <= ledger.limit.amount)
        }
        for (reserved, actual) in running { ledger.settle(reserved: reserved, actual: actual, now: 0) }
        #expect(ledger.reserved == .zero)
        let rest = ledger.left(now: 0)
        #expect(ledger.reserve(rest, now: 0) == .reserved)
    }

    @Test(
        "periods are those of the calendar in UTC",
        arguments: [
            // 2024-02-29 12:00:00, 2026-11-21 17:55:43, 2026-12-31 23:59:59, 1970-01-01 00:00:00
            (1_709_208_000, 43_200, 302_400, 43_200), (1_795_283_743, 21_857, 108_257, 799_457),
            (1_798_761_599, 1, 259_201, 1), (0, 86_400, 345_600, 2_678_400),
        ]
    )
    func calendar(now: Int, day: Int, week: Int, month: Int) {
        for (period, left) in [(SpendingLimit.Period.day, day), (.week, week), (.month, month)] {
            var ledger = self.ledger(1, period)
            ledger.settle(reserved: .zero, actual: Self.dollar, now: now)
            guard case .exhausted(_, let endsIn) = ledger.reserve(Self.dollar, now: now) else {
                Issue.record("\(period) has money left")
                continue
            }
            #expect(endsIn == left, "\(period)")
            #expect(ledger.reserve(Self.dollar, now: now + left - 1) != .reserved)
            #expect(ledger.reserve(Self.dollar, now: now + left) == .reserved)
        }
    }

    @Test("what was spent before a restart counts in the same period only")
    func restored() {
        var ledger = self.ledger(1, .day)
        let period = ledger.currentPeriod(now: 100)
        ledger.restore(spent: Self.dollar, period: period + 1, now: 100)
        #expect(ledger.spent == .zero)
        ledger.restore(spent: Self.dollar, period: period, now: 100)
        #expect(ledger.reserve(Money(nanodollars: 1), now: 100) != .reserved)
    }

    @Test("prices are for a million tokens; cached ones are told apart; nothing traps")
    func prices() {
        let prices = TokenPrices(input: 3, output: 15, cachedInput: 0.3, cacheWrite: 3.75)
        #expect(prices.cost(prompt: 1_000_000, completion: 0) == Money(nanodollars: 3_000_000_000))
        #expect(prices.cost(prompt: 1_000, completion: 100, cached: 500, written: 200).description == "$0.0033")
        #expect(prices.cost(prompt: -5, completion: -1) == .zero)
        #expect(prices.cost(prompt: .max, completion: .max).nanodollars == .max)
        #expect(Money(nanodollars: .max) + Money(nanodollars: 1) == .maximum)
        #expect(Money(dollars: .nan) == nil)
        #expect(Money(nanodollars: -1_500_000_000).description == "-$1.50")
    }
}
