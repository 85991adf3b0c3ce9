import SluiceBasics
import SluiceCore

/// Wakes the engine at a time. The shell implements it on a reactor's timer, tests on a clock that they move by hand.
package protocol WakeTimer: Sendable {
    /// Runs `action` once `at` is reached. A call with a sooner time replaces the pending one; extra wakes are
    /// harmless.
    func wake(at: Instant, _ action: @escaping @Sendable () -> Void)
}

/// Proof of admission; `turn` waits with it. Whoever holds one must call `turn`, once before each attempt.
package struct Ticket: Sendable {
    package let id: RequestID
    /// Whether a slot was free at once, so that `turn` will not wait.
    package let isClaimed: Bool
    let handle: RequestHandle
    let seat: Seat.Key

    init(id: RequestID, isClaimed: Bool, handle: RequestHandle, seat: Seat.Key) {
        self.id = id
        self.isClaimed = isClaimed
        self.handle = handle
        self.seat = seat
    }
}

/// The right to make one attempt, in one slot.
package struct Lease: Sendable {
    package let id: RequestID
    package let token: LeaseToken
    package let backend: String
    /// Where to call, if the pool has several targets.
    package let choice: RouteChoice?
    let handle: RequestHandle

    init(id: RequestID, token: LeaseToken, backend: String, choice: RouteChoice?, handle: RequestHandle) {
        self.id = id
        self.token = token
        self.backend = backend
        self.choice = choice
        self.handle = handle
    }
}

/// The end of waiting.
package enum Turn: Sendable {
    case run(Lease)
    /// Cancelled or expired while it waited; never sent.
    case ended(RequestRecord)
}

/// The last stop before money is spent.
package enum Start: Sendable {
    /// Call the backend now. `attempt` counts from 1.
    case proceed(attempt: Int, backend: String, deadline: Instant)
    /// Cancelled, past its deadline, or the lease is no longer valid: do not call.
    case ended(RequestRecord)
}

package enum Finish: Sendable {
    case ended(RequestRecord)
    /// Another attempt is due after `delay`: call `turn` again with the same ticket.
    case requeued(delay: Duration)
}

/// Which live requests to list; `nil` matches all.
package struct LiveFilter: Sendable, Equatable {
    package var state: RequestState?
    package var pool: String?
    package var tenant: String?
    package var model: String?
    package var waiting: WaitingReason?
    package var producer: String?
    /// What its producer calls a request that came over the fabric.
    package var remoteID: String?

    package init(
        state: RequestState? = nil,
        pool: String? = nil,
        tenant: String? = nil,
        model: String? = nil,
        waiting: WaitingReason? = nil
    ) {
        self.state = state
        self.pool = pool
        self.tenant = tenant
        self.model = model
        self.waiting = waiting
    }
}

/// A request that has not ended, and why it is not running if it waits.
package struct LiveRequest: Sendable {
    package var record: RequestRecord
    /// `nil` unless queued.
    package var waiting: WaitingStatus?

    package init(record: RequestRecord, waiting: WaitingStatus?) {
        self.record = record
        self.waiting = waiting
    }
}
