import SluiceWire

/// Whether and how a request lets the model think.
enum AnthropicThinking: Equatable {
    /// Not mentioned: the model's own way.
    case unmentioned
    case disabled
    case enabled(budget: Int)
    case adaptive

    var isOn: Bool {
        switch self {
        case .enabled, .adaptive: true
        case .unmentioned, .disabled: false
        }
    }
}

extension AnthropicBody {
    /// Settles how the model is to think. What cannot be had is named and left out: a request that says two things at
    /// once would be refused.
    mutating func settleThinking() {
        let wanted = self.wantedThinking()
        guard wanted.isOn, self.policy != .pass else {
            self.thinking = wanted
            return
        }
        let parameter = self.request.thinking != nil ? "thinking" : "reasoning_effort"
        if self.format.tool != nil || self.request.toolChoice?.forcesCall == true { return self.drop(parameter) }
        if case .enabled = wanted, self.request.awaitsCallWithoutThoughts { return self.drop(parameter) }
        self.thinking = wanted
    }

    private mutating func wantedThinking() -> AnthropicThinking {
        if let thinking = self.request.thinking { return self.settle(thinking) }
        guard let effort = self.request.reasoningEffort, effort != "none" else { return .unmentioned }
        guard let budget = AnthropicModel.budget(effort) else {
            self.drop("reasoning_effort")
            return .unmentioned
        }
        switch self.model.thinking {
        case .none:
            self.drop("reasoning_effort")
            return .unmentioned
        case .adaptive, .adaptiveOrManual:
            self.effort = self.model.effort(effort)
            return .adaptive
        case .manual: return self.budgeted(budget, "reasoning_effort")
        }
    }

    private mutating func settle(_ thinking: Thinking) -> AnthropicThinking {
        if let effort = self.request.reasoningEffort, effort != "none" { self.effort = self.model.effort(effort) }
        switch (thinking, self.model.thinking) {
        case (.disabled, _):
            guard self.model.isAlwaysThinking else { return .disabled }
            self.drop("thinking")
            return .unmentioned
        case (_, .none):
            self.drop("thinking")
            return .unmentioned
        case (.enabled, .adaptive), (.adaptive, .adaptive), (.adaptive, .adaptiveOrManual): return .adaptive
        case (.enabled(let budget), _): return self.budgeted(budget, "thinking")
        case (.adaptive, .manual):
            let budget = AnthropicModel.budget(self.request.reasoningEffort ?? "medium") ?? 2_048
            return self.budgeted(budget, "thinking")
        }
    }

    /// At least 1,024 tokens, and fewer than the whole answer may have.
    private mutating func budgeted(_ budget: Int, _ parameter: String) -> AnthropicThinking {
        let fitting = min(max(budget, AnthropicModel.minimumBudget), max(1, self.maximumTokens) - 1)
        guard fitting >= AnthropicModel.minimumBudget else {
            self.drop(parameter)
            return .unmentioned
        }
        return .enabled(budget: fitting)
    }

    private mutating func drop(_ parameter: String) {
        self.dropped.append(parameter)
        self.thinking = .unmentioned
    }

    func writeThinking(_ json: inout JSONWriter) {
        switch self.thinking {
        case .unmentioned: break
        case .disabled: json.object("thinking") { $0.field("type", "disabled") }
        case .adaptive: json.object("thinking") { $0.field("type", "adaptive") }
        case .enabled(let budget):
            json.object("thinking") { json in
                json.field("type", "enabled")
                json.field("budget_tokens", budget)
            }
        }
    }

    func writeThoughts(_ message: ChatMessage, _ json: inout JSONWriter) {
        guard !message.reasoning.isEmpty, self.model.thinking != .none else { return }
        for block in message.reasoning {
            if let data = block.redacted, !data.isEmpty {
                json.object { json in
                    json.field("type", "redacted_thinking")
                    json.field("data", data)
                }
            } else if let signature = block.signature, !signature.isEmpty {
                json.object { json in
                    json.field("type", "thinking")
                    json.field("thinking", block.text)
                    json.field("signature", signature)
                }
            }
        }
    }
}
