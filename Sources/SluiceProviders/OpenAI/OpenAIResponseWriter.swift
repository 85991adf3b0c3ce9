import SluiceWire

/// Writes an answer as OpenAI's JSON.
enum OpenAIResponseWriter {
    static func write(_ response: ChatResponse, to json: inout JSONWriter) {
        json.object { json in
            json.field("id", response.id)
            json.field("object", "chat.completion")
            json.field("created", response.created)
            json.field("model", response.model)
            json.array("choices") { json in
                for choice in response.choices { json.object { Self.write(choice, to: &$0) } }
            }
            if let usage = response.usage { json.object("usage") { usage.write(to: &$0) } }
            json.known("service_tier", response.serviceTier)
            json.known("system_fingerprint", response.systemFingerprint)
            for field in response.additional { json.field(field.name, field.value) }
        }
    }

    private static func write(_ choice: ChatChoice, to json: inout JSONWriter) {
        json.field("index", choice.index)
        json.object("message") { json in
            json.field("role", "assistant")
            json.field("content", choice.content)
            json.field("refusal", choice.refusal)
            OpenAIToolCalls.write(
                choice.toolCalls,
                asFunction: choice.finishReason == .functionCall,
                signatures: true,
                to: &json
            )
            if !choice.reasoning.isEmpty { OpenAIReasoning.write(choice.reasoning, .blocks, to: &json) }
            if !choice.citations.isEmpty {
                json.array("annotations") { json in
                    for citation in choice.citations { citation.write(to: &json) }
                }
            }
            for field in choice.additional { json.field(field.name, field.value) }
        }
        if let logprobs = choice.logprobs {
            json.field("logprobs", logprobs)
        } else {
            json.nullField("logprobs")
        }
        json.field("finish_reason", choice.finishReason.rawValue)
        json.known("native_finish_reason", choice.nativeFinishReason)
        for field in choice.choiceAdditional { json.field(field.name, field.value) }
    }
}
