import SluiceWire

/// Writes a request as OpenAI's JSON.
struct OpenAIRequestWriter {
    let dialect: OpenAIDialect

    init(_ dialect: OpenAIDialect) { self.dialect = dialect }

    func write(_ request: ChatRequest, to json: inout JSONWriter) {
        json.object { json in
            json.field("model", request.model)
            json.array("messages") { json in
                for message in request.messages { self.write(message, to: &json) }
            }
            self.writeTools(request, to: &json)
            self.writeForm(request, to: &json)
            self.writeSampling(request, to: &json)
            self.writeBilling(request, to: &json)
            for field in request.additional { json.field(field.name, field.value) }
        }
    }

    private func writeTools(_ request: ChatRequest, to json: inout JSONWriter) {
        if !request.tools.isEmpty {
            json.array(request.usesFunctions ? "functions" : "tools") { json in
                for tool in request.tools { self.write(tool, asFunction: request.usesFunctions, to: &json) }
            }
        }
        if let choice = request.toolChoice {
            request.usesFunctions
                ? self.writeFunctionChoice(choice, to: &json) : self.write(choice, request.tools, to: &json)
        }
        if let parallel = request.parallelToolCalls { json.field("parallel_tool_calls", parallel) }
    }

    private func writeForm(_ request: ChatRequest, to json: inout JSONWriter) {
        if let format = request.responseFormat { self.write(format, to: &json) }
        if let limit = request.maximumTokens { json.field("max_tokens", limit) }
        if let limit = request.maximumCompletionTokens { json.field("max_completion_tokens", limit) }
        if !request.stop.isEmpty { json.strings("stop", request.stop) }
        if let count = request.choiceCount { json.field("n", count) }
        if let verbosity = request.verbosity { json.field("verbosity", verbosity) }
        if !request.modalities.isEmpty { json.strings("modalities", request.modalities) }
        if let effort = request.reasoningEffort { json.field("reasoning_effort", effort) }
        if let thinking = request.thinking {
            json.object("thinking") { json in
                switch thinking {
                case .disabled: json.field("type", "disabled")
                case .adaptive: json.field("type", "adaptive")
                case .enabled(let budget):
                    json.field("type", "enabled")
                    json.field("budget_tokens", budget)
                }
            }
        }
        if request.isStream { json.field("stream", true) }
        guard request.includesUsage || !request.streamOptions.isEmpty else { return }
        json.object("stream_options") { json in
            if request.includesUsage { json.field("include_usage", true) }
            for field in request.streamOptions { json.field(field.name, field.value) }
        }
    }

    private func writeSampling(_ request: ChatRequest, to json: inout JSONWriter) {
        if let value = request.temperature { json.field("temperature", value) }
        if let value = request.topP { json.field("top_p", value) }
        if let value = request.topK { json.field("top_k", value) }
        if let value = request.frequencyPenalty { json.field("frequency_penalty", value) }
        if let value = request.presencePenalty { json.field("presence_penalty", value) }
        if let value = request.seed { json.field(self.dialect.seedName, value) }
        if let value = request.logitBias { json.field("logit_bias", value) }
        if let value = request.logprobs { json.field("logprobs", value) }
        if let value = request.topLogprobs { json.field("top_logprobs", value) }
    }

    private func writeBilling(_ request: ChatRequest, to json: inout JSONWriter) {
        if let value = request.user { json.field("user", value) }
        if let value = request.safetyIdentifier { json.field("safety_identifier", value) }
        if let value = request.metadata { json.field("metadata", value) }
        if let value = request.serviceTier { json.field("service_tier", value) }
        if let value = request.store { json.field("store", value) }
        if let value = request.promptCacheKey { json.field("prompt_cache_key", value) }
        if let value = request.promptCacheRetention { json.field("prompt_cache_retention", value) }
    }

    private func write(_ tool: ChatTool, asFunction: Bool, to json: inout JSONWriter) {
        if case .other(let text) = tool.kind { return json.value(text) }
        json.object { json in
            guard !asFunction else { return self.writeDefinition(tool, to: &json) }
            var name = "function"
            if case .custom = tool.kind { name = "custom" }
            json.field("type", name)
            json.object(name) { json in self.writeDefinition(tool, to: &json) }
            self.write(tool.cacheMark, to: &json)
            for field in tool.additional { json.field(field.name, field.value) }
        }
    }

    private func writeDefinition(_ tool: ChatTool, to json: inout JSONWriter) {
        json.field("name", tool.name)
        if let description = tool.description { json.field("description", description) }
        switch tool.kind {
        case .function(let parameters, let isStrict):
            if let parameters { json.field("parameters", parameters) }
            if let isStrict { json.field("strict", isStrict) }
        case .custom(let format): if let format { json.field("format", format) }
        case .other: break
        }
        for field in tool.definitionAdditional { json.field(field.name, field.value) }
    }

    private func write(_ choice: ToolChoice, _ tools: [ChatTool], to json: inout JSONWriter) {
        switch choice {
        case .auto: json.field("tool_choice", "auto")
        case .none: json.field("tool_choice", "none")
        case .required: json.field("tool_choice", self.dialect.requiredWord)
        case .function(let name): json.object("tool_choice") { Self.write(tool: name, as: "function", to: &$0) }
        case .custom(let name): json.object("tool_choice") { Self.write(tool: name, as: "custom", to: &$0) }
        case .allowed(let names, let isRequired):
            json.object("tool_choice") { json in
                json.field("type", "allowed_tools")
                json.object("allowed_tools") { json in
                    json.field("mode", isRequired ? "required" : "auto")
                    json.array("tools") { json in
                        for name in names {
                            json.object { Self.write(tool: name, as: Self.type(name, tools), to: &$0) }
                        }
                    }
                }
            }
        case .other(let text): json.field("tool_choice", text)
        }
    }

    private static func type(_ name: String, _ tools: [ChatTool]) -> String {
        if let tool = tools.first(where: { $0.name == name }), case .custom = tool.kind { return "custom" }
        return "function"
    }

    private static func write(tool name: String, as type: String, to json: inout JSONWriter) {
        json.field("type", type)
        json.object(type) { $0.field("name", name) }
    }

    private func writeFunctionChoice(_ choice: ToolChoice, to json: inout JSONWriter) {
        switch choice {
        case .none: json.field("function_call", "none")
        case .function(let name): json.object("function_call") { $0.field("name", name) }
        default: json.field("function_call", "auto")
        }
    }

    private func write(_ format: ResponseFormat, to json: inout JSONWriter) {
        switch format {
        case .text: json.object("response_format") { $0.field("type", "text") }
        case .jsonObject: json.object("response_format") { $0.field("type", "json_object") }
        case .jsonSchema(let name, let description, let schema, let isStrict):
            json.object("response_format") { json in
                json.field("type", "json_schema")
                json.object("json_schema") { json in
                    json.field("name", name)
                    if let description { json.field("description", description) }
                    json.field("schema", schema)
                    if let isStrict { json.field("strict", isStrict) }
                }
            }
        case .other(let text): json.field("response_format", text)
        }
    }

    func write(_ mark: CacheMark?, to json: inout JSONWriter) {
        guard let mark, self.dialect.writesCacheMarks else { return }
        json.object("cache_control") { json in
            json.field("type", "ephemeral")
            if let timeToLive = mark.timeToLive { json.field("ttl", timeToLive) }
        }
    }
}

extension JSONWriter {
    mutating func strings(_ name: String, _ values: [String]) {
        self.array(name) { json in for value in values { json.value(value) } }
    }
}
