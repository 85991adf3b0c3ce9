import SluiceBasics
import SluiceProviders
import SluiceWire

/// The document that a receiver gets. Holds prompts and answers only where they were asked for.
enum WebhookDocument {
    static func make(_ message: WebhookMessage) -> [UInt8] {
        let report = message.report
        var json = JSONWriter(reserving: 1024)
        json.object { json in
            json.field("type", message.event.type)
            json.field("timestamp", Self.seconds(message.at))
            json.object("data") { json in
                json.field("id", report.id)
                json.field("operation", report.operation)
                json.field("model", report.model)
                json.field("provider", report.provider)
                json.field("backend", report.backend)
                json.field("pool", report.pool)
                json.field("tenant", report.tenant)
                json.field("key", report.keyName)
                json.field("stream", report.isStream)
                json.field("started_at", report.startedAt)
                Self.write(timings: report, to: &json)
                json.field("attempts", report.attempts)
                Self.write(usage: report, to: &json)
                json.field("cost_usd", report.cost)
                json.field("cache", report.cache?.rawValue)
                json.field("status", report.status)
                json.field("outcome", report.outcome)
                json.field("reason", report.reason)
                Self.write(error: report, to: &json)
                json.field("traceparent", report.traceparent)
                if let chunk = message.chunk { Self.write(chunk, to: &json) }
                Self.write("request", report.request, to: &json)
                Self.write("answer", report.answer, to: &json)
            }
        }
        return json.bytes
    }

    private static func seconds(_ milliseconds: Int64) -> Double { Double(milliseconds) / 1000 }

    private static func write(timings report: CompletionReport, to json: inout JSONWriter) {
        json.object("timings_ms") { json in
            json.field("waited", report.waited?.inMilliseconds)
            json.field("first_token", report.timeToFirstToken?.inMilliseconds)
            json.field("total", report.total?.inMilliseconds)
        }
    }

    private static func write(usage report: CompletionReport, to json: inout JSONWriter) {
        guard report.promptTokens != nil || report.completionTokens != nil else { return json.nullField("usage") }
        json.object("usage") { json in
            json.field("prompt_tokens", report.promptTokens ?? 0)
            json.field("completion_tokens", report.completionTokens ?? 0)
        }
    }

    private static func write(error report: CompletionReport, to json: inout JSONWriter) {
        guard report.errorClass != nil || report.errorMessage != nil else { return json.nullField("error") }
        json.object("error") { json in
            json.field("class", report.errorClass)
            json.field("message", report.errorMessage)
        }
    }

    private static func write(_ chunk: CompletionChunk, to json: inout JSONWriter) {
        json.object("chunk") { json in
            json.field("index", chunk.index)
            json.field("bytes", chunk.byteCount)
            if let bytes = chunk.bytes { json.field("text", String(decoding: bytes, as: UTF8.self)) }
        }
    }

    /// What is JSON stays JSON; the text of a stream becomes a string.
    private static func write(_ name: String, _ content: [UInt8]?, to json: inout JSONWriter) {
        guard let content else { return }
        let isJSON = (try? JSON.read(content) { _ in true }) ?? false
        if isJSON { json.rawField(name, content) } else { json.field(name, String(decoding: content, as: UTF8.self)) }
    }
}
