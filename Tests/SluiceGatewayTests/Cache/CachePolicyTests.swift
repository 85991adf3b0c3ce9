import SluiceBasics
import SluiceCore
import Testing

@testable import SluiceGateway

@Suite struct CachePolicyTests {
    private static let plan = RoutePlan(
        targets: [.init(backend: "main"), .init(backend: "main", model: "small")],
        fallbacks: [
            .error: [.init(backend: "spare"), .init(backend: "main", model: "small")],
            .contextWindow: [.init(backend: "long", model: "large")],
        ]
    )

    private func record(_ backend: String, _ model: String? = nil, fails: Bool = false) -> RequestRecord {
        let submission = Submission(
            id: RequestID(high: 0, low: 1),
            pool: "default",
            tenant: "a",
            model: "m",
            operation: "chat/completions",
            deadline: Instant(nanoseconds: 1)
        )
        var record = RequestRecord(submission: submission, submittedAt: .zero)
        var failed = AttemptRecord(number: 1, backend: "main", startedAt: .zero)
        failed.endedAt = .zero
        failed.failure = .serverError
        var attempt = AttemptRecord(number: 2, backend: backend, startedAt: .zero)
        attempt.model = model
        attempt.endedAt = .zero
        attempt.failure = fails ? .serverError : nil
        // A second call that came too late.
        var hedge = AttemptRecord(number: 3, backend: "main", startedAt: .zero)
        hedge.endedAt = .zero
        hedge.failure = .cancelled
        record.attempts = [failed, attempt, hedge]
        return record
    }

    @Test func `the answer of a fallback is not the pool's, but that of one for long prompts is`() {
        let policy = CachePolicy(timeToLive: .seconds(1), backend: [], route: Self.plan)
        #expect(policy.isStandIn(self.record("spare")))
        for record in [
            self.record("main"), self.record("main", "small"), self.record("long", "large"),
            self.record("spare", fails: true),
        ] {
            #expect(!policy.isStandIn(record))
        }
        #expect(!CachePolicy(timeToLive: .seconds(1), backend: []).isStandIn(self.record("spare")))
    }
}
