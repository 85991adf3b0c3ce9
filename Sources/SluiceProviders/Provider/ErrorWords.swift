/// What the words of an error's message say. Only asked within a status that leaves it open, 400 or 422: words of other
/// answers often speak of something else.
package enum ErrorWords {
    /// Larger messages are not searched beyond this.
    private static let maximumBytes = 8192

    private static let contextWindow = [
        "maximum context length", "maximum context limit", "context_length_exceeded", "context length exceeded",
        "context window", "prompt is too long", "exceed context limit", "exceeds the context length",
        "string too long. expected a string with maximum length", "longer than the model's context length",
        "input tokens exceed the configured limit", "tokens + `max_new_tokens` must be",
        "exceeds the available context size",
        "exceeds the maximum number of tokens allowed", "input is too long", "too many tokens", "maximum model length",
        "input token count", "exceed max_model_len", "too large for model with", "exceeds the model's maximum",
    ]
    /// Both must be there.
    private static let contextWindowPairs = [
        ("maximum input length is", "tokens"), ("current length is", "while limit is"),
        ("the number of tokens", "maximum"),
    ]
    private static let contentPolicy = [
        "safety system", "content_policy_violation", "content management policy", "responsibleaipolicyviolation",
        "output blocked by content filtering policy", "content filtering policy", "violates our usage policies",
        "flagged as potentially violating",
    ]

    /// The kind that the words show; `nil` when they show none.
    package static func kind(_ message: String) -> ProviderError.Kind? {
        let bytes = Array(message.utf8.prefix(Self.maximumBytes))[...]
        if Self.contextWindow.contains(where: { Bytes.contains(bytes, $0) }) { return .contextWindowExceeded }
        let hasPair = Self.contextWindowPairs.contains { first, second in
            Bytes.contains(bytes, first) && Bytes.contains(bytes, second)
        }
        if hasPair { return .contextWindowExceeded }
        return Self.contentPolicy.contains(where: { Bytes.contains(bytes, $0) }) ? .contentPolicy : nil
    }
}
