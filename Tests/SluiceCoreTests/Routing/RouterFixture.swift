import SluiceBasics

@testable import SluiceCore

/// A router, its time and its dice, with the calls that are under way.
final class RouterFixture {
    var router: Router
    var random: SeededRandom
    var now = Instant.zero
    var facts = RouteFacts(model: "m", isStream: false)

    init(_ plan: RoutePlan, seed: UInt64 = 1) {
        self.router = Router(plan)
        self.random = SeededRandom(seed: seed)
    }

    convenience init(_ targets: [String], seed: UInt64 = 1, _ change: (inout RoutePlan) -> Void = { _ in }) {
        var plan = RoutePlan(targets: targets.map { RoutePlan.Target(backend: $0) })
        change(&plan)
        self.init(plan, seed: seed)
    }

    func depart(_ trail: inout RouteTrail) -> (RouteChoice, RoutePermit) {
        self.router.depart(&trail, self.facts, now: self.now, random: &self.random)
    }

    func hedge(_ trail: inout RouteTrail) -> (RouteChoice, RoutePermit)? {
        self.router.hedge(&trail, self.facts, now: self.now, random: &self.random)
    }

    func outlook(_ trail: inout RouteTrail, _ failure: AttemptFailure) -> RouteOutlook {
        self.router.outlook(&trail, failure, now: self.now)
    }

    var admits: Bool { self.router.admits(at: self.now) }
    var opens: Instant? { self.router.opens(after: self.now) }

    /// A request of its own.
    func depart() -> (RouteChoice, RoutePermit) {
        var trail = RouteTrail()
        return self.depart(&trail)
    }

    func settle(_ permit: RoutePermit, _ result: AttemptResult = .success(status: 200, usage: nil)) {
        self.router.settle(
            permit,
            result,
            self.facts,
            hadContent: false,
            usual: nil,
            maximumRetryAfter: .seconds(300),
            now: self.now
        )
    }

    func fail(_ permit: RoutePermit, _ failureClass: FailureClass, retryAfter: Duration? = nil) {
        self.settle(permit, .failure(Self.failure(failureClass, retryAfter: retryAfter)))
    }

    static func failure(
        _ failureClass: FailureClass,
        status: Int? = nil,
        retryAfter: Duration? = nil,
        refusal: FallbackClass? = nil
    ) -> AttemptFailure {
        AttemptFailure(failureClass, status: status, retryAfter: retryAfter, message: "", refusal: refusal)
    }

    /// Sends requests until one comes to the target, which fails.
    func breakDown(_ backend: String, _ failureClass: FailureClass, retryAfter: Duration? = nil) {
        for _ in 0..<10_000 {
            let (choice, permit) = self.depart()
            guard choice.backend == backend else {
                self.settle(permit)
                continue
            }
            return self.fail(permit, failureClass, retryAfter: retryAfter)
        }
    }

    func share(of backend: String, in count: Int) -> Double {
        var hits = 0
        for _ in 0..<count {
            let (choice, permit) = self.depart()
            if choice.backend == backend { hits += 1 }
            self.settle(permit)
        }
        return Double(hits) / Double(count)
    }
}
