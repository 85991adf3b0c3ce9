import SluiceBasics

/// The reference store: `InMemoryQueue` behind a lock. Nothing survives the process.
package final class InMemoryQueueStore: QueueStore {
    private struct State: Sendable {
        var queue: InMemoryQueue
        var payloads: [RequestID: [UInt8]] = [:]

        func lease(_ lease: QueueLease) -> StoreLease? {
            self.queue.record(lease.handle).map {
                StoreLease(
                    id: lease.id,
                    token: lease.token,
                    submission: $0.submission,
                    payload: self.payloads[lease.id] ?? []
                )
            }
        }

        /// The payload of a dead request is kept for a redrive.
        mutating func discard(_ record: RequestRecord) -> RequestRecord {
            if self.queue.handle(of: record.submission.id) == nil { self.payloads[record.submission.id] = nil }
            return record
        }
    }

    private let state: Lock<State>
    private let clock: any TimeSource

    package init(rules: QueueRules = QueueRules(), clock: any TimeSource) {
        self.state = Lock(State(queue: InMemoryQueue(rules: rules)))
        self.clock = clock
    }

    package func enqueue(_ submission: Submission, payload: [UInt8]) -> StoreAdmission {
        let now = self.clock.now()
        return self.state.withLock { state in
            switch state.queue.enqueue(submission, now: now) {
            case .accepted:
                state.payloads[submission.id] = payload
                return .accepted
            case .duplicate(let known): return .duplicate(known)
            case .full(let bound): return .full(bound)
            }
        }
    }

    package func peek(limit: Int) -> [RequestRecord] {
        self.state.withLock { state in
            state.queue.peek(limit).compactMap { state.queue.record($0) }
        }
    }

    package func claim(_ ids: [RequestID]?, limit: Int, lease: Duration) -> [StoreLease] {
        let now = self.clock.now()
        let expiry = now + lease
        return self.state.withLock { state in
            var leases: [StoreLease] = []
            if let ids {
                for id in ids where leases.count < limit {
                    guard let handle = state.queue.handle(of: id),
                        let claimed = state.queue.claim(handle, now: now, expiry: expiry),
                        let lease = state.lease(claimed)
                    else { continue }
                    leases.append(lease)
                }
                return leases
            }
            var expired: [RequestRecord] = []
            while leases.count < limit,
                let claimed = state.queue.claim(now: now, expiry: expiry, ended: { expired.append($0.record) }),
                let lease = state.lease(claimed)
            {
                leases.append(lease)
            }
            for record in expired { _ = state.discard(record) }
            return leases
        }
    }

    package func start(_ lease: StoreLease, backend: String) -> StoreStart {
        let now = self.clock.now()
        return self.state.withLock { state in
            guard let handle = state.queue.handle(of: lease.id) else { return .fenced }
            switch state.queue.start(handle, lease.token, backend: backend, now: now) {
            case .proceed(let attempt): return .proceed(attempt: attempt)
            case .fenced: return .fenced
            case .ended(let request): return .ended(state.discard(request.record))
            }
        }
    }

    package func extend(_ leases: [StoreLease], by span: Duration) -> [ExtendAnswer] {
        let expiry = self.clock.now() + span
        return self.state.withLock { state in
            leases.map { lease in
                guard let handle = state.queue.handle(of: lease.id) else { return .fenced }
                return state.queue.extend(handle, lease.token, until: expiry)
            }
        }
    }

    package func finish(_ lease: StoreLease, _ result: AttemptResult?, _ verdict: Verdict) -> StoreFinish {
        let now = self.clock.now()
        return self.state.withLock { state in
            guard let handle = state.queue.handle(of: lease.id) else { return .unknown }
            switch state.queue.finish(handle, lease.token, result: result, verdict: verdict, now: now) {
            case .ended(let request): return .ended(state.discard(request.record))
            case .requeued: return .requeued
            case .fenced: return .fenced
            case .unknown: return .unknown
            }
        }
    }

    package func cancel(_ id: RequestID, cause: CancelCause) -> StoreCancel {
        let now = self.clock.now()
        return self.state.withLock { state in
            guard let handle = state.queue.handle(of: id) else { return .unknown }
            switch state.queue.cancel(handle, cause: cause, now: now) {
            case .ended(let request): return .ended(state.discard(request.record))
            case .pending: return .pending
            case .unknown: return .unknown
            }
        }
    }

    package func reap(limit: Int) -> StoreReaped {
        let now = self.clock.now()
        return self.state.withLock { state in
            let reaped = state.queue.reap(now: now, limit: limit)
            let ended = reaped.ended.map { state.discard($0.record) }
            return StoreReaped(ended: ended, recovered: reaped.recovered.count, ready: reaped.ready)
        }
    }

    package func redrive(_ id: RequestID, timeout: Duration) -> Bool {
        let deadline = self.clock.now() + timeout
        return self.state.withLock { state in
            guard let handle = state.queue.handle(of: id) else { return false }
            return state.queue.redrive(handle, deadline: deadline)
        }
    }

    package func purge(olderThan age: Duration, limit: Int) -> Int {
        let instant = self.clock.now() - age
        return self.state.withLock { state in
            let purged = state.queue.purge(diedBefore: instant, limit: limit)
            if purged > 0 {
                let queue = state.queue
                state.payloads = state.payloads.filter { queue.handle(of: $0.key) != nil }
            }
            return purged
        }
    }

    package func stats() -> QueueStats {
        self.state.withLock { $0.queue.stats }
    }

    package func find(_ id: RequestID) -> RequestRecord? {
        self.state.withLock { $0.queue.record(of: id) }
    }

    /// Counts everything again; `nil` when the books balance.
    package func audit() -> String? {
        self.state.withLock { state in
            state.queue.audit()
                ?? (state.payloads.count == state.queue.stats.live + state.queue.stats.dead
                    ? nil : "\(state.payloads.count) payloads for \(state.queue.stats)")
        }
    }
}
