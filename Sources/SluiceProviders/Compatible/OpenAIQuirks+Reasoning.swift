import SluiceWire

extension OpenAIQuirks {
    /// How the server is asked to reason, from either way to ask for it. What loses is named.
    ///
    /// - Parameter model: the one whose rules count.
    func translateReasoning(_ request: inout ChatRequest, _ model: String, _ screen: inout ParameterScreen) {
        switch self.reasoningRequest {
        case .thinking: break
        case .effort:
            guard let thinking = request.thinking else { return }
            self.hasReasoningModels
                ? Self.translate(thinking, &request, ofOpenAI: model, &screen)
                : Self.translate(thinking, &request, &screen)
        case .object: Self.writeObject(&request, &screen)
        }
    }

    /// What remains in `thinking` is left out and named by the screen.
    private static func translate(
        _ thinking: Thinking,
        _ request: inout ChatRequest,
        ofOpenAI model: String,
        _ screen: inout ParameterScreen
    ) {
        guard OpenAIModelRules.isReasoning(model) else {
            // They never do.
            if thinking == .disabled, OpenAIModelRules.isPlain(model) { request.thinking = nil }
            return
        }
        switch thinking {
        case .disabled:
            guard request.reasoningEffort == nil else { return }
            request.reasoningEffort = OpenAIModelRules.leastEffort(model)
            if request.reasoningEffort != nil { request.thinking = nil }
        case .adaptive:
            // The effort says how much; not to say anything would mean none with the newer ones.
            request.reasoningEffort = request.reasoningEffort ?? "medium"
            request.thinking = nil
        case .enabled: Self.translate(thinking, &request, &screen)
        }
    }

    /// Of a server whose models are not known.
    private static func translate(
        _ thinking: Thinking,
        _ request: inout ChatRequest,
        _ screen: inout ParameterScreen
    ) {
        switch thinking {
        case .disabled: break
        case .adaptive: if request.reasoningEffort != nil { request.thinking = nil }
        case .enabled(let budget):
            if request.reasoningEffort != nil { screen.reject("thinking") }
            request.reasoningEffort = request.reasoningEffort ?? Self.effort(budget)
            request.thinking = nil
        }
    }

    private static func writeObject(_ request: inout ChatRequest, _ screen: inout ParameterScreen) {
        guard request.thinking != nil || request.reasoningEffort != nil else { return }
        let effort = request.reasoningEffort
        let thinking = request.thinking
        request.thinking = nil
        request.reasoningEffort = nil
        if request.additional.contains(where: { $0.name == "reasoning" }) {
            // The server's own word for it.
            if thinking != nil { screen.reject("thinking") }
            if effort != nil { screen.reject("reasoning_effort") }
            return
        }
        var json = JSONWriter(reserving: 48)
        json.object { json in
            switch thinking {
            case .enabled(let budget): json.field("max_tokens", budget)
            case .disabled: json.field("enabled", false)
            case .adaptive, nil: json.known("effort", effort ?? "medium")
            }
        }
        if effort != nil, thinking != nil, thinking != .adaptive { screen.reject("reasoning_effort") }
        request.additional.append(JSONField("reasoning", JSONText(trusted: json.bytes)))
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
}
