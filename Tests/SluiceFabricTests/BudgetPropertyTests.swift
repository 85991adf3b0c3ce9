import SluiceBasics
import SluiceCore
import Testing

/// One budget, 1 to 8 dispatchers: never more in sum than is allowed, and nearly all of it when there is enough to do.
struct BudgetPropertyTests {
    /// The server's clock is read in whole milliseconds, so that a span may seem one longer than it is.
    private static func tolerance(_ limit: RateLimit) -> [Double] {
        guard limit.mode == .smooth else { return [0, 0] }
        return [Double(limit.tokensPerMinute ?? 0) / 60_000, Double(limit.requestsPerMinute ?? 0) / 60_000]
    }

    private static func check(_ world: BudgetWorld) {
        let tolerance = Self.tolerance(world.plan.limit)
        let excess = world.audit.excess
        for index in 0...1 {
            #expect(excess[index] <= tolerance[index], "\(world.plan)")
        }
    }

    private static func limits(_ seed: UInt64) -> RateLimit {
        let rates = [6_000, 60_000, 600_000, 1_200_000]
        let rate = rates[Int(seed % 4)]
        let mode: RateLimit.Mode = seed % 3 == 0 ? .strict : .smooth
        let burst: Int? = seed % 5 == 0 ? rate / 10 : seed % 5 == 1 ? rate / 30 : nil
        let requests: Int? = seed % 2 == 0 ? rate / 400 : nil
        return RateLimit(requestsPerMinute: requests, tokensPerMinute: rate, burstTokens: burst, mode: mode)
    }

    private static func largest(_ limit: RateLimit) -> Int {
        min(4_000, (limit.burstTokens ?? limit.tokensPerMinute ?? 4_000))
    }

    @Test(arguments: 0..<24 as Range<UInt64>)
    func `dispatchers that die, lose calls and have other clocks are never over the budget`(seed: UInt64) {
        let limit = Self.limits(seed)
        var plan = BudgetWorld.Plan(limit: limit, holders: Int(seed % 8) + 1, seconds: 100, seed: seed)
        plan.loss = [0, 0.02, 0.3][Int(seed / 3 % 3)]
        plan.life = seed % 4 == 3 ? nil : .seconds(20)
        plan.pause = seed % 7 == 6 ? .milliseconds(200) : nil
        plan.largest = Self.largest(limit)
        var world = BudgetWorld(plan)
        world.run()
        Self.check(world)
        #expect(world.audit.used.requests > 0)
    }

    /// The first dispatcher holds a little and seldom uses it, the others use up all there is: what it used after its
    /// lease has ended at the keeper would be too much.
    @Test(arguments: 0..<24 as Range<UInt64>)
    func `a lease that cannot be renewed is not used after its end`(seed: UInt64) {
        let limit = RateLimit(tokensPerMinute: [60_000, 120_000][Int(seed % 2)], mode: .strict)
        var plan = BudgetWorld.Plan(limit: limit, holders: 2, seconds: 1_200, seed: seed)
        plan.firstPause = .seconds(3)
        plan.outage = .seconds(5)
        plan.accuracy = 1...1
        plan.smallest = 20
        plan.largest = 4_000
        var world = BudgetWorld(plan)
        world.run()
        Self.check(world)
        #expect(world.outages > 20)
        #expect(Double(world.audit.used.tokens) > 0.6 * 20 * Double(limit.tokensPerMinute ?? 0))
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `a clock of the server that is set back and ahead brings no second budget`(seed: UInt64) {
        let limit = RateLimit(tokensPerMinute: 600_000, mode: seed % 2 == 0 ? .strict : .smooth)
        var plan = BudgetWorld.Plan(limit: limit, holders: Int(seed % 3) + 1, seconds: 240, seed: seed)
        // An hour back and ahead again; a minute ahead.
        plan.jumps = [(at: 65, by: -3_600), (at: 90, by: 3_600), (at: 150, by: 60)]
        var world = BudgetWorld(plan)
        // Of each step ahead, what is left of a lease and five seconds count.
        world.audit.minute = .seconds(60 - 11)
        world.run()
        #expect(world.audit.excess[0] <= (limit.mode == .strict ? 0 : 2 * 600_000 * 10 / 60 + 10), "\(world.plan)")
        #expect(world.audit.used.tokens > 2 * 600_000)
    }

    @Test(arguments: [1, 3, 8])
    func `a smooth budget is used up under backlog`(holders: Int) {
        let limit = RateLimit(tokensPerMinute: 600_000)
        var world = BudgetWorld(BudgetWorld.Plan(limit: limit, holders: holders, seconds: 60, seed: UInt64(holders)))
        world.run()
        Self.check(world)
        let share = Double(world.audit.used.tokens) / (600_000 * 2)
        #expect(share > 0.95 && share <= 1.0001, "\(share)")
        let calls = Double(world.calls) / 60 / Double(holders)
        #expect(calls < 4.2, "\(calls) calls per second and dispatcher")
    }

    @Test func `with a light load nothing waits for the budget`() {
        var plan = BudgetWorld.Plan(limit: RateLimit(tokensPerMinute: 600_000), holders: 3, seconds: 120, seed: 5)
        plan.pause = .milliseconds(500)
        var world = BudgetWorld(plan)
        world.run()
        Self.check(world)
        // Only the first of each, before anything was leased, or after a longer rest.
        let waited = world.waits.filter { $0 > .zero }
        #expect(waited.count <= world.waits.count / 50, "\(waited.count) of \(world.waits.count)")
        #expect(waited.allSatisfy { $0 < .milliseconds(300) })
        #expect(Double(world.calls) / 120 / 3 < 2.5)
    }

    @Test(arguments: [1, 3, 8])
    func `a strict budget is used up under backlog`(holders: Int) {
        let limit = RateLimit(tokensPerMinute: 600_000, mode: .strict)
        var world = BudgetWorld(BudgetWorld.Plan(limit: limit, holders: holders, seconds: 200, seed: UInt64(holders)))
        world.run()
        Self.check(world)
        let share = Double(world.audit.used.tokens) / (600_000 * 4)
        #expect(share > 0.95, "\(share)")
        let calls = Double(world.calls) / 200 / Double(holders)
        #expect(calls < 4.2, "\(calls) calls per second and dispatcher")
    }
}
