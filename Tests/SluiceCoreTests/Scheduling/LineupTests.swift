import SluiceBasics
import SluiceCore
import Testing

/// The lineup against a plain list that looks at everything.
struct LineupTests {
    private static func second(_ number: Int) -> Instant { Instant(nanoseconds: Int64(number) * 1_000_000_000) }

    private static func fifo(_ wait: Duration = .seconds(1_000_000)) -> SchedulingPolicy {
        SchedulingPolicy(order: .fifo, maximumWait: wait)
    }

    /// One tenant, as many as wanted.
    private struct Line {
        var lineup = Lineup(tenants: TenantPolicy(isFair: false))
        var sequence: UInt64 = 0

        mutating func add(_ slot: UInt32, tokens: Int, _ priority: Priority = .normal, at: Int = 0, lane: UInt8 = 0) {
            self.sequence += 1
            let tenant = self.lineup.enter("everybody")
            let facts = WaitingFacts(
                sequence: self.sequence,
                enqueuedAt: LineupTests.second(at),
                tokens: tokens,
                tenant: tenant,
                lane: lane,
                priority: priority
            )
            self.lineup.insert(slot, facts)
        }

        mutating func slot(_ policy: SchedulingPolicy, budget: Int? = nil, at: Int = 0) -> UInt32? {
            guard case .chosen(let chosen) = self.lineup.choose(policy, budget: budget, now: LineupTests.second(at))
            else { return nil }
            return chosen.slot
        }
    }

    @Test func `an empty lineup offers nothing`() {
        var lineup = Lineup()
        #expect(lineup.choose(SchedulingPolicy(), budget: nil, now: .zero) == .nothing)
    }

    @Test func `what does not fit is passed by, and the least need is named when nothing fits`() {
        var line = Line()
        line.lineup.trackSizes(true)
        for slot in 0..<20 { line.add(UInt32(slot), tokens: 5_000, .urgent) }
        line.add(20, tokens: 10, .low)
        #expect(line.slot(SchedulingPolicy(), budget: 1_000) == 20)
        line.lineup.claim(20, cost: 0)
        #expect(line.lineup.choose(SchedulingPolicy(), budget: 1_000, now: .zero) == .blocked(needs: 5_000))
        #expect(line.lineup.choose(SchedulingPolicy(), budget: -1, now: .zero) == .blocked(needs: 0))
    }

    @Test func `the smallest of a size class is found behind any number of larger ones`() {
        var line = Line()
        line.lineup.trackSizes(true)
        for slot in 0..<100 { line.add(UInt32(slot), tokens: 1_100) }
        line.add(100, tokens: 1_030)
        #expect(line.slot(Self.fifo(), budget: 1_050) == 100)
    }

    @Test func `who has waited for too long is served by age, and tokens are kept for it`() {
        var line = Line()
        line.lineup.trackSizes(true)
        line.add(0, tokens: 900, .low, at: 0)
        for slot in 1..<5 { line.add(UInt32(slot), tokens: 100, .urgent, at: 100) }
        let policy = SchedulingPolicy(order: .scored(.simplePriority), maximumWait: .seconds(300))
        #expect(line.slot(policy, budget: 1_000, at: 299) != 0)
        #expect(line.slot(policy, budget: 1_000, at: 300) == 0)
        let held = line.lineup.choose(policy, budget: 500, now: Self.second(300))
        #expect(held == .held(slot: 0, needs: 900))
    }

    @Test func `a lane without room holds back its own requests only`() {
        var line = Line()
        line.add(0, tokens: 10, .urgent, lane: 0)
        line.add(1, tokens: 10, .low, lane: 1)
        line.lineup.laneRooms = [-1]
        #expect(line.slot(SchedulingPolicy()) == 1)
        line.lineup.laneRooms = [-1, 5]
        #expect(line.slot(SchedulingPolicy()) == nil)
        line.lineup.laneRooms = []
        #expect(line.slot(SchedulingPolicy()) == 0)
    }

    @Test func `of a short queue everything is compared, whatever its cells`() {
        var line = Line()
        // Alike in size and priority; the second was delivered less often.
        line.sequence = 10
        let tenant = line.lineup.enter("everybody")
        for (slot, count) in [(UInt32(0), 3), (1, 0), (2, 1)] {
            line.lineup.insert(
                slot,
                WaitingFacts(
                    sequence: UInt64(slot),
                    enqueuedAt: .zero,
                    tokens: 100,
                    tenant: tenant,
                    receiveCount: count
                )
            )
        }
        #expect(line.slot(SchedulingPolicy()) == 1)
        #expect(line.slot(SchedulingPolicy(candidates: 1)) == 0)
    }

