import SluiceBasics
import SluiceCore
import Testing

/// Virtual token counters: turns, lifts, weights, caps.
struct TenantLedgerTests {
    /// A lineup in which every tenant waits as often as wanted, and what it has been given.
    private struct Crowd {
        var lineup: Lineup
        var served: [String: Int] = [:]
        var slot: UInt32 = 0

        init(_ policy: TenantPolicy) { self.lineup = Lineup(tenants: policy) }

        mutating func add(_ tenant: String, tokens: Int, _ count: Int = 1) {
            for _ in 0..<count {
                self.slot += 1
                let facts = WaitingFacts(
                    sequence: UInt64(self.slot),
                    enqueuedAt: .zero,
                    tokens: tokens,
                    tenant: self.lineup.enter(tenant)
                )
                self.lineup.insert(self.slot, facts)
            }
        }

        /// Serves the next; returns whose it was.
        mutating func serve(finishes: Bool = true) -> String? {
            let policy = SchedulingPolicy(maximumWait: .seconds(1_000_000))
            guard case .chosen(let chosen) = self.lineup.choose(policy, budget: nil, now: .zero),
                let facts = self.lineup.facts(chosen.slot)
            else { return nil }
            let name = self.lineup.ledger.name(facts.tenant)
            self.lineup.claim(chosen.slot, cost: facts.tokens)
            self.served[name, default: 0] += facts.tokens
            if finishes {
                self.lineup.settle(facts.tenant, correction: 0, served: facts.tokens)
                self.lineup.leave(facts.tenant)
            }
            return name
        }
    }

    @Test func `tenants get equal tokens, not equal turns`() {
        var crowd = Crowd(TenantPolicy())
        crowd.add("small", tokens: 100, 1_000)
        crowd.add("large", tokens: 1_000, 100)
        for _ in 0..<550 { _ = crowd.serve() }
        let small = crowd.served["small"] ?? 0
        let large = crowd.served["large"] ?? 0
        #expect(abs(small - large) <= 1_000)
    }

    @Test func `weights are shares`() {
        var crowd = Crowd(TenantPolicy(weights: ["gold": 3], defaultWeight: 1))
        crowd.add("gold", tokens: 100, 1_000)
        crowd.add("plain", tokens: 100, 1_000)
        for _ in 0..<400 { _ = crowd.serve() }
        #expect(abs((crowd.served["gold"] ?? 0) - 30_000) <= 300)
    }

    @Test func `idleness earns nothing`() {
        var crowd = Crowd(TenantPolicy())
        crowd.add("busy", tokens: 100, 300)
        for _ in 0..<100 { _ = crowd.serve() }
        crowd.add("late", tokens: 100, 300)
        for _ in 0..<100 { _ = crowd.serve() }
        // 100 alone, then half of 100.
        #expect(abs((crowd.served["busy"] ?? 0) - 15_000) <= 200)
    }

