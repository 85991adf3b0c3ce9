import Sluice
import SluiceBasics

/// A store with something wrong with it.
final class FaultyStorage: QueueStorage {
    enum Fault: Sendable, Hashable {
        /// Slow, fails before it acts, and loses answers of what can be repeated.
        case unreliable(seed: UInt64)
        /// No fault: a store that is far away and does not choose itself.
        case none
        case ignoresBudget
        case looksOnlyAtTheFirst20
        case takesDuplicates
        case reordersBatches
        case givesTheSameTokens
        case doesNotFence
        case forgetsReceives
        case neverDelays
        case shortLeases
        case addsExtensions
        case loosesReleased
        case keepsCompleted
        case forgetsErrors
        case cancelsLeased
        case neverExpires
        case purgesNothing
        case miscounts
        case hidesChanges
        case dropsMetadata
        case claimsTwice
        case staysSilent
        case callsFirstDuplicate
        case callsAllDuplicates

        static let planted: [Fault] = [
            .ignoresBudget, .looksOnlyAtTheFirst20, .takesDuplicates, .reordersBatches, .givesTheSameTokens,
            .doesNotFence, .forgetsReceives, .neverDelays, .shortLeases, .addsExtensions, .loosesReleased,
            .keepsCompleted, .forgetsErrors, .cancelsLeased, .neverExpires, .purgesNothing, .miscounts,
            .hidesChanges, .dropsMetadata, .claimsTwice, .staysSilent,
        ]
    }

    private struct State {
        var random: SeededRandom
        var names = 0
        var receipts: [String: Receipt] = [:]
    }

    private let inner: InMemoryStorage<String>
    private let fault: Fault
    private let state: Lock<State>
    private let calls = Lock<[String: Int]>([:])
    /// What else happens at every call.
    private let aside: @Sendable () -> Void

    init(_ inner: InMemoryStorage<String>, _ fault: Fault, aside: @escaping @Sendable () -> Void = {}) {
        self.aside = aside
        self.inner = inner
        self.fault = fault
        var seed: UInt64 = 0
        if case .unreliable(let given) = fault { seed = given }
        self.state = Lock(State(random: SeededRandom(seed: seed)))
    }

    func listen(_ listener: any StorageListener) -> Bool { self.fault == .staysSilent }

    func count(of call: String) -> Int { self.calls.withLock { $0[call] ?? 0 } }

    /// Acts, though not always, or not always with an answer.
    private func act<Answer>(
        _ name: String,
        canBeLost: Bool = true,
        _ body: () async throws(StorageError) -> Answer
    ) async throws(StorageError) -> Answer {
        self.calls.withLock { $0[name, default: 0] += 1 }
        self.aside()
        guard case .unreliable = self.fault else { return try await body() }
        let draw = self.state.withLock { $0.random.unit() }
        for _ in 0..<Int(draw * 5) { await Task.yield() }
        if draw < 0.2 { throw .unavailable("refused") }
        let answer = try await body()
        if canBeLost, draw > 0.8 { throw .unavailable("lost") }
        return answer
    }

    func enqueue(_ messages: [NewMessage<String>]) async throws(StorageError) -> [EnqueueResult] {
        var changed = messages
        switch self.fault {
        case .takesDuplicates:
            for index in changed.indices {
                if try await self.inner.enqueue([changed[index]]) != [.duplicate] { continue }
                let number = self.state.withLock { state in
                    state.names += 1
                    return state.names
                }
                changed[index].id += " again \(number)"
                _ = try await self.inner.enqueue([changed[index]])
            }
            return messages.map { _ in .accepted(sequence: 1) }
        case .callsAllDuplicates: return messages.map { _ in .duplicate }
        case .callsFirstDuplicate where self.count(of: "enqueue") == 0:
            self.calls.withLock { $0["enqueue"] = 1 }
            return try await [.duplicate] + self.inner.enqueue(Array(messages.dropFirst()))
        case .reordersBatches: return try await self.inner.enqueue(messages.reversed()).reversed()
        case .neverDelays: for index in changed.indices { changed[index].delay = .zero }
        case .neverExpires: for index in changed.indices { changed[index].timeToLive = nil }
        case .dropsMetadata: for index in changed.indices { changed[index].metadata = [:] }
        default: break
        }
        return try await self.act("enqueue") { () async throws(StorageError) in try await self.inner.enqueue(changed) }
    }

