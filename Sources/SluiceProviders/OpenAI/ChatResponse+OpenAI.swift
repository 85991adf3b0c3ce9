import SluiceWire

extension ChatResponse {
    /// Reads the body of an answer that an OpenAI-compatible server gave with a status of success.
    ///
    /// - Throws: what is reported in the body in place of an answer, or `malformed`.
    package init(openAI body: [UInt8], provider: String) throws(ProviderError) {
        do {
            self = try JSON.read(body) { root throws(ProviderError) in
                try ChatResponse(openAI: root, provider: provider)
            }
        } catch let error as ProviderError {
            throw error
        } catch {
            throw .malformed(provider, "it is not JSON")
        }
    }

    package init(openAI root: JSONValue, provider: String) throws(ProviderError) {
        guard root.kind == .object else { throw .malformed(provider, "it is not a JSON object") }
        if let error = root["error"], OpenAIErrorBody.isError(error) {
            throw ProviderError(openAIError: error, inside: root, provider: provider)
        }
        // vLLM's elder form has the error's members at the top.
        if root["object"]?.string == "error" {
            throw ProviderError(openAIError: root, inside: root, provider: provider)
        }
        let read: (response: ChatResponse, failedWord: String?)
        do throws(FieldFault) {
            read = try OpenAIResponseReader.response(root)
        } catch {
            throw .malformed(provider, "the field '\(error.path)' \(error.problem)")
        }
        if let word = read.failedWord { throw FinishWord.failure(word, provider: provider) }
        self = read.response
    }

    /// The body of an answer to `POST /v1/chat/completions`, with our extensions.
    package func openAIBody() -> [UInt8] {
        var json = JSONWriter(reserving: 1024)
        self.write(to: &json)
        return json.bytes
    }

    package func write(to json: inout JSONWriter) { OpenAIResponseWriter.write(self, to: &json) }

    /// The same answer in the words of who asked with `functions`: an only call is a `function_call`.
    package var sayingFunctionCall: ChatResponse {
        var response = self
        for index in response.choices.indices where response.choices[index].toolCalls.count == 1 {
            response.choices[index].finishReason = .functionCall
        }
        return response
    }
}

/// Reads an answer member by member.
struct OpenAIResponseReader {
    private var response = ChatResponse(id: "", model: "", created: 0, choices: [])
    private var failedWord: String?

    /// - Returns: also the word with which the server says that it could not finish a choice, if there is one.
    static func response(_ root: JSONValue) throws(FieldFault) -> (response: ChatResponse, failedWord: String?) {
        var reader = OpenAIResponseReader()
        var hasChoices = false
        try root.members("") { name, value throws(FieldFault) in
            switch name {
            case "id": reader.response.id = value.string ?? ""
            case "object": break
            case "created":
                reader.response.created = value.int ?? value.double.flatMap { Int(exactly: $0.rounded()) } ?? 0
            case "model": reader.response.model = value.string ?? ""
            case "choices":
                hasChoices = true
                try value.elements(name) { value throws(FieldFault) in
                    let index = reader.response.choices.count
                    let read = try OpenAIChoiceReader.choice(value, index: index)
                    reader.response.choices.append(read.choice)
                    reader.failedWord = reader.failedWord ?? read.failedWord
                }
            case "usage": reader.response.usage = ChatUsage(openAI: value)
            case "service_tier": reader.response.serviceTier = value.string
            case "system_fingerprint": reader.response.systemFingerprint = value.string
            default: reader.response.additional.append(JSONField(name, value.text))
            }
        }
        guard hasChoices else { throw .missing("choices") }
        reader.nameCalls()
        return (reader.response, reader.failedWord)
    }

    /// Gives names to calls that have none: the client has to refer to them.
    private mutating func nameCalls() {
        for slot in self.response.choices.indices {
            let choice = self.response.choices[slot]
            for index in choice.toolCalls.indices where choice.toolCalls[index].id.isEmpty {
                self.response.choices[slot].toolCalls[index].id = ToolCall.generatedID(
                    self.response.id,
                    choice: choice.index,
                    index: index
                )
            }
        }
    }
}

