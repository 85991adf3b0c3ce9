/// Why Converse says that an answer ended, and what it has used.
enum BedrockStop {
    /// - Throws: for an answer that the model has spoilt, which is none.
    static func reason(
        _ word: String,
        hasCalls: Bool,
        requestID: String?
    ) throws(ProviderError) -> FinishReason {
        switch word {
        case "end_turn", "stop_sequence": return hasCalls ? .toolCalls : .stop
        case "max_tokens", "model_context_window_exceeded": return .length
        case "tool_use": return .toolCalls
        case "guardrail_intervened", "content_filtered": return .contentFilter
        case _ where word.hasPrefix("malformed"):
            throw ProviderError(
                .badGateway,
                "the model wrote what cannot be understood (\(word))",
                provider: BedrockHandler.name,
                code: word,
                requestID: requestID
            )
        case _ where FinishWord.isFailure(word):
            throw FinishWord.failure(word, provider: BedrockHandler.name, requestID: requestID)
        default: return hasCalls ? .toolCalls : .stop
        }
    }
}
