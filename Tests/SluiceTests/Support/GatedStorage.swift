import Sluice
import SluiceBasics

/// A store that is far away, does not choose itself, and answers when the test says so.
final class GatedStorage: QueueStorage {
    enum Call: Hashable, Sendable {
        case candidates, claim, extend, release, cancel, purge
    }

    enum Side: Hashable, Sendable {
        /// The store has not acted yet.
        case before
        /// The store has acted, and nobody knows yet.
        case after
    }

    private struct Gate: Hashable, Sendable {
        var call: Call
        var side: Side
    }

    private struct State: Sendable {
        var closed: Set<Gate> = []
        var waiters: [Gate: [CheckedContinuation<Void, Never>]] = [:]
        var extended: [String: Int] = [:]
    }

    let inner: InMemoryStorage<String>
    private let state = Lock(State())

    init(_ inner: InMemoryStorage<String>) { self.inner = inner }

    func close(_ call: Call, _ side: Side) {
        self.state.withLock { _ = $0.closed.insert(Gate(call: call, side: side)) }
    }

    func open(_ call: Call, _ side: Side) {
        let gate = Gate(call: call, side: side)
        let waiters = self.state.withLock { state in
            state.closed.remove(gate)
            return state.waiters.removeValue(forKey: gate) ?? []
        }
        for waiter in waiters { waiter.resume() }
    }

    /// How many calls wait there.
    func waiting(_ call: Call, _ side: Side) -> Int {
        self.state.withLock { $0.waiters[Gate(call: call, side: side)]?.count ?? 0 }
    }

    /// How often the message's lease was renewed.
    func extensions(of id: String) -> Int { self.state.withLock { $0.extended[id] ?? 0 } }

    private func pass(_ call: Call, _ side: Side) async {
        let gate = Gate(call: call, side: side)
        await withCheckedContinuation { continuation in
            let isOpen = self.state.withLock { state in
                guard state.closed.contains(gate) else { return true }
                state.waiters[gate, default: []].append(continuation)
                return false
            }
            if isOpen { continuation.resume() }
        }
    }

    private func act<Answer>(
        _ call: Call,
        _ body: () async throws(StorageError) -> Answer
    ) async throws(StorageError) -> Answer {
        await self.pass(call, .before)
        let answer = try await body()
        await self.pass(call, .after)
        return answer
    }

    func enqueue(_ messages: [NewMessage<String>]) async throws(StorageError) -> [EnqueueResult] {
        try await self.inner.enqueue(messages)
    }

    func candidates(_ query: CandidateQuery) async throws(StorageError) -> CandidateList<String> {
        try await self.act(.candidates) { () async throws(StorageError) in try await self.inner.candidates(query) }
    }

    func claim(_ ids: [String], lease: Duration) async throws(StorageError) -> [ClaimedMessage<String>] {
        try await self.act(.claim) { () async throws(StorageError) in try await self.inner.claim(ids, lease: lease) }
    }

    func extend(_ receipts: [Receipt], lease: Duration) async throws(StorageError) -> [Bool] {
        self.state.withLock { state in for receipt in receipts { state.extended[receipt.id, default: 0] += 1 } }
        return try await self.act(.extend) { () async throws(StorageError) in
            try await self.inner.extend(receipts, lease: lease)
        }
    }

    func complete(_ receipt: Receipt, actualTokens: Int?) async throws(StorageError) -> Bool {
        try await self.inner.complete(receipt, actualTokens: actualTokens)
    }

    func release(
        _ receipt: Receipt,
        after delay: Duration,
        undoesReceive: Bool,
        error: String?
    ) async throws(StorageError) -> Bool {
        try await self.act(.release) { () async throws(StorageError) in
            try await self.inner.release(receipt, after: delay, undoesReceive: undoesReceive, error: error)
        }
    }

    func bury(_ receipt: Receipt, reason: DeadLetterReason, error: String?) async throws(StorageError) -> Bool {
        try await self.inner.bury(receipt, reason: reason, error: error)
    }

    func cancel(_ id: String) async throws(StorageError) -> CancelResult {
        try await self.act(.cancel) { () async throws(StorageError) in try await self.inner.cancel(id) }
    }

    func expire(limit: Int) async throws(StorageError) -> [String] { try await self.inner.expire(limit: limit) }

    func deadLetters(limit: Int) async throws(StorageError) -> [DeadLetter<String>] {
        try await self.inner.deadLetters(limit: limit)
    }

    func redrive(_ id: String) async throws(StorageError) -> Bool { try await self.inner.redrive(id) }

    func purge() async throws(StorageError) -> Int {
        try await self.act(.purge) { () async throws(StorageError) in try await self.inner.purge() }
    }

    func statistics() async throws(StorageError) -> StorageStatistics { try await self.inner.statistics() }
}
