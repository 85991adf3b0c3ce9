import SluiceWire

extension AnthropicFace {
    /// A whole answer as a message. Of several choices the first is told: a message has one.
    package static func answer(_ response: ChatResponse) -> [UInt8] {
        var json = JSONWriter(reserving: 1_024)
        let choice = response.choices.first ?? ChatChoice(index: 0, content: nil, finishReason: .stop)
        json.object { json in
            json.field("id", response.id)
            json.field("type", "message")
            json.field("role", "assistant")
            json.field("model", response.model)
            json.array("content") { Self.writeContent(choice, &$0) }
            Self.writeStop(
                choice.finishReason,
                choice.nativeFinishReason,
                choice.choiceAdditional,
                choice.refusal,
                &json
            )
            Self.write(response.usage, tier: response.serviceTier, &json)
        }
        return json.bytes
    }

    private static func writeContent(_ choice: ChatChoice, _ json: inout JSONWriter) {
        for block in choice.reasoning { Self.write(block, &json) }
        if let text = choice.content, !text.isEmpty {
            json.object { json in
                json.field("type", "text")
                json.field("text", text)
                guard !choice.citations.isEmpty else { return }
                json.array("citations") { json in for citation in choice.citations { Self.write(citation, &json) } }
            }
        }
        let isExplained = choice.choiceAdditional.contains { $0.name == "stop_details" }
        if let refusal = choice.refusal, !refusal.isEmpty, choice.content == nil, !isExplained {
            json.object { json in
                json.field("type", "text")
                json.field("text", refusal)
            }
        }
        for call in choice.toolCalls {
            json.object { json in
                json.field("type", "tool_use")
                json.field("id", call.id)
                json.field("name", call.name)
                AnthropicBody.writeInput(call, &json)
            }
        }
    }

    private static func write(_ block: ReasoningBlock, _ json: inout JSONWriter) {
        json.object { json in
            if let data = block.redacted {
                json.field("type", "redacted_thinking")
                json.field("data", data)
            } else {
                json.field("type", "thinking")
                json.field("thinking", block.text)
                json.field("signature", block.signature ?? "")
            }
        }
    }

    /// Anthropic's own object, or one of the same kind that says where something was found.
    static func write(_ citation: Citation, _ json: inout JSONWriter) {
        if let native = citation.native, (try? JSON.read(native.bytes) { $0["cited_text"] != nil }) == true {
            return json.value(native)
        }
        json.object { json in
            json.field("type", "web_search_result_location")
            json.field("cited_text", citation.quote ?? "")
            json.field("encrypted_index", "")
            json.field("title", citation.title)
            json.field("url", citation.url ?? "")
        }
    }

    /// `stop_reason`, `stop_sequence` and `stop_details`, also of a stream's end.
    static func writeStop(
        _ reason: FinishReason,
        _ native: String?,
        _ fields: [JSONField],
        _ refusal: String?,
        _ json: inout JSONWriter
    ) {
        let sequence = fields.first { $0.name == "stop_sequence" }?.value
        let isRefusal = reason == .stop && refusal?.isEmpty == false
        let word = AnthropicStop.native(isRefusal ? .contentFilter : reason, native)
        json.field("stop_reason", native == nil && sequence != nil && reason == .stop ? "stop_sequence" : word)
        json.field("stop_sequence", sequence ?? .null)
        if let details = fields.first(where: { $0.name == "stop_details" })?.value {
            json.field("stop_details", details)
        } else if let refusal, !refusal.isEmpty {
            json.object("stop_details") { json in
                json.field("type", "refusal")
                json.nullField("category")
                json.field("explanation", refusal)
            }
        }
    }

    /// - Parameter usage: `nil` is told as zeros: a message has to have counts.
    static func write(_ usage: ChatUsage?, tier: String?, _ json: inout JSONWriter) {
        json.object("usage") { json in
            let read = max(0, usage?.cachedTokens ?? 0)
            let written = max(0, usage?.cacheWriteTokens ?? 0)
            json.field("input_tokens", max(0, (usage?.promptTokens ?? 0) &- read &- written))
            json.field("cache_creation_input_tokens", written)
            json.field("cache_read_input_tokens", read)
            json.field("output_tokens", max(0, usage?.completionTokens ?? 0))
            if let thinking = usage?.reasoningTokens {
                json.object("output_tokens_details") { $0.field("thinking_tokens", thinking) }
            }
            if let tier, let name = Self.tiers[tier] { json.field("service_tier", name) }
        }
    }

    private static let tiers = [
        "default": "standard", "standard": "standard", "priority": "priority", "batch": "batch",
    ]
}
