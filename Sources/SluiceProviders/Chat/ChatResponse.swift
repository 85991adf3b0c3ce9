/// A whole answer, whoever gave it.
public struct ChatResponse: Sendable, Equatable {
    public var id: String
    /// The provider's name of the model that answered.
    public var model: String
    /// Seconds since 1970.
    public var created: Int
    public var choices: [ChatChoice]
    /// `nil`: the provider said nothing.
    public var usage: ChatUsage?
    public var serviceTier: String?
    public var systemFingerprint: String?
    /// The provider's own name of the request, for its support.
    public var requestID: String?
    /// Members that have no name here, in order.
    public var additional: [JSONField] = []

    public init(id: String, model: String, created: Int, choices: [ChatChoice], usage: ChatUsage? = nil) {
        self.id = id
        self.model = model
        self.created = created
        self.choices = choices
        self.usage = usage
    }

    /// The first choice's text; empty if it has none.
    public var text: String { self.choices.first?.content ?? "" }
    public var toolCalls: [ToolCall] { self.choices.first?.toolCalls ?? [] }
}

/// One of the answers.
public struct ChatChoice: Sendable, Equatable {
    public var index: Int
    /// `nil`: none, as when it only calls tools.
    public var content: String?
    public var refusal: String?
    public var reasoning: [ReasoningBlock] = []
    public var toolCalls: [ToolCall] = []
    /// OpenAI's `annotations`: what the text refers to.
    public var citations: [Citation] = []
    public var finishReason: FinishReason
    /// The provider's own word for it, where it differs.
    public var nativeFinishReason: String?
    public var logprobs: JSONText?
    /// Members of the message that have no name here: `audio`, `images`, …
    public var additional: [JSONField] = []
    /// Members beside the message that have no name here: `content_filter_results`, `stop_reason`, …
    public var choiceAdditional: [JSONField] = []

    public init(index: Int, content: String?, finishReason: FinishReason) {
        self.index = index
        self.content = content
        self.finishReason = finishReason
    }

    /// As the conversation's next message.
    public var message: ChatMessage {
        var message = ChatMessage(role: .assistant, content: self.content.map { [.text($0)] } ?? [])
        message.toolCalls = self.toolCalls
        message.refusal = self.refusal
        message.reasoning = self.reasoning
        message.usesFunctionCall = self.finishReason == .functionCall
        return message
    }
}

/// Why an answer ended.
public enum FinishReason: String, Sendable, CaseIterable {
    case stop
    case length
    case toolCalls = "tool_calls"
    case contentFilter = "content_filter"
    /// OpenAI's predecessor of `tool_calls`.
    case functionCall = "function_call"
}

/// A source that a part of the text refers to.
public struct Citation: Sendable, Equatable {
    public var url: String?
    public var title: String?
    /// The quoted text.
    public var quote: String?
    /// Where in the answer's text, in Unicode scalars; `nil`: not known.
    public var range: Range<Int>?
    /// The provider's own object, if there is more in it.
    public var native: JSONText?

    public init(url: String? = nil, title: String? = nil, quote: String? = nil, range: Range<Int>? = nil) {
        self.url = url
        self.title = title
        self.quote = quote
        self.range = range
        self.native = nil
    }
}

/// What an answer has used, in tokens.
public struct ChatUsage: Sendable, Equatable {
    /// All of the prompt, what was read from or written to a cache included.
    public var promptTokens: Int
    /// All of the answer, reasoning included.
    public var completionTokens: Int
    public var cachedTokens: Int?
    public var cacheWriteTokens: Int?
    public var reasoningTokens: Int?
    public var audioPromptTokens: Int?
    public var audioCompletionTokens: Int?
    public var acceptedPredictionTokens: Int?
    public var rejectedPredictionTokens: Int?
    /// The provider's own count; `nil`: the sum.
    public var statedTotal: Int?
    /// Members that have no name here, such as `cost`, in order.
    public var additional: [JSONField] = []
    /// Members of `prompt_tokens_details` that have no name here, such as `image_tokens`, in order.
    public var promptDetails: [JSONField] = []
    /// Members of `completion_tokens_details` that have no name here, in order.
    public var completionDetails: [JSONField] = []

    public init(promptTokens: Int, completionTokens: Int) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
    }

    public var totalTokens: Int {
        self.statedTotal ?? self.promptTokens.addingReportingOverflow(self.completionTokens).partialValue
    }
}
