import SluiceBasics
import SluiceCore

/// Grants turns in a fixed number of slots per pool. First slice: first come, first served, deadlines at start, one
/// attempt; the rules of retry, breaker and estimates follow with the dispatch machine.
package final class Dispatcher: Sendable {
    private struct Entry {
        var record: RequestRecord
        var pool: Int
        var token: UInt64 = 0
        var cause: CancelCause?
        var cancellation: (any Cancellable)?
        var waiter: CheckedContinuation<Turn, Never>?
        var granted: Lease?
    }
    private struct State {
        var pools: [PoolStatus]
        var waiting: [[RequestID]]
        var live: [RequestID: Entry] = [:]
        var endedEarly: [RequestID: RequestRecord] = [:]
        var token: UInt64 = 0
    }

    private let state: Lock<State>
    private let clock: any TimeSource
    private let timer: any WakeTimer
    private let observer: any DispatchObserver

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
        let statuses = pools.map { configuration in
            let breaker = BreakerStatus(
                backend: configuration.backend,
                state: .closed,
                consecutiveFailures: 0,
                opensProbeIn: nil,
                timesOpened: 0
            )
            return PoolStatus(configuration: configuration, breaker: breaker)
        }
        self.state = Lock(State(pools: statuses, waiting: pools.map { _ in [] }))
    }

    package func submit(_ submission: Submission, cancellation: (any Cancellable)?) throws(Rejection) -> Ticket {
        let now = self.clock.now()
        let answer = self.state.withLock { state -> Result<Ticket, Rejection> in
            guard let pool = state.pools.firstIndex(where: { $0.configuration.name == submission.pool }) else {
                return .failure(Rejection(.malformed, message: "Unknown pool '\(submission.pool)'."))
            }
            let limit = state.pools[pool].configuration.maximumRequests
            if state.pools[pool].mode == .draining {
                return .failure(
                    Rejection(.paused, message: "Pool '\(submission.pool)' is draining.", retryAfter: .seconds(1))
                )
            }
            if state.pools[pool].queued + state.pools[pool].inFlight >= limit {
                let message = "Pool '\(submission.pool)' is full: maximumRequests is \(limit)."
                return .failure(Rejection(.full, message: message, retryAfter: .seconds(1)))
            }
            var entry = Entry(record: RequestRecord(submission: submission, submittedAt: now), pool: pool)
            entry.cancellation = cancellation
            state.live[submission.id] = entry
            state.pools[pool].accepted += 1
            state.pools[pool].queued += 1
            state.pools[pool].bytes += submission.payloadBytes
            state.waiting[pool].append(submission.id)
            let turns = Self.grant(&state, pool: pool, now: now)
            let lease = turns.first { $0.0 == submission.id }?.1
            return .success(
                Ticket(
                    id: submission.id,
                    lease: lease,
                    handle: RequestHandle(pool: UInt16(pool), slot: 0, generation: 0),
                    seat: Seat.Key(index: 0, generation: 0)
                )
            )
        }
        switch answer {
        case .success(let ticket):
            self.timer.wake(at: submission.deadline) { self.tick() }
            return ticket
        case .failure(let rejection):
            self.reject(submission, rejection)
            throw rejection
        }
    }

    private static func grant(
        _ state: inout State,
        pool: Int,
        now: Instant
    ) -> [(RequestID, Lease, CheckedContinuation<Turn, Never>?)] {
        var granted: [(RequestID, Lease, CheckedContinuation<Turn, Never>?)] = []
        while state.pools[pool].mode != .paused, !state.waiting[pool].isEmpty,
            state.pools[pool].inFlight < state.pools[pool].configuration.slots
        {
            let id = state.waiting[pool].removeFirst()
            guard var entry = state.live[id] else { continue }
            state.token += 1
            let lease = Lease(
                id: id,
                token: LeaseToken(value: state.token),
                backend: state.pools[pool].configuration.backend,
                handle: RequestHandle(pool: UInt16(pool), slot: 0, generation: 0)
            )
            entry.token = state.token
            entry.record.state = .claimed
            entry.record.claimedAt = now
            entry.granted = lease
            granted.append((id, lease, entry.waiter))
            entry.waiter = nil
            state.live[id] = entry
            state.pools[pool].queued -= 1
            state.pools[pool].inFlight += 1
        }
        return granted
    }

    package func turn(_ ticket: Ticket) async -> Turn {
        if let lease = ticket.lease { return .run(lease) }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = self.state.withLock { state -> Turn? in
                    if let record = state.endedEarly.removeValue(forKey: ticket.id) { return .ended(record) }
                    if let lease = state.live[ticket.id]?.granted { return .run(lease) }
                    state.live[ticket.id]?.waiter = continuation
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            _ = self.cancel(ticket.id, cause: .clientGone)
        }
    }

    package func start(_ lease: Lease) -> Start {
        let now = self.clock.now()
        let entry = self.state.withLock { state -> Entry? in
            guard var entry = state.live[lease.id] else { return nil }
            if entry.cause == nil && entry.record.submission.deadline > now {
                entry.record.state = .started
                entry.record.startedAt = now
                entry.record.attempts.append(
                    AttemptRecord(number: entry.record.attempts.count + 1, backend: lease.backend, startedAt: now)
                )
                state.pools[entry.pool].attemptsStarted += 1
                state.live[lease.id] = entry
            }
            return entry
        }
        guard let entry else {
            return .ended(RequestRecord(submission: Self.unknown(lease), submittedAt: now))
        }
        if entry.record.state == .started {
            return .proceed(
                attempt: entry.record.attempts.count,
                backend: lease.backend,
                deadline: entry.record.submission.deadline
            )
        }
        return .ended(self.end(lease.id, Self.reason(entry.cause ?? .deadline), message: nil, at: now) ?? entry.record)
    }

    private static func unknown(_ lease: Lease) -> Submission {
        Submission(id: lease.id, pool: "", tenant: "", model: "", operation: "", deadline: .zero)
    }

    package func firstByte(_ lease: Lease) {
        let now = self.clock.now()
        self.state.withLock { state in
            state.live[lease.id]?.record.state = .streaming
            state.live[lease.id]?.record.firstByteAt = now
        }
    }

    package func finish(_ lease: Lease, _ result: AttemptResult) -> Finish {
        let now = self.clock.now()
        let cause = self.state.withLock { state in state.live[lease.id]?.cause }
        let ended: RequestRecord?
        switch result {
        case .success: ended = self.end(lease.id, .ok, message: nil, at: now)
        case .failure(let failure):
            let reason: OutcomeReason =
                switch failure.failureClass {
                case .deadline: .deadline
                case .malformedResponse: .malformedResponse
                case .responseTooLarge: .resultTooLarge
                default: .backend
                }
            ended = self.end(lease.id, cause.map(Self.reason) ?? reason, message: failure.message, at: now)
        }
        return .ended(ended ?? RequestRecord(submission: Self.unknown(lease), submittedAt: now))
    }

    private static func reason(_ cause: CancelCause) -> OutcomeReason {
        switch cause {
        case .clientGone: .clientGone
        case .operatorRequest: .operatorRequest
        case .shutdown: .shutdown
        case .deadline: .deadline
        }
    }

    private func end(_ id: RequestID, _ reason: OutcomeReason, message: String?, at now: Instant) -> RequestRecord? {
        let (record, resumed) = self.state.withLock {
            state -> (RequestRecord?, [(CheckedContinuation<Turn, Never>, Turn)]) in
            guard var entry = state.live.removeValue(forKey: id) else { return (nil, []) }
            let wasQueued = entry.record.state == .queued
            entry.record.state = .ended
            entry.record.reason = reason
            entry.record.message = message
            entry.record.endedAt = now
            let pool = entry.pool
            if wasQueued {
                state.pools[pool].queued -= 1
                state.waiting[pool].removeAll { $0 == id }
            } else {
                state.pools[pool].inFlight -= 1
            }
            state.pools[pool].bytes -= entry.record.submission.payloadBytes
            state.pools[pool].ended[reason, default: 0] += 1
            var turns: [(CheckedContinuation<Turn, Never>, Turn)] = []
            if wasQueued {
                if let waiter = entry.waiter {
                    turns.append((waiter, .ended(entry.record)))
                } else {
                    state.endedEarly[id] = entry.record
                }
            }
            for (_, lease, waiter) in Self.grant(&state, pool: pool, now: now) {
                if let waiter { turns.append((waiter, .run(lease))) }
            }
            return (entry.record, turns)
        }
        if let record { self.observer.ended(record) }
        for (waiter, turn) in resumed { waiter.resume(returning: turn) }
        return record
    }

    package func reject(_ submission: Submission, _ rejection: Rejection) {
        let now = self.clock.now()
        self.state.withLock { state in
            guard let pool = state.pools.firstIndex(where: { $0.configuration.name == submission.pool }) else { return }
            state.pools[pool].ended[rejection.reason, default: 0] += 1
        }
        self.observer.rejected(submission, rejection, at: now)
    }

    private func tick() {
        let now = self.clock.now()
        let due = self.state.withLock { state in
            state.live.values.filter { $0.record.submission.deadline <= now }.map(\.record.submission.id)
        }
        for id in due { _ = self.cancel(id, cause: .deadline) }
    }
}

