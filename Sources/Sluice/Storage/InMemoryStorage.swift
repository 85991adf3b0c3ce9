import SluiceBasics
import SluiceCore

/// Messages in the memory of this process: the fastest store, and the reference for all others.
///
/// Everything is gone when the process ends. Any number of queues may share it. Every operation takes time that grows
/// with the logarithm of the number of messages.
public final class InMemoryStorage<Payload: Sendable>: QueueStorage, Sendable {
    private struct State: Sendable {
        var shelf: Shelf<Payload>
        var listeners: [WeakListener] = []
    }

    private struct WeakListener: Sendable {
        weak let value: (any StorageListener)?
    }

    private let state: Lock<State>
    private let clock: QueueClock

    /// - Parameters:
    ///   - clock: what delays, leases and times to live are measured by; the same as that of the queues.
    ///   - maximumMessages: messages that may be live at once; more are refused as `full`.
    ///   - maximumDeadLetters: beyond, the longest dead is forgotten.
    ///   - maximumRemembered: ids of ended messages that are remembered for the sake of duplicates.
    public init(
        clock: any Clock<Duration> = ContinuousClock(),
        maximumMessages: Int = 10_000_000,
        maximumDeadLetters: Int = 10_000,
        maximumRemembered: Int = 65_536
    ) {
        self.clock = QueueClock(clock)
        self.state = Lock(
            State(
                shelf: Shelf(
                    maximumMessages: min(max(0, maximumMessages), Int(UInt32.max) - 1),
                    maximumDeadLetters: max(0, maximumDeadLetters),
                    maximumRemembered: max(0, maximumRemembered)
                )
            )
        )
    }

    @inline(__always)
    private func settled<Result: Sendable>(_ body: (inout Shelf<Payload>, Instant) -> Result) -> Result {
        let now = self.clock.now()
        return self.state.withLock { state in
            state.shelf.settle(now: now)
            return body(&state.shelf, now)
        }
    }

    private func tell() {
        // A copy, called outside of the lock.
        let listeners = self.state.withLock { $0.listeners }
        for listener in listeners { listener.value?.storageChanged() }
    }

    // MARK: The life of a message

    public func enqueue(_ messages: [NewMessage<Payload>]) async throws(StorageError) -> [EnqueueResult] {
        let results = self.settled { shelf, now in messages.map { shelf.enqueue($0, now: now) } }
        self.tell()
        return results
    }

    public func candidates(_ query: CandidateQuery) async throws(StorageError) -> CandidateList<Payload> {
        self.settled { shelf, now in shelf.candidates(query, now: now) }
    }

    public func claim(
        _ ids: [String],
        lease: Duration
    ) async throws(StorageError)
        -> [ClaimedMessage<Payload>]
    {
        self.settled { shelf, now in
            ids.compactMap { id in
                guard let slot = shelf.slots[id], slot != Shelf<Payload>.tombstone,
                    !shelf.lineup.ledger.isAtCap(shelf.entries[Int(slot)].tenant)
                else { return nil }
                return shelf.claim(slot, lease: lease, now: now)
            }
        }
    }

    public func extend(_ receipts: [Receipt], lease: Duration) async throws(StorageError) -> [Bool] {
        let (answers, isSooner) = self.settled { shelf, now in
            let end = now + max(.zero, lease)
            var isSooner = false
            let answers = receipts.map { receipt in
                guard let slot = shelf.owned(receipt) else { return false }
                if let before = shelf.timers.time(of: slot), end < before { isSooner = true }
                shelf.timers.set(slot, at: end)
                return true
            }
            return (answers, isSooner)
        }
        if isSooner { self.tell() }
        return answers
    }

