import SluiceWire

/// The body of `POST /v2/chat`.
struct CohereRequest {
    private let provider: String
    private let request: ChatRequest
    private(set) var screen: ParameterScreen
    /// Tools among which the model may choose: what cannot be said of the choice is said by leaving out the others.
    private let tools: [ChatTool]

    private static let parameters: ChatParameters = [
        .tools, .toolChoice, .responseFormat, .maximumTokens, .maximumCompletionTokens, .stop, .temperature, .topP,
        .topK, .frequencyPenalty, .presencePenalty, .seed, .logprobs, .reasoningEffort, .thinking,
    ]
    /// Members of requests that are Cohere's own.
    private static let ownMembers = [
        "documents", "citation_options", "safety_mode", "priority", "strict_tools", "raw_prompting",
    ]

    init(_ call: ProviderCall, provider: String) {
        self.provider = provider
        self.screen = ParameterScreen(provider: provider, policy: call.endpoint.unsupported)
        var request = call.request
        self.screen.screen(&request, supports: Self.parameters, members: Self.ownMembers)
        self.request = request
        self.tools = Self.tools(request)
        for tool in request.tools {
            if case .function = tool.kind { continue }
            self.screen.reject("tools.\(tool.name)")
        }
    }

    private static func tools(_ request: ChatRequest) -> [ChatTool] {
        let functions = request.tools.filter { if case .function = $0.kind { true } else { false } }
        switch request.toolChoice {
        case .function(let name): return functions.filter { $0.name == name }
        case .allowed(let names, _): return functions.filter { names.contains($0.name) }
        default: return functions
        }
    }

    mutating func body() throws(ProviderError) -> [UInt8] {
        if case .function(let name) = self.request.toolChoice, self.tools.isEmpty {
            throw ProviderError(
                .badRequest,
                "tool_choice names the tool '\(name)', which is not among the tools",
                provider: self.provider,
                parameter: "tool_choice"
            )
        }
        var messages = CohereMessages(self.request.messages, self.request.model, provider: self.provider)
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            json.field("model", self.request.model)
            messages.write(to: &json)
            self.writeTools(to: &json)
            self.writeFormat(to: &json)
            self.writeSampling(to: &json)
            self.writeThinking(to: &json)
            for field in self.request.additional + self.screen.passed { json.field(field.name, field.value) }
            if self.request.isStream { json.field("stream", true) }
        }
        if let failure = messages.failure { throw failure }
        try self.screen.check()
        return json.bytes
    }

    // MARK: Tools and the answer's form

    private mutating func writeTools(to json: inout JSONWriter) {
        if !self.tools.isEmpty {
            json.array("tools") { json in for tool in self.tools { Self.write(tool, to: &json) } }
            let isStrict = self.tools.contains { tool in
                if case .function(_, true) = tool.kind { true } else { false }
            }
            let isStated = self.request.additional.contains { $0.name == "strict_tools" }
            if isStrict, !isStated { json.field("strict_tools", true) }
        }
        switch self.request.toolChoice {
        case nil, .auto, .allowed(_, false): break
        case .none?: json.field("tool_choice", "NONE")
        case .required, .function, .allowed(_, true): json.field("tool_choice", "REQUIRED")
        case .custom, .other: self.screen.reject("tool_choice")
        }
    }

    private static func write(_ tool: ChatTool, to json: inout JSONWriter) {
        guard case .function(let parameters, _) = tool.kind else { return }
        json.object { json in
            json.field("type", "function")
            json.object("function") { json in
                json.field("name", tool.name)
                if let description = tool.description { json.field("description", description) }
                json.field("parameters", parameters ?? ["type": "object", "properties": [:]])
            }
        }
    }

    private mutating func writeFormat(to json: inout JSONWriter) {
        guard let format = self.request.responseFormat, format != .text else { return }
        let hasDocuments = self.request.additional.contains { $0.name == "documents" }
        guard self.tools.isEmpty, !hasDocuments else { return self.screen.reject("response_format") }
        switch format {
        case .text: break
        case .jsonObject: json.object("response_format") { $0.field("type", "json_object") }
        case .jsonSchema(_, _, let schema, _):
            json.object("response_format") { json in
                json.field("type", "json_object")
                json.field("json_schema", schema)
            }
        case .other: self.screen.reject("response_format")
        }
    }

    // MARK: Sampling

    private mutating func writeSampling(to json: inout JSONWriter) {
        let request = self.request
        if let value = request.tokenLimit { json.field("max_tokens", value) }
        if !request.stop.isEmpty {
            json.array("stop_sequences") { json in for text in request.stop { json.value(text) } }
        }
        if let value = request.temperature { json.field("temperature", value) }
        // OpenAI's 0 and 1 lie just outside of Cohere's range.
        if let value = request.topP { json.field("p", min(max(value, 0.01), 0.99)) }
        if let value = request.topK { json.field("k", min(max(value, 0), 500)) }
        if let value = request.seed { json.field("seed", value) }
        self.writePenalty("frequency_penalty", request.frequencyPenalty, to: &json)
        self.writePenalty("presence_penalty", request.presencePenalty, to: &json)
        if request.logprobs == true { json.field("logprobs", true) }
    }

    /// 0…1 there, -2…2 for OpenAI: a stronger penalty is the strongest, there is no reward.
    private mutating func writePenalty(_ name: String, _ value: Double?, to json: inout JSONWriter) {
        guard let value else { return }
        guard value >= 0 else { return self.screen.reject(name) }
        json.field(name, min(value, 1))
    }

    private mutating func writeThinking(to json: inout JSONWriter) {
        let setting: CohereThinking.Setting?
        if let thinking = self.request.thinking {
            setting = CohereThinking.setting(thinking)
        } else if let effort = self.request.reasoningEffort {
            setting = CohereThinking.setting(effort: effort)
            if setting == nil { self.screen.reject("reasoning_effort") }
        } else {
            setting = nil
        }
        guard let setting else { return }
        guard CohereThinking.isKnown(to: self.request.model) else {
            if setting.isEnabled { self.screen.reject(self.request.thinking == nil ? "reasoning_effort" : "thinking") }
            return
        }
        json.object("thinking") { json in
            json.field("type", setting.isEnabled ? "enabled" : "disabled")
            if let budget = setting.budget { json.field("token_budget", budget) }
        }
    }
}