// The operator's side.
extension Dispatcher {
    package func cancel(_ id: RequestID, cause: CancelCause) -> CancelAnswer {
        let running = self.state.withLock { state -> (Bool, (any Cancellable)?)? in
            guard let entry = state.live[id] else { return nil }
            if entry.record.state == .queued { return (false, nil) }
            state.live[id]?.cause = cause
            return (true, entry.cancellation)
        }
        guard let running else { return .unknown }
        guard running.0 else {
            _ = self.end(id, Self.reason(cause), message: nil, at: self.clock.now())
            return .cancelled
        }
        running.1?.cancel()
        return .cancelling
    }

    package func cancelAll(cause: CancelCause) {
        let ids = self.state.withLock { state in Array(state.live.keys) }
        for id in ids { _ = self.cancel(id, cause: cause) }
    }

    package func pools() -> [PoolStatus] { self.state.withLock { $0.pools } }

    package func pool(_ name: String) -> PoolStatus? {
        self.state.withLock { state in state.pools.first { $0.configuration.name == name } }
    }

    package func setMode(_ mode: PoolMode, pool: String) -> Bool {
        let now = self.clock.now()
        let resumed = self.state.withLock { state -> [(RequestID, Lease, CheckedContinuation<Turn, Never>?)]? in
            guard let index = state.pools.firstIndex(where: { $0.configuration.name == pool }) else { return nil }
            state.pools[index].mode = mode
            return Self.grant(&state, pool: index, now: now)
        }
        guard let resumed else { return false }
        self.observer.changed(PoolEvent(pool: pool, change: .mode(mode), at: now))
        for (_, lease, waiter) in resumed { waiter?.resume(returning: .run(lease)) }
        return true
    }

