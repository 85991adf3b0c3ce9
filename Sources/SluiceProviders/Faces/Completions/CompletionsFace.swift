import SluiceWire

/// OpenAI's legacy text completions in front of any chat model: the prompt is what a user says.
package enum CompletionsFace {
    /// What a client asks for.
    package struct Call: Sendable {
        package var request: ChatRequest
        /// What the answer needs to know of the request.
        package var form: Form
    }

    /// How the answer is written.
    package struct Form: Sendable {
        /// Repeated before the answer; empty: it is not.
        var echo: String
        /// `stream_options.include_usage`.
        var includesUsage: Bool
    }

    package static func request(_ body: [UInt8]) throws(InvalidRequest) -> ChatRequest {
        try Self.call(body).request
    }

    /// - Throws: for what a chat model cannot do, naming the field.
    package static func call(_ body: [UInt8]) throws(InvalidRequest) -> Call {
        try RequestFields.read(body) { fields throws(InvalidRequest) in
            let prompt = try Self.prompt(fields)
            try Self.refuse(fields)
            var request = ChatRequest(model: try fields.requiredString("model"), messages: [.user(prompt)])
            try Self.readParameters(fields, &request)
            let echoes = try fields.bool("echo") ?? false
            if echoes, request.logprobs == true {
                throw fields.unsupported("echo", "chat models tell nothing of a prompt's tokens. Leave out 'logprobs'.")
            }
            return Call(request: request, form: Form(echo: echoes ? prompt : "", includesUsage: request.includesUsage))
        }
    }

    /// The answer as a `text_completion` object.
    package static func answer(_ response: ChatResponse, form: Form) -> [UInt8] {
        var json = JSONWriter(reserving: 512 + response.text.utf8.count)
        json.object { json in
            CompletionsWriter.writeHead(
                id: response.id,
                model: response.model,
                created: response.created,
                fingerprint: response.systemFingerprint,
                into: &json
            )
            json.array("choices") { json in
                for choice in response.choices {
                    let text = form.echo + (choice.content ?? choice.refusal ?? "")
                    json.object { json in
                        json.field("text", text)
                        json.field("index", choice.index)
                        CompletionsWriter.writeLogprobs(choice.logprobs, offset: 0, into: &json)
                        json.field("finish_reason", CompletionsWriter.finish(choice.finishReason))
                    }
                }
            }
            if let usage = response.usage { CompletionsWriter.writeUsage(usage, into: &json) }
        }
        return json.bytes
    }

    // MARK: Request

    private static func prompt(_ body: RequestFields) throws(InvalidRequest) -> String {
        guard let prompt = body["prompt"] else { throw body.missing("prompt") }
        if let text = prompt.string { return text }
        guard prompt.kind == .array else { throw body.invalidType("prompt", "a string") }
        let elements = RequestFields.elements(of: prompt)
        guard let first = elements.first else {
            throw InvalidRequest("The field 'prompt' must not be empty.", param: "prompt", code: "empty_array")
        }
        guard let text = first.string else {
            throw body.unsupported("prompt", "chat models take no prompt of token numbers. Send text.")
        }
        guard elements.count == 1 else {
            throw body.unsupported("prompt", "a chat model answers one prompt at a time. Send one request for each.")
        }
        return text
    }

    private static func refuse(_ body: RequestFields) throws(InvalidRequest) {
        if let suffix = try body.string("suffix"), !suffix.isEmpty {
            throw body.unsupported("suffix", "chat models do not fill gaps. Describe the gap in 'prompt'.")
        }
        let count = try body.int("n") ?? 1
        if let best = try body.int("best_of"), best != count {
            throw body.unsupported("best_of", "chat models do not rank their answers. Use 'n'.")
        }
        if body["prompt_embeds"] != nil {
            throw body.unsupported("prompt_embeds", "chat models take text. Use 'prompt'.")
        }
        for name: StaticString in ["messages", "max_completion_tokens", "response_format", "functions", "top_logprobs"]
        where body[name] != nil {
            throw body.unsupported(name, "it belongs to chat completions.")
        }
    }

    private static func readParameters(
        _ body: RequestFields,
        _ request: inout ChatRequest
    ) throws(InvalidRequest) {
        if let limit = try body.int("max_tokens") {
            guard limit > 0 else { throw body.invalidType("max_tokens", "a whole number above 0") }
            request.maximumTokens = limit
        }
        request.choiceCount = try body.int("n")
        request.stop = try Self.stop(body)
        request.temperature = try body.double("temperature")
        request.topP = try body.double("top_p")
        request.topK = try body.int("top_k")
        request.frequencyPenalty = try body.double("frequency_penalty")
        request.presencePenalty = try body.double("presence_penalty")
        request.seed = try body.int("seed")
        request.logitBias = try body.object("logit_bias")?.value.text
        request.user = try body.string("user")
        if let count = try body.int("logprobs") {
            request.logprobs = true
            request.topLogprobs = count
        }
        request.isStream = try body.bool("stream") ?? false
        if let options = try body.object("stream_options") {
            request.includesUsage = try options.bool("include_usage") ?? false
        }
        var additional: [JSONField] = []
        body.value.forEachMember { name, value in
            if !value.isNull, !Self.known.contains(name) { additional.append(JSONField(name, value.text)) }
            return true
        }
        request.additional = additional
    }

    private static func stop(_ body: RequestFields) throws(InvalidRequest) -> [String] {
        guard let stop = body["stop"] else { return [] }
        if let text = stop.string { return [text] }
        var texts: [String] = []
        for element in try body.elements("stop") {
            guard let text = element.string else { throw body.invalidType("stop", "a string or a list of strings") }
            texts.append(text)
        }
        return texts
    }

    private static let known: Set<String> = [
        "model", "prompt", "suffix", "best_of", "echo", "max_tokens", "n", "stop", "temperature", "top_p", "top_k",
        "frequency_penalty", "presence_penalty", "seed", "logit_bias", "user", "logprobs", "stream", "stream_options",
    ]
}
