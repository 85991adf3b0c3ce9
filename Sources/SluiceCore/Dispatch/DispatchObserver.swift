import SluiceBasics

/// One step in a request's life, for live views.
package struct RequestEvent: Sendable {
    package var id: RequestID
    package var pool: String
    package var tenant: String
    package var model: String
    package var state: RequestState
    /// Set when `state` is `ended`.
    package var reason: OutcomeReason?
    package var waiting: WaitingReason?
    package var attempt: Int
    package var at: Instant

    package init(
        id: RequestID,
        pool: String,
        tenant: String,
        model: String,
        state: RequestState,
        reason: OutcomeReason? = nil,
        waiting: WaitingReason? = nil,
        attempt: Int = 0,
        at: Instant
    ) {
        self.id = id
        self.pool = pool
        self.tenant = tenant
        self.model = model
        self.state = state
        self.reason = reason
        self.waiting = waiting
        self.attempt = attempt
        self.at = at
    }
}

/// A change of a pool or a backend's breaker.
package struct PoolEvent: Sendable {
    package enum Change: Sendable, Equatable {
        case mode(PoolMode)
        case breaker(backend: String, BreakerState)
        case configured
    }

    package var pool: String
    package var change: Change
    package var at: Instant

    package init(pool: String, change: Change, at: Instant) {
        self.pool = pool
        self.change = change
        self.at = at
    }
}

/// Whoever records what dispatch does. Called after the fact, outside every lock, on the thread that caused it; must
/// not block.
package protocol DispatchObserver: Sendable {
    /// Whether anybody wants each step; the end of a request is reported in any case.
    var wantsSteps: Bool { get }
    func stepped(_ event: RequestEvent)
    func changed(_ event: PoolEvent)
    /// A request reached its one outcome.
    func ended(_ record: RequestRecord)
    /// A request was not accepted.
    func rejected(_ submission: Submission, _ rejection: Rejection, at: Instant)
}
