import SluiceWire

extension ChatRequest {
    /// Reads the body of `POST /v1/chat/completions`.
    ///
    /// - Throws: `InvalidRequest`, which names the field by its path, e.g. `messages[3].content[0].image_url`.
    package init(openAI body: [UInt8]) throws(InvalidRequest) {
        do {
            self = try JSON.read(body) { root throws(InvalidRequest) in try ChatRequest(openAI: root) }
        } catch let error as InvalidRequest {
            throw error
        } catch let error as JSONError {
            throw InvalidRequest(error.message, code: "invalid_json")
        } catch {
            throw InvalidRequest("The body could not be read.", code: "invalid_json")
        }
    }

    /// Reads a request that has been parsed.
    package init(openAI root: JSONValue) throws(InvalidRequest) {
        do throws(FieldFault) {
            self = try OpenAIRequestReader.request(root)
        } catch {
            throw error.invalidRequest
        }
    }

    /// The body of `POST /v1/chat/completions`, with our extensions.
    package func openAIBody() -> [UInt8] {
        var json = JSONWriter(reserving: 2048)
        self.write(to: &json)
        return json.bytes
    }

    package func write(to json: inout JSONWriter) { OpenAIRequestWriter(.canonical).write(self, to: &json) }
}

/// Reads a request member by member.
struct OpenAIRequestReader {
    private var request = ChatRequest(model: "", messages: [])
    private var hasModel = false
    private var hasMessages = false
    /// `functions` and `function_call`, until it is known whether there are `tools` too.
    private var functionCall: ToolChoice?

    /// Members of OpenAI's alone: in the body of another API they would mean something by accident. Those that OpenAI
    /// shares with others, such as `model`, are not among them.
    static let ownMembers: Set<String> = [
        "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
        "modalities", "n", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key",
        "prompt_cache_retention", "reasoning_effort", "response_format", "safety_identifier", "seed", "stop", "store",
        "stream_options", "top_logprobs", "user", "verbosity", "web_search_options",
    ]

    static func request(_ root: JSONValue) throws(FieldFault) -> ChatRequest {
        var reader = OpenAIRequestReader()
        try root.members("") { name, value throws(FieldFault) in
            if try reader.takeCommon(name, value) { return }
            if try reader.takeRare(name, value) { return }
            reader.request.additional.append(JSONField(name, value.text))
        }
        guard reader.hasModel else { throw .missing("model") }
        guard reader.hasMessages else { throw .missing("messages") }
        if reader.request.usesFunctions, reader.request.toolChoice == nil {
            reader.request.toolChoice = reader.functionCall
        }
        return reader.request
    }

    private mutating func takeCommon(_ name: String, _ value: JSONValue) throws(FieldFault) -> Bool {
        switch name {
        case "model":
            self.request.model = try value.string(name)
            self.hasModel = true
        case "messages":
            self.request.messages = try OpenAIMessageReader.messages(value)
            self.hasMessages = true
        case "stream": self.request.isStream = try value.bool(name)
        case "stream_options": try self.takeStreamOptions(value)
        case "temperature": self.request.temperature = try value.double(name)
        case "top_p": self.request.topP = try value.double(name)
        case "max_tokens": self.request.maximumTokens = try value.int(name)
        case "max_completion_tokens": self.request.maximumCompletionTokens = try value.int(name)
        case "tools": try self.takeTools(value, name)
        case "tool_choice": self.request.toolChoice = try OpenAIToolReader.choice(value)
        case "parallel_tool_calls": self.request.parallelToolCalls = try value.bool(name)
        case "response_format": self.request.responseFormat = try OpenAIToolReader.format(value)
        case "stop": try self.takeStop(value)
        case "n": self.request.choiceCount = try value.int(name)
        case "user": self.request.user = try value.string(name)
        case "seed": self.request.seed = try value.int(name)
        case "frequency_penalty": self.request.frequencyPenalty = try value.double(name)
        case "presence_penalty": self.request.presencePenalty = try value.double(name)
        default: return false
        }
        return true
    }

    private mutating func takeRare(_ name: String, _ value: JSONValue) throws(FieldFault) -> Bool {
        switch name {
        case "reasoning_effort": self.request.reasoningEffort = try value.string(name)
        case "thinking": return try self.takeThinking(value)
        case "top_k": self.request.topK = try value.int(name)
        case "logprobs": self.request.logprobs = try value.bool(name)
        case "top_logprobs": self.request.topLogprobs = try value.int(name)
        case "logit_bias": self.request.logitBias = try value.object(name)
        case "metadata": self.request.metadata = try value.object(name)
        case "service_tier": self.request.serviceTier = try value.string(name)
        case "store": self.request.store = try value.bool(name)
        case "verbosity": self.request.verbosity = try value.string(name)
        case "modalities": self.request.modalities = try value.strings(name)
        case "safety_identifier": self.request.safetyIdentifier = try value.string(name)
        case "prompt_cache_key": self.request.promptCacheKey = try value.string(name)
        case "prompt_cache_retention": self.request.promptCacheRetention = try value.string(name)
        case "functions": try self.takeFunctions(value)
        case "function_call": self.functionCall = try OpenAIToolReader.functionChoice(value)
        default: return false
        }
        return true
    }

    private mutating func takeStop(_ value: JSONValue) throws(FieldFault) {
        if let stop = value.string {
            self.request.stop = [stop]
        } else {
            self.request.stop = try value.strings("stop")
        }
    }

    private mutating func takeStreamOptions(_ value: JSONValue) throws(FieldFault) {
        try value.members("stream_options") { name, value throws(FieldFault) in
            switch name {
            case "include_usage": self.request.includesUsage = try value.bool(name)
            default: self.request.streamOptions.append(JSONField(name, value.text))
            }
        }
    }

    /// Forms of `thinking` that we have no name for stay as they are.
    private mutating func takeThinking(_ value: JSONValue) throws(FieldFault) -> Bool {
        guard value.kind == .object else { throw FieldFault("thinking", "must be an object") }
        let budget: Int?
        do throws(FieldFault) {
            budget = try value["budget_tokens"].flatMap { $0.isNull ? nil : $0 }?.int("budget_tokens")
        } catch {
            throw error.inside("thinking")
        }
        let thinking: Thinking? =
            switch (value["type"]?.string, budget) {
            case ("disabled", _): .disabled
            case ("adaptive", _): .adaptive
            case ("enabled", .some(let budget)): .enabled(budgetTokens: budget)
            default: nil
            }
        guard let thinking else { return false }
        self.request.thinking = thinking
        return true
    }

    private mutating func takeTools(_ value: JSONValue, _ name: String) throws(FieldFault) {
        guard !self.request.usesFunctions else { throw FieldFault.toolsTwice(name) }
        try value.elements(name) { value throws(FieldFault) in
            self.request.tools.append(try OpenAIToolReader.tool(value))
        }
    }

    private mutating func takeFunctions(_ value: JSONValue) throws(FieldFault) {
        guard self.request.tools.isEmpty else { throw FieldFault.toolsTwice("functions") }
        self.request.usesFunctions = true
        try value.elements("functions") { value throws(FieldFault) in
            self.request.tools.append(try OpenAIToolReader.function(value))
        }
    }
}

extension FieldFault {
    fileprivate static func toolsTwice(_ name: String) -> FieldFault {
        FieldFault(
            name,
            "cannot be used beside its other form: send either 'tools' or 'functions'",
            code: "invalid_value"
        )
    }
}
