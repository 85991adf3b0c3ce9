import SluiceWire

/// How a response stands or has ended.
enum ResponsesEnd: Sendable, Equatable {
    case inProgress
    case completed
    /// `max_output_tokens` or `content_filter`.
    case incomplete(reason: String)
    case failed(ProviderError)

    init(_ reason: FinishReason) {
        switch reason {
        case .length: self = .incomplete(reason: "max_output_tokens")
        case .contentFilter: self = .incomplete(reason: "content_filter")
        case .stop, .toolCalls, .functionCall: self = .completed
        }
    }

    var status: String {
        switch self {
        case .inProgress: "in_progress"
        case .completed: "completed"
        case .incomplete: "incomplete"
        case .failed: "failed"
        }
    }

    /// Of the item that was being written when it ended.
    var itemStatus: String {
        switch self {
        case .inProgress: "in_progress"
        case .completed: "completed"
        case .incomplete, .failed: "incomplete"
        }
    }
}

/// The `response` object but for its items.
struct ResponsesResult: Sendable {
    var id: String
    var model: String
    /// Seconds since 1970.
    var created: Int
    var serviceTier: String?
    var end: ResponsesEnd
    var usage: ChatUsage?

    func write(into json: inout JSONWriter, _ echo: ResponsesEcho, _ output: (inout JSONWriter) -> Void) {
        json.field("id", self.id)
        json.field("object", "response")
        json.field("created_at", self.created)
        json.field("status", self.end.status)
        json.field("background", false)
        if case .failed(let error) = self.end {
            json.object("error") { json in
                json.field("code", Self.code(of: error))
                json.field("message", error.message)
            }
        } else {
            json.nullField("error")
        }
        if case .incomplete(let reason) = self.end {
            json.object("incomplete_details") { $0.field("reason", reason) }
        } else {
            json.nullField("incomplete_details")
        }
        json.field("model", self.model)
        json.array("output", output)
        json.nullField("previous_response_id")
        echo.write(into: &json)
        if let tier = self.serviceTier ?? echo.serviceTier { json.field("service_tier", tier) }
        json.field("store", false)
        json.field("truncation", "disabled")
        self.writeUsage(into: &json)
    }

    private func writeUsage(into json: inout JSONWriter) {
        guard let usage = self.usage else { return json.nullField("usage") }
        json.object("usage") { json in
            json.field("input_tokens", usage.promptTokens)
            json.object("input_tokens_details") { json in
                json.field("cached_tokens", usage.cachedTokens ?? 0)
                json.field("cache_write_tokens", usage.cacheWriteTokens ?? 0)
            }
            json.field("output_tokens", usage.completionTokens)
            json.object("output_tokens_details") { $0.field("reasoning_tokens", usage.reasoningTokens ?? 0) }
            json.field("total_tokens", usage.totalTokens)
        }
    }

    /// The API knows few words here.
    static func code(of error: ProviderError) -> String {
        switch error.kind {
        case .rateLimit, .budget: "rate_limit_exceeded"
        case .badRequest, .contextWindowExceeded, .contentPolicy, .unsupportedParameter, .payloadTooLarge:
            "invalid_prompt"
        default: "server_error"
        }
    }
}
