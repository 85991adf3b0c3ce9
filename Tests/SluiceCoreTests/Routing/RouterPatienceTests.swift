import SluiceBasics
import Testing

@testable import SluiceCore

@Suite struct RouterPatienceTests {
    /// Streams whose first content takes as long as `time` says.
    private func learn(_ fixture: RouterFixture, _ count: Int, _ time: (Int) -> Duration) {
        fixture.facts.isStream = true
        for number in 0..<count {
            let (_, permit) = fixture.depart()
            fixture.now = fixture.now + time(number)
            fixture.router.firstContent(permit, model: fixture.facts.model, now: fixture.now)
            fixture.settle(permit)
        }
    }

    @Test("the first-token timeout is learned, within its floor and ceiling")
    func learned() {
        for (milliseconds, expected) in [(1_000, 3_000...3_600), (10, 500...500), (100_000, 20_000...20_000)] {
            let fixture = RouterFixture(["a", "b"]) {
                $0.firstTokenFloor = .milliseconds(500)
                $0.firstTokenCeiling = .seconds(20)
            }
            self.learn(fixture, 15) { _ in .milliseconds(milliseconds) }
            #expect(fixture.depart().0.timeout == nil, "too few samples")
            self.learn(fixture, 200) { _ in .milliseconds(milliseconds) }
            let timeout = fixture.depart().0.timeout ?? .zero
            #expect(expected.contains(Int(timeout.inMilliseconds)), "\(timeout)")
        }
    }

    @Test("it is learned for each model apart")
    func models() {
        let fixture = RouterFixture(["a", "b"]) { $0.firstTokenFloor = .milliseconds(1) }
        self.learn(fixture, 100) { _ in .milliseconds(100) }
        fixture.facts.model = "large"
        self.learn(fixture, 100) { _ in .seconds(4) }
        #expect(fixture.depart().0.timeout ?? .zero > .seconds(10))
        fixture.facts.model = "m"
        #expect(fixture.depart().0.timeout ?? .seconds(9) < .milliseconds(500))
        // Names that clients make up do not make it grow.
        for number in 0..<1_000 {
            fixture.facts.model = "made-up-\(number)"
            self.learn(fixture, 1) { _ in .milliseconds(100) }
        }
    }

    @Test("the last resort is never cut short by what was learned")
    func lastResort() {
        let fixture = RouterFixture(["a", "b"]) { $0.firstTokenFloor = .milliseconds(100) }
        self.learn(fixture, 200) { _ in .milliseconds(100) }
        var trail = RouteTrail()
        let (first, second) = (fixture.depart(&trail).0, fixture.depart(&trail).0)
        #expect(first.timeout != nil)
        #expect(second.timeout == nil)
        fixture.facts.attemptsLeft = 0
        #expect(fixture.depart().0.timeout == nil)
        fixture.facts = RouteFacts(model: "m", isStream: true, mayRepeat: false)
        #expect(fixture.depart().0.timeout == nil)
    }

    @Test("a target that becomes slower is not cut short for ever")
    func slower() {
        let fixture = RouterFixture(["a", "b"]) { $0.firstTokenFloor = .milliseconds(10) }
        self.learn(fixture, 500) { _ in .milliseconds(100) }
        // Now all take a second: cut at first, until that is what is usual.
        var cut = 0
        for _ in 0..<400 {
            let (choice, permit) = fixture.depart()
            if let timeout = choice.timeout, timeout < .seconds(1) {
                cut += 1
                fixture.now = fixture.now + timeout
                fixture.fail(permit, .readTimeout)
            } else {
                fixture.now = fixture.now + .seconds(1)
                fixture.router.firstContent(permit, model: "m", now: fixture.now)
                fixture.settle(permit)
            }
        }
        #expect(cut > 0)
        #expect(cut < 60, "\(cut)")
    }

    @Test("whole answers have no first token")
    func whole() {
        let fixture = RouterFixture(["a", "b"]) { $0.firstTokenTimeout = .fixed(.seconds(1)) }
        #expect(fixture.depart().0.timeout == nil)
        fixture.facts.isStream = true
        #expect(fixture.depart().0.timeout == .seconds(1))
        let both = RouterFixture(["a"]) {
            $0.firstTokenTimeout = .fixed(.seconds(10))
            $0.attemptTimeout = .seconds(3)
        }
        #expect(both.depart().0.timeout == .seconds(3))
        both.facts.isStream = true
        #expect(both.depart().0.timeout == .seconds(3))
    }

