import SluiceWire

/// OpenAI's Responses API in front of any chat model. Nothing is kept between calls: what needs it is refused.
package enum ResponsesFace {
    /// What a client asks for.
    package struct Call: Sendable {
        package var request: ChatRequest
        /// What the answer repeats of the request.
        package var echo: ResponsesEcho
    }

    package static func request(_ body: [UInt8]) throws(InvalidRequest) -> ChatRequest {
        try Self.call(body).request
    }

    /// - Throws: for what a chat model or a server without a memory cannot do, naming the field.
    package static func call(_ body: [UInt8]) throws(InvalidRequest) -> Call {
        try RequestFields.read(body) { fields throws(InvalidRequest) in
            try Self.refuse(fields)
            let request = try Self.request(fields)
            return Call(request: request, echo: ResponsesEcho(fields, request))
        }
    }

    /// The answer as a `response` object.
    package static func answer(_ response: ChatResponse, echo: ResponsesEcho) -> [UInt8] {
        let names = ResponsesNames(response.id)
        let choice = response.choices.first
        let output = ResponsesOutput.items(of: choice, names)
        let result = ResponsesResult(
            id: names.response,
            model: response.model,
            created: response.created,
            serviceTier: response.serviceTier,
            end: ResponsesEnd(choice?.finishReason ?? .stop),
            usage: response.usage
        )
        var json = JSONWriter(reserving: 2_048 + (choice?.content?.utf8.count ?? 0))
        json.object { json in
            result.write(into: &json, echo) { json in for item in output { item.write(into: &json) } }
        }
        return json.bytes
    }

    // MARK: Request

    private static func refuse(_ body: RequestFields) throws(InvalidRequest) {
        let stateful: [(StaticString, String)] = [
            ("previous_response_id", "answers are not kept. Send the conversation so far as 'input'."),
            ("conversation", "conversations are not kept. Send the conversation so far as 'input'."),
            ("prompt", "there is no store of prompts. Send its text as 'instructions' and 'input'."),
            ("background_options", "there are no answers in the background. Use 'stream', or 'Prefer: respond-async'."),
            ("context_management", "conversations are not compacted here. Shorten 'input'."),
        ]
        for (name, why) in stateful where body[name] != nil { throw body.unsupported(name, why) }
        if try body.bool("background") == true {
            throw body.unsupported(
                "background",
                "there are no answers in the background. Use 'stream', or 'Prefer: respond-async'."
            )
        }
        let chat: [(StaticString, String)] = [
            ("messages", "use 'input'."), ("max_tokens", "use 'max_output_tokens'."),
            ("max_completion_tokens", "use 'max_output_tokens'."), ("response_format", "use 'text.format'."),
            ("reasoning_effort", "use 'reasoning.effort'."), ("n", "there is one answer."),
            ("functions", "use 'tools'."), ("verbosity", "use 'text.verbosity'."),
            ("logprobs", "use 'top_logprobs'."),
        ]
        for (name, why) in chat where body[name] != nil {
            throw body.unsupported(name, "it belongs to chat completions; \(why)")
        }
    }

    private static func request(_ body: RequestFields) throws(InvalidRequest) -> ChatRequest {
        let model = try body.requiredString("model")
        var input = ResponsesInput()
        if let instructions = try body.string("instructions") { input.instructions(instructions) }
        guard let items = body["input"] else { throw body.missing("input") }
        try input.read(items)
        guard !input.messages.isEmpty else {
            throw InvalidRequest("The field 'input' must not be empty.", param: "input", code: "empty_array")
        }
        var request = ChatRequest(model: model, messages: input.messages)
        request.tools = try ResponsesTools.tools(body)
        request.toolChoice = try ResponsesTools.choice(body)
        request.parallelToolCalls = try body.bool("parallel_tool_calls")
        if let text = try body.object("text") {
            request.responseFormat = try ResponsesTools.format(text)
            request.verbosity = try text.string("verbosity")
        }
        if let reasoning = try body.object("reasoning") {
            request.reasoningEffort = try reasoning.string("effort")
            if let mode = try reasoning.string("mode"), mode != "standard" {
                throw reasoning.unsupported("mode", "chat models have no such mode. Use 'reasoning.effort'.")
            }
        }
        request.maximumCompletionTokens = try Self.limit(body)
        try Self.readSampling(body, &request)
        try Self.readCaller(body, &request)
        request.isStream = try body.bool("stream") ?? false
        request.includesUsage = request.isStream
        request.additional = Self.additional(body)
        return request
    }

    private static func limit(_ body: RequestFields) throws(InvalidRequest) -> Int? {
        guard let limit = try body.int("max_output_tokens") else { return nil }
        guard limit > 0 else { throw body.invalidType("max_output_tokens", "a whole number above 0") }
        return limit
    }

    private static func readSampling(_ body: RequestFields, _ request: inout ChatRequest) throws(InvalidRequest) {
        request.temperature = try body.double("temperature")
        request.topP = try body.double("top_p")
        request.topK = try body.int("top_k")
        request.topLogprobs = try body.int("top_logprobs")
        var asksForLogprobs = request.topLogprobs != nil
        for (index, element) in try body.elements("include").enumerated() {
            guard let name = element.string else {
                throw InvalidRequest(
                    "The field 'include[\(index)]' must be a string.",
                    param: "include[\(index)]",
                    code: "invalid_type"
                )
            }
            if name == "message.output_text.logprobs" { asksForLogprobs = true }
        }
        if asksForLogprobs { request.logprobs = true }
    }

    private static func readCaller(_ body: RequestFields, _ request: inout ChatRequest) throws(InvalidRequest) {
        request.user = try body.string("user")
        request.safetyIdentifier = try body.string("safety_identifier")
        request.metadata = try body.object("metadata")?.value.text
        request.serviceTier = try body.string("service_tier")
        request.promptCacheKey = try body.string("prompt_cache_key")
        request.promptCacheRetention = try body.string("prompt_cache_retention")
    }

    /// What is read above, and what means nothing to a chat model (`store`: nothing is kept; `max_tool_calls`: of tools
    /// that are refused; `truncation`: whoever asks too much is told).
    private static let known: Set<String> = [
        "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning",
        "max_output_tokens", "temperature", "top_p", "top_k", "top_logprobs", "include", "user", "safety_identifier",
        "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention", "stream", "stream_options", "store",
        "max_tool_calls", "truncation", "background", "background_options", "previous_response_id", "conversation",
        "prompt", "context_management", "image", "access_programs",
    ]

    private static func additional(_ body: RequestFields) -> [JSONField] {
        var fields: [JSONField] = []
        body.value.forEachMember { name, value in
            if !value.isNull, !Self.known.contains(name) { fields.append(JSONField(name, value.text)) }
            return true
        }
        return fields
    }
}
