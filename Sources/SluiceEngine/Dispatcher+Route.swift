import SluiceBasics
import SluiceCore

// Second calls for a request whose first one is late.
extension Dispatcher {
    /// Asks for a second call at another target; `nil` when the pool, its budget or its targets have none. Whoever gets
    /// one ends the slower of the two by `closeHedged`, and then the other by `finish`.
    package func hedge(_ lease: Lease) -> (attempt: Int, choice: RouteChoice)? {
        let now = self.clock.now()
        return self.perform(now) { state, _ in state.machine.hedge(lease.handle, lease.token, now: now) }
    }

    /// Ends one of two calls for the same request; the other one is then the one that counts.
    ///
    /// - Parameter isOvertaken: it was given up because the other one came first.
    package func closeHedged(_ lease: Lease, attempt: Int, _ result: AttemptResult, isOvertaken: Bool) {
        let now = self.clock.now()
        self.perform(now) { state, _ in
            state.machine.closeHedged(
                lease.handle,
                lease.token,
                attempt: attempt,
                result,
                isOvertaken: isOvertaken,
                now: now
            )
        }
    }
}
