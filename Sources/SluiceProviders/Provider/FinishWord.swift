/// What a provider's word for the end of an answer means when its own table does not hold it. One rule for all
/// providers, for whole answers and streams alike:
///
/// - A word that names an error (`error`, `network_error`, `malformed_…`, `timeout`, `abort`, …) is a failure that may
///   be tried again: the answer is not whole, and `stop` would say that it is.
/// - Any other word is `stop`, for the provider has ended its answer properly, and stays readable as
///   `native_finish_reason`.
///
/// Gemini alone has a word for all that it has no word for, `OTHER`, which is `content_filter`: so are its unknown
/// ones.
enum FinishWord {
    private static let failures = [
        "error", "malformed", "timeout", "timed_out", "abort", "fail", "insufficient_system_resource",
        "unexpected_tool_call", "too_many_tool_calls",
    ]

    /// Whether a word that no table holds names an error, in whatever case it is written.
    static func isFailure(_ word: String) -> Bool {
        let word = Array(word.utf8)
        return Self.failures.contains { Bytes.contains(word[...], $0) }
    }

    /// The error of an answer that ended with such a word.
    static func failure(_ word: String, provider: String, requestID: String? = nil) -> ProviderError {
        ProviderError(
            Self.kind(word),
            "the provider could not finish its answer: it ended with '\(word.prefix(Self.maximumCharacters))'",
            provider: provider,
            code: "generation_failed",
            requestID: requestID,
            isRetryable: true
        )
    }

    static func kind(_ word: String) -> ProviderError.Kind {
        let word = Array(word.utf8)
        if Bytes.contains(word[...], "timeout") || Bytes.contains(word[...], "timed_out") { return .timeout }
        return Bytes.contains(word[...], "insufficient_system_resource") ? .serviceUnavailable : .badGateway
    }

    /// Of a word, in a message.
    private static let maximumCharacters = 64
}
