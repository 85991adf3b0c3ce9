import SluiceBasics
import Testing

@testable import SluiceCore

@Suite struct RouterHealthTests {
    @Test(
        "what closes a target at once",
        arguments: [
            FailureClass.connectRefused, .connectTimeout, .connectError, .rateLimited, .authentication,
        ]
    )
    func atOnce(failureClass: FailureClass) {
        let fixture = RouterFixture(["a", "b"])
        fixture.breakDown("a", failureClass)
        #expect(fixture.share(of: "a", in: 100) == 0)
        fixture.now = fixture.now + .milliseconds(4_999)
        #expect(fixture.share(of: "a", in: 100) == 0)
        fixture.now = fixture.now + .milliseconds(1)
        #expect(fixture.share(of: "a", in: 100) > 0)
    }

    @Test(
        "what closes a target after three in a row",
        arguments: [FailureClass.serverError, .reset, .malformedResponse]
    )
    func afterThree(failureClass: FailureClass) {
        let fixture = RouterFixture(["a"])
        for _ in 0..<2 { fixture.breakDown("a", failureClass) }
        fixture.settle(fixture.depart().1)
        for _ in 0..<2 { fixture.breakDown("a", failureClass) }
        #expect(fixture.admits)
        fixture.breakDown("a", failureClass)
        #expect(!fixture.admits)
        #expect(fixture.opens == fixture.now + .seconds(5))
    }

    @Test(
        "what says nothing about a target",
        arguments: [FailureClass.invalidRequest, .cancelled, .responseTooLarge, .routeOrModel, .providerRejected]
    )
    func neutral(failureClass: FailureClass) {
        let fixture = RouterFixture(["a"])
        for _ in 0..<50 { fixture.breakDown("a", failureClass) }
        #expect(fixture.admits)
    }

    @Test(
        "a target that stands for several providers stays open, whatever one of them does",
        arguments: [
            FailureClass.connectRefused, .connectTimeout, .connectError, .rateLimited, .authentication, .routeOrModel,
            .overloaded, .serverError, .reset,
        ]
    )
    func manyProviders(failureClass: FailureClass) {
        var target = RoutePlan.Target(backend: "auto")
        target.standsForMany = true
        let fixture = RouterFixture(RoutePlan(targets: [target]))
        for _ in 0..<10 { fixture.breakDown("auto", failureClass, retryAfter: .seconds(60)) }
        #expect(fixture.admits)
    }

    @Test("a target that is tested with a long stream is open from its first content on, not from its end")
    func longProbe() throws {
        let pool = RoutedPool(["a"], failuresToCoolDown: 1) { $0.slots = 4 }
        _ = pool.run(["a": RouterFixture.failure(.authentication, status: 401)])
        pool.advance(.seconds(5))
        let probe = try #require(pool.submit(isStream: true)?.1)
        _ = pool.start(probe)
        let (_, none) = try #require(pool.submit())
        #expect(none == nil)
        pool.content(probe)
        #expect(pool.status?.targets[0].state == .ready)
        #expect(pool.granted.count == 1, "who waited for the test's end")
        #expect(pool.inFlight == [2])
        _ = pool.finish(probe)
        #expect(pool.inFlight == [1])
        // A stream that breaks off later closes nothing again by itself.
        #expect(pool.status?.targets[0].state == .ready)
    }

    @Test("a 404 for a model that the configuration names closes the target, one that a client names does not")
    func notFound() {
        let fixture = RouterFixture(RoutePlan(targets: [RoutePlan.Target(backend: "a", model: "gone")]))
        fixture.breakDown("a", .routeOrModel)
        #expect(!fixture.admits)
    }

    @Test("a quota that is used up closes a target, a 403 does not")
    func quota() {
        for (failureClass, status, closes) in [
            (FailureClass.providerRejected, 429, true), (.providerRejected, 402, true), (.providerRejected, 405, false),
            (.authentication, 401, true), (.authentication, 403, false),
        ] {
            let fixture = RouterFixture(["a"])
            let (_, permit) = fixture.depart()
            fixture.settle(permit, .failure(RouterFixture.failure(failureClass, status: status)))
            #expect(fixture.admits != closes, "\(status)")
        }
    }

    @Test("Retry-After is honoured, to the second and up to its limit")
    func retryAfter() {
        let fixture = RouterFixture(["a", "b"])
        fixture.breakDown("a", .rateLimited, retryAfter: .seconds(42))
        fixture.now = fixture.now + .milliseconds(41_999)
        #expect(fixture.share(of: "a", in: 100) == 0)
        fixture.now = fixture.now + .milliseconds(1)
        #expect(fixture.share(of: "a", in: 100) > 0)
        let patient = RouterFixture(["a"])
        patient.breakDown("a", .rateLimited, retryAfter: .seconds(86_400))
        #expect(patient.opens == patient.now + .seconds(300))
    }

