/// What can be asked of a chat model: OpenAI's parameters, and the few that other providers add.
///
/// `nil` and empty mean that the caller said nothing.
public struct ChatRequest: Sendable, Equatable {
    public var model: String
    public var messages: [ChatMessage]

    // Tools
    public var tools: [ChatTool] = []
    public var toolChoice: ToolChoice?
    public var parallelToolCalls: Bool?
    /// The tools came as `functions`, OpenAI's predecessor of `tools`, and the answer has to say `function_call`.
    public var usesFunctions = false

    // The answer's form
    public var responseFormat: ResponseFormat?
    /// Upper bound on tokens of the answer, reasoning included. Wins over `maximumTokens`.
    public var maximumCompletionTokens: Int?
    /// `max_tokens`, the elder name.
    public var maximumTokens: Int?
    public var stop: [String] = []
    /// Number of choices, `n`.
    public var choiceCount: Int?
    /// `low`, `medium`, `high`.
    public var verbosity: String?
    /// `text`, `audio`.
    public var modalities: [String] = []

    // Sampling
    /// 0…2 in OpenAI's scale.
    public var temperature: Double?
    public var topP: Double?
    /// Not OpenAI's.
    public var topK: Int?
    /// -2…2.
    public var frequencyPenalty: Double?
    /// -2…2.
    public var presencePenalty: Double?
    public var seed: Int?
    public var logitBias: JSONText?
    public var logprobs: Bool?
    /// 0…20.
    public var topLogprobs: Int?

    // Reasoning
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    public var reasoningEffort: String?
    /// Anthropic's way to ask for reasoning; wins over `reasoningEffort`.
    public var thinking: Thinking?

    // Who asks, and how it is billed
    public var user: String?
    public var safetyIdentifier: String?
    /// An object of strings.
    public var metadata: JSONText?
    public var serviceTier: String?
    public var store: Bool?
    public var promptCacheKey: String?
    public var promptCacheRetention: String?

    // Streams
    public var isStream = false
    /// `stream_options.include_usage`.
    public var includesUsage = false
    /// Other members of `stream_options`, in order.
    public var streamOptions: [JSONField] = []

    /// Members that have no name here, in order: `audio`, `prediction`, `web_search_options`, `moderation`,
    /// `prompt_cache_options`, what a provider adds, and what is newer than we are.
    public var additional: [JSONField] = []

    public init(model: String, messages: [ChatMessage]) {
        self.model = model
        self.messages = messages
    }

    /// The bound on the answer's tokens, whichever name it came under.
    public var tokenLimit: Int? { self.maximumCompletionTokens ?? self.maximumTokens }
}

/// A tool that the model may call.
public struct ChatTool: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// `parameters` is a JSON Schema; `nil`: none were given.
        case function(parameters: JSONText?, isStrict: Bool?)
        /// OpenAI's custom tool; `format` as given.
        case custom(format: JSONText?)
        /// A tool of the provider's own, whole, e.g. a web search.
        case other(JSONText)
    }

    public var name: String
    public var description: String?
    public var kind: Kind
    public var cacheMark: CacheMark?
    /// Members that have no name here, beside `function` or `custom`.
    public var additional: [JSONField] = []
    /// Members that have no name here, inside `function` or `custom`.
    public var definitionAdditional: [JSONField] = []

    public init(name: String, description: String? = nil, kind: Kind) {
        self.name = name
        self.description = description
        self.kind = kind
        self.cacheMark = nil
    }

    public static func function(_ name: String, description: String? = nil, parameters: JSONText? = nil) -> ChatTool {
        ChatTool(name: name, description: description, kind: .function(parameters: parameters, isStrict: nil))
    }
}

/// Which tool the model has to call, if any.
public enum ToolChoice: Sendable, Equatable {
    case auto
    case none
    /// Any one of them.
    case required
    case function(String)
    case custom(String)
    /// OpenAI's `allowed_tools`: `auto` or `required` among these.
    case allowed([String], isRequired: Bool)
    /// A form that has no name here, whole.
    case other(JSONText)
}

/// The form of the answer.
public enum ResponseFormat: Sendable, Equatable {
    case text
    /// Some JSON object.
    case jsonObject
    /// JSON that obeys `schema`.
    case jsonSchema(name: String, description: String?, schema: JSONText, isStrict: Bool?)
    /// A form that has no name here, whole.
    case other(JSONText)
}

/// How much a model may think, in Anthropic's words.
public enum Thinking: Sendable, Equatable {
    case disabled
    case enabled(budgetTokens: Int)
    case adaptive
}
