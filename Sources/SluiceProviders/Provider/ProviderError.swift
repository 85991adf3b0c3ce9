/// Why a call of a provider did not succeed: one vocabulary for all of them.
public struct ProviderError: Error, Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case authentication
        case permission
        case notFound = "not_found"
        case badRequest = "bad_request"
        case contextWindowExceeded = "context_window_exceeded"
        case contentPolicy = "content_policy"
        case unsupportedParameter = "unsupported_parameter"
        case payloadTooLarge = "payload_too_large"
        case rateLimit = "rate_limit"
        /// The account's quota or the caller's budget is used up: waiting does not help.
        case budget
        case timeout
        case connection
        case serviceUnavailable = "service_unavailable"
        case internalError = "internal"
        case badGateway = "bad_gateway"
        case unsupportedProvider = "unsupported_provider"
        case cancelled
    }

    public var kind: Kind
    /// The provider's own words where there are any. Never holds a key. Never blank as it is made.
    public var message: String
    /// The registry's name of the provider; empty: nobody was asked.
    public var provider: String
    /// What the provider answered with; `nil`: it did not, or the answer was a success before it went wrong.
    public var status: Int?
    /// The provider's machine word, e.g. `context_length_exceeded`.
    public var code: String?
    /// The parameter at fault.
    public var parameter: String?
    /// The provider's own name of the request.
    public var requestID: String?
    /// How long the provider asks to wait.
    public var retryAfter: Duration?
    /// Whether the same request may succeed later. By kind, and after a status of 409, which is a conflict with
    /// something that passes, unless the provider says otherwise.
    public var isRetryable: Bool

    /// - Parameter message: a blank one, as some providers state, is replaced: whoever reads an error reads words.
    public init(
        _ kind: Kind,
        _ message: String,
        provider: String = "",
        status: Int? = nil,
        code: String? = nil,
        parameter: String? = nil,
        requestID: String? = nil,
        retryAfter: Duration? = nil,
        isRetryable: Bool? = nil
    ) {
        self.kind = kind
        self.message = message.contains { !$0.isWhitespace } ? message : Self.words(status)
        self.provider = provider
        self.status = status
        self.code = code
        self.parameter = parameter
        self.requestID = requestID
        self.retryAfter = retryAfter
        self.isRetryable = isRetryable ?? (kind.isRetryable || status == 409)
    }

    /// Of an error whose provider says nothing.
    private static func words(_ status: Int?) -> String {
        status.map { "the provider answered with status \($0)" } ?? "the provider reported an error without a message"
    }

    /// A stream that ended before its proper end.
    package static func truncated(_ provider: String) -> ProviderError {
        ProviderError(
            .badGateway,
            "the provider's stream ended before its proper end: the answer is not whole",
            provider: provider,
            code: "stream_truncated",
            isRetryable: true
        )
    }

    /// An answer that is not what the provider's documentation promises.
    package static func malformed(_ provider: String, _ what: String) -> ProviderError {
        ProviderError(
            .badGateway,
            "the provider's answer cannot be understood: \(what)",
            provider: provider,
            code: "malformed_response",
            isRetryable: true
        )
    }
}

extension ProviderError.Kind {
    /// Whether the same request may succeed later.
    public var isRetryable: Bool {
        switch self {
        case .rateLimit, .timeout, .connection, .serviceUnavailable, .internalError, .badGateway: true
        default: false
        }
    }

    /// The status of an HTTP answer that says this.
    public var httpStatus: Int {
        switch self {
        case .authentication: 401
        case .permission: 403
        case .notFound: 404
        case .badRequest, .contextWindowExceeded, .contentPolicy, .unsupportedParameter, .unsupportedProvider: 400
        case .payloadTooLarge: 413
        case .rateLimit, .budget: 429
        case .timeout: 504
        case .connection, .badGateway: 502
        case .serviceUnavailable: 503
        case .internalError: 500
        case .cancelled: 499
        }
    }
}