    @Test func `what a tenant owes is remembered while it is gone`() {
        var crowd = Crowd(TenantPolicy())
        crowd.add("steady", tokens: 100, 300)
        for _ in 0..<10 { _ = crowd.serve() }
        crowd.add("greedy", tokens: 10_000)
        #expect(crowd.serve() == "greedy" || crowd.serve() == "greedy")
        // Gone, and back at once: the others catch up first.
        crowd.add("greedy", tokens: 10_000)
        for _ in 0..<90 { #expect(crowd.serve() == "steady") }
    }

    @Test func `debts that others have caught up with are forgotten`() {
        var crowd = Crowd(TenantPolicy())
        for number in 0..<1_000 { crowd.add("visitor-\(number)", tokens: 10) }
        crowd.add("resident", tokens: 100, 1_000)
        for _ in 0..<1_500 { _ = crowd.serve() }
        #expect(crowd.lineup.ledger.tenants == 1)
        #expect(crowd.lineup.ledger.remembered <= 2)
    }

    @Test func `idleness earns nothing among those who take little either`() {
        var crowd = Crowd(TenantPolicy())
        crowd.add("busy", tokens: 100, 2_000)
        for number in 0..<9 { crowd.add("light-\(number)", tokens: 1, 2) }
        for _ in 0..<1_000 { _ = crowd.serve() }
        for number in 0..<9 { crowd.add("light-\(number)", tokens: 1, 2) }
        crowd.add("late", tokens: 100, 300)
        crowd.served = [:]
        for _ in 0..<200 { _ = crowd.serve() }
        #expect((crowd.served["busy"] ?? 0) >= 8_000)
    }

    @Test func `newcomers without end do not keep a tenant waiting that owes something`() {
        var crowd = Crowd(TenantPolicy())
        crowd.add("debtor", tokens: 1_000)
        #expect(crowd.serve() == "debtor")
        crowd.add("debtor", tokens: 10)
        var served = 0
        for number in 0..<1_000 {
            crowd.add("new-\(number)", tokens: 10)
            crowd.add("newer-\(number)", tokens: 10)
            served += crowd.serve() == "debtor" ? 1 : 0
        }
        #expect(served == 1)
    }

    @Test func `who is to take much does not lead those who come later`() {
        var crowd = Crowd(TenantPolicy())
        // Charged 10,000 each, and 100 in truth.
        crowd.add("boaster", tokens: 10_000, 100)
        for _ in 0..<50 {
            guard case .chosen(let chosen) = crowd.lineup.choose(.init(), budget: nil, now: .zero),
                let facts = crowd.lineup.facts(chosen.slot)
            else { return }
            crowd.lineup.claim(chosen.slot, cost: facts.tokens)
            crowd.lineup.settle(facts.tenant, correction: 100 - facts.tokens, served: 100)
            crowd.lineup.leave(facts.tenant)
        }
        crowd.add("modest", tokens: 100, 10)
        let first = (0..<4).map { _ in crowd.serve() }
        #expect(first.contains("modest"))
    }

    @Test func `a tenant at its cap is passed by until one of its requests ends`() {
        var crowd = Crowd(TenantPolicy(maximumInFlight: 2))
        crowd.add("wide", tokens: 1, 10)
        #expect(crowd.serve(finishes: false) == "wide")
        #expect(crowd.serve(finishes: false) == "wide")
        #expect(crowd.serve(finishes: false) == nil)
        crowd.add("other", tokens: 1_000)
        #expect(crowd.serve(finishes: false) == "other")
        guard let number = crowd.lineup.ledger.number(of: "wide") else {
            Issue.record("the tenant is not known")
            return
        }
        crowd.lineup.settle(number, correction: 0, served: 1)
        crowd.lineup.leave(number)
        #expect(crowd.serve(finishes: false) == "wide")
        #expect(crowd.lineup.audit() == nil)
    }

    @Test func `tenants that a change lets go on stand in a fixed order`() {
        var crowd = Crowd(TenantPolicy(maximumInFlight: 1))
        let names = (0..<8).map { "tenant-\($0)" }
        for name in names { crowd.add(name, tokens: 10, 2) }
        for name in names { #expect(crowd.serve(finishes: false) == name) }
        #expect(crowd.serve(finishes: false) == nil)
        crowd.lineup.configure(TenantPolicy())
        for name in names { #expect(crowd.serve(finishes: false) == name) }
    }

    @Test(arguments: 0..<20)
    func `two tenants that always wait differ by no more than what is in flight`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var lineup = Lineup(tenants: TenantPolicy())
        var slot: UInt32 = 0
        var served = [0, 0]
        var flying: [(tenant: UInt32, estimate: Int, actual: Int, index: Int)] = []
        let slots = 8
        let largest = 4_000
        func add(_ index: Int) {
            slot += 1
            let tenant = lineup.enter("t\(index)")
            let tokens = 1 + Int(random.next() % UInt64(index == 0 ? 100 : largest))
            lineup.insert(
                slot,
                WaitingFacts(sequence: UInt64(slot), enqueuedAt: .zero, tokens: tokens, tenant: tenant)
            )
        }
        for index in 0..<2 { for _ in 0..<50 { add(index) } }
        for _ in 0..<3_000 {
            while flying.count < slots, case .chosen(let chosen) = lineup.choose(.init(), budget: nil, now: .zero),
                let facts = lineup.facts(chosen.slot)
            {
                let index = lineup.ledger.name(facts.tenant) == "t0" ? 0 : 1
                lineup.claim(chosen.slot, cost: facts.tokens)
                // The estimate is off by up to a half, either way.
                let actual = facts.tokens / 2 + Int(random.next() % UInt64(facts.tokens + 1))
                flying.append((facts.tenant, facts.tokens, actual, index))
                add(index)
            }
            let ended = flying.remove(at: Int(random.next() % UInt64(flying.count)))
            lineup.settle(ended.tenant, correction: ended.actual - ended.estimate, served: ended.actual)
            lineup.leave(ended.tenant)
            served[ended.index] += ended.actual
            // Counters differ by one request at most; on top comes what is charged and not served yet, and the errors
            // of the estimates in flight.
            #expect(abs(served[0] - served[1]) <= 2 * largest * (slots + 1))
        }
    }
}
