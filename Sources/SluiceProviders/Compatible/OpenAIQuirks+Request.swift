import SluiceWire

extension OpenAIQuirks {
    /// The request as this server takes it.
    ///
    /// - Parameter ruler: the model whose rules count, should the name hide it.
    func translate(
        _ request: ChatRequest,
        ruler: String? = nil,
        _ screen: inout ParameterScreen
    ) -> ChatRequest {
        var request = request
        guard !self.takesEverything else {
            if !self.keepsFunctions { Self.turnFunctionsIntoTools(&request) }
            return request
        }
        self.translateReasoning(&request, ruler ?? request.model)
        screen.screen(&request, supports: self.screenedParameters, members: nil)
        if self.hasReasoningModels { OpenAIModelRules.apply(&request, model: ruler ?? request.model, &screen) }
        if self.strictModels.contains(where: request.model.hasPrefix) {
            screen.screen(&request, supports: Self.strict, members: nil)
        }
        self.translateTokenLimit(&request)
        self.translateMessages(&request)
        if !self.keepsFunctions { Self.turnFunctionsIntoTools(&request) }
        if !self.takesSchemas, case .jsonSchema = request.responseFormat {
            screen.reject("response_format.json_schema")
            request.responseFormat = .jsonObject
        }
        if !self.takesStreamOptions {
            request.includesUsage = false
            request.streamOptions = []
        }
        if let path = self.modelPath, !request.model.contains("/") { request.model = path + request.model }
        return request
    }

    private static let strict = ChatParameters.all.subtracting([.frequencyPenalty, .presencePenalty, .stop])

    private func translateReasoning(_ request: inout ChatRequest, _ model: String) {
        switch self.reasoningRequest {
        case .thinking: break
        case .effort:
            guard let thinking = request.thinking else { return }
            let takesEffort = self.hasReasoningModels ? OpenAIModelRules.isReasoning(model) : true
            guard takesEffort else { return }
            if request.reasoningEffort == nil, case .enabled(let budget) = thinking {
                request.reasoningEffort = Self.effort(budget)
            }
            request.thinking = nil
        case .object:
            let hasObject = request.additional.contains { $0.name == "reasoning" }
            guard !hasObject, request.thinking != nil || request.reasoningEffort != nil else { return }
            var json = JSONWriter(reserving: 48)
            json.object { json in
                switch request.thinking {
                case .enabled(let budget): json.field("max_tokens", budget)
                case .disabled: json.field("enabled", false)
                case .adaptive, nil: json.known("effort", request.reasoningEffort ?? "medium")
                }
            }
            request.additional.append(JSONField("reasoning", JSONText(trusted: json.bytes)))
            request.thinking = nil
            request.reasoningEffort = nil
        }
    }

    /// The word nearest to a budget of tokens.
    static func effort(_ budget: Int) -> String {
        switch budget {
        case ..<1024: "minimal"
        case ..<4096: "low"
        case ..<16_384: "medium"
        default: "high"
        }
    }

    private func translateTokenLimit(_ request: inout ChatRequest) {
        switch self.tokenLimit {
        case .asGiven: break
        case .completion:
            request.maximumCompletionTokens = request.tokenLimit
            request.maximumTokens = nil
        case .maximum:
            request.maximumTokens = request.tokenLimit
            request.maximumCompletionTokens = nil
        }
    }

    private func translateMessages(_ request: inout ChatRequest) {
        for index in request.messages.indices {
            if !self.keepsDeveloper, request.messages[index].role == .developer {
                request.messages[index].role = .system
            }
            if !self.keepsNames, request.messages[index].role != .tool { request.messages[index].name = nil }
            let content = request.messages[index].content
            if self.flattensContent, content.count > 1, content.allSatisfy({ $0.text != nil }) {
                request.messages[index].content = [.text(request.messages[index].text)]
            }
        }
    }

    /// For servers that know `tools` only. Who asked is answered with a `function_call` all the same.
    private static func turnFunctionsIntoTools(_ request: inout ChatRequest) {
        request.usesFunctions = false
        for index in request.messages.indices {
            request.messages[index].usesFunctionCall = false
            guard request.messages[index].role == .function else { continue }
            request.messages[index].role = .tool
            request.messages[index].name = nil
        }
    }
}

extension ChatRequest {
    /// Whether it holds something that only this dialect's superset can say.
    func holdsMore(than dialect: OpenAIDialect) -> Bool {
        if dialect == .canonical { return false }
        let isRenamed = self.seed != nil && dialect.seedName != "seed"
        let isReworded = self.toolChoice == .required && dialect.requiredWord != "required"
        if isRenamed || isReworded { return true }
        if !dialect.writesCacheMarks, self.tools.contains(where: { $0.cacheMark != nil }) { return true }
        return self.messages.contains { $0.holdsMore(than: dialect) }
    }
}

extension ChatMessage {
    fileprivate func holdsMore(than dialect: OpenAIDialect) -> Bool {
        if !self.reasoning.isEmpty, dialect.reasoning != .blocks { return true }
        if !dialect.writesMarks, self.isError || self.toolCalls.contains(where: { $0.signature != nil }) { return true }
        guard !dialect.writesCacheMarks else { return false }
        return self.cacheMark != nil || self.content.contains { $0.cacheMark != nil }
    }
}
