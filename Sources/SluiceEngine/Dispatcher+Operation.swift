import SluiceBasics
import SluiceCore

// The operator's side.
extension Dispatcher {
    /// Queued work ends at once; running work is told to stop, and its task reports the end.
    package func cancel(_ id: RequestID, cause: CancelCause) -> CancelAnswer {
        let now = self.clock.now()
        return self.perform(now) { state, effects in
            guard let handle = state.machine.handle(of: id) else { return .unknown }
            return state.machine.cancel(handle, cause: cause, now: now, &effects)
        }
    }

    @discardableResult
    func cancel(_ handle: RequestHandle, cause: CancelCause) -> CancelAnswer {
        let now = self.clock.now()
        return self.perform(now) { state, effects in
            state.machine.cancel(handle, cause: cause, now: now, &effects)
        }
    }

    package func cancelAll(cause: CancelCause) {
        var handles: [RequestHandle] = []
        self.scan { _, _ in
            true
        } keep: { found, _ in
            handles += found.map(\.handle)
        }
        for handle in handles { self.cancel(handle, cause: cause) }
    }

    package func pools() -> [PoolStatus] {
        let now = self.clock.now()
        return self.state.withLock { $0.machine.statuses(now: now) }
    }

    package func pool(_ name: String) -> PoolStatus? {
        let now = self.clock.now()
        return self.state.withLock { $0.machine.status(name, now: now) }
    }

    /// Returns `false` for an unknown pool.
    package func setMode(_ mode: PoolMode, pool: String) -> Bool {
        let now = self.clock.now()
        return self.perform(now) { state, effects in
            state.machine.setMode(mode, pool: pool, now: now, &effects)
        }
    }

    /// - Returns: the mode before; `nil` for an unknown pool.
    package func exchangeMode(_ mode: PoolMode, pool: String) -> PoolMode? {
        let now = self.clock.now()
        return self.perform(now) { state, effects in
            let before = state.machine.mode(pool: pool)
            _ = state.machine.setMode(mode, pool: pool, now: now, &effects)
            return before
        }
    }

    /// As the other, unless somebody has set another mode meanwhile. `false` then, and for an unknown pool.
    package func setMode(_ mode: PoolMode, pool: String, ifIs expected: PoolMode) -> Bool {
        let now = self.clock.now()
        return self.perform(now) { state, effects in
            guard state.machine.mode(pool: pool) == expected else { return false }
            return state.machine.setMode(mode, pool: pool, now: now, &effects)
        }
    }

    /// Tenants with requests in a pool, the busiest first.
    package func tenants(pool: String, limit: Int) -> [TenantReadout] {
        self.state.withLock { $0.machine.tenants(pool: pool, limit: limit) }
    }

    package func weight(of tenant: String, pool: String) -> Double? {
        self.state.withLock { $0.machine.weight(of: tenant, pool: pool) }
    }

    /// Changes slots, bounds, scheduling or retries while the pool works; name and backend stay. `nil`: unknown pool.
    package func update(pool: String, _ change: (inout PoolConfiguration) -> Void) -> PoolStatus? {
        let now = self.clock.now()
        // Read and written at once: of two changes neither is lost.
        return self.perform(now) { state, effects in
            guard var configuration = state.machine.status(pool, now: now)?.configuration else { return nil }
            change(&configuration)
            configuration.name = pool
            guard state.machine.configure(configuration, now: now, &effects) else { return nil }
            return state.machine.status(pool, now: now)
        }
    }

    /// Pools that are paused stay so: what an operator holds back is not sent because the program ends.
    package func drainAll() {
        for pool in self.pools() where pool.mode == .running {
            _ = self.setMode(.draining, pool: pool.configuration.name)
        }
    }

    package var liveCount: Int { self.state.withLock { $0.machine.liveCount } }