    @Test("second calls never exceed their budget", arguments: 1...20 as ClosedRange<UInt64>)
    func budget(seed: UInt64) {
        for ratio in [0.01, 0.05, 0.2, 1] {
            let fixture = RouterFixture(["a", "b", "c"], seed: seed) { $0.hedgeRatio = ratio }
            var requests = 0
            var hedges = 0
            for _ in 0..<2_000 {
                var trail = RouteTrail()
                let (_, permit) = fixture.depart(&trail)
                requests += 1
                fixture.now = fixture.now + .milliseconds(Int(fixture.random.unit() * 100))
                // Everybody wants one, again and again.
                while let (_, second) = fixture.hedge(&trail) {
                    hedges += 1
                    #expect(second.target != permit.target)
                    #expect(Double(hedges) <= Double(requests) * ratio)
                    fixture.fail(second, .cancelled)
                }
                fixture.settle(permit)
            }
            #expect(Double(hedges) > Double(requests) * ratio * 0.9, "the budget is used")
        }
    }

    @Test("a second call goes out when the first is later than 19 of 20")
    func hedgeDelay() {
        let fixture = RouterFixture(["a", "b"]) { $0.hedgeRatio = 0.05 }
        for number in 0..<200 {
            let (_, permit) = fixture.depart()
            fixture.now = fixture.now + (number % 50 == 0 ? .seconds(5) : .milliseconds(100))
            fixture.settle(permit)
        }
        let delay = fixture.depart().0.hedgeAfter ?? .zero
        #expect(delay >= .milliseconds(100) && delay < .milliseconds(120), "\(delay)")
        fixture.facts.mayRepeat = false
        #expect(fixture.depart().0.hedgeAfter == nil)
        var trail = RouteTrail()
        _ = fixture.depart(&trail)
        let second = fixture.hedge(&trail)
        #expect(second == nil)
    }

    @Test("no second call goes to a target that is not well, nor where there is none")
    func hedgeTargets() {
        let fixture = RouterFixture(["a", "b"]) { $0.hedgeRatio = 1 }
        fixture.breakDown("b", .rateLimited, retryAfter: .seconds(1))
        var trail = RouteTrail()
        _ = fixture.depart(&trail)
        let early = fixture.hedge(&trail)
        #expect(early == nil)
        fixture.now = fixture.now + .seconds(2)
        // It may be probed, by a request that has nothing to lose by it.
        let late = fixture.hedge(&trail)
        #expect(late == nil)
    }

    @Test("what is overtaken counts as slow")
    func overtaken() {
        let fixture = RouterFixture(["a"]) { $0.hedgeRatio = 1 }
        for _ in 0..<50 {
            let (_, permit) = fixture.depart()
            fixture.now = fixture.now + .milliseconds(100)
            fixture.settle(permit)
        }
        for _ in 0..<50 {
            let (_, permit) = fixture.depart()
            fixture.now = fixture.now + .milliseconds(400)
            fixture.router.settle(
                permit,
                .failure(RouterFixture.failure(.cancelled)),
                fixture.facts,
                hadContent: false,
                usual: nil,
                maximumRetryAfter: .zero,
                isOvertaken: true,
                now: fixture.now
            )
        }
        #expect(fixture.router.statuses(now: fixture.now)[0].answer ?? .zero > .milliseconds(350))
        #expect(fixture.depart().0.hedgeAfter ?? .zero >= .milliseconds(400))
    }

    @Test("quantiles are those of the times, within a step")
    func quantiles() {
        var profile = LatencyProfile()
        #expect(profile.quantile(0.5) == nil)
        for number in 1...1_000 { profile.record(.milliseconds(number)) }
        for share in [0.5, 0.95, 0.99] {
            let value = profile.quantile(share)?.inMilliseconds ?? 0
            #expect(value >= share * 1_000 * 0.99 && value <= share * 1_000 * 1.16, "\(share): \(value)")
        }
        profile.record(.seconds(100_000))
        profile.record(.zero - .seconds(1))
        #expect(profile.quantile(1) != nil)
    }
}
