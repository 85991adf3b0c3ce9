import SluiceBasics
import SluiceCore
import SluiceTelemetry

extension Execution {
    /// One like any other, but for its number and its end (nanoseconds since 1970): it took a millisecond.
    static func done(_ number: UInt64, endedAt: Int64 = 1_767_225_600_000_000_000) -> Execution {
        var record = RequestRecord(
            submission: Submission(
                id: RequestID(high: 1, low: number),
                pool: "default",
                tenant: "t",
                model: "m",
                operation: "chat/completions",
                deadline: .distantFuture
            ),
            submittedAt: .zero
        )
        record.state = .ended
        record.endedAt = Instant(nanoseconds: 1_000_000)
        record.reason = .ok
        return Execution(record: record, submittedAt: endedAt - 1_000_000)
    }
}
