import SluiceBasics
import SluiceCore
import SluiceWire

/// All attempts of a request as one attribute: with it a history row is whole without the attempts' own spans.
enum AttemptList {
    /// What is absent is left out.
    static func json(_ record: RequestRecord) -> [UInt8] {
        var json = JSONWriter(reserving: 128)
        json.array { json in
            for attempt in record.attempts.prefix(ExecutionSpans.maximumAttempts) {
                json.object { Self.write(attempt, record, &$0) }
            }
        }
        return json.bytes
    }

    private static func write(_ attempt: AttemptRecord, _ record: RequestRecord, _ json: inout JSONWriter) {
        func after(_ instant: Instant) -> Int { Int(instant.nanoseconds(since: record.submittedAt) / 1_000) }
        json.field("number", attempt.number)
        json.field("backend", attempt.backend)
        if let model = attempt.model { json.field("model", ExecutionSpans.bounded(model)) }
        if attempt.isHedge { json.field("hedge", true) }
        json.field("started_us", after(attempt.startedAt))
        if let first = attempt.firstByteAt { json.field("first_byte_us", after(first)) }
        if let end = attempt.endedAt { json.field("ended_us", after(end)) }
        if let status = attempt.status { json.field("status", status) }
        if let failure = attempt.failure { json.field("failure", failure.rawValue) }
        if let message = attempt.message { json.field("message", ExecutionSpans.bounded(message)) }
        if let delay = attempt.retryDelay { json.field("retry_us", Int(delay.wholeNanoseconds / 1_000)) }
    }
}
