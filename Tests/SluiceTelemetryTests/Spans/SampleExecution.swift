import SluiceBasics
import SluiceCore

@testable import SluiceTelemetry

/// Ended requests for tests.
enum SampleExecution {
    static let submittedAt: Int64 = 1_800_000_000_000_000_000
    static let begin = Instant(nanoseconds: 5_000_000_000)

    static func submission(
        _ number: UInt64 = 1,
        traceparent: String? = nil,
        remote: RemoteOrigin? = nil
    ) -> Submission {
        Submission(
            id: RequestID(high: 0x0192_0000_0000_0001, low: number),
            pool: "chat",
            tenant: "acme",
            priority: .high,
            producer: "key-1",
            model: "gpt-test",
            operation: "chat/completions",
            isStream: true,
            payloadBytes: 123,
            messageCount: 2,
            deadline: Self.begin + .seconds(60),
            traceparent: traceparent,
            tracestate: traceparent == nil ? nil : "vendor=1",
            remote: remote
        )
    }

    static func ended(
        _ reason: OutcomeReason,
        _ number: UInt64 = 1,
        traceparent: String? = nil,
        remote: RemoteOrigin? = nil
    ) -> Execution {
        var record = RequestRecord(
            submission: Self.submission(number, traceparent: traceparent, remote: remote),
            submittedAt: Self.begin
        )
        record.state = .ended
        record.reason = reason
        record.endedAt = Self.begin + .milliseconds(100)
        if reason.outcome != .done { record.message = "why it ended" }
        return Execution(record: record, submittedAt: Self.submittedAt)
    }

    /// A first attempt that failed, a pause, a second that was answered.
    static func retried(_ number: UInt64 = 1, traceparent: String? = nil) -> Execution {
        var execution = Self.ended(.ok, number, traceparent: traceparent).record
        execution.claimedAt = Self.begin + .milliseconds(1)
        execution.startedAt = Self.begin + .milliseconds(2)
        execution.firstByteAt = Self.begin + .milliseconds(70)
        var first = AttemptRecord(number: 1, backend: "east", startedAt: Self.begin + .milliseconds(2))
        first.endedAt = Self.begin + .milliseconds(12)
        first.status = 503
        first.failure = .serverError
        first.message = "the backend answered with status 503"
        first.retryDelay = .milliseconds(40)
        var second = AttemptRecord(number: 2, backend: "west", startedAt: Self.begin + .milliseconds(52))
        second.model = "gpt-west"
        second.isHedge = true
        second.firstByteAt = Self.begin + .milliseconds(70)
        second.endedAt = Self.begin + .milliseconds(100)
        second.status = 200
        execution.attempts = [first, second]
        execution.usage = TokenUsage(prompt: 10, completion: 20, cached: 3, reasoning: 4)
        execution.cost = Money(nanodollars: 1_234)
        return Execution(record: execution, submittedAt: Self.submittedAt)
    }
}
