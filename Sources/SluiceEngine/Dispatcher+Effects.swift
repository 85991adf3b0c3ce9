import SluiceBasics
import SluiceCore

/// What a call has to do once it has let go of the lock.
struct Aftermath: Sendable {
    struct Resumption: Sendable {
        let continuation: CheckedContinuation<Turn, Never>
        let lease: Lease
    }

    struct End: Sendable {
        let request: EndedRequest
        let continuation: CheckedContinuation<Turn, Never>?
    }

    var resumptions = Few<Resumption>()
    var ends: [End] = []
    var cancellations: [any Cancellable] = []
    var steps: [RequestEvent] = []
    var changes: [PoolEvent] = []
    /// Ring the timer then; sooner than it would.
    var alarm: Instant?
    var wantsBudget = false
}

extension Lease {
    init(_ lease: QueueLease, backend: String) {
        self.init(
            id: lease.id,
            token: lease.token,
            backend: lease.choice?.backend ?? backend,
            choice: lease.choice,
            handle: lease.handle
        )
    }
}

extension Dispatcher.State {
    /// Under the lock: finds out whom the effects concern.
    mutating func absorb(_ effects: DispatchEffects) -> Aftermath? {
        if effects.isEmpty && self.machine.wake >= self.armed { return nil }
        var aftermath = Aftermath()
        effects.grants.forEach { grant in
            let lease = Lease(grant.lease, backend: grant.backend)
            guard let continuation = self.seats.grant(Seat.Key(packed: grant.seat), lease) else { return }
            aftermath.resumptions.append(Aftermath.Resumption(continuation: continuation, lease: lease))
        }
        for request in effects.ended {
            let continuation = self.seats.end(Seat.Key(packed: request.notes.seat), request)
            aftermath.ends.append(Aftermath.End(request: request, continuation: continuation))
        }
        for seat in effects.cancellations {
            guard let cancellation = self.seats.cancellation(Seat.Key(packed: seat)) else { continue }
            aftermath.cancellations.append(cancellation)
        }
        aftermath.steps = effects.steps
        aftermath.changes = effects.changes
        aftermath.wantsBudget = effects.wantsBudget
        if self.machine.wake < self.armed {
            self.armed = self.machine.wake
            aftermath.alarm = self.armed
        }
        return aftermath
    }
}

extension Dispatcher {
    /// Runs one event: the machine under the lock, everything else after it.
    func perform<Answer: Sendable>(
        _ now: Instant,
        _ body: (inout State, inout DispatchEffects) -> Answer
    ) -> Answer {
        let reportsSteps = self.observer.wantsSteps
        let (answer, aftermath) = self.state.withLock { state -> (Answer, Aftermath?) in
            state.machine.reportsSteps = reportsSteps
            state.version &+= 1
            var effects = DispatchEffects()
            let answer = body(&state, &effects)
            return (answer, state.absorb(effects))
        }
        if let aftermath { self.carryOut(aftermath) }
        return answer
    }

    private func carryOut(_ aftermath: Aftermath) {
        for step in aftermath.steps { self.observer.stepped(step) }
        for change in aftermath.changes { self.observer.changed(change) }
        for end in aftermath.ends {
            self.tellEnd(end.request.record)
            end.continuation?.resume(returning: .ended(end.request.record))
        }
        aftermath.resumptions.forEach { $0.continuation.resume(returning: .run($0.lease)) }
        for cancellation in aftermath.cancellations { cancellation.cancel() }
        if aftermath.wantsBudget { self.budgetWanted.withLock { $0 }?() }
        if let alarm = aftermath.alarm { self.timer.wake(at: alarm) { [weak self] in self?.tick() } }
    }

    /// What came over the fabric has ended only when its answer is delivered: `conclude` tells of it.
    func tellEnd(_ record: RequestRecord) {
        if record.submission.remote == nil { self.observer.ended(record) }
    }

    /// What has become due by now. The timer calls it; calling it more often is harmless.
    package func tick() {
        let now = self.clock.now()
        self.perform(now) { state, effects in
            // A wake that was not ours to come must not arm the timer a second time.
            if state.armed <= now { state.armed = .distantFuture }
            state.machine.tick(now: now, &effects)
        }
    }
}
