import Sluice

/// One rule being checked: calls that are repeated when they fail transiently, and questions to the answers.
struct StorageCheck: Sendable {
    let rule: StorageConformance
    let test: StorageUnderTest

    static let lease = Duration.seconds(30)
    /// How often a call that fails transiently is repeated.
    private static let patience = 100

    func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        guard !condition else { return }
        throw ConformanceViolation(rule: self.rule, message: message())
    }

    func run() async throws {
        switch self.rule {
        case .ordersByPriorityThenAge: try await self.ordersByPriorityThenAge()
        case .keepsTheBudget: try await self.keepsTheBudget()
        case .findsWhatFitsBehindTheRest: try await self.findsWhatFitsBehindTheRest()
        case .refusesDuplicates: try await self.refusesDuplicates()
        case .takesBatchesInOrder: try await self.takesBatchesInOrder()
        case .carriesPayloadsAndAttributes: try await self.carriesPayloadsAndAttributes()
        case .claimsOnce: try await self.claimsOnce()
        case .givesGrowingTokens: try await self.givesGrowingTokens()
        case .countsReceives: try await self.countsReceives()
        case .keepsPlaces: try await self.keepsPlaces()
        case .delays: try await self.delays()
        case .leasesLapse: try await self.leasesLapse()
        case .extendsFromNow: try await self.extendsFromNow()
        case .fencesStaleReceipts: try await self.fencesStaleReceipts()
        case .completes: try await self.completes()
        case .keepsDeadLetters: try await self.keepsDeadLetters()
        case .cancels: try await self.cancels()
        case .expires: try await self.expires()
        case .purges: try await self.purges()
        case .countsByOneRule: try await self.countsByOneRule()
        case .tellsTheNextChange: try await self.tellsTheNextChange()
        case .tellsListeners: try await self.tellsListeners()
        case .standsConcurrency: try await self.standsConcurrency()
        }
    }

    // MARK: Calls

    /// Repeats what fails transiently; says whether it had to.
    func repeated<Answer>(
        _ call: (any QueueStorage<String>) async throws(StorageError) -> Answer
    ) async throws -> (answer: Answer, isRepeated: Bool) {
        for attempt in 0... {
            do {
                return (try await call(self.test.storage), attempt > 0)
            } catch {
                guard error.isTransient, attempt < Self.patience else { throw error }
            }
        }
        throw ConformanceViolation(rule: self.rule, message: "the store never answers")
    }

    func enqueue(_ messages: [NewMessage<String>]) async throws {
        let (results, isRepeated) = try await self.repeated { (store) async throws(StorageError) in
            try await store.enqueue(messages)
        }
        try self.require(results.count == messages.count, "\(messages.count) messages got \(results.count) answers")
        for (message, result) in zip(messages, results) {
            // After a lost answer a repetition finds what the first attempt did.
            if isRepeated, result == .duplicate { continue }
            guard case .accepted = result else {
                throw ConformanceViolation(rule: self.rule, message: "\(message.id) was answered \(result)")
            }
        }
    }

    func enqueue(_ id: String, _ priority: Priority = .normal, tokens: Int = 10, model: String? = nil) async throws {
        try await self.enqueue([
            NewMessage(id: id, payload: "of \(id)", priority: priority, estimatedTokens: tokens, model: model)
        ])
    }

    func list(_ query: CandidateQuery = CandidateQuery(limit: 100)) async throws -> CandidateList<String> {
        try await self.repeated { (store) async throws(StorageError) in try await store.candidates(query) }.answer
    }

    func ids(_ query: CandidateQuery = CandidateQuery(limit: 100)) async throws -> [String] {
        try await self.list(query).candidates.map(\.attributes.id)
    }

    func claim(_ id: String, lease: Duration = Self.lease) async throws -> ClaimedMessage<String> {
        let claimed = try await self.repeated { (store) async throws(StorageError) in
            try await store.claim([id], lease: lease)
        }.answer
        guard let first = claimed.first, claimed.count == 1, first.receipt.id == id else {
            throw ConformanceViolation(rule: self.rule, message: "\(id) was ready and could not be claimed")
        }
        return first
    }

    func statistics() async throws -> StorageStatistics {
        try await self.repeated { (store) async throws(StorageError) in try await store.statistics() }.answer
    }

    /// A call on a receipt that is expected to succeed. Repeated after a lost answer it may say no.
    func succeed(
        _ what: String,
        _ call: (any QueueStorage<String>) async throws(StorageError) -> Bool
    ) async throws {
        let (answer, isRepeated) = try await self.repeated(call)
        try self.require(answer || isRepeated, "\(what) was refused with a valid receipt")
    }

    func refuse(
        _ what: String,
        _ call: (any QueueStorage<String>) async throws(StorageError) -> Bool
    ) async throws {
        let answer = try await self.repeated(call).answer
        try self.require(!answer, "\(what) was accepted with a stale receipt")
    }

    func release(
        _ message: ClaimedMessage<String>,
        after delay: Duration = .zero,
        undoes: Bool = false,
        error: String? = nil
    ) async throws {
        try await self.succeed("release") { (store) async throws(StorageError) in
            try await store.release(message.receipt, after: delay, undoesReceive: undoes, error: error)
        }
    }

    func complete(_ message: ClaimedMessage<String>) async throws {
        try await self.succeed("complete") { (store) async throws(StorageError) in
            try await store.complete(message.receipt, actualTokens: nil)
        }
    }

    func bury(_ message: ClaimedMessage<String>, _ reason: DeadLetterReason, error: String?) async throws {
        try await self.succeed("bury") { (store) async throws(StorageError) in
            try await store.bury(message.receipt, reason: reason, error: error)
        }
    }
}
