/// What a backend can be asked, in OpenAI's words and one of Anthropic's.
package enum OpenAIOperation: String, Sendable, CaseIterable {
    case chatCompletions = "chat/completions"
    case completions
    case embeddings
    case responses
    /// Anthropic's Messages API.
    case messages
    case models

    /// What every OpenAI-compatible server is taken to answer.
    package static let openAI: Set<OpenAIOperation> = [
        .chatCompletions, .completions, .embeddings, .responses, .models,
    ]

    /// Behind the backend's base URL, which ends in `/v1` by custom.
    package var path: String { self.rawValue }
}

/// A request that no backend would take, in the words of OpenAI's errors.
package struct InvalidRequest: Error, Sendable, Equatable {
    package var message: String
    /// The field at fault.
    package var param: String?
    package var code: String?

    package init(_ message: String, param: String? = nil, code: String? = nil) {
        self.message = message
        self.param = param
        self.code = code
    }
}
