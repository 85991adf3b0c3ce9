import SluiceBasics

/// One unit of LLM work as it asks for admission. The payload stays with whoever submitted it.
package struct Submission: Sendable {
    package var id: RequestID
    package var pool: String
    package var tenant: String
    package var priority: Priority
    package var producer: String?
    /// As the client named it.
    package var model: String
    /// What is called, e.g. `chat/completions`.
    package var operation: String
    package var isStream: Bool
    /// Size of the payload that is held while it waits.
    package var payloadBytes: Int
    package var messageCount: Int
    /// Rough count of prompt and expected completion tokens.
    package var tokenEstimate: Int
    /// The completion's part of `tokenEstimate`.
    package var completionEstimate: Int
    /// Whether that is the client's own limit rather than a guess.
    package var isCompletionLimited: Bool
    /// Absolute; waiting counts.
    package var deadline: Instant
    package var traceparent: String?
    /// What other tracing systems want passed on with it.
    package var tracestate: String?
    /// Whether an answer is fetched later, rather than on the connection that asked.
    package var respondsLater: Bool
    /// `nil` unless it came over the fabric.
    package var remote: RemoteOrigin?

    package init(
        id: RequestID,
        pool: String,
        tenant: String,
        priority: Priority = .normal,
        producer: String? = nil,
        model: String,
        operation: String,
        isStream: Bool = false,
        payloadBytes: Int = 0,
        messageCount: Int = 0,
        tokenEstimate: Int = 0,
        completionEstimate: Int = 0,
        isCompletionLimited: Bool = true,
        deadline: Instant,
        traceparent: String? = nil,
        tracestate: String? = nil,
        respondsLater: Bool = false,
        remote: RemoteOrigin? = nil
    ) {
        self.id = id
        self.pool = pool
        self.tenant = tenant
        self.priority = priority
        self.producer = producer
        self.model = model
        self.operation = operation
        self.isStream = isStream
        self.payloadBytes = payloadBytes
        self.messageCount = messageCount
        self.tokenEstimate = tokenEstimate
        self.completionEstimate = completionEstimate
        self.isCompletionLimited = isCompletionLimited
        self.deadline = deadline
        self.traceparent = traceparent
        self.tracestate = tracestate
        self.respondsLater = respondsLater
        self.remote = remote
    }
}

extension Submission {
    /// As it came, before it is corrected by what has been learned of its model.
    package var estimate: TokenEstimate {
        TokenEstimate(
            prompt: self.tokenEstimate - self.completionEstimate,
            completion: self.completionEstimate,
            isCompletionLimited: self.isCompletionLimited
        )
    }
}

extension EstimateCorrection {
    mutating func learn(_ submission: Submission, _ usage: TokenUsage) {
        self.learn(
            submission.estimate,
            prompt: usage.prompt,
            completion: usage.completion,
            model: submission.model
        )
    }
}

/// Work that was not accepted, and what the client can do about it.
package struct Rejection: Error, Sendable, Equatable {
    package var reason: OutcomeReason
    /// Names the pool, the limit, its value and the knob that changes it.
    package var message: String
    /// When trying again makes sense; `nil` when it never does.
    package var retryAfter: Duration?

    package init(_ reason: OutcomeReason, message: String, retryAfter: Duration? = nil) {
        self.reason = reason
        self.message = message
        self.retryAfter = retryAfter
    }
}
