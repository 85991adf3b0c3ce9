import SluiceBasics

/// What a queue holds at most and how it treats crashes of whoever works on it.
package struct QueueRules: Sendable, Equatable {
    /// The line in which requests stand: their places, and the order of work unless `policy` decides.
    package var order: QueueOrder
    /// What chooses among those that wait; `nil`: the line alone. Set for life.
    package var policy: SchedulingPolicy?
    package var tenants: TenantPolicy
    /// Most tokens that a limit ever lets through at once. What is larger, since the limit was lowered, counts as this.
    package var tokenCapacity: Int?
    package var maximumRequests: Int
    package var maximumBytes: Int
    package var maximumRequestsPerTenant: Int?
    /// Backend calls per request; a `retry` after the last one ends it as `dead/attempts`.
    package var maximumAttempts: Int
    /// Expired leases per request before it counts as poison. Sidekiq kills after 3 recoveries, BullMQ after 1.
    package var maximumRecoveries: Int
    /// Whether a request whose call may have been sent is repeated after its lease expired.
    package var replay: RetryMode
    /// Dead requests kept for inspection and redrive; the oldest is forgotten first. 0: none.
    package var maximumDead: Int

    package init(
        order: QueueOrder = .priority,
        policy: SchedulingPolicy? = nil,
        tenants: TenantPolicy = TenantPolicy(),
        tokenCapacity: Int? = nil,
        maximumRequests: Int = 10_000,
        maximumBytes: Int = 256 << 20,
        maximumRequestsPerTenant: Int? = nil,
        maximumAttempts: Int = 3,
        maximumRecoveries: Int = 2,
        replay: RetryMode = .auto,
        maximumDead: Int = 1_000
    ) {
        self.order = order
        self.policy = policy
        self.tenants = tenants
        self.tokenCapacity = tokenCapacity
        self.maximumRequests = maximumRequests
        self.maximumBytes = maximumBytes
        self.maximumRequestsPerTenant = maximumRequestsPerTenant
        self.maximumAttempts = maximumAttempts
        self.maximumRecoveries = maximumRecoveries
        self.replay = replay
        self.maximumDead = maximumDead
    }
}

package enum QueueBound: String, Sendable, CaseIterable {
    case requests
    case bytes
    case tenant
}

package enum EnqueueAnswer: Sendable, Equatable {
    case accepted(RequestHandle)
    /// The id is known: what became of it so far.
    case duplicate(RequestState)
    case full(QueueBound)
}

/// One claim: the right to make one attempt.
package struct QueueLease: Sendable, Equatable {
    package let id: RequestID
    package let handle: RequestHandle
    package let token: LeaseToken
    package let deadline: Instant
    /// Where it goes, if its pool has several targets.
    package var choice: RouteChoice?
}

package enum ClaimAnswer: Sendable {
    case claimed(QueueLease, Chosen?)
    /// Nobody waits, or only tenants at their cap.
    case nothing
    /// Nothing fits the budget; the smallest needs so many tokens.
    case blocked(needs: Int)
    /// Tokens are kept for somebody who has waited for too long and needs so many.
    case held(needs: Int)
}

package enum StartAnswer: Sendable {
    /// The call may be sent now. `attempt` counts all calls from 1.
    case proceed(attempt: Int)
    /// Somebody else has it, or nobody: do nothing.
    case fenced
    /// Cancelled or expired before anything was sent.
    case ended(EndedRequest)
}

/// What becomes of a request after an attempt.
package enum Verdict: Sendable, Equatable {
    case done(TokenUsage?)
    case end(OutcomeReason, message: String)
    /// Another attempt is due after the delay.
    case retry(after: Duration)
    /// As `retry`, but the attempt does not count: the backend asked for patience.
    case throttle(after: Duration)
    /// Back to its place in the queue; the attempt does not count: the dispatcher shuts down.
    case release
}

extension Verdict {
    /// What a request waits for after this verdict; `nil` if it has ended or may run at once.
    package var waitingReason: WaitingReason? {
        switch self {
        case .retry: .backoff
        case .throttle: .rateLimited
        case .done, .end, .release: nil
        }
    }
}

package enum FinishAnswer: Sendable {
    case ended(EndedRequest)
    case requeued(due: Instant)
    case fenced
    case unknown
}

package enum ExtendAnswer: Sendable, Equatable {
    case extended
    /// Stop the call: the request was cancelled. The lease was extended nevertheless.
    case cancel
    case fenced
}

package enum QueueCancelAnswer: Sendable {
    case ended(EndedRequest)
    /// Flagged; whoever holds the lease learns it at `start` or `extend`.
    case pending
    case unknown
}

/// A request that has left the queue, and what the dispatcher had noted about it.
///
/// A class because a record is half a kilobyte, and on its way out passes through half a dozen answers.
package final class EndedRequest: Sendable {
    package let record: RequestRecord
    package let notes: DispatchNotes

    init(record: RequestRecord, notes: DispatchNotes) {
        self.record = record
        self.notes = notes
    }
}

/// What a dispatcher remembers with a queued request; means nothing to the queue.
package struct DispatchNotes: Sendable, Equatable {
    /// Whoever waits for it, in the shell's own numbering.
    package var seat: UInt64
    package var permit: BreakerPermit?
    /// How often the backend asked for patience.
    package var throttles: Int
    /// Whether the pending delay was asked for by the backend.
    package var isThrottled: Bool
    /// What the pool's limit keeps for it while it runs.
    package var reservation: ThrottleReservation?
    /// How many tokens that is.
    package var reservedTokens = 0
    /// Where the account of its lane stood when it was claimed.
    package var account = LaneAccount()
    /// At most one: requests of pools without targets, most of those that wait, pay a word for it.
    private var routes: [RouteNotes] = []

    package init(seat: UInt64 = 0) {
        self.seat = seat
        self.throttles = 0
        self.isThrottled = false
    }

    /// Where it has been and where it is, if its pool has several targets.
    package var route: RouteNotes? {
        get { self.routes.first }
        set {
            guard let notes = newValue else {
                self.routes = []
                return
            }
            if self.routes.isEmpty { self.routes.append(notes) } else { self.routes[0] = notes }
        }
    }
}

/// What one `reap` found.
package struct Reaped: Sendable {
    package var ended: [EndedRequest] = []
    /// Back in the queue after their lease expired, with the permits that they held.
    package var recovered: [(handle: RequestHandle, notes: DispatchNotes)] = []
    /// Delayed requests that may run now.
    package var ready = 0
    /// Running beyond their deadline: tell them to stop. Reported once each.
    package var overdue: [RequestHandle] = []
    /// There is more to do now: the limit was reached.
    package var isPartial = false
}

package struct QueueStats: Sendable, Equatable {
    package var queued = 0
    /// Of those, how many wait for a delay to pass.
    package var delayed = 0
    package var inFlight = 0
    package var dead = 0
    package var bytes = 0
    package var accepted: UInt64 = 0
    package var redriven: UInt64 = 0
    /// Dead requests whose answer came after all.
    package var resolved: UInt64 = 0
    /// Calls that were refused because their token was stale.
    package var fenced: UInt64 = 0
    package var ended = OutcomeCounts()

    package init() {}

    package var live: Int { self.queued + self.inFlight }
    /// The identity of the books: everything that came in is either live or has ended once.
    package var balances: Bool { self.accepted + self.redriven + self.resolved == UInt64(self.live) + self.ended.ended }
}