    @Test func `the bonus of custom scorers decides`() {
        var line = Line()
        for slot in 0..<10 { line.add(UInt32(slot), tokens: 100) }
        let choice = line.lineup.choose(SchedulingPolicy(), budget: nil, now: .zero) { $0 == 7 ? 0.5 : 0 }
        guard case .chosen(let chosen) = choice else {
            Issue.record("nothing was chosen")
            return
        }
        #expect(chosen.slot == 7)
        #expect(chosen.compared == 10)
    }

    @Test func `below the minimum is chosen when there is nothing better`() {
        var line = Line()
        line.add(0, tokens: 100, .low)
        let policy = SchedulingPolicy(minimumScore: 0.9)
        guard case .chosen(let chosen) = line.lineup.choose(policy, budget: nil, now: .zero) else {
            Issue.record("nothing was chosen")
            return
        }
        #expect(chosen.reason == .belowMinimum)
    }

    // MARK: Against a model

    private struct Model {
        var waiting: [UInt32: WaitingFacts] = [:]

        /// What a policy without scores has to choose: looks at everything.
        func expected(_ policy: SchedulingPolicy, _ budget: Int?, _ rooms: [Int], _ group: [WaitingFacts]) -> UInt64? {
            let fitting = group.filter { facts in
                let room = Int(facts.lane) < rooms.count ? rooms[Int(facts.lane)] : .max
                return room >= 0 && facts.tokens <= min(room, budget ?? .max)
            }
            let best = fitting.min { left, right in
                if policy.order == .priority, left.priority != right.priority { return left.priority < right.priority }
                return left.sequence < right.sequence
            }
            return best?.sequence
        }
    }

    @Test(arguments: 0..<40)
    func `random lines choose as a plain list does`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var lineup = Lineup(tenants: TenantPolicy(isFair: false))
        lineup.trackSizes(true)
        var model = Model()
        var sequence: UInt64 = 0
        let order: SchedulingPolicy.Order = seed.isMultiple(of: 2) ? .fifo : .priority
        let policy = SchedulingPolicy(order: order, maximumWait: .seconds(1_000_000))
        for step in 0..<600 {
            switch random.next() % 8 {
            case 0..<4:
                sequence += 1
                let slot = UInt32(sequence)
                let facts = WaitingFacts(
                    // Some return to an old place.
                    sequence: sequence,
                    enqueuedAt: .zero,
                    tokens: Int(random.next() % (step % 3 == 0 ? 50 : 40_000)),
                    tenant: lineup.enter("t\(random.next() % 4)"),
                    lane: UInt8(random.next() % 3),
                    priority: Priority(rawValue: UInt8(random.next() % 4)) ?? .normal
                )
                model.waiting[slot] = facts
                lineup.insert(slot, facts)
            case 4:
                guard let slot = model.waiting.keys.sorted().randomElement(using: &random) else { continue }
                lineup.remove(slot)
                if let facts = model.waiting.removeValue(forKey: slot) { lineup.leave(facts.tenant) }
            default:
                lineup.laneRooms = [.max, Int(random.next() % 30_000) - 500, .max]
                let budget: Int? = random.next() % 4 == 0 ? nil : Int(random.next() % 45_000)
                let expected = model.expected(policy, budget, lineup.laneRooms, Array(model.waiting.values))
                let choice = lineup.choose(policy, budget: budget, now: .zero)
                guard let expected else {
                    if case .chosen = choice { Issue.record("chose what does not fit") }
                    continue
                }
                guard case .chosen(let chosen) = choice, let facts = model.waiting[chosen.slot] else {
                    Issue.record("step \(step): something fits, but \(choice)")
                    return
                }
                // Who does not stand first in a straddling class may be passed by, never somebody who fits for good.
                #expect(facts.tokens <= budget ?? .max)
                if budget == nil && lineup.laneRooms[1] > 40_000 { #expect(facts.sequence == expected) }
                lineup.claim(chosen.slot, cost: facts.tokens)
                lineup.settle(facts.tenant, correction: 0, served: facts.tokens)
                lineup.leave(facts.tenant)
                model.waiting[chosen.slot] = nil
            }
            #expect(lineup.count == model.waiting.count)
            if step.isMultiple(of: 50) { #expect(lineup.audit() == nil) }
        }
    }
}