    package func update(pool: String, _ change: (inout PoolConfiguration) -> Void) -> PoolStatus? {
        let now = self.clock.now()
        var copy = self.pool(pool)?.configuration
        guard copy != nil else { return nil }
        if var configuration = copy {
            change(&configuration)
            copy = configuration
        }
        let changed = copy
        let resumed = self.state.withLock { state -> [(RequestID, Lease, CheckedContinuation<Turn, Never>?)] in
            guard let index = state.pools.firstIndex(where: { $0.configuration.name == pool }), let changed else {
                return []
            }
            state.pools[index].configuration = changed
            return Self.grant(&state, pool: index, now: now)
        }
        self.observer.changed(PoolEvent(pool: pool, change: .configured, at: now))
        for (_, lease, waiter) in resumed { waiter?.resume(returning: .run(lease)) }
        return self.pool(pool)
    }

    package func live(_ filter: LiveFilter, limit: Int, after: RequestID?) -> [LiveRequest] {
        self.state.withLock { state in
            let matching = state.live.values.map(\.record).filter { record in
                (filter.state == nil || filter.state == record.state)
                    && (filter.pool == nil || filter.pool == record.submission.pool)
                    && (filter.tenant == nil || filter.tenant == record.submission.tenant)
                    && (filter.model == nil || filter.model == record.submission.model)
            }
            return matching.sorted { $0.submission.id < $1.submission.id }
                .drop { after != nil && $0.submission.id <= after ?? $0.submission.id }
                .prefix(limit).map { Self.describe($0) }
        }
    }

    package func find(_ id: RequestID) -> LiveRequest? {
        self.state.withLock { state in state.live[id].map { Self.describe($0.record) } }
    }

    private static func describe(_ record: RequestRecord) -> LiveRequest {
        let waiting =
            record.state == .queued
            ? WaitingStatus(reason: .slotsFull, position: 1, estimatedStart: nil) : nil
        return LiveRequest(record: record, waiting: waiting)
    }

    package func drainAll() {
        for status in self.pools() { _ = self.setMode(.draining, pool: status.configuration.name) }
    }

    package var liveCount: Int { self.state.withLock { $0.live.count } }

    package func checkBooks() -> String? { nil }
}
