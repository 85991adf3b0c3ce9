import SluiceBasics
import Testing

@testable import SluiceCore

@Suite struct RouterFallbackTests {
    private static func target(_ backend: String, _ model: String? = nil) -> RoutePlan.Target {
        RoutePlan.Target(backend: backend, model: model)
    }

    private static let plan = RoutePlan(
        targets: [Self.target("a"), Self.target("b")],
        fallbacks: [
            .contextWindow: [Self.target("large", "x"), Self.target("a", "larger")],
            .contentPolicy: [Self.target("lenient")],
            .error: [Self.target("spare"), Self.target("last")],
        ],
        failuresToCoolDown: 1_000
    )

    /// The names of the targets that a request visits which fails with the same each time, and how that ends.
    private func visits(
        _ failure: AttemptFailure,
        plan: RoutePlan = Self.plan,
        seed: UInt64
    ) -> ([String], RouteOutlook) {
        let fixture = RouterFixture(plan, seed: seed)
        var trail = RouteTrail()
        var names: [String] = []
        while true {
            let (choice, permit) = fixture.depart(&trail)
            names.append(fixture.router.plan.targets[choice.target].name)
            fixture.settle(permit, .failure(failure))
            let outlook = fixture.outlook(&trail, failure)
            guard outlook == .another, names.count < 20 else { return (names, outlook) }
        }
    }

    @Test(
        "too long a prompt goes to the larger models, in order, and to nobody else",
        arguments: 1...20 as ClosedRange<UInt64>
    )
    func contextWindow(seed: UInt64) {
        let failure = RouterFixture.failure(.invalidRequest, status: 400, refusal: .contextWindow)
        let (names, outlook) = self.visits(failure, seed: seed)
        #expect(Array(names.dropFirst()) == ["large/x", "a/larger"])
        #expect(outlook == .nowhere)
    }

    @Test("what a content policy refuses goes to its list", arguments: 1...20 as ClosedRange<UInt64>)
    func contentPolicy(seed: UInt64) {
        let failure = RouterFixture.failure(.invalidRequest, status: 400, refusal: .contentPolicy)
        let (names, outlook) = self.visits(failure, seed: seed)
        #expect(Array(names.dropFirst()) == ["lenient"])
        #expect(outlook == .nowhere)
    }

    @Test(
        "errors go to all ordinary targets first, then to the fallbacks in order",
        arguments: 1...20 as ClosedRange<UInt64>
    )
    func errors(seed: UInt64) {
        for failureClass in [FailureClass.serverError, .connectRefused, .rateLimited, .authentication, .routeOrModel] {
            let (names, outlook) = self.visits(RouterFixture.failure(failureClass), seed: seed)
            #expect(Set(names.prefix(2)) == ["a", "b"])
            #expect(Array(names.dropFirst(2)) == ["spare", "last"], "\(failureClass)")
            guard case .again = outlook else {
                Issue.record("\(outlook)")
                return
            }
        }
    }

    @Test("a list of its own for refused rates goes before that for errors")
    func rates() {
        let plan = RoutePlan(
            targets: [Self.target("a")],
            fallbacks: [.rateLimit: [Self.target("quick")], .error: [Self.target("spare")]]
        )
        #expect(self.visits(RouterFixture.failure(.rateLimited), plan: plan, seed: 1).0 == ["a", "quick"])
        #expect(self.visits(RouterFixture.failure(.serverError), plan: plan, seed: 1).0 == ["a", "spare"])
    }

    @Test("what is wrong with the request itself goes nowhere else")
    func invalid() {
        for failureClass in [FailureClass.invalidRequest, .responseTooLarge, .deadline, .cancelled] {
            let (names, outlook) = self.visits(RouterFixture.failure(failureClass), seed: 1)
            #expect(names.count == 1)
            #expect(outlook == .nowhere)
        }
        let plan = RoutePlan(targets: [Self.target("a"), Self.target("b")])
        let failure = RouterFixture.failure(.invalidRequest, refusal: .contextWindow)
        #expect(self.visits(failure, plan: plan, seed: 1).0.count == 1)
    }

    @Test("new requests go to the fallbacks while all ordinary targets cool down")
    func refuge() {
        let fixture = RouterFixture(Self.plan)
        fixture.breakDown("a", .connectRefused)
        fixture.breakDown("b", .connectRefused)
        #expect(fixture.admits)
        #expect(fixture.share(of: "spare", in: 50) == 1)
        // Who comes for a longer context is not meant.
        #expect(fixture.share(of: "large", in: 50) == 0)
    }

    @Test("an untried target that cools down is said with its time")
    func anotherLater() {
        let fixture = RouterFixture(["a", "b"])
        fixture.breakDown("b", .rateLimited, retryAfter: .seconds(7))
        var trail = RouteTrail()
        let (choice, permit) = fixture.depart(&trail)
        #expect(choice.backend == "a")
        let failure = RouterFixture.failure(.authentication, status: 401)
        fixture.settle(permit, .failure(failure))
        let outlook = fixture.outlook(&trail, failure)
        #expect(outlook == .anotherLater(fixture.now + .seconds(7)))
    }

    @Test("targets beyond the bound are left out, and nothing traps")
    func tooMany() {
        let many = (0..<100).map { Self.target("t\($0)") }
        let plan = RoutePlan(targets: many, fallbacks: [.error: many.map { Self.target($0.backend, "m") }])
        #expect(plan.targets.count == RoutePlan.maximumTargets)
        #expect(plan.fallbacks(.error).isEmpty)
        let fixture = RouterFixture(plan)
        var trail = RouteTrail()
        for _ in 0..<100 {
            let (_, permit) = fixture.depart(&trail)
            fixture.fail(permit, .connectRefused)
        }
    }
}
