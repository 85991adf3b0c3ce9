/// Anthropic's reasons to stop and ours.
enum AnthropicStop {
    /// - Parameter hasCalls: whether the client is to call something.
    static func reason(_ native: String?, hasCalls: Bool) -> FinishReason {
        switch native {
        // Compaction: the conversation has been made short, and the answer is still to come.
        case "max_tokens", "model_context_window_exceeded", "compaction": .length
        case "refusal": .contentFilter
        // A call that stands for the response format is an answer. Words that are not known: see `FinishWord`.
        default: hasCalls ? .toolCalls : .stop
        }
    }

    /// The error that an unknown word names, if it names one.
    static func failure(_ native: String?, requestID: String?) -> ProviderError? {
        guard let native, !Self.known.contains(native), FinishWord.isFailure(native) else { return nil }
        return FinishWord.failure(native, provider: AnthropicBody.provider, requestID: requestID)
    }

    static let known: Set<String> = [
        "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal",
        "model_context_window_exceeded", "compaction",
    ]

    static func native(_ reason: FinishReason, _ native: String?) -> String {
        if let native, Self.known.contains(native) { return native }
        return switch reason {
        case .stop: "end_turn"
        case .length: "max_tokens"
        case .toolCalls, .functionCall: "tool_use"
        case .contentFilter: "refusal"
        }
    }
}
