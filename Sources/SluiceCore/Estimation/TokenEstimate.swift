/// The tokens that a request is expected to cost, before anybody has counted them.
public struct TokenEstimate: Sendable, Hashable {
    /// Tokens of what is asked.
    public var prompt: Int
    /// Tokens of the answer, of all choices together: what the client allows, else what answers usually have.
    public var completion: Int
    /// Whether `completion` is the client's limit rather than a guess.
    public var isCompletionLimited: Bool

    /// Tokens of an answer about whose length nothing is known.
    public static let defaultCompletion = 500
    /// No estimate is greater, whatever a request claims.
    public static let maximum = 100_000_000

    /// Numbers below 0 are taken for 0, those above `maximum` for `maximum`.
    public init(prompt: Int, completion: Int, isCompletionLimited: Bool) {
        self.prompt = min(max(0, prompt), Self.maximum)
        self.completion = min(max(0, completion), Self.maximum)
        self.isCompletionLimited = isCompletionLimited
    }

    /// - Parameters:
    ///   - limit: `max_tokens`, `max_completion_tokens` or `max_output_tokens`; `nil` when the client sets none.
    ///   - choices: `n`, how many answers are asked for; 1 to 128.
    public init(prompt: Int, limit: Int?, choices: Int = 1) {
        let length = min(max(0, limit ?? Self.defaultCompletion), Self.maximum)
        self.init(
            prompt: prompt,
            completion: length * min(max(1, choices), 128),
            isCompletionLimited: limit != nil
        )
    }

    public var total: Int { self.prompt + self.completion }
}
