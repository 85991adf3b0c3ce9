import Sluice

// What comes in, and how it is offered.
extension StorageCheck {
    func ordersByPriorityThenAge() async throws {
        for (id, priority) in [("c", Priority.normal), ("e", .low), ("d", .normal), ("a", .urgent), ("b", .high)] {
            try await self.enqueue(id, priority)
        }
        let ids = try await self.ids()
        try self.require(ids == ["a", "b", "c", "d", "e"], "expected a b c d e, got \(ids)")
        let first = try await self.ids(CandidateQuery(limit: 1))
        try self.require(first == ["a"], "the first of all was to be offered, got \(first)")
        let none = try await self.ids(CandidateQuery(limit: 0))
        try self.require(none.isEmpty, "nothing was asked for, got \(none)")
    }

    func keepsTheBudget() async throws {
        try await self.enqueue("large", .urgent, tokens: 500)
        try await self.enqueue("middle", .normal, tokens: 100)
        try await self.enqueue("small", .low, tokens: 10)
        try await self.enqueue("other", .high, tokens: 50, model: "m")
        let some = try await self.list(CandidateQuery(limit: 10, maximumTokens: 100))
        var ids = some.candidates.map(\.attributes.id)
        try self.require(ids == ["other", "middle", "small"], "100 tokens admit other, middle, small, not \(ids)")
        try self.require(some.oldest?.attributes.id == "large", "the oldest is large, whether it fits or not")
        let none = try await self.list(CandidateQuery(limit: 10, maximumTokens: 9))
        try self.require(none.candidates.isEmpty, "9 tokens admit nothing")
        let least = none.smallest.values.min()
        try self.require(least == 10, "the smallest needs 10 tokens, not \(String(describing: least))")
        let capped = try await self.list(CandidateQuery(limit: 10, capacity: 400))
        try self.require(capped.oldest?.attributes.id == "middle", "within a capacity of 400 the oldest is middle")
        ids = try await self.ids(CandidateQuery(limit: 10, maximumTokens: 100, modelTokens: ["m": 49]))
        try self.require(ids == ["middle", "small"], "model m has 49 tokens left, got \(ids)")
        ids = try await self.ids(CandidateQuery(limit: 10, modelTokens: ["m": -1]))
        try self.require(!ids.contains("other"), "nothing of model m may start, got \(ids)")
    }

    func findsWhatFitsBehindTheRest() async throws {
        var messages = (0..<200).map { number in
            NewMessage(id: "large \(number)", payload: "", priority: .urgent, estimatedTokens: 5_000 + number)
        }
        messages.append(NewMessage(id: "small", payload: "", priority: .low, estimatedTokens: 10))
        try await self.enqueue(messages)
        let ids = try await self.ids(CandidateQuery(limit: 20, maximumTokens: 1_000))
        try self.require(ids == ["small"], "only small fits, got \(ids)")
    }

    func refusesDuplicates() async throws {
        let message = NewMessage(id: "a", payload: "", remembered: .seconds(60))
        try await self.enqueue([message])
        try await self.requireDuplicate("waits")
        let leased = try await self.claim("a")
        try await self.requireDuplicate("is leased")
        try await self.bury(leased, .permanentFailure, error: nil)
        try await self.requireDuplicate("is dead")
        _ = try await self.repeated { (store) async throws(StorageError) in try await store.redrive("a") }
        try await self.complete(try await self.claim("a"))
        await self.test.advance(.seconds(59))
        try await self.requireDuplicate("ended 59 of 60 seconds ago")
        await self.test.advance(.seconds(1))
        try await self.enqueue([message])
    }

    private func requireDuplicate(_ when: String) async throws {
        let results = try await self.repeated { (store) async throws(StorageError) in
            try await store.enqueue([NewMessage(id: "a", payload: "")])
        }.answer
        try self.require(results == [.duplicate], "an id that \(when) was taken again: \(results)")
    }

    func takesBatchesInOrder() async throws {
        try await self.enqueue([])
        try await self.enqueue(["a", "b", "c"].map { NewMessage(id: $0, payload: "") })
        let candidates = try await self.list().candidates
        let ids = candidates.map(\.attributes.id)
        try self.require(ids == ["a", "b", "c"], "a batch keeps its order, got \(ids)")
        let sequences = candidates.map(\.attributes.sequence)
        try self.require(sequences == Array(Set(sequences)).sorted(), "sequences grow, got \(sequences)")
    }

    func carriesPayloadsAndAttributes() async throws {
        let id = "naïve/ид 🙂 \"'\u{1}"
        try await self.enqueue([
            NewMessage(
                id: id,
                payload: "payload 🙂\n\u{0}",
                priority: .high,
                estimatedTokens: 1 << 40,
                model: "m/1",
                tenant: "acme",
                expectedProcessing: .milliseconds(1_500),
                metadata: ["key": "value", "": "empty"]
            )
        ])
        await self.test.advance(.seconds(7))
        let bare = try await self.list()
        try self.require(bare.candidates.first?.payload == nil, "payloads were not asked for")
        let offered = try await self.list(CandidateQuery(limit: 1, needsPayloads: true)).candidates.first
        try self.require(offered?.payload == "payload 🙂\n\u{0}", "payloads were asked for")
        try self.require(offered?.attributes.receiveCount == 0, "nobody has received it yet")
        let claimed = try await self.claim(id)
        let attributes = claimed.attributes
        try self.require(claimed.payload == "payload 🙂\n\u{0}", "the payload was changed: \(claimed.payload)")
        try self.require(attributes.id == id && attributes.priority == .high, "id or priority: \(attributes)")
        try self.require(attributes.estimatedTokens == 1 << 40, "tokens: \(attributes)")
        try self.require(attributes.model == "m/1" && attributes.tenant == "acme", "model or tenant: \(attributes)")
        try self.require(attributes.expectedProcessing == .milliseconds(1_500), "expectedProcessing: \(attributes)")
        try self.require(attributes.metadata == ["key": "value", "": "empty"], "metadata: \(attributes)")
        try self.require(attributes.age >= .seconds(7), "age: \(attributes)")
    }

    func standsConcurrency() async throws {
        let test = self
        try await withThrowingTaskGroup(of: Void.self) { group in
            for producer in 0..<4 {
                group.addTask {
                    for number in 0..<25 { try await test.enqueue("\(producer)-\(number)") }
                }
            }
            try await group.waitForAll()
        }
        let taken = try await withThrowingTaskGroup(of: [String].self) { group in
            for _ in 0..<4 { group.addTask { try await test.consumeAll() } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let expected = (0..<4).flatMap { producer in (0..<25).map { "\(producer)-\($0)" } }
        try self.require(
            taken.sorted() == expected.sorted(),
            "100 messages were handed out \(taken.count) times, \(Set(taken).count) different ones"
        )
        let statistics = try await self.statistics()
        try self.require(statistics.queued == 0 && statistics.inFlight == 0, "something is left: \(statistics)")
    }

    private func consumeAll() async throws -> [String] {
        var mine: [String] = []
        while true {
            let ids = try await self.ids(CandidateQuery(limit: 5))
            guard !ids.isEmpty else { return mine }
            for id in ids {
                let claimed = try await self.repeated { (store) async throws(StorageError) in
                    try await store.claim([id], lease: Self.lease)
                }.answer
                guard let message = claimed.first else { continue }
                mine.append(message.receipt.id)
                try await self.complete(message)
            }
        }
    }
}
