import SluiceBasics
import Testing

@testable import SluiceCore

@Suite struct RouterChoiceTests {
    @Test("shares follow the weights", arguments: 1...20 as ClosedRange<UInt64>)
    func shares(seed: UInt64) {
        let weights = [("a", 5), ("b", 3), ("c", 2)]
        let plan = RoutePlan(targets: weights.map { RoutePlan.Target(backend: $0.0, weight: $0.1) })
        let fixture = RouterFixture(plan, seed: seed)
        var counts: [String: Int] = [:]
        for _ in 0..<5_000 {
            let (choice, permit) = fixture.depart()
            counts[choice.backend, default: 0] += 1
            fixture.settle(permit)
        }
        for (name, weight) in weights {
            let share = Double(counts[name] ?? 0) / 5_000
            // Four standard deviations.
            #expect(abs(share - Double(weight) / 10) < 0.03, "\(name): \(share)")
        }
    }

    @Test("a higher order is asked only when no lower one can be")
    func orders() {
        let plan = RoutePlan(targets: [
            RoutePlan.Target(backend: "a"), RoutePlan.Target(backend: "spare", order: 1),
        ])
        let fixture = RouterFixture(plan)
        #expect(fixture.share(of: "spare", in: 200) == 0)
        fixture.breakDown("a", .connectRefused)
        #expect(fixture.share(of: "spare", in: 200) == 1)
        fixture.now = fixture.now + .seconds(6)
        #expect(fixture.share(of: "a", in: 200) == 1)
    }

    @Test("the less busy of two gets the call", arguments: 1...10 as ClosedRange<UInt64>)
    func leastBusy(seed: UInt64) {
        let fixture = RouterFixture(["a", "b"], seed: seed) { $0.strategy = .leastBusy }
        var held: [RoutePermit] = []
        var counts: [String: Int] = [:]
        for _ in 0..<100 {
            let (choice, permit) = fixture.depart()
            counts[choice.backend, default: 0] += 1
            held.append(permit)
        }
        #expect(counts["a"] == 50)
        #expect(counts["b"] == 50)
        for permit in held where permit.target == 0 { fixture.settle(permit) }
        for _ in 0..<50 { #expect(fixture.depart().0.backend == "a") }
    }

    @Test("of several, the busiest is never taken and load stays even", arguments: 1...10 as ClosedRange<UInt64>)
    func leastBusyOfMany(seed: UInt64) {
        let fixture = RouterFixture(["a", "b", "c", "d", "e"], seed: seed) { $0.strategy = .leastBusy }
        for _ in 0..<500 { _ = fixture.depart() }
        let loads = fixture.router.statuses(now: fixture.now).map(\.inFlight)
        #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= 8, "\(loads)")
    }

    @Test("weights count for the least busy too")
    func weightedLoad() {
        let fixture = RouterFixture(
            RoutePlan(
                targets: [RoutePlan.Target(backend: "a", weight: 3), RoutePlan.Target(backend: "b")],
                strategy: .leastBusy
            )
        )
        for _ in 0..<400 { _ = fixture.depart() }
        let loads = fixture.router.statuses(now: fixture.now).map(\.inFlight)
        #expect(loads == [300, 100])
    }

    /// Sends `count` requests one after the other; each takes as long as its target does.
    private func run(_ fixture: RouterFixture, _ times: [String: Duration], _ count: Int) -> [String: Int] {
        var counts: [String: Int] = [:]
        for _ in 0..<count {
            let (choice, permit) = fixture.depart()
            counts[choice.backend, default: 0] += 1
            fixture.now = fixture.now + (times[choice.backend] ?? .zero)
            fixture.settle(permit)
        }
        return counts
    }

    @Test("the fastest gets most, the others stay known", arguments: 1...10 as ClosedRange<UInt64>)
    func fastest(seed: UInt64) {
        let fixture = RouterFixture(["slow", "fast", "middle"], seed: seed) { $0.strategy = .latency }
        let times: [String: Duration] = [
            "slow": .milliseconds(400), "fast": .milliseconds(50), "middle": .milliseconds(200),
        ]
        let counts = self.run(fixture, times, 2_000)
        #expect((counts["fast"] ?? 0) > 1_850)
        // Nobody starves: what is never asked is never known to have become better.
        #expect((counts["slow"] ?? 0) > 10)
        #expect((counts["middle"] ?? 0) > 10)
    }

    @Test("a target that becomes faster is found", arguments: 1...10 as ClosedRange<UInt64>)
    func becomesFaster(seed: UInt64) {
        let fixture = RouterFixture(["a", "b"], seed: seed) { $0.strategy = .latency }
        _ = self.run(fixture, ["a": .milliseconds(50), "b": .milliseconds(300)], 500)
        let counts = self.run(fixture, ["a": .milliseconds(50), "b": .milliseconds(10)], 1_500)
        #expect((counts["b"] ?? 0) > 900, "\(counts)")
    }

    @Test("failing fast is not being fast")
    func failingFast() {
        let fixture = RouterFixture(["good", "bad"]) {
            $0.strategy = .latency
            $0.failuresToCoolDown = 1_000_000
        }
        var bad = 0
        for _ in 0..<1_000 {
            let (choice, permit) = fixture.depart()
            if choice.backend == "bad" {
                bad += 1
                fixture.fail(permit, .serverError)
            } else {
                fixture.now = fixture.now + .milliseconds(100)
                fixture.settle(permit)
            }
        }
        let mean = fixture.router.statuses(now: fixture.now).first { $0.target.backend == "bad" }?.answer
        #expect(mean == nil)
        #expect(bad > 0)
    }

    @Test("equally fast targets share by load")
    func equallyFast() {
        let fixture = RouterFixture(["a", "b"]) { $0.strategy = .latency }
        _ = self.run(fixture, ["a": .milliseconds(50), "b": .milliseconds(51)], 100)
        var counts: [String: Int] = [:]
        for _ in 0..<200 { counts[fixture.depart().0.backend, default: 0] += 1 }
        #expect(abs((counts["a"] ?? 0) - (counts["b"] ?? 0)) < 40, "\(counts)")
    }

    @Test("no target twice for one request while another is left", arguments: 1...50 as ClosedRange<UInt64>)
    func neverTwice(seed: UInt64) {
        for strategy in RoutePlan.Strategy.allCases {
            let fixture = RouterFixture(["a", "b", "c", "d"], seed: seed) {
                $0.strategy = strategy
                $0.failuresToCoolDown = 1_000
            }
            var trail = RouteTrail()
            var seen: Set<String> = []
            for number in 0..<4 {
                let (choice, permit) = fixture.depart(&trail)
                #expect(seen.insert(choice.backend).inserted)
                let failure = RouterFixture.failure(.serverError)
                fixture.settle(permit, .failure(failure))
                let outlook = fixture.outlook(&trail, failure)
                #expect(outlook == (number < 3 ? .another : .again(fixture.now)))
            }
            // Nothing else is left; not the same one twice running at least.
            let (fifth, permit) = fixture.depart(&trail)
            fixture.settle(permit)
            #expect(fifth.target != trail.lastTarget || seen.count == 4)
        }
    }
}
