/// What is alike wherever Claude is asked, by its makers or by Bedrock.
extension ChatRequest {
    /// Whether the conversation ends with results of calls before which no signed thoughts stand. A model with a budget
    /// must find them there, and whoever keeps the conversation may have lost them.
    var awaitsCallWithoutThoughts: Bool {
        guard let last = self.messages.last, last.role == .tool || last.role == .function else { return false }
        for message in self.messages.reversed() {
            switch message.role {
            case .assistant where !message.toolCalls.isEmpty:
                return !message.reasoning.contains { $0.isReplayable }
            case .tool, .function, .system, .developer: continue
            case .assistant, .user: return false
            }
        }
        return false
    }
}

extension ReasoningBlock {
    /// Only what the provider has signed or sealed: models refuse other thoughts, or take them for the client's.
    var isReplayable: Bool { self.redacted?.isEmpty == false || self.signature?.isEmpty == false }
}

extension ToolChoice {
    /// Whether a tool must be called. Such a call cannot be thought about.
    var forcesCall: Bool {
        switch self {
        case .required, .function, .custom, .allowed(_, isRequired: true): true
        default: false
        }
    }
}
