/// One turn of a conversation.
public struct ChatMessage: Sendable, Equatable {
    public enum Role: String, Sendable, CaseIterable {
        case system
        case developer
        case user
        case assistant
        case tool
        /// OpenAI's predecessor of `tool`.
        case function
    }

    public var role: Role
    /// Empty: the message has none (`null`), as an assistant's that only calls tools.
    public var content: [ContentPart]
    /// Who speaks, where several users or assistants do; of a `function` message its function.
    public var name: String?
    /// What the assistant wants called.
    public var toolCalls: [ToolCall]
    /// Of a `tool` message: the call that it answers.
    public var toolCallID: String?
    /// Of a `tool` message: the tool failed. An extension; OpenAI has no field for it.
    public var isError: Bool
    /// Of an assistant's message: why it declined.
    public var refusal: String?
    /// Of an assistant's message: what it thought, in order, with the signatures that some providers want back.
    public var reasoning: [ReasoningBlock]
    /// Everything up to here may be cached by the provider.
    public var cacheMark: CacheMark?
    /// Its only call came as `function_call`, OpenAI's predecessor of `tool_calls`.
    public var usesFunctionCall = false
    /// Members that we have no name for, such as `audio`.
    public var additional: [JSONField]

    public init(
        role: Role,
        content: [ContentPart],
        name: String? = nil,
        toolCalls: [ToolCall] = [],
        toolCallID: String? = nil
    ) {
        self.role = role
        self.content = content
        self.name = name
        self.toolCalls = toolCalls
        self.toolCallID = toolCallID
        self.isError = false
        self.refusal = nil
        self.reasoning = []
        self.cacheMark = nil
        self.additional = []
    }

    public static func system(_ text: String) -> ChatMessage { ChatMessage(role: .system, content: [.text(text)]) }
    public static func developer(_ text: String) -> ChatMessage {
        ChatMessage(role: .developer, content: [.text(text)])
    }
    public static func user(_ text: String) -> ChatMessage { ChatMessage(role: .user, content: [.text(text)]) }
    public static func user(_ parts: [ContentPart]) -> ChatMessage { ChatMessage(role: .user, content: parts) }
    public static func assistant(_ text: String) -> ChatMessage {
        ChatMessage(role: .assistant, content: [.text(text)])
    }
    public static func tool(_ text: String, answering id: String) -> ChatMessage {
        ChatMessage(role: .tool, content: [.text(text)], toolCallID: id)
    }

    /// All text of it, concatenated.
    public var text: String {
        guard self.content.count != 1 else { return self.content.first?.text ?? "" }
        return self.content.reduce(into: "") { $0 += $1.text ?? "" }
    }
}

/// A part of a message.
public struct ContentPart: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case text(String)
        /// `detail` is OpenAI's `low`, `high` or `auto`.
        case image(Media, detail: String?)
        /// Base64 and its format, `wav` or `mp3` and what else a provider knows.
        case audio(data: String, format: String)
        case file(Media, name: String?)
        case refusal(String)
        /// A part of a type that we have no name for, whole.
        case other(JSONText)
    }

    public var kind: Kind
    public var cacheMark: CacheMark?
    /// Members that we have no name for, in order.
    public var additional: [JSONField] = []
    /// Those within its `image_url`, `input_audio` or `file`, in order.
    public var mediaAdditional: [JSONField] = []

    public init(_ kind: Kind, cacheMark: CacheMark? = nil) {
        self.kind = kind
        self.cacheMark = cacheMark
    }

    public static func text(_ text: String) -> ContentPart { ContentPart(.text(text)) }
    public static func image(_ media: Media, detail: String? = nil) -> ContentPart {
        ContentPart(.image(media, detail: detail))
    }
    public static func file(_ media: Media, name: String? = nil) -> ContentPart {
        ContentPart(.file(media, name: name))
    }

    /// `nil` unless it is text.
    public var text: String? {
        if case .text(let text) = self.kind { text } else { nil }
    }
}

/// Where an image or a file is.
public enum Media: Sendable, Equatable {
    /// An address that the provider can read, `https:` or `gs:`. Never a `data:` URL.
    case url(String)
    /// Base64 and its media type, e.g. `image/png`.
    case base64(String, type: String)
    /// Something that was uploaded to the provider before.
    case fileID(String)
}

/// The assistant's wish to have a tool called.
public struct ToolCall: Sendable, Equatable {
    public var id: String
    public var name: String
    /// JSON text as the model wrote it, not always valid; of a custom tool its plain input.
    public var arguments: String
    /// Whether it calls a custom tool (`type: "custom"`), whose input is plain text.
    public var isCustom: Bool
    /// What a provider wants back with the call in the next turn.
    public var signature: String?
    /// Members that we have no name for, in order.
    public var additional: [JSONField] = []

    public init(id: String, name: String, arguments: String, isCustom: Bool = false, signature: String? = nil) {
        self.id = id
        self.name = name
        self.arguments = arguments
        self.isCustom = isCustom
        self.signature = signature
    }
}

/// A piece of a model's reasoning.
public struct ReasoningBlock: Sendable, Equatable {
    /// Empty when the provider hides it.
    public var text: String
    /// Proof that the provider wrote it; it wants it back unchanged.
    public var signature: String?
    /// Reasoning that only the provider can read; it wants it back unchanged.
    public var redacted: String?

    public init(text: String, signature: String? = nil, redacted: String? = nil) {
        self.text = text
        self.signature = signature
        self.redacted = redacted
    }
}

/// A mark for prompt caching, Anthropic's `cache_control`.
public struct CacheMark: Sendable, Equatable {
    /// `5m` or `1h`; `nil`: the provider's default.
    public var timeToLive: String?

    public init(timeToLive: String? = nil) { self.timeToLive = timeToLive }
}
