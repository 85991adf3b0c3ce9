import SluiceBasics

/// Everything known about a request, live or ended: what lists, `show`, history and metrics are made of.
package struct RequestRecord: Sendable {
    package var submission: Submission
    package var state: RequestState
    package var submittedAt: Instant
    package var claimedAt: Instant?
    /// When the first attempt began.
    package var startedAt: Instant?
    package var firstByteAt: Instant?
    package var endedAt: Instant?
    package var attempts: [AttemptRecord]
    /// `nil` while it lives.
    package var reason: OutcomeReason?
    package var message: String?
    package var usage: TokenUsage?
    /// What it cost, as far as its model's prices are known.
    package var cost: Money?

    package init(submission: Submission, submittedAt: Instant) {
        self.submission = submission
        self.state = .queued
        self.submittedAt = submittedAt
        self.attempts = []
    }

    /// The attempt that the request's end is due to: the one that succeeded, else the last that counted. While it runs,
    /// the one that counts as things stand.
    package var decisiveAttempt: AttemptRecord? {
        self.attempts.last { $0.endedAt != nil && $0.failure == nil } ?? self.attempts.last { !$0.isSuperseded }
            ?? self.attempts.last
    }
}

/// Why a queued request waits, and for how long it probably will.
package struct WaitingStatus: Sendable, Equatable {
    package var reason: WaitingReason
    /// 1 is next.
    package var position: Int
    /// From the measured service rate; `nil` when nothing has been measured or no end is in sight.
    package var estimatedStart: Duration?

    package init(reason: WaitingReason, position: Int, estimatedStart: Duration?) {
        self.reason = reason
        self.position = position
        self.estimatedStart = estimatedStart
    }
}