    /// `nil` when the books balance, else what is wrong. Counts everything again: O(n log n) under the lock.
    package func checkBooks() -> String? {
        self.state.withLock { state in
            if let complaint = state.machine.checkBooks() { return complaint }
            let seats = state.seats.occupied
            let live = state.machine.liveCount
            return seats < live ? "\(live) live requests have only \(seats) seats." : nil
        }
    }

    package func find(_ id: RequestID) -> LiveRequest? {
        let now = self.clock.now()
        return self.state.withLock { state in
            guard let handle = state.machine.handle(of: id), let record = state.machine.record(handle) else {
                return nil
            }
            return LiveRequest(record: record, waiting: state.machine.waiting(handle, now: now))
        }
    }

    /// Why a live request does not run yet, and its record at the same instant.
    package func explain(_ id: RequestID) -> (record: RequestRecord, explanation: Explanation)? {
        let now = self.clock.now()
        return self.state.withLock { state in
            guard let handle = state.machine.handle(of: id), let record = state.machine.record(handle),
                let explanation = state.machine.explain(handle, now: now)
            else { return nil }
            return (record, explanation)
        }
    }

    /// Live requests that match, oldest first, beginning after an id. The lock is taken for a part at a time, so a long
    /// list does not hold up dispatch; what changes meanwhile may or may not be seen.
    package func live(_ filter: LiveFilter, limit: Int, after: RequestID?) -> [LiveRequest] {
        guard limit > 0 else { return [] }
        let now = self.clock.now()
        var candidates: [Candidate] = []
        self.scan { candidate, record in
            if let after, candidate.id <= after { return false }
            return filter.matches(record)
        } keep: { found, machine in
            for candidate in found {
                if let reason = filter.waiting {
                    guard machine.waiting(candidate.handle, now: now)?.reason == reason else { continue }
                }
                candidates.append(candidate)
            }
            guard candidates.count >= limit * 2 + 1_024 else { return }
            candidates.sort { $0.id < $1.id }
            candidates.removeLast(candidates.count - limit)
        }
        candidates.sort { $0.id < $1.id }
        let chosen = candidates.prefix(limit)
        return self.state.withLock { state in
            var requests: [LiveRequest] = []
            for candidate in chosen {
                guard let record = state.machine.record(candidate.handle) else { continue }
                let waiting = state.machine.waiting(candidate.handle, now: now)
                requests.append(LiveRequest(record: record, waiting: waiting))
            }
            return requests
        }
    }

    private struct Candidate: Sendable {
        let id: RequestID
        let handle: RequestHandle
    }

    private static var sliceSize: Int { 2_048 }

    /// Goes through all live requests, a slice of slots under the lock at a time.
    private func scan(
        _ matches: (Candidate, RequestRecord) -> Bool,
        keep: ([Candidate], inout DispatchMachine) -> Void
    ) {
        let poolCount = self.state.withLock { $0.machine.poolNames.count }
        for pool in 0..<poolCount {
            var start = 0
            var isDone = false
            while !isDone {
                let slots = start..<start + Self.sliceSize
                isDone = self.state.withLock { state in
                    var found: [Candidate] = []
                    state.machine.liveHandles(pool: pool, slots: slots) { handle, record in
                        let candidate = Candidate(id: record.submission.id, handle: handle)
                        if matches(candidate, record) { found.append(candidate) }
                    }
                    keep(found, &state.machine)
                    return slots.upperBound >= state.machine.slotCount(pool: pool)
                }
                start = slots.upperBound
            }
        }
    }
}

extension LiveFilter {
    func matches(_ record: RequestRecord) -> Bool {
        if let state = self.state, record.state != state { return false }
        if let pool = self.pool, record.submission.pool != pool { return false }
        if let tenant = self.tenant, record.submission.tenant != tenant { return false }
        if let model = self.model, record.submission.model != model { return false }
        if let producer = self.producer, record.submission.producer != producer { return false }
        if let id = self.remoteID, record.submission.remote?.requestID != id { return false }
        return true
    }
}