    @Test("a longer Retry-After that comes late still counts")
    func lateRetryAfter() {
        let fixture = RouterFixture(["a"])
        let (_, first) = fixture.depart()
        let (_, second) = fixture.depart()
        fixture.fail(first, .rateLimited, retryAfter: .seconds(2))
        fixture.fail(second, .rateLimited, retryAfter: .seconds(30))
        #expect(fixture.opens == fixture.now + .seconds(30))
    }

    @Test("one probe at a time")
    func singleProbe() {
        let fixture = RouterFixture(["a"])
        fixture.breakDown("a", .connectRefused)
        fixture.now = fixture.now + .seconds(5)
        #expect(fixture.admits)
        let (_, probe) = fixture.depart()
        #expect(probe.isProbe)
        #expect(!fixture.admits)
        #expect(fixture.opens == nil)
        // Neutral: somebody else may try.
        fixture.fail(probe, .cancelled)
        #expect(fixture.admits)
        let (_, second) = fixture.depart()
        #expect(second.isProbe)
        fixture.settle(second)
        #expect(fixture.admits)
        #expect(!fixture.depart().1.isProbe)
    }

    @Test("each failed probe doubles the wait, up to eight times")
    func doubling() {
        let fixture = RouterFixture(["a"])
        fixture.breakDown("a", .connectRefused)
        for seconds in [5, 10, 20, 40, 40] {
            #expect(fixture.opens == fixture.now + .seconds(seconds))
            fixture.now = fixture.now + .seconds(seconds)
            fixture.breakDown("a", .connectRefused)
        }
    }

    @Test("news of calls from before the outage changes nothing")
    func oldNews() {
        let fixture = RouterFixture(["a"])
        let (_, old) = fixture.depart()
        let (_, older) = fixture.depart()
        fixture.breakDown("a", .connectRefused)
        fixture.settle(older)
        #expect(!fixture.admits)
        fixture.now = fixture.now + .seconds(5)
        fixture.settle(fixture.depart().1)
        fixture.fail(old, .connectRefused)
        #expect(fixture.admits)
    }

    @Test("a client with a tiny deadline cannot close a target, our own clock can")
    func deadlines() {
        let fixture = RouterFixture(["a"])
        for _ in 0..<10 {
            let (_, permit) = fixture.depart()
            fixture.now = fixture.now + .milliseconds(5)
            fixture.fail(permit, .deadline)
        }
        #expect(fixture.admits)
        let timed = RouterFixture(["a"]) { $0.attemptTimeout = .seconds(2) }
        for _ in 0..<3 {
            let (choice, permit) = timed.depart()
            #expect(choice.timeout == .seconds(2))
            timed.now = timed.now + .seconds(2)
            timed.fail(permit, .readTimeout)
        }
        #expect(!timed.admits)
    }

    @Test("all cooling down: whose time ends first, with an honest wait")
    func allCooling() {
        let fixture = RouterFixture(["a", "b", "c"])
        fixture.breakDown("a", .rateLimited, retryAfter: .seconds(30))
        fixture.breakDown("b", .rateLimited, retryAfter: .seconds(10))
        fixture.breakDown("c", .rateLimited, retryAfter: .seconds(20))
        #expect(!fixture.admits)
        #expect(fixture.opens == fixture.now + .seconds(10))
        #expect(fixture.router.isRateLimited)
        let (choice, permit) = fixture.depart()
        #expect(choice.backend == "b")
        #expect(!permit.isProbe)
        // Asked before its time and well: then it is well.
        fixture.settle(permit)
        #expect(fixture.admits)
    }

    @Test("the books of calls in flight come to nothing", arguments: 1...20 as ClosedRange<UInt64>)
    func inFlight(seed: UInt64) {
        let fixture = RouterFixture(["a", "b", "c"], seed: seed)
        var held: [RoutePermit] = []
        for _ in 0..<2_000 {
            fixture.now = fixture.now + .milliseconds(Int(fixture.random.unit() * 200))
            if fixture.random.unit() < 0.5 || held.isEmpty {
                held.append(fixture.depart().1)
                continue
            }
            let permit = held.remove(at: Int(fixture.random.unit() * Double(held.count)))
            switch Int(fixture.random.unit() * 5) {
            case 0: fixture.fail(permit, .serverError)
            case 1: fixture.fail(permit, .rateLimited, retryAfter: .seconds(1))
            case 2: fixture.fail(permit, .cancelled)
            case 3: fixture.router.release(permit, now: fixture.now)
            default: fixture.settle(permit)
            }
            let counted = fixture.router.statuses(now: fixture.now).reduce(0) { $0 + $1.inFlight }
            #expect(counted == held.count)
        }
        for permit in held { fixture.router.release(permit, now: fixture.now) }
        #expect(fixture.router.statuses(now: fixture.now).allSatisfy { $0.inFlight == 0 })
    }
}
