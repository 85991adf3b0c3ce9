import SluiceBasics
import SluiceCore

extension Submission {
    /// A submission for tests: id from a number, everything else as usual.
    package static func sample(
        _ number: UInt64,
        pool: String = "default",
        tenant: String = "acme",
        priority: Priority = .normal,
        bytes: Int = 100,
        tokens: Int = 10,
        deadline: Instant
    ) -> Submission {
        Submission(
            id: RequestID(high: 1, low: number),
            pool: pool,
            tenant: tenant,
            priority: priority,
            model: "gpt-test",
            operation: "chat/completions",
            payloadBytes: bytes,
            messageCount: 1,
            tokenEstimate: tokens,
            completionEstimate: tokens / 2,
            deadline: deadline
        )
    }
}
