import SluiceBasics
import Testing

@testable import SluiceCore

/// Targets that fail and recover by themselves, and a crowd of requests with three attempts each.
@Suite struct RouterSimulationTests {
    private struct World {
        var fixture: RouterFixture
        /// Until when each target is broken, and how.
        var outages: [(until: Instant, failure: AttemptFailure)?]
        var running: [(end: Instant, trail: RouteTrail, permit: RoutePermit, attempts: Int)] = []
        var done = 0
        var lost = 0
        var wasted = 0
        var calls = 0
        var probesOut: Set<Int> = []
    }

    private static let failures = [
        RouterFixture.failure(.connectRefused), RouterFixture.failure(.serverError, status: 500),
        RouterFixture.failure(.rateLimited, status: 429, retryAfter: .seconds(3)),
        RouterFixture.failure(.authentication, status: 401),
    ]

    private func start(_ world: inout World, _ trail: RouteTrail, _ attempts: Int) {
        var trail = trail
        let (_, permit) = world.fixture.depart(&trail)
        if permit.isProbe {
            #expect(world.probesOut.insert(permit.target).inserted, "two probes at one target")
        }
        world.calls += 1
        let isBroken = world.outages[permit.target].map { $0.until > world.fixture.now } ?? false
        let time = isBroken ? 2 : 50 + Int(world.fixture.random.unit() * 300)
        world.running.append((world.fixture.now + .milliseconds(time), trail, permit, attempts))
    }

    private func end(_ world: inout World, _ index: Int) {
        var (_, trail, permit, attempts) = world.running.remove(at: index)
        if permit.isProbe { world.probesOut.remove(permit.target) }
        guard let outage = world.outages[permit.target], outage.until > world.fixture.now else {
            world.done += 1
            return world.fixture.settle(permit)
        }
        world.wasted += 1
        world.fixture.settle(permit, .failure(outage.failure))
        #expect(attempts <= 3)
        guard attempts < 3, world.fixture.outlook(&trail, outage.failure) == .another
        else {
            world.lost += 1
            return
        }
        self.start(&world, trail, attempts + 1)
    }

    /// At most two of four are broken or still left alone at a time.
    private func breakOne(_ world: inout World) {
        let now = world.fixture.now
        let away = zip(world.outages, world.fixture.router.statuses(now: now)).filter { outage, status in
            outage.map { $0.until > now } ?? false || status.state != .ready
        }.count
        guard away < 2 else { return }
        let target = Int(world.fixture.random.unit() * 4)
        let kind = Self.failures[Int(world.fixture.random.unit() * Double(Self.failures.count))]
        let span = Duration.milliseconds(500 + Int(world.fixture.random.unit() * 20_000))
        world.outages[target] = (now + span, kind)
    }

    @Test("a crowd gets through while targets come and go", arguments: 1...30 as ClosedRange<UInt64>)
    func comeAndGo(seed: UInt64) {
        let strategy = RoutePlan.Strategy.allCases[Int(seed % 3)]
        let names = ["a", "b", "c", "d"]
        var world = World(
            fixture: RouterFixture(names, seed: seed) { $0.strategy = strategy },
            outages: names.map { _ in nil }
        )
        var begun = 0
        for _ in 0..<20_000 {
            world.fixture.now = world.fixture.now + .milliseconds(5)
            while let index = world.running.firstIndex(where: { $0.end <= world.fixture.now }) {
                self.end(&world, index)
            }
            if world.fixture.random.unit() < 0.002 { self.breakOne(&world) }
            guard world.fixture.admits else { continue }
            begun += 1
            self.start(&world, RouteTrail(), 1)
        }
        #expect(begun > 19_000, "somebody is always there")
        #expect(world.calls <= begun * 3)
        #expect(Double(world.lost) < Double(begun) * 0.002, "\(world.lost) of \(begun)")
        // What is broken gets little: three calls, and a probe now and then.
        #expect(Double(world.wasted) < Double(begun) * 0.05, "\(world.wasted) of \(begun)")
        // And who recovers is used again.
        for target in world.outages.indices { world.outages[target] = nil }
        world.fixture.now = world.fixture.now + .seconds(60)
        while !world.running.isEmpty { self.end(&world, 0) }
        for _ in 0..<400 {
            self.start(&world, RouteTrail(), 1)
            world.fixture.now = world.fixture.now + .milliseconds(100)
            self.end(&world, 0)
        }
        #expect(world.fixture.router.statuses(now: world.fixture.now).allSatisfy { $0.state == .ready })
    }
}
