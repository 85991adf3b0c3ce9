import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry

/// How many dead requests are kept, for how long, and how much of what they asked.
package struct DeadLimits: Sendable {
    package var maximumRequests = 10_000
    /// Of what they asked, together; 0: only that they died is kept, and nothing can be redriven.
    package var maximumBytes = 64 << 20
    package var age = Duration.seconds(7 * 86_400)
    /// Redriven requests a second.
    package var redriveRate = 20

    package init() {}
}

/// Requests that ended dead, lost or failed, with what they asked, so that they can be driven again: bounded in
/// number, bytes and age, the oldest go first. What they asked is shown to nobody unless it is revealed.
package final class DeadBox: ExecutionSink {
    struct Entry: Sendable {
        let sequence: UInt64
        let record: RequestRecord
        /// Nanoseconds since 1970 when it was submitted.
        let submittedAt: Int64
        var call: KeptCall?
        /// The request that does its work now.
        var redrivenTo: RequestID?

        var bytes: Int { self.call?.body.count ?? 0 }
    }

    /// Which of them; `nil` matches all.
    struct Filter: Sendable, Equatable {
        var pools = NameFilter()
        var models = NameFilter()
        var tenants = NameFilter()
        /// Empty: all.
        var outcomes: Set<Outcome> = []
        var text: TextFilter?
        /// Those that have been redriven as well.
        var includesRedriven = false

        func matches(_ entry: Entry) -> Bool {
            let submission = entry.record.submission
            guard self.includesRedriven || entry.redrivenTo == nil,
                self.pools.matches(submission.pool), self.models.matches(submission.model),
                self.tenants.matches(submission.tenant),
                self.outcomes.isEmpty || entry.record.reason.map({ self.outcomes.contains($0.outcome) }) ?? false
            else { return false }
            guard let text else { return true }
            return text.isIn(submission.id.description) || text.isIn(submission.remote?.requestID)
                || text.isIn(submission.model) || text.isIn(submission.tenant) || text.isIn(submission.producer)
                || text.isIn(submission.pool) || text.isIn(entry.record.message)
        }
    }

    private struct Early: Sendable {
        let call: KeptCall
        let at: Instant
    }

    private struct State: Sendable {
        var entries: [UInt64: Entry] = [:]
        var sequences: [RequestID: UInt64] = [:]
        /// The oldest that may be there, and the next to come.
        var first: UInt64 = 0
        var next: UInt64 = 0
        var bytes = 0
        /// What those asked whose end is not recorded yet, the first that came first.
        var early: [RequestID: Early] = [:]
        var earlyOrder: [RequestID] = []
        var earlyBytes = 0
        /// What those asked that wait to be driven again, by the id that they will have; it stays when the entry goes.
        var claims: [RequestID: KeptCall] = [:]
        var claimedBytes = 0
        /// From whom a request was redriven or retried, and the order in which that is forgotten.
        var origins: [RequestID: RequestID] = [:]
        var originOrder: [RequestID] = []
    }

    private let state = Lock(State())
    let limits: DeadLimits
    private let clock: any TimeSource
    /// Entries looked at while the lock is held.
    private static let entriesAtOnce: UInt64 = 256
    private static let maximumOrigins = 10_000
    private static let maximumEarly = 1_024

    package init(limits: DeadLimits = DeadLimits(), clock: any TimeSource) {
        self.limits = limits
        self.clock = clock
    }

    static func isDead(_ record: RequestRecord) -> Bool {
        switch record.reason?.outcome {
        case .dead, .lost, .failed: true
        default: false
        }
    }

    // MARK: Coming in

    package func record(_ execution: Execution) {
        guard execution.record.reason?.outcome != .done else { return }
        let isDead = Self.isDead(execution.record)
        self.state.withLock { state in
            let id = execution.record.submission.id
            var call = self.takeEarly(id, &state)
            if !isDead { self.letGo(id, &state) }
            guard isDead, self.limits.maximumRequests > 0 else { return }
            // Ended, put back, and ended again.
            if let old = state.sequences[id] {
                call = call ?? state.entries[old]?.call
                self.remove(old, &state)
            }
            let entry = Entry(
                sequence: state.next,
                record: execution.record,
                submittedAt: execution.submittedAt,
                call: call
            )
            state.bytes += entry.bytes
            state.entries[entry.sequence] = entry
            state.sequences[id] = entry.sequence
            state.next += 1
            self.evict(&state)
        }
    }

    /// What a request asked that has ended.
    ///
    /// The end of one that came from a list is only recorded when its reply is delivered: until then what it asked
    /// waits here.
    func keep(_ call: Call, of record: RequestRecord) {
        guard Self.isDead(record), self.limits.maximumRequests > 0, call.body.count <= self.limits.maximumBytes else {
            return
        }
        self.state.withLock { state in
            let id = record.submission.id
            if let sequence = state.sequences[id] {
                guard state.entries[sequence]?.call == nil else { return }
                state.entries[sequence]?.call = KeptCall(call)
            } else {
                guard record.submission.remote != nil, state.early[id] == nil else { return }
                state.early[id] = Early(call: KeptCall(call), at: self.clock.now())
                state.earlyOrder.append(id)
                state.earlyBytes += call.body.count
            }
            state.bytes += call.body.count
            self.evict(&state)
        }
    }

    /// Whose end is not recorded yet.
    var keptEarly: Int { self.state.withLock { $0.early.count } }

    private func takeEarly(_ id: RequestID, _ state: inout State) -> KeptCall? {
        guard !state.early.isEmpty, let early = state.early.removeValue(forKey: id) else { return nil }
        state.bytes -= early.call.body.count
        state.earlyBytes -= early.call.body.count
        state.earlyOrder.removeAll { $0 == id }
        return early.call
    }

    /// What did another's work has ended without doing it, nor is it dead itself: the other can be driven again.
    private func letGo(_ id: RequestID, _ state: inout State) {
        guard !state.origins.isEmpty, let origin = state.origins[id], let sequence = state.sequences[origin],
            state.entries[sequence]?.redrivenTo == id
        else { return }
        state.entries[sequence]?.redrivenTo = nil
    }

    /// Those whose end is never recorded, because somebody else finds them. They go before what has died.
    private func evictEarly(_ state: inout State, _ now: Instant) {
        while let first = state.earlyOrder.first {
            let isOld = state.early[first].map { now - $0.at > self.limits.age } ?? true
            let isTooMuch = state.earlyBytes > self.limits.maximumBytes / 4 && state.earlyOrder.count > 1
            guard isOld || isTooMuch || state.earlyOrder.count > Self.maximumEarly else { return }
            _ = self.takeEarly(first, &state)
        }
    }

    private func evict(_ state: inout State) {
        let now = self.clock.now()
        self.evictEarly(&state, now)
        while state.first < state.next {
            guard let oldest = state.entries[state.first] else {
                state.first += 1
                continue
            }
            let isOld = oldest.record.endedAt.map { now - $0 > self.limits.age } ?? false
            guard
                isOld || state.entries.count > self.limits.maximumRequests || state.bytes > self.limits.maximumBytes
                    || state.next - state.first > UInt64(self.limits.maximumRequests) * 4
            else { return }
            self.remove(state.first, &state)
            state.first += 1
        }
    }

    private func remove(_ sequence: UInt64, _ state: inout State) {
        guard let entry = state.entries.removeValue(forKey: sequence) else { return }
        state.bytes -= entry.bytes
        let id = entry.record.submission.id
        if state.sequences[id] == sequence { state.sequences[id] = nil }
    }

    // MARK: Looking

    func find(_ id: RequestID) -> Entry? {
        self.state.withLock { state in
            self.evict(&state)
            return state.sequences[id].flatMap { state.entries[$0] }
        }
    }

    /// Newest first.
    ///
    /// - Parameter before: only those that came before this place.
    /// - Returns: where to go on, `nil` at the end; and how many match in all.
    func query(
        _ filter: Filter,
        limit: Int,
        before: UInt64? = nil
    ) -> (rows: [Entry], next: UInt64?, total: Int) {
        var rows: [Entry] = []
        var next: UInt64?
        var total = 0
        var end = self.state.withLock { state in
            self.evict(&state)
            return state.next
        }
        while true {
            let (found, rest) = self.part(filter, below: end)
            for entry in found {
                total += 1
                guard before.map({ entry.sequence < $0 }) ?? true else { continue }
                if rows.count < limit { rows.append(entry) } else if next == nil { next = rows.last?.sequence }
            }
            guard let rest else { return (rows, next, total) }
            end = rest
        }
    }

    private func part(_ filter: Filter, below end: UInt64) -> (found: [Entry], rest: UInt64?) {
        self.state.withLock { state in
            var found: [Entry] = []
            let stop = max(state.first, end > Self.entriesAtOnce ? end - Self.entriesAtOnce : 0)
            var sequence = min(end, state.next)
            while sequence > stop {
                sequence -= 1
                if let entry = state.entries[sequence], filter.matches(entry) { found.append(entry) }
            }
            return (found, sequence > state.first ? sequence : nil)
        }
    }

    // MARK: Driving again

    enum Claim {
        case call(KeptCall)
        case redriven(RequestID)
        case refused(String)

        var refusal: String? {
            switch self {
            case .call: nil
            case .redriven(let other): "it has been redriven already, as \(other)"
            case .refused(let why): why
            }
        }
    }

    /// Takes a request to be driven again, so that nobody else does the same.
    ///
    /// - Parameter kept: what it asked, if that is kept elsewhere.
    func claim(_ id: RequestID, as new: RequestID, kept: KeptCall? = nil) -> Claim {
        self.state.withLock { state in
            guard let sequence = state.sequences[id], let entry = state.entries[sequence] else {
                return .refused("it is not among the dead any more")
            }
            if let other = entry.redrivenTo { return .redriven(other) }
            guard let call = entry.call ?? kept else {
                return .refused("what it asked is not kept (dead.max_bytes, or it was lost by another process)")
            }
            state.entries[sequence]?.redrivenTo = new
            return .call(call)
        }
    }

    /// Keeps what one asked that was taken until its turn has come, whatever becomes of the entry.
    ///
    /// - Returns: `false` when there is no room.
    func hold(_ call: KeptCall, as new: RequestID) -> Bool {
        self.state.withLock { state in
            guard state.claimedBytes + call.body.count <= self.limits.maximumBytes else { return false }
            state.claims[new] = call
            state.claimedBytes += call.body.count
            return true
        }
    }

    /// What one asked whose turn has come; `nil` when it has been purged or let go meanwhile.
    func claimed(as new: RequestID) -> KeptCall? {
        self.state.withLock { self.takeClaim(new, &$0) }
    }

    @discardableResult
    private func takeClaim(_ new: RequestID, _ state: inout State) -> KeptCall? {
        guard let call = state.claims.removeValue(forKey: new) else { return nil }
        state.claimedBytes -= call.body.count
        return call
    }

    /// It could not be driven again after all.
    func release(_ id: RequestID, from new: RequestID) {
        self.state.withLock { state in
            self.takeClaim(new, &state)
            guard let sequence = state.sequences[id], state.entries[sequence]?.redrivenTo == new else { return }
            state.entries[sequence]?.redrivenTo = nil
        }
    }

    /// - Returns: whether there was one.
    func purge(_ id: RequestID) -> Bool {
        self.state.withLock { state in
            guard let sequence = state.sequences[id] else { return false }
            if let new = state.entries[sequence]?.redrivenTo { self.takeClaim(new, &state) }
            self.remove(sequence, &state)
            return true
        }
    }

    /// Notes that a request does again what another did.
    func note(_ id: RequestID, comesFrom origin: RequestID) {
        self.state.withLock { state in
            state.origins[id] = origin
            state.originOrder.append(id)
            guard state.originOrder.count > Self.maximumOrigins * 2 else { return }
            for old in state.originOrder.prefix(Self.maximumOrigins) { state.origins[old] = nil }
            state.originOrder.removeFirst(Self.maximumOrigins)
        }
    }

    func origin(of id: RequestID) -> RequestID? {
        self.state.withLock { $0.origins.isEmpty ? nil : $0.origins[id] }
    }
}
