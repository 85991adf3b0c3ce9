import SluiceBasics
import SluiceCore

/// Grants turns: the thread-safe shell of the dispatch machine.
///
/// DESIGN. One lock holds the machine and the seats on which tasks wait. Every call asks the machine under the lock,
/// then wakes tasks, tells observers and cancels work outside of it, on the calling thread. The task of a request
/// makes the backend call itself; the dispatcher only says when. Nothing is kept of a request that has ended: its
/// record goes to the observer and to whoever asked. Two threads may report steps of two requests in either order;
/// the steps of one request are reported in order, except that a turn granted by another thread may be reported
/// before `queued`.
package final class Dispatcher: Sendable {
    struct State: Sendable {
        var machine: DispatchMachine
        var seats = Seats()
        /// When the timer will ring.
        var armed = Instant.distantFuture
        /// Counts events, so that a view can tell whether anything has changed.
        var version: UInt64 = 0
    }

    let state: Lock<State>
    let clock: any TimeSource
    let timer: any WakeTimer
    let observer: any DispatchObserver
    /// Told when the keeper of a shared budget is to be asked.
    let budgetWanted = Lock<(@Sendable () -> Void)?>(nil)

    /// - Parameter seed: of the jitter of retries.
    package init(
        pools: [PoolConfiguration],
        backends: [BackendPolicy],
        clock: any TimeSource,
        seed: UInt64,
        timer: any WakeTimer,
        observer: any DispatchObserver
    ) {
        self.clock = clock
        self.timer = timer
        self.observer = observer
        self.state = Lock(State(machine: DispatchMachine(pools: pools, backends: backends, seed: seed)))
    }

    // MARK: The request's own task

    /// Admits a request. Afterwards `turn` has to be called with the ticket, whatever happens to the client.
    ///
    /// - Parameter cancellation: told to stop when running work is cancelled or its deadline passes.
    package func submit(_ submission: Submission, cancellation: (any Cancellable)?) throws(Rejection) -> Ticket {
        let now = self.clock.now()
        let answer = self.perform(now) { state, effects -> Result<Ticket, Rejection> in
            let seat = state.seats.take(cancellation)
            switch state.machine.submit(submission, seat: seat.packed, now: now, &effects) {
            case .rejected(let rejection):
                state.seats.leave(seat)
                return .failure(rejection)
            case .accepted(let handle, let claimed):
                if let claimed {
                    let backend = state.machine.backendName(handle)
                    _ = state.seats.grant(seat, Lease(claimed, backend: backend))
                }
                return .success(
                    Ticket(id: submission.id, isClaimed: claimed != nil, handle: handle, seat: seat)
                )
            }
        }
        switch answer {
        case .success(let ticket): return ticket
        case .failure(let rejection):
            self.observer.rejected(submission, rejection, at: now)
            throw rejection
        }
    }

    /// Waits until the request may run or has ended. Cancelling the task cancels the request.
    package func turn(_ ticket: Ticket) async -> Turn {
        if let turn = self.turnAtOnce(ticket) { return turn }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in self.wait(ticket, continuation) }
        } onCancel: {
            _ = self.cancel(ticket.handle, cause: .clientGone)
        }
    }

    /// The turn, or the end, if it has already come: as `turn`, which would not wait.
    package func turnAtOnce(_ ticket: Ticket) -> Turn? {
        switch self.state.withLock({ $0.seats.collect(ticket.seat) }) {
        case .turn(let turn): turn
        case .vanished: .ended(self.vanished(ticket.id))
        case .nothingYet: nil
        }
    }

    private func wait(_ ticket: Ticket, _ continuation: CheckedContinuation<Turn, Never>) {
        let presence = self.state.withLock { state in
            let presence = state.seats.collect(ticket.seat)
            if case .nothingYet = presence { state.seats.wait(ticket.seat, continuation) }
            return presence
        }
        switch presence {
        case .turn(let turn): continuation.resume(returning: turn)
        case .vanished: continuation.resume(returning: .ended(self.vanished(ticket.id)))
        case .nothingYet: break
        }
    }

    /// The last stop before money is spent: lease, cancellation and deadline are checked.
    package func start(_ lease: Lease) -> Start {
        let now = self.clock.now()
        let departure = self.perform(now) { state, effects in
            let departure = state.machine.start(lease.handle, lease.token, now: now, &effects)
            if case .ended(let request) = departure { state.seats.leave(Seat.Key(packed: request.notes.seat)) }
            return departure
        }
        switch departure {
        case .proceed(let attempt, let backend, let deadline):
            return .proceed(attempt: attempt, backend: backend, deadline: deadline)
        case .ended(let request):
            self.tellEnd(request.record)
            return .ended(request.record)
        case .fenced: return .ended(self.vanished(lease.id))
        }
    }

    /// The first content came back.
    ///
    /// - Parameter limits: what the backend said about its limits with the head of its answer.
    package func firstByte(_ lease: Lease, limits: ProviderObservation? = nil) {
        let now = self.clock.now()
        guard self.observer.wantsSteps || limits != nil else {
            let opened = self.state.withLock { state in
                state.version &+= 1
                return state.machine.firstByte(lease.handle, lease.token, now: now)
            }
            if opened { self.tick() }
            return
        }
        self.perform(now) { state, effects in
            state.machine.firstByte(lease.handle, lease.token, limits: limits, now: now, &effects)
        }
    }

    /// Ends an attempt that `start` let proceed; exactly once for each, also when it was cancelled.
    package func finish(_ lease: Lease, _ result: AttemptResult) -> Finish {
        let now = self.clock.now()
        let ending = self.perform(now) { state, effects in
            let ending = state.machine.finish(lease.handle, lease.token, result, now: now, &effects)
            if case .ended(let request) = ending { state.seats.leave(Seat.Key(packed: request.notes.seat)) }
            return ending
        }
        switch ending {
        case .ended(let request):
            self.tellEnd(request.record)
            return .ended(request.record)
        case .requeued(let delay): return .requeued(delay: delay)
        case .fenced: return .ended(self.vanished(lease.id))
        }
    }

    /// Books a rejection that was made before admission.
    package func reject(_ submission: Submission, _ rejection: Rejection) {
        self.state.withLock { state in
            state.version &+= 1
            state.machine.reject(submission, rejection)
        }
        self.observer.rejected(submission, rejection, at: self.clock.now())
    }

    /// For calls that break the contract: a lease or ticket that has already come to its end.
    private func vanished(_ id: RequestID) -> RequestRecord {
        let now = self.clock.now()
        let submission = Submission(id: id, pool: "", tenant: "", model: "", operation: "", deadline: now)
        var record = RequestRecord(submission: submission, submittedAt: now)
        record.state = .ended
        record.message = "The lease is no longer valid: the request has already ended."
        return record
    }
}