/// Reads one of an answer's choices.
enum OpenAIChoiceReader {
    static func choice(
        _ value: JSONValue,
        index: Int
    ) throws(FieldFault) -> (choice: ChatChoice, failedWord: String?) {
        var choice = ChatChoice(index: index, content: nil, finishReason: .stop)
        var word: String?
        var hasMessage = false
        try value.members("") { name, value throws(FieldFault) in
            switch name {
            case "index": choice.index = value.int ?? index
            case "message":
                hasMessage = true
                try Self.takeMessage(value, &choice)
            case "finish_reason": word = value.string
            case "native_finish_reason": choice.nativeFinishReason = value.string
            case "logprobs": choice.logprobs = value.text
            default: choice.choiceAdditional.append(JSONField(name, value.text))
            }
        }
        guard hasMessage else { throw .missing("message") }
        let isFunction = choice.finishReason == .functionCall
        let finish = OpenAIFinish.reason(word, hasCalls: !choice.toolCalls.isEmpty, isFunction: isFunction)
        choice.finishReason = finish.reason
        let failedWord = OpenAIFinish.failedWord(word, native: choice.nativeFinishReason)
        if choice.nativeFinishReason == nil { choice.nativeFinishReason = finish.native }
        return (choice, failedWord)
    }

    private static func takeMessage(_ value: JSONValue, _ choice: inout ChatChoice) throws(FieldFault) {
        var reasoningText: String?
        try value.members("message") { name, value throws(FieldFault) in
            switch name {
            case "role": break
            case "content": try Self.takeContent(value, &choice)
            case "refusal": choice.refusal = value.string
            case "tool_calls": choice.toolCalls = try OpenAIMessageReader.toolCalls(value)
            case "function_call":
                var call = try OpenAIMessageReader.functionCall(value)
                call.id = ToolCall.functionCallID(1)
                choice.toolCalls = [call]
                choice.finishReason = .functionCall
            case "reasoning_content", "reasoning":
                if let text = value.string {
                    reasoningText = reasoningText ?? text
                } else {
                    choice.additional.append(JSONField(name, value.text))
                }
            case "thinking_blocks": choice.reasoning += OpenAIReasoning.blocks(value)
            case "annotations": choice.citations = Citation.list(openAI: value)
            default: choice.additional.append(JSONField(name, value.text))
            }
        }
        if let reasoningText, !reasoningText.isEmpty, choice.reasoning.isEmpty {
            choice.reasoning = [ReasoningBlock(text: reasoningText)]
        }
    }

    /// A string, or, of Mistral, a list of parts.
    private static func takeContent(_ value: JSONValue, _ choice: inout ChatChoice) throws(FieldFault) {
        if let text = value.string {
            choice.content = text
            return
        }
        try value.elements("content") { value throws(FieldFault) in
            if let block = OpenAIReasoning.block(value) {
                choice.reasoning.append(block)
            } else if let text = value["text"]?.string {
                choice.content = (choice.content ?? "") + text
            }
        }
    }
}

/// What servers say of the end of an answer, in OpenAI's words.
enum OpenAIFinish {
    static func reason(
        _ word: String?,
        hasCalls: Bool,
        isFunction: Bool = false
    ) -> (reason: FinishReason, native: String?) {
        // Words that are not known: see `FinishWord`.
        let reason = Self.known(word) ?? .stop
        // Several servers say that they stopped where they called a tool.
        if hasCalls, reason == .stop || reason == .toolCalls {
            let repaired: FinishReason = isFunction ? .functionCall : .toolCalls
            return (repaired, repaired.rawValue == word ? nil : word)
        }
        return (reason, reason.rawValue == word ? nil : word)
    }

    private static func known(_ word: String?) -> FinishReason? {
        guard let word else { return nil }
        if let reason = FinishReason(rawValue: word) { return reason }
        switch word {
        case "model_length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded", "ERROR_LIMIT": return .length
        case "tool_use", "TOOL_CALL", "tool_call": return .toolCalls
        case "refusal", "SAFETY", "safety", "content_filtered", "sensitive", "guardrail_intervened", "ERROR_TOXIC":
            return .contentFilter
        default: return nil
        }
    }

    /// The word with which a server says that it could not finish: its answer is not whole.
    ///
    /// - Parameter native: what a gateway was told by the server behind it, which counts where the gateway itself says
    ///   no more than `stop`.
    static func failedWord(_ word: String?, native: String?) -> String? {
        let reason = Self.known(word)
        if let word, reason == nil, FinishWord.isFailure(word) { return word }
        guard reason == nil || reason == .stop, let native, Self.known(native) == nil else { return nil }
        return FinishWord.isFailure(native) ? native : nil
    }
}
