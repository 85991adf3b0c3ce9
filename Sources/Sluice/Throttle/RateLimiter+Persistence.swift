import SluiceBasics

extension RateLimiter {
    /// The books as they stand, to be restored by a limiter of the same or another limit.
    public func snapshot() -> ThrottleSnapshot {
        self.state.withLock { state in
            state.snapshots &+= 1
            return state.throttle.snapshot(
                at: self.now(),
                wallClock: self.wallClock().wholeNanoseconds,
                sequence: state.snapshots
            )
        }
    }

    /// Takes over the books of a snapshot with what has come back since, under the present limit. What was reserved
    /// and not settled then stays charged; what is reserved here and not settled yet is forgotten. A snapshot from the
    /// future counts as taken now.
    public func restore(_ snapshot: ThrottleSnapshot) {
        self.state.withLock { state in
            state.throttle.restore(snapshot, at: self.now(), wallClock: self.wallClock().wholeNanoseconds)
            state.snapshots = max(state.snapshots, snapshot.sequence)
        }
    }

    /// Takes over the books from the storage. Returns whether there were any. Without persistence: false.
    @discardableResult
    public func restore() async throws -> Bool {
        guard let persistence = self.persistence,
            let snapshot = try await persistence.storage.load(persistence.key)
        else { return false }
        self.restore(snapshot)
        return true
    }

    /// Returns when a snapshot that was taken after the call is stored, and throws when it is not.
    ///
    /// Snapshots are stored one after the other, never an older one after a newer one; callers that come while one is
    /// under way share the next. Without persistence nothing happens.
    public func persist() async throws {
        guard let persistence = self.persistence else { return }
        try await persistence.turns.take {
            try await persistence.storage.save(self.snapshot(), for: persistence.key)
        }
    }

    /// Reserves, and returns when that is stored: then no crash hands the same tokens out again. When it cannot be
    /// stored the reservation is cancelled and the storage's error thrown.
    public func reserveDurably(_ tokens: Int) async throws -> Result<ThrottleReservation, ThrottleRefusal> {
        let outcome = self.reserve(tokens)
        guard case .success(let reservation) = outcome else { return outcome }
        do {
            try await self.persist()
        } catch {
            self.cancel(reservation)
            throw error
        }
        return outcome
    }
}
