import SluiceBasics
import SluiceCore
import SluiceWire

/// A request as JSON. Holds nothing of prompts and answers.
struct RequestView {
    let now: Instant
    /// Nanoseconds since 1970 at `now`.
    let wallClock: Int64

    /// Seconds since 1970.
    func epoch(_ instant: Instant?) -> Double? {
        guard let instant else { return nil }
        let milliseconds = (self.wallClock - (self.now - instant).wholeNanoseconds) / 1_000_000
        return Double(milliseconds) / 1000
    }

    /// - Parameter place: where the fabric has it, which says more than our own state.
    func write(
        _ record: RequestRecord,
        _ waiting: WaitingStatus?,
        _ place: Whereabouts? = nil,
        to json: inout JSONWriter
    ) {
        let submission = record.submission
        var waiting = waiting
        let state = place.state(record)
        if case .waiting = place {
            waiting = WaitingStatus(reason: .aheadInQueue, position: 0, estimatedStart: nil)
        }
        json.field("id", submission.id.description)
        json.field("state", state.rawValue)
        if case .held(let held) = place { json.field("dispatcher", held.dispatcherID) }
        json.field("outcome", record.reason?.outcome.rawValue)
        json.field("reason", record.reason?.rawValue)
        json.field("message", record.message)
        json.field("pool", submission.pool)
        json.field("tenant", submission.tenant)
        json.field("priority", submission.priority.name)
        json.field("model", submission.model)
        json.field("operation", submission.operation)
        json.field("stream", submission.isStream)
        json.field("producer", submission.producer)
        if let remote = submission.remote { json.field("request_id", remote.requestID) }
        json.field("payload_bytes", submission.payloadBytes)
        json.field("message_count", submission.messageCount)
        json.field("token_estimate", submission.tokenEstimate)
        json.field("submitted_at", self.epoch(record.submittedAt))
        // Stays when the request has ended: a recorded trace needs it.
        json.field("timeout_ms", (submission.deadline - record.submittedAt).inMilliseconds)
        json.field("age_ms", ((record.endedAt ?? self.now) - record.submittedAt).inMilliseconds)
        json.field("deadline_in_ms", record.endedAt == nil ? (submission.deadline - self.now).inMilliseconds : nil)
        if let waiting {
            json.object("waiting") { json in
                json.field("reason", waiting.reason.rawValue)
                // On a list nobody counts.
                json.field("position", waiting.position > 0 ? waiting.position : nil)
                json.field("estimated_start_ms", waiting.estimatedStart?.inMilliseconds)
            }
        } else {
            json.nullField("waiting")
        }
        self.writeTimings(record, to: &json)
        if let usage = record.usage {
            json.object("usage") { json in
                json.field("prompt_tokens", usage.prompt)
                json.field("completion_tokens", usage.completion)
                if usage.cached > 0 { json.field("cached_tokens", usage.cached) }
                if usage.cacheWritten > 0 { json.field("cache_write_tokens", usage.cacheWritten) }
                if usage.reasoning > 0 { json.field("reasoning_tokens", usage.reasoning) }
            }
        } else {
            json.nullField("usage")
        }
        json.field("cost_dollars", record.cost?.dollars)
        json.array("attempts") { json in
            for attempt in record.attempts { json.object { self.write(attempt, record, to: &$0) } }
        }
    }

    /// All since submission, in milliseconds.
    private func writeTimings(_ record: RequestRecord, to json: inout JSONWriter) {
        func since(_ instant: Instant?) -> Double? { instant.map { ($0 - record.submittedAt).inMilliseconds } }
        json.object("timings_ms") { json in
            json.field("claimed", since(record.claimedAt))
            json.field("started", since(record.startedAt))
            json.field("first_byte", since(record.firstByteAt))
            json.field("ended", since(record.endedAt))
        }
    }

    private func write(_ attempt: AttemptRecord, _ record: RequestRecord, to json: inout JSONWriter) {
        json.field("number", attempt.number)
        json.field("backend", attempt.backend)
        json.field("model", attempt.model)
        json.field("hedge", attempt.isHedge)
        json.field("started_ms", (attempt.startedAt - record.submittedAt).inMilliseconds)
        json.field("first_byte_ms", attempt.firstByteAt.map { ($0 - record.submittedAt).inMilliseconds })
        json.field("ended_ms", attempt.endedAt.map { ($0 - record.submittedAt).inMilliseconds })
        json.field("status", attempt.status)
        json.field("class", attempt.failure?.rawValue)
        json.field("message", attempt.message)
        json.field("retry_delay_ms", attempt.retryDelay?.inMilliseconds)
    }
}
