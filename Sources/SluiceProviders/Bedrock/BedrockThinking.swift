import SluiceWire

extension BedrockBody {
    /// Whether Claude is going to think.
    var isThinking: Bool {
        switch self.thinking {
        case .enabled, .adaptive: true
        case .disabled, nil: false
        }
    }

    /// Settles how the model is to think. What cannot be had is named and left out: a request that says two things at
    /// once would be refused.
    mutating func settleThinking() {
        switch self.model.family {
        case .claude(let claude): self.settleClaude(claude)
        case .nova(let generation) where generation >= 2: self.settleNova()
        case .effortful:
            if let effort = self.request.reasoningEffort {
                self.modelFields.append(JSONField("reasoning_effort", JSONText(stringLiteral: effort)))
            }
            self.refuseThinking()
        case .unknown:
            // Whoever runs a profile of his own says in `base_model` what it is; until then the words pass.
            if let thinking = self.request.thinking { self.modelFields.append(JSONField("thinking", thinking.json)) }
            if let effort = self.request.reasoningEffort, effort != "none" {
                self.modelFields.append(JSONField("reasoning_effort", JSONText(stringLiteral: effort)))
            }
        case .nova, .mistralLarge, .other:
            if let effort = self.request.reasoningEffort, effort != "none" {
                self.unsupported("reasoning_effort", JSONText(stringLiteral: effort))
            }
            self.refuseThinking()
        }
    }

    private mutating func refuseThinking() {
        guard let thinking = self.request.thinking, thinking != .disabled else { return }
        self.unsupported("thinking", thinking.json)
    }

    private mutating func settleNova() {
        self.refuseThinking()
        guard let effort = self.request.reasoningEffort, effort != "none" else { return }
        let level: JSONText
        switch effort {
        case "minimal", "low": level = "low"
        case "medium": level = "medium"
        default: level = "high"
        }
        self.modelFields.append(JSONField("reasoningConfig", ["type": "enabled", "maxReasoningEffort": level]))
    }

    private mutating func settleClaude(_ claude: AnthropicModel) {
        let parameter = self.request.thinking != nil ? "thinking" : "reasoning_effort"
        self.thinking = self.wanted(claude, parameter)
        guard self.isThinking, self.policy != .pass else { return self.addThinking() }
        var isImpossible = self.request.toolChoice?.forcesCall == true
        if case .enabled = self.thinking, self.request.awaitsCallWithoutThoughts { isImpossible = true }
        if isImpossible {
            self.drop(parameter)
            self.thinking = nil
        }
        self.addThinking()
    }

    private mutating func addThinking() {
        if let thinking = self.thinking { self.modelFields.append(JSONField("thinking", thinking.json)) }
    }

    private mutating func wanted(_ claude: AnthropicModel, _ parameter: String) -> Thinking? {
        let effort = self.request.reasoningEffort.flatMap { $0 == "none" ? nil : $0 }
        guard let asked = self.request.thinking ?? effort.map({ _ in .adaptive }) else { return nil }
        if self.policy == .pass, let thinking = self.request.thinking { return thinking }
        guard asked != .disabled else { return claude.isAlwaysThinking ? nil : .disabled }
        switch claude.thinking {
        case .none:
            self.drop(parameter)
            return nil
        case .adaptive:
            self.effort = effort.flatMap { claude.effort($0) }
            return .adaptive
        case .adaptiveOrManual:
            self.effort = effort.flatMap { claude.effort($0) }
            guard case .enabled(let budget) = asked else { return .adaptive }
            return self.budgeted(budget, claude, parameter)
        case .manual:
            if case .enabled(let budget) = asked { return self.budgeted(budget, claude, parameter) }
            return self.budgeted(AnthropicModel.budget(effort ?? "medium") ?? 0, claude, parameter)
        }
    }

    /// At least 1,024 tokens, and fewer than the whole answer may have.
    private mutating func budgeted(_ budget: Int, _ claude: AnthropicModel, _ parameter: String) -> Thinking? {
        let most = max(0, self.request.tokenLimit ?? claude.maximumTokens) - 1
        let fitting = min(max(budget, AnthropicModel.minimumBudget), most)
        guard budget > 0, fitting >= AnthropicModel.minimumBudget else {
            self.drop(parameter)
            return nil
        }
        return .enabled(budgetTokens: fitting)
    }
}

extension Thinking {
    fileprivate var json: JSONText {
        switch self {
        case .disabled: ["type": "disabled"]
        case .adaptive: ["type": "adaptive"]
        case .enabled(let budget): ["type": "enabled", "budget_tokens": JSONText(integerLiteral: budget)]
        }
    }
}