    func candidates(_ query: CandidateQuery) async throws(StorageError) -> CandidateList<String> {
        var query = query
        if self.fault == .ignoresBudget { query.maximumTokens = nil }
        if self.fault == .looksOnlyAtTheFirst20 {
            var all = query
            all.maximumTokens = nil
            all.limit = 1_000
            var list = try await self.inner.candidates(all)
            list.candidates = list.candidates.prefix(20)
                .filter { query.admits(tokens: $0.attributes.estimatedTokens, model: $0.attributes.model) }
            return list
        }
        var list = try await self.act("candidates") { () async throws(StorageError) in
            try await self.inner.candidates(query)
        }
        if self.fault == .hidesChanges { list.nextChange = nil }
        return list
    }

    func claim(_ ids: [String], lease: Duration) async throws(StorageError) -> [ClaimedMessage<String>] {
        if self.fault == .claimsTwice {
            for id in ids {
                guard let receipt = self.state.withLock({ $0.receipts[id] }) else { continue }
                _ = try await self.inner.release(receipt, after: .zero, undoesReceive: false, error: nil)
            }
        }
        let span = self.fault == .shortLeases ? lease / 2 : lease
        // A claim whose answer is lost leaves a lease behind: that is for a queue's tests.
        var claimed = try await self.act("claim", canBeLost: false) { () async throws(StorageError) in
            try await self.inner.claim(ids, lease: span)
        }
        for index in claimed.indices {
            let receipt = claimed[index].receipt
            if self.fault == .givesTheSameTokens { claimed[index].receipt = Receipt(id: receipt.id, token: 1) }
            if self.fault == .forgetsReceives { claimed[index].attributes.receiveCount = 1 }
            self.state.withLock { $0.receipts[receipt.id] = receipt }
        }
        return claimed
    }

    /// The receipt that the inner store knows.
    private func known(_ receipt: Receipt) -> Receipt {
        guard self.fault == .doesNotFence || self.fault == .givesTheSameTokens else { return receipt }
        return self.state.withLock { $0.receipts[receipt.id] } ?? receipt
    }

    func extend(_ receipts: [Receipt], lease: Duration) async throws(StorageError) -> [Bool] {
        let span = self.fault == .addsExtensions ? lease * 2 : lease
        return try await self.act("extend") { () async throws(StorageError) in
            try await self.inner.extend(receipts.map(self.known), lease: span)
        }
    }

    func complete(_ receipt: Receipt, actualTokens: Int?) async throws(StorageError) -> Bool {
        if self.fault == .keepsCompleted { return true }
        return try await self.act("complete") { () async throws(StorageError) in
            try await self.inner.complete(self.known(receipt), actualTokens: actualTokens)
        }
    }

    func release(
        _ receipt: Receipt,
        after delay: Duration,
        undoesReceive: Bool,
        error: String?
    ) async throws(StorageError) -> Bool {
        if self.fault == .loosesReleased { return try await self.inner.complete(receipt, actualTokens: nil) }
        let text = self.fault == .forgetsErrors ? nil : error
        return try await self.act("release") { () async throws(StorageError) in
            try await self.inner.release(
                self.known(receipt),
                after: delay,
                undoesReceive: undoesReceive,
                error: text
            )
        }
    }

    func bury(
        _ receipt: Receipt,
        reason: DeadLetterReason,
        error: String?
    ) async throws(StorageError) -> Bool {
        let text = self.fault == .forgetsErrors ? nil : error
        return try await self.act("bury") { () async throws(StorageError) in
            try await self.inner.bury(self.known(receipt), reason: reason, error: text)
        }
    }

    func cancel(_ id: String) async throws(StorageError) -> CancelResult {
        if self.fault == .cancelsLeased, let receipt = self.state.withLock({ $0.receipts[id] }),
            try await self.inner.complete(receipt, actualTokens: nil)
        {
            return .cancelled
        }
        return try await self.act("cancel") { () async throws(StorageError) in try await self.inner.cancel(id) }
    }

    func expire(limit: Int) async throws(StorageError) -> [String] {
        try await self.act("expire") { () async throws(StorageError) in try await self.inner.expire(limit: limit) }
    }

    func deadLetters(limit: Int) async throws(StorageError) -> [DeadLetter<String>] {
        try await self.act("deadLetters") { () async throws(StorageError) in
            try await self.inner.deadLetters(limit: limit)
        }
    }

    func redrive(_ id: String) async throws(StorageError) -> Bool {
        try await self.act("redrive") { () async throws(StorageError) in try await self.inner.redrive(id) }
    }

    func purge() async throws(StorageError) -> Int {
        if self.fault == .purgesNothing { return 4 }
        return try await self.act("purge") { () async throws(StorageError) in try await self.inner.purge() }
    }

    func statistics() async throws(StorageError) -> StorageStatistics {
        var counts = try await self.act("statistics") { () async throws(StorageError) in
            try await self.inner.statistics()
        }
        if self.fault == .miscounts { counts.inFlight = max(0, counts.inFlight - 1) }
        return counts
    }
}
