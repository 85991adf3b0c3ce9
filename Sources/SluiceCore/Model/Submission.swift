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
    /// Absolute; waiting counts.
    package var deadline: Instant
    package var traceparent: String?
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
        deadline: Instant,
        traceparent: String? = nil,
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
        self.deadline = deadline
        self.traceparent = traceparent
        self.respondsLater = respondsLater
        self.remote = remote
    }
}

extension Submission {
    package var promptEstimate: Int { max(0, self.tokenEstimate - self.completionEstimate) }
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
