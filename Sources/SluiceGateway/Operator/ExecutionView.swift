import SluiceTelemetry
import SluiceWire

/// Ended requests of the history as JSON and CSV. Holds nothing of prompts and answers.
enum ExecutionView {
    static func seconds(_ microseconds: Int64) -> Double { Double(microseconds) / 1e6 }

    private static func milliseconds(_ microseconds: Int64?) -> Double? { microseconds.map { Double($0) / 1e3 } }

    static func write(_ row: ExecutionRow, to json: inout JSONWriter) {
        for (name, value) in self.fields(row) {
            switch value {
            case .text(let text): json.field(name, text)
            case .number(let number): json.field(name, number)
            case .count(let count): json.field(name, count)
            case .toggle(let toggle): json.field(name, toggle)
            }
        }
    }

    /// One request with its calls and its spans.
    static func writeWhole(_ row: ExecutionRow, to json: inout JSONWriter) {
        self.write(row, to: &json)
        json.array("attempt_list") { json in
            for attempt in row.attempts { json.object { self.write(attempt, to: &$0) } }
        }
        json.array("spans") { json in
            json.object { json in
                json.field("name", "LLMDispatch.completion")
                json.field("span_id", row.spanID)
                json.nullField("parent_span_id")
                json.field("started_at", self.seconds(row.submittedAt))
                json.field("duration_ms", self.milliseconds(row.total))
                json.field("status", row.outcome == "done" ? "ok" : "error")
            }
            for attempt in row.attempts { json.object { self.writeSpan(attempt, of: row, to: &$0) } }
        }
    }

    static func write(_ attempt: ExecutionRow.Attempt, to json: inout JSONWriter) {
        json.field("number", attempt.number)
        json.field("backend", attempt.backend)
        json.field("model", attempt.model)
        json.field("hedge", attempt.isHedge)
        json.field("started_ms", self.milliseconds(attempt.startedAfter))
        json.field("first_byte_ms", self.milliseconds(attempt.firstByteAfter))
        json.field("ended_ms", self.milliseconds(attempt.endedAfter))
        json.field("status", attempt.status)
        json.field("class", attempt.failure)
        json.field("message", attempt.message)
        json.field("retry_delay_ms", self.milliseconds(attempt.retryDelay))
    }

    private static func writeSpan(_ attempt: ExecutionRow.Attempt, of row: ExecutionRow, to json: inout JSONWriter) {
        json.field("name", "LLMDispatch.attempt")
        let span = UInt64(row.spanID, radix: 16).map { TraceIdentity.attempt(attempt.number, of: $0) }
        json.field("span_id", span.map { TraceIdentity.hex($0) })
        json.field("parent_span_id", row.spanID)
        json.field("started_at", self.seconds(row.submittedAt + attempt.startedAfter))
        json.field("duration_ms", self.milliseconds((attempt.endedAfter ?? row.total) - attempt.startedAfter))
        json.field("status", attempt.failure == nil ? "ok" : "error")
    }

    // MARK: Fields

    private enum Value {
        case text(String?)
        case number(Double?)
        case count(Int?)
        case toggle(Bool)

        var csv: String {
            switch self {
            case .text(let text): ExecutionView.quoted(text ?? "")
            case .number(let number): number.map { String(decoding: Self.json($0), as: UTF8.self) } ?? ""
            case .count(let count): count.map { String($0) } ?? ""
            case .toggle(let toggle): toggle ? "true" : "false"
            }
        }

        /// As in JSON: whole numbers without a point.
        private static func json(_ number: Double) -> [UInt8] {
            var json = JSONWriter(reserving: 24)
            json.value(number)
            return json.bytes
        }
    }

    private static func fields(_ row: ExecutionRow) -> [(name: String, value: Value)] {
        [
            ("id", .text(row.id)), ("request_id", .text(row.remoteID)), ("pool", .text(row.pool)),
            ("tenant", .text(row.tenant)), ("priority", .text(row.priority)), ("model", .text(row.model)),
            ("operation", .text(row.operation)), ("stream", .toggle(row.isStream)), ("producer", .text(row.producer)),
            ("fabric_group", .text(row.fabricGroup)), ("gateway", .text(row.gateway)),
            ("dispatcher", .text(row.dispatcher)), ("backend", .text(row.backend)), ("status", .count(row.status)),
            ("error_class", .text(row.errorClass)), ("outcome", .text(row.outcome)), ("reason", .text(row.reason)),
            ("message", .text(row.message)), ("submitted_at", .number(self.seconds(row.submittedAt))),
            ("ended_at", .number(self.seconds(row.endedAt))), ("queue_ms", .number(self.milliseconds(row.queued))),
            ("first_token_ms", .number(self.milliseconds(row.firstToken))),
            ("execution_ms", .number(self.milliseconds(row.execution))),
            ("total_ms", .number(self.milliseconds(row.total))), ("prompt_tokens", .count(row.promptTokens)),
            ("completion_tokens", .count(row.completionTokens)), ("cached_tokens", .count(row.cachedTokens)),
            ("reasoning_tokens", .count(row.reasoningTokens)),
            ("cost_dollars", .number(row.cost.map { Double($0) / 1e9 })), ("payload_bytes", .count(row.payloadBytes)),
            ("message_count", .count(row.messageCount)), ("attempts", .count(row.attemptCount)),
            ("trace_id", .text(row.traceID)), ("span_id", .text(row.spanID)),
        ]
    }

    // MARK: Lines

    /// JSON Lines: one object on each.
    static func jsonLines(_ rows: [ExecutionRow]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(rows.count * 900)
        for row in rows {
            var json = JSONWriter(reserving: 900)
            json.object { self.write(row, to: &$0) }
            bytes += json.bytes
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }

    /// The names of the columns (RFC 4180: lines end with CR LF).
    static var csvHeader: [UInt8] {
        Array((self.fields(.empty).map(\.name).joined(separator: ",") + "\r\n").utf8)
    }

    static func csv(_ rows: [ExecutionRow]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(rows.count * 400)
        for row in rows {
            bytes += Array((self.fields(row).map(\.value.csv).joined(separator: ",") + "\r\n").utf8)
        }
        return bytes
    }

    /// Spreadsheets take what begins with one of these for a formula, quoted or not: an apostrophe makes it text.
    private static let formulas: [UInt8] = [0x3D, 0x2B, 0x2D, 0x40, 0x09, 0x0D]

    fileprivate static func quoted(_ text: String) -> String {
        let isFormula = text.utf8.first.map { self.formulas.contains($0) } ?? false
        let text = isFormula ? "'" + text : text
        guard text.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else { return text }
        return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }
}
