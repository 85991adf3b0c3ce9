import SluiceWire

extension OpenAIQuirks {
    /// The request as this server takes it.
    ///
    /// - Parameters:
    ///   - ruler: the model whose rules count, should the name hide it.
    ///   - policy: the screen's.
    func translate(
        _ request: ChatRequest,
        ruler: String? = nil,
        policy: UnsupportedParameterPolicy = .drop,
        _ screen: inout ParameterScreen
    ) -> ChatRequest {
        var request = request
        OpenAIForeignContent.translate(&request, self.dialect, keeps: policy == .pass, &screen)
        guard !self.takesEverything else {
            if !self.keepsFunctions { Self.turnFunctionsIntoTools(&request) }
            return request
        }
        self.translateReasoning(&request, ruler ?? request.model, &screen)
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
