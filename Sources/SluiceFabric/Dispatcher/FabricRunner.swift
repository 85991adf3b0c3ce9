import SluiceCore
import SluiceEngine
import SluiceWire

/// Whoever calls the backend for a request that a dispatcher took from a list.
package protocol FabricRunner: Sendable {
    /// What the request asks for, as the engine has to know it; or why no backend would take it.
    func examine(_ envelope: RequestEnvelope, pool: String) -> Result<FabricDemand, ReplyFailure>
    /// Runs an accepted request to its end, retries included.
    func run(_ job: FabricJob) async -> FabricAnswer
}

/// What dispatch has to know of a request besides its envelope.
package struct FabricDemand: Sendable, Equatable {
    package var operation: String
    /// Tokens of prompt and expected completion.
    package var tokenEstimate: Int
    /// The completion's part of `tokenEstimate`.
    package var completionEstimate: Int
    /// Whether that is the client's own limit rather than a guess.
    package var isCompletionLimited: Bool

    package init(operation: String, tokenEstimate: Int, completionEstimate: Int = 0, isCompletionLimited: Bool = true) {
        self.operation = operation
        self.tokenEstimate = tokenEstimate
        self.completionEstimate = completionEstimate
        self.isCompletionLimited = isCompletionLimited
    }
}

/// A request that was taken, examined and accepted.
package struct FabricJob: Sendable {
    package let ticket: Ticket
    package let submission: Submission
    package let envelope: RequestEnvelope
    /// Where the answer goes as it comes, for producers that asked for it.
    package let frames: (any HTTPBodyWriter)?

    package init(
        ticket: Ticket,
        submission: Submission,
        envelope: RequestEnvelope,
        frames: (any HTTPBodyWriter)?
    ) {
        self.ticket = ticket
        self.submission = submission
        self.envelope = envelope
        self.frames = frames
    }
}

/// How a job ended, and what its producer is to be told.
package struct FabricAnswer: Sendable {
    package var record: RequestRecord
    /// As a client on HTTP would get it.
    package var status: Int
    package var retryAfter: Duration?
    package var body: [UInt8]
    /// The answer has gone out in frames; `body` is empty.
    package var isStreamed: Bool

    package init(
        record: RequestRecord,
        status: Int,
        retryAfter: Duration? = nil,
        body: [UInt8],
        isStreamed: Bool = false
    ) {
        self.record = record
        self.status = status
        self.retryAfter = retryAfter
        self.body = body
        self.isStreamed = isStreamed
    }
}
