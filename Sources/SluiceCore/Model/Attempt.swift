import SluiceBasics

/// What kind of failure an attempt met; decides whether another attempt is due.
package enum FailureClass: String, Sendable, CaseIterable {
    // Nothing was sent: always safe to try again.
    case connectRefused = "connect_refused"
    case connectTimeout = "connect_timeout"
    case connectError = "connect_error"
    // The backend asks for patience.
    case rateLimited = "rate_limited"
    case overloaded
    // Sent; what the backend did is known (an answer) or unknown (no answer).
    case serverError = "server_error"
    case readTimeout = "read_timeout"
    case reset
    case malformedResponse = "malformed_response"
    case responseTooLarge = "response_too_large"
    // The request itself is refused: no retry helps.
    case authentication
    case invalidRequest = "invalid_request"
    case routeOrModel = "route_or_model"
    case providerRejected = "provider_rejected"
    // Ours.
    case deadline
    case cancelled

    /// Whether bytes of the request may have reached the backend.
    package var mayHaveExecuted: Bool {
        switch self {
        case .connectRefused, .connectTimeout, .connectError: false
        default: true
        }
    }
}

/// Why one attempt failed.
package struct AttemptFailure: Error, Sendable, Equatable {
    package var failureClass: FailureClass
    /// The backend's status, when it answered.
    package var status: Int?
    /// How long the backend asked us to wait.
    package var retryAfter: Duration?
    /// For people; never contains prompts or secrets.
    package var message: String
    /// Whether any content has already gone to the client; if so, no retry.
    package var committed: Bool
    /// What the backend said about its limits.
    package var limits: ProviderObservation?
    /// The backend refused this request for what is in it, and another model may not.
    package var refusal: FallbackClass?
    /// Nothing was sent: this target cannot be asked such a thing, and another may be.
    package var isInexpressible = false
    /// Somebody else ran it and said so: the failure is in his books, too.
    package var isRemoteAnswer = false

    package init(
        _ failureClass: FailureClass,
        status: Int? = nil,
        retryAfter: Duration? = nil,
        message: String,
        committed: Bool = false,
        limits: ProviderObservation? = nil,
        refusal: FallbackClass? = nil
    ) {
        self.failureClass = failureClass
        self.status = status
        self.retryAfter = retryAfter
        self.message = message
        self.committed = committed
        self.limits = limits
        self.refusal = refusal
    }
}

/// Tokens as the backend counted them.
package struct TokenUsage: Sendable, Equatable {
    package var prompt: Int
    package var completion: Int
    /// Of the prompt: read from the provider's cache, and written to it. They have other prices.
    package var cached: Int
    package var cacheWritten: Int
    /// Of the completion: reasoning.
    package var reasoning: Int
    /// Who has answered, as the backend calls it; `nil` where it does not say.
    package var model: String?

    package init(
        prompt: Int,
        completion: Int,
        cached: Int = 0,
        cacheWritten: Int = 0,
        reasoning: Int = 0,
        model: String? = nil
    ) {
        self.prompt = prompt
        self.completion = completion
        self.cached = cached
        self.cacheWritten = cacheWritten
        self.reasoning = reasoning
        self.model = model
    }
}

/// How one attempt ended.
package enum AttemptResult: Sendable, Equatable {
    case success(status: Int, usage: TokenUsage?, limits: ProviderObservation? = nil)
    case failure(AttemptFailure)

    /// What the backend said about its limits.
    package var limits: ProviderObservation? {
        switch self {
        case .success(_, _, let limits): limits
        case .failure(let failure): failure.limits
        }
    }
}

/// One call of a backend, for the record.
package struct AttemptRecord: Sendable, Equatable {
    /// Counts from 1.
    package var number: Int
    package var backend: String
    /// What the backend was asked for, if that is not what the client asked for.
    package var model: String?
    /// Made while an earlier one was still under way.
    package var isHedge = false
    /// Of two calls at once the one that did not count: overtaken, or failed while the other went on.
    package var isSuperseded = false
    /// Failed, and whoever ran it for us has said so.
    package var isRemoteAnswer = false
    package var startedAt: Instant
    package var firstByteAt: Instant?
    package var endedAt: Instant?
    package var status: Int?
    /// `nil` while it runs and when it succeeded.
    package var failure: FailureClass?
    package var message: String?
    /// When the next attempt becomes due, if one follows.
    package var retryDelay: Duration?

    package init(number: Int, backend: String, startedAt: Instant) {
        self.number = number
        self.backend = backend
        self.startedAt = startedAt
    }
}
