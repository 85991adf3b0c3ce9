import SluiceBasics

/// A slot was given to a request that waits.
package struct Grant: Sendable {
    package let seat: UInt64
    package let lease: QueueLease
    package let backend: String
}

/// What the shell has to do after an event, outside its lock.
package struct DispatchEffects: Sendable {
    /// Wake these.
    package var grants = Few<Grant>()
    /// These ended without an attempt of their own: wake them, report them.
    package var ended: [EndedRequest] = []
    /// Running work that should stop: seats.
    package var cancellations: [UInt64] = []
    package var steps: [RequestEvent] = []
    package var changes: [PoolEvent] = []
    /// The keeper of a shared budget is to be asked sooner than was planned.
    package var wantsBudget = false

    package init() {}

    package var isEmpty: Bool {
        self.grants.isEmpty && self.ended.isEmpty && self.cancellations.isEmpty && self.steps.isEmpty
            && self.changes.isEmpty && !self.wantsBudget
    }
}

package enum Admission: Sendable {
    /// With the lease if a slot was free at once.
    case accepted(RequestHandle, QueueLease?)
    case rejected(Rejection)
}

package enum Ending: Sendable {
    case ended(EndedRequest)
    case requeued(delay: Duration)
    /// The token is stale: the request belongs to somebody else, or has ended.
    case fenced
}

package enum Departure: Sendable {
    case proceed(attempt: Int, backend: String, deadline: Instant)
    case ended(EndedRequest)
    case fenced
}

/// Whether claims lapse unless they are extended.
package enum LeaseMode: Sendable {
    /// The holder lives in this process: as long as its task lives, the lease does.
    case held
    /// After the pool's `lease`.
    case expiring
}
