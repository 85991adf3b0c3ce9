import SluiceBasics
import SluiceCore

// The side of whoever takes work from the fabric.
extension Dispatcher {
    /// How many more requests of the pool would start at once.
    package func room(pool: String) -> Int {
        let now = self.clock.now()
        return self.state.withLock { $0.machine.room(pool: pool, now: now) }
    }

    /// Whether this pool takes anything at all now.
    package func mode(pool: String) -> PoolMode? {
        self.state.withLock { $0.machine.mode(pool: pool) }
    }

    package func slots(pool: String) -> Int? { self.state.withLock { $0.machine.slots(pool: pool) } }

    /// Why nothing of the pool may start, whatever waits; `nil` when something may.
    package func blockage(pool: String) -> WaitingReason? {
        let now = self.clock.now()
        return self.state.withLock { $0.machine.blockage(pool: pool, now: now) }
    }

    package func isLive(_ id: RequestID) -> Bool { self.state.withLock { $0.machine.handle(of: id) != nil } }

    /// Ends a request of which nothing has been sent, so that it can go back to where it came from.
    ///
    /// - Returns: `false` when something has been sent, or it has ended already.
    package func withdraw(_ id: RequestID) -> Bool {
        let now = self.clock.now()
        return self.perform(now) { state, effects in
            guard let handle = state.machine.handle(of: id), let record = state.machine.record(handle),
                record.attempts.isEmpty
            else { return false }
            return state.machine.cancel(handle, cause: .shutdown, now: now, &effects) != .unknown
        }
    }

    /// Unbooks a request that came over the fabric and goes back to it, never having been sent.
    package func forget(_ record: RequestRecord) {
        guard let reason = record.reason else { return }
        self.state.withLock { $0.machine.unbook(record.submission.pool, reason) }
    }

    /// Books a request that ended without having been queued here.
    package func book(_ submission: Submission, _ reason: OutcomeReason, message: String) {
        let now = self.clock.now()
        let record = self.perform(now) { state, effects in
            state.machine.book(submission, reason, message: message, now: now, &effects)
        }
        self.observer.ended(record)
    }

    /// Tells of the end of a request that came over the fabric, once for each whose ticket was given out.
    ///
    /// - Parameter reason: how it ended after all, if the delivery of its answer changed that.
    package func conclude(_ record: RequestRecord, as reason: OutcomeReason? = nil, message: String? = nil) {
        var record = record
        if let reason, let old = record.reason, old != reason {
            self.state.withLock { $0.machine.rebook(record.submission.pool, old, as: reason) }
            record.reason = reason
            record.message = message ?? record.message
        }
        self.observer.ended(record)
    }
}
