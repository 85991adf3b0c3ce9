/// How a ``CompletionClient`` reaches providers, and how patient it is.
public struct CompletionConfiguration: Sendable {
    /// What is configured for a provider, by its name, e.g. `anthropic`. What is not said here comes from the
    /// provider's conventional variables of the environment, e.g. `ANTHROPIC_API_KEY`.
    public var providers: [String: ProviderSettings] = [:]
    /// Names of one's own → models, e.g. `"fast": ModelSettings("groq/llama-3.3-70b-versatile")`.
    public var models: [String: ModelSettings] = [:]
    /// Whether a model without its provider's name is known by how it begins: `gpt-…` means OpenAI.
    public var guessesProviders = true
    /// Whether keys and addresses are looked for in the environment.
    public var usesEnvironment = true
    /// What becomes of parameters that a provider cannot express.
    public var unsupportedParameters = UnsupportedParameters.drop
    /// Told, once for each call, the names of parameters that were left out, and the model's name as the caller said
    /// it. Called on the call's own way: it must come back at once.
    public var onDroppedParameters: (@Sendable (_ names: [String], _ model: String) -> Void)?
    public var retries = RetrySettings()
    /// The whole call, attempts and pauses together, must have ended by then. Also the longest that a stream may take.
    public var timeout = Duration.seconds(600)
    /// By then one attempt must have its answer, and that of a stream its first content: a stream that has begun is not
    /// cut off by it. `nil`: only the whole call counts.
    public var attemptTimeout: Duration?
    /// Of a stream that has begun: the longest that may pass between two of its pieces, signs of life included, while
    /// the loop waits for one. `nil`: only the whole call counts.
    public var chunkTimeout: Duration?
    /// Told of every call.
    public var observers: [any CompletionObserver] = []
    public var network = NetworkSettings()
    /// In place of the network: answers that a test has written down.
    public var script: CompletionScript?

    public init() {}
}

/// An address and a credential.
public struct ProviderSettings: Sendable {
    /// E.g. `https://api.openai.com/v1`; `nil`: the environment's, or else the provider's own.
    public var baseURL: String?
    /// Sent in the provider's own header for keys.
    public var apiKey: String?
    /// Sent as `Authorization: Bearer`.
    public var bearerToken: String?
    /// What some providers want beside it: `api_version`, `region`, `project`, `location`, `organization`.
    public var settings: [String: String]
    /// Sent with every call.
    public var headers: [(name: String, value: String)]

    public init(
        baseURL: String? = nil,
        apiKey: String? = nil,
        bearerToken: String? = nil,
        settings: [String: String] = [:],
        headers: [(name: String, value: String)] = []
    ) {
        self.baseURL = baseURL
        self.apiKey = apiKey
        self.bearerToken = bearerToken
        self.settings = settings
        self.headers = headers
    }
}

/// A model under a name of one's own.
public struct ModelSettings: Sendable {
    /// `provider/model`.
    public var target: String
    /// What differs from the provider's settings.
    public var access: ProviderSettings

    public init(_ target: String, access: ProviderSettings = ProviderSettings()) {
        self.target = target
        self.access = access
    }
}

/// What becomes of parameters that a provider cannot express.
public enum UnsupportedParameters: String, Sendable, CaseIterable {
    /// Left out.
    case drop
    /// The call fails before anything is sent; the error names all of them.
    case error
    /// Sent as they are.
    case pass
}

/// When a call that failed is made again. Only failures that say so themselves (``ProviderError/isRetryable``) are, and
/// a stream only until its first content has been handed out.
public struct RetrySettings: Sendable {
    /// Attempts in all, 1…100; 1: never again.
    public var attempts = 3
    /// The first pause; each further one is twice as long. Half of every pause is drawn at random.
    public var firstPause = Duration.milliseconds(500)
    public var longestPause = Duration.seconds(8)
    /// Who is asked to wait longer than this does not wait at all: the call fails, and the error says how long.
    public var longestRetryAfter = Duration.seconds(60)

    public init() {}

    public static let never = RetrySettings(attempts: 1)

    public init(attempts: Int) { self.attempts = attempts }
}

/// The way to the providers.
public struct NetworkSettings: Sendable, Hashable {
    public var connectTimeout = Duration.seconds(10)
    /// `nil`: none; variables of the environment are not looked at.
    public var proxy: String?
    /// PEM file of certificate authorities; `nil`: the system's.
    public var certificateAuthorityFile: String?
    /// Largest answer that is read, in bytes.
    public var maximumResponseBytes = 64 << 20
    /// Bytes of a stream that are kept for a reader who is slower than the provider; then the provider has to wait.
    public var streamBufferBytes = 256 << 10

    public init() {}
}

/// What is different for one call.
public struct CompletionOptions: Sendable {
    /// Names the provider outright; the model's name is then taken as it is.
    public var provider: String?
    /// In place of the configured address and key. A key of the configuration is only ever sent to an address of the
    /// configuration.
    public var access = ProviderSettings()
    public var unsupportedParameters: UnsupportedParameters?
    public var retries: RetrySettings?
    public var timeout: Duration?
    public var attemptTimeout: Duration?
    public var chunkTimeout: Duration?

    public init() {}
}
