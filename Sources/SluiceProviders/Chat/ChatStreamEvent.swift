/// What happens in a streamed answer, in order, whoever gives it.
///
/// First `start`, then what the answer is made of, one `finish` for each choice, `usage` if it is known, `done`. A
/// stream without `done` was cut off.
public enum ChatStreamEvent: Sendable, Equatable {
    case start(ChatStreamStart)
    case content(choice: Int, String)
    case refusal(choice: Int, String)
    /// A piece of reasoning that is shown.
    case reasoning(choice: Int, String)
    /// Ends the block of reasoning that came before it; empty: the block has no signature.
    case reasoningSignature(choice: Int, String)
    /// A block of reasoning that only the provider can read.
    case redactedReasoning(choice: Int, String)
    /// A call begins; `index` counts the calls of this choice from 0. Its arguments follow.
    case toolCall(choice: Int, index: Int, ToolCall)
    /// A fragment of a call's arguments.
    case toolArguments(choice: Int, index: Int, String)
    case citation(choice: Int, Citation)
    case logprobs(choice: Int, JSONText)
    /// Members of a delta that have no name here.
    case other(choice: Int, JSONField)
    /// Members of a choice beside its delta that have no name here.
    case choiceField(choice: Int, JSONField)
    /// `native` is the provider's own word, where it differs.
    case finish(choice: Int, FinishReason, native: String?)
    case usage(ChatUsage)
    case done
}

/// What an answer says of itself before its content.
public struct ChatStreamStart: Sendable, Equatable {
    public var id: String
    public var model: String
    /// Seconds since 1970.
    public var created: Int
    public var serviceTier: String?
    public var systemFingerprint: String?
    /// The provider's own name of the request, for its support.
    public var requestID: String?
    /// Members of the first chunk that have no name here, in order.
    public var additional: [JSONField] = []

    public init(id: String, model: String, created: Int) {
        self.id = id
        self.model = model
        self.created = created
    }
}
