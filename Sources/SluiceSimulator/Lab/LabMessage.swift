import SluiceBasics
import SluiceCore

/// One request in the lab, as it is shown.
package struct LabMessage: Sendable {
    package enum State: String, Sendable, CaseIterable {
        /// Waits for its turn.
        case pending
        /// Its call failed; it waits until it may be repeated.
        case delayed
        case processing
        case done
        case failed
        case expired
        /// Never let in.
        case refused
    }

    package var number: UInt64
    package var state: State
    package var tenant: Int
    package var priority: Priority
    package var promptTokens: Int
    package var completionTokens: Int
    package var tokenEstimate: Int
    package var arrivedAt: Instant
    /// Of its last call.
    package var startedAt: Instant?
    package var endedAt: Instant?
    /// Calls so far.
    package var attempts = 0
    /// While it is delayed: when it may run again. While it runs: when its call ends.
    package var dueAt: Instant?
    /// What it scored when it was started, and by which weights.
    package var score: ScoreBreakdown?
    package var weights: ScoringWeights?
    package var reason: OutcomeReason?

    /// Until its last call, or so far.
    package func waited(at now: Instant) -> Duration {
        max(.zero, (self.startedAt ?? self.endedAt ?? now) - self.arrivedAt)
    }
}

/// What a session shows of one moment.
package struct LabFrame: Sendable {
    package struct Place: Sendable {
        package var message: LabMessage
        package var total: Double?
        package var isOverdue: Bool
    }

    package struct Class: Sendable {
        package var priority: Priority
        package var pending = 0
        package var processing = 0
        package var done = 0
        /// Of the last that started, in seconds; `nil`: none yet.
        package var p50: Double?
        package var p95: Double?
    }

    package struct Tenant: Sendable {
        package var name: String
        package var weight: Double
        package var pending = 0
        package var processing = 0
        package var done = 0
        package var tokens = 0
        /// Weighted tokens over its share; `nil` without fair turns.
        package var service: Double?
    }

    package var now: Instant
    package var pendingCount: Int
    package var delayedCount: Int
    package var processingCount: Int
    package var totals: LabTotals
    /// In the order in which they would start.
    package var pending: [Place]
    package var processing: [LabMessage]
    /// The newest first.
    package var done: [LabMessage]
    package var classes: [Class]
    package var tenants: [Tenant]
    package var tokensLeft: Int?
    package var requestsLeft: Int?
    package var breaker: BreakerState
    /// Why the head of the line waits.
    package var waitingReason: WaitingReason?
    /// Sums of the last minute.
    package var lastMinute: LabSample
    /// How long of it there has been, in seconds.
    package var lastMinuteSeconds: Int
    package var fairness: Double?
    package var arrivesNextAt: Instant?
}

/// Everything since the start, by how it ended.
package struct LabTotals: Sendable, Equatable {
    package var arrived = 0
    package var started = 0
    package var done = 0
    package var failed = 0
    package var expired = 0
    package var refused = 0
    /// Calls that were repeated.
    package var retries = 0
    /// Of what was done.
    package var tokens = 0

    package var ended: Int { self.done + self.failed + self.expired + self.refused }
}
