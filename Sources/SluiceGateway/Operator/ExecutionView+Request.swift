import SluiceCore
import SluiceTelemetry
import SluiceWire

// A request that only history remembers, in the words of `/api/requests`.
extension ExecutionView {
    static func writeRequest(_ row: ExecutionRow, to json: inout JSONWriter) {
        let milliseconds = { (microseconds: Int64?) in microseconds.map { Double($0) / 1_000 } }
        json.field("id", row.id)
        json.field("state", RequestState.ended.rawValue)
        json.field("outcome", row.outcome)
        json.field("reason", row.reason)
        json.field("message", row.message)
        json.field("pool", row.pool)
        json.field("tenant", row.tenant)
        json.field("priority", row.priority)
        json.field("model", row.model)
        json.field("operation", row.operation)
        json.field("stream", row.isStream)
        json.field("producer", row.producer)
        if let remote = row.remoteID { json.field("request_id", remote) }
        json.field("dispatcher", row.dispatcher)
        json.field("payload_bytes", row.payloadBytes)
        json.field("message_count", row.messageCount)
        json.field("submitted_at", Double(row.submittedAt) / 1e6)
        json.field("age_ms", milliseconds(row.total))
        json.nullField("waiting")
        json.object("timings_ms") { json in
            json.field("started", row.execution == nil ? nil : milliseconds(row.queued))
            json.field("first_byte", milliseconds(row.firstToken))
            json.field("ended", milliseconds(row.total))
        }
        if let prompt = row.promptTokens, let completion = row.completionTokens {
            json.object("usage") { json in
                json.field("prompt_tokens", prompt)
                json.field("completion_tokens", completion)
                if let cached = row.cachedTokens, cached > 0 { json.field("cached_tokens", cached) }
                if let reasoning = row.reasoningTokens, reasoning > 0 { json.field("reasoning_tokens", reasoning) }
            }
        } else {
            json.nullField("usage")
        }
        json.field("cost_dollars", row.cost.map { Double($0) / 1e9 })
        json.array("attempts") { json in
            for attempt in row.attempts { json.object { self.write(attempt, to: &$0) } }
        }
        json.field("source", "history")
        json.object("trace") { json in
            json.field("trace_id", row.traceID)
            json.field("span_id", row.spanID)
        }
        json.field("retryable", false)
    }
}
