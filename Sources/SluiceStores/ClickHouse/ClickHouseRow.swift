import SluiceTelemetry
import SluiceWire

/// Rows as the server writes them.
enum ClickHouseRow {
    /// Times as microseconds; under names of their own, because a name in a condition would mean these.
    static let selection = ClickHouseSchema.columns.map { column in
        column.type.hasPrefix("DateTime64")
            ? "toUnixTimestamp64Micro(\(column.name)) AS \(column.name)_us" : column.name
    }.joined(separator: ", ")

    /// `nil` for what is no row.
    static func row(_ line: ArraySlice<UInt8>) -> ExecutionRow? {
        try? JSON.read(Array(line)) { json in
            func text(_ name: StaticString) -> String { json[name]?.string ?? "" }
            func optional(_ name: StaticString) -> String? {
                json[name]?.string.flatMap { $0.isEmpty ? nil : $0 }
            }
            func number(_ name: StaticString) -> Int64? { json[name]?.int.map { Int64($0) } }
            func count(_ name: StaticString) -> Int? { json[name]?.int }
            guard let ended = number("ended_at_us"), let submitted = number("submitted_at_us") else { return nil }
            var row = ExecutionRow.empty
            row.endedAt = ended
            row.submittedAt = submitted
            row.id = text("id")
            row.remoteID = optional("request_id")
            row.pool = text("pool")
            row.tenant = text("tenant")
            row.priority = text("priority")
            row.model = text("model")
            row.operation = text("operation")
            row.isStream = number("stream") == 1
            row.producer = optional("producer")
            row.fabricGroup = text("fabric_group")
            row.gateway = optional("gateway")
            row.dispatcher = optional("dispatcher")
            row.backend = optional("backend")
            row.status = count("status")
            row.errorClass = optional("error_class")
            row.outcome = text("outcome")
            row.reason = text("reason")
            row.message = optional("message")
            row.queued = number("queued_us") ?? 0
            row.firstToken = number("first_token_us")
            row.execution = number("execution_us")
            row.total = number("total_us") ?? 0
            row.promptTokens = count("prompt_tokens")
            row.completionTokens = count("completion_tokens")
            row.cachedTokens = count("cached_tokens")
            row.reasoningTokens = count("reasoning_tokens")
            row.cost = number("cost_nanodollars")
            row.payloadBytes = count("payload_bytes") ?? 0
            row.messageCount = count("message_count") ?? 0
            row.traceID = text("trace_id")
            row.spanID = text("span_id")
            row.attemptCount = count("attempts") ?? 0
            row.attempts = ExecutionRow.attempts(json: Array(text("attempt_list").utf8))
            return row
        }
    }

    static func number(_ line: ArraySlice<UInt8>, _ name: StaticString) -> Int64? {
        (try? JSON.read(Array(line)) { $0[name]?.int.map { Int64($0) } }) ?? nil
    }
}