    public func complete(_ receipt: Receipt, actualTokens: Int?) async throws(StorageError) -> Bool {
        let (isOurs, tells) = self.settled { shelf, now in
            guard let slot = shelf.owned(receipt) else { return (false, false) }
            shelf.detach(slot, actualTokens: actualTokens ?? shelf.entries[Int(slot)].tokens)
            shelf.forget(slot, now: now)
            return (true, shelf.tenants.maximumInFlight != nil)
        }
        // The tenant may have room again.
        if tells { self.tell() }
        return isOurs
    }

    public func release(
        _ receipt: Receipt,
        after delay: Duration,
        undoesReceive: Bool,
        error: String?
    ) async throws(StorageError) -> Bool {
        let isReleased = self.settled { shelf, now in
            guard let slot = shelf.owned(receipt) else { return false }
            shelf.release(slot, after: delay, undoesReceive: undoesReceive, error: error, now: now)
            return true
        }
        if isReleased { self.tell() }
        return isReleased
    }

    public func bury(
        _ receipt: Receipt,
        reason: DeadLetterReason,
        error: String?
    ) async throws(StorageError) -> Bool {
        let (isOurs, tells) = self.settled { shelf, now in
            guard let slot = shelf.owned(receipt) else { return (false, false) }
            shelf.detach(slot)
            shelf.bury(slot, reason, error: error, now: now)
            return (true, shelf.tenants.maximumInFlight != nil)
        }
        if tells { self.tell() }
        return isOurs
    }

    public func cancel(_ id: String) async throws(StorageError) -> CancelResult {
        self.settled { shelf, now in
            guard let slot = shelf.slots[id], slot != Shelf<Payload>.tombstone else { return .unknown }
            guard shelf.entries[Int(slot)].phase != .leased else { return .inFlight }
            shelf.detach(slot)
            shelf.forget(slot, now: now)
            return .cancelled
        }
    }

    public func expire(limit: Int) async throws(StorageError) -> [String] {
        self.settled { shelf, _ in
            let taken = Array(shelf.expired.prefix(max(0, limit)))
            shelf.expired.removeFirst(taken.count)
            return taken
        }
    }

    public func deadLetters(limit: Int) async throws(StorageError) -> [DeadLetter<Payload>] {
        self.settled { shelf, now in shelf.deadLetters(limit: limit, now: now) }
    }

    public func redrive(_ id: String) async throws(StorageError) -> Bool {
        let isBack = self.settled { shelf, now in shelf.redrive(id, now: now) }
        if isBack { self.tell() }
        return isBack
    }

    public func purge() async throws(StorageError) -> Int {
        self.settled { shelf, _ in shelf.purge() }
    }

    public func statistics() async throws(StorageError) -> StorageStatistics {
        self.settled { shelf, now in shelf.statistics(now: now) }
    }

    public func listen(_ listener: any StorageListener) -> Bool {
        self.state.withLock { state in
            state.listeners.removeAll { $0.value == nil }
            state.listeners.append(WeakListener(value: listener))
        }
        return true
    }

    public func adopt(_ policy: QueuePolicy) {
        self.state.withLock { state in
            state.shelf.scheduling = policy.scheduling
            state.shelf.tenants = policy.tenants
            state.shelf.lineup.configure(policy.tenants)
        }
    }
}

extension InMemoryStorage: ChoosingStorage {
    package func choose(_ budget: ChoiceBudget) -> StorageChoice {
        self.settled { shelf, now in shelf.choose(budget, now: now) }
    }

    package func claim(_ ticket: Ticket, lease: Duration) -> ClaimedMessage<Payload>? {
        self.settled { shelf, now in
            // Everything may have been purged meanwhile.
            guard Int(ticket.slot) < shelf.entries.count,
                shelf.entries[Int(ticket.slot)].sequence == ticket.sequence
            else { return nil }
            return shelf.claim(ticket.slot, lease: lease, now: now)
        }
    }

    package func takeExpired() -> [String] {
        self.state.withLock { state in
            guard !state.shelf.expired.isEmpty else { return [] }
            let taken = state.shelf.expired
            state.shelf.expired = []
            return taken
        }
    }
}
