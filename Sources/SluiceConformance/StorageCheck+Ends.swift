import Sluice

// Dead letters, cancelling, expiry, and counts.
extension StorageCheck {
    private func deadLetters() async throws -> [DeadLetter<String>] {
        try await self.repeated { (store) async throws(StorageError) in
            try await store.deadLetters(limit: 10)
        }.answer
    }

    func keepsDeadLetters() async throws {
        try await self.enqueue(["a", "b"].map { NewMessage(id: $0, payload: "of \($0)") })
        try await self.bury(try await self.claim("b"), .permanentFailure, error: "why b")
        await self.test.advance(.seconds(1))
        try await self.bury(try await self.claim("a"), .tooManyReceives, error: "why a")
        let dead = try await self.deadLetters()
        try self.require(dead.map(\.attributes.id) == ["b", "a"], "the longest dead comes first: \(dead)")
        try self.require(dead.map(\.reason) == [.permanentFailure, .tooManyReceives], "reasons: \(dead)")
        try self.require(dead.map(\.attributes.lastError) == ["why b", "why a"], "errors: \(dead)")
        try self.require(dead.map(\.payload) == ["of b", "of a"], "payloads: \(dead)")
        try self.require(try await self.ids().isEmpty, "the dead are offered")
        let (isBack, isRepeated) = try await self.repeated { (store) async throws(StorageError) in
            try await store.redrive("b")
        }
        try self.require(isBack || isRepeated, "b could not be put back")
        let missing = try await self.repeated { (store) async throws(StorageError) in
            try await store.redrive("nobody")
        }.answer
        try self.require(!missing, "somebody who is not dead was put back")
        let again = try await self.claim("b")
        try self.require(again.attributes.receiveCount == 1, "put back, a message counts its receives anew")
    }

    private func cancel(_ id: String, expecting expected: CancelResult) async throws {
        let (result, isRepeated) = try await self.repeated { (store) async throws(StorageError) in
            try await store.cancel(id)
        }
        let isLost = isRepeated && expected == .cancelled && result == .unknown
        try self.require(result == expected || isLost, "cancelling \(id) was answered \(result), not \(expected)")
    }

    func cancels() async throws {
        try await self.enqueue(["a", "b", "c"].map { NewMessage(id: $0, payload: "") })
        try await self.enqueue([NewMessage(id: "d", payload: "", delay: .seconds(5))])
        try await self.cancel("a", expecting: .cancelled)
        try await self.cancel("a", expecting: .unknown)
        try await self.cancel("d", expecting: .cancelled)
        let leased = try await self.claim("b")
        try await self.cancel("b", expecting: .inFlight)
        try await self.bury(leased, .permanentFailure, error: nil)
        try await self.cancel("b", expecting: .cancelled)
        let ids = try await self.ids()
        try self.require(ids == ["c"], "c alone is left, got \(ids)")
        try self.require(try await self.deadLetters().isEmpty, "a cancelled message is dead still")
    }

    private func expire() async throws -> [String] {
        try await self.repeated { (store) async throws(StorageError) in try await store.expire(limit: 10) }.answer
    }

    func expires() async throws {
        try await self.enqueue([
            NewMessage(id: "a", payload: "", timeToLive: .seconds(10)),
            NewMessage(id: "b", payload: "", timeToLive: .seconds(10)),
            NewMessage(id: "late", payload: "", delay: .seconds(20), timeToLive: .seconds(10)),
        ])
        let leased = try await self.claim("b", lease: .seconds(60))
        await self.test.advance(.seconds(10) - self.test.tolerance)
        try self.require(try await self.ids() == ["a"], "a may be handed out for another millisecond")
        try self.require(try await self.expire().isEmpty, "something expired a millisecond too soon")
        await self.test.advance(self.test.tolerance)
        try self.require(try await self.ids().isEmpty, "an expired message is offered")
        let claimed = try await self.repeated { (store) async throws(StorageError) in
            try await store.claim(["a"], lease: Self.lease)
        }.answer
        try self.require(claimed.isEmpty, "an expired message was claimed")
        _ = try await self.expire()
        var dead = try await self.deadLetters()
        try self.require(Set(dead.map(\.attributes.id)) == ["a", "late"], "a and late have expired, got \(dead)")
        try self.require(dead.allSatisfy { $0.reason == .expired }, "the reason is expired: \(dead)")
        try await self.release(leased)
        _ = try await self.expire()
        dead = try await self.deadLetters()
        try self.require(try await self.ids().isEmpty, "b had expired when it came back")
        try self.require(dead.count == 3, "b is dead too, got \(dead)")
    }

    func purges() async throws {
        try await self.enqueue(["a", "b", "c"].map { NewMessage(id: $0, payload: "", remembered: .seconds(60)) })
        try await self.enqueue([NewMessage(id: "d", payload: "", delay: .seconds(5))])
        let leased = try await self.claim("a")
        try await self.bury(try await self.claim("b"), .permanentFailure, error: nil)
        let (count, isRepeated) = try await self.repeated { (store) async throws(StorageError) in
            try await store.purge()
        }
        try self.require(count == 4 || isRepeated, "there were 4 messages, not \(count)")
        try self.require(try await self.statistics() == StorageStatistics(), "something is left")
        try await self.refuse("complete") { (store) async throws(StorageError) in
            try await store.complete(leased.receipt, actualTokens: nil)
        }
        try await self.enqueue("a")
        try self.require(try await self.ids() == ["a"], "the store does not go on")
        await self.test.advance(Self.lease * 2)
        try self.require(try await self.ids() == ["a"], "what was purged came back")
    }

    func countsByOneRule() async throws {
        try await self.enqueue("urgent", .urgent)
        await self.test.advance(.seconds(1))
        try await self.enqueue([NewMessage(id: "later", payload: "", priority: .low, delay: .seconds(30))])
        try await self.enqueue("leased", .high)
        _ = try await self.claim("leased", lease: .seconds(30))
        var counts = try await self.statistics()
        try self.require(counts.readyByPriority == [1, 0, 0, 0], "urgent is ready: \(counts)")
        try self.require(counts.delayed == 1 && counts.inFlight == 1 && counts.dead == 0, "counts: \(counts)")
        try self.require((counts.oldestAge ?? .zero) >= .seconds(1), "the oldest is a second old: \(counts)")
        await self.test.advance(.seconds(30) - self.test.tolerance)
        counts = try await self.statistics()
        try self.require(counts.ready == 1 && counts.delayed == 1 && counts.inFlight == 1, "too soon: \(counts)")
        await self.test.advance(self.test.tolerance)
        counts = try await self.statistics()
        let ids = try await self.ids()
        try self.require(
            counts.readyByPriority == [1, 1, 0, 1] && counts.delayed == 0 && counts.inFlight == 0,
            "at exactly the end of lease and delay all are ready: \(counts)"
        )
        try self.require(ids == ["urgent", "leased", "later"], "at that instant all three are offered: \(ids)")
    }

    func tellsTheNextChange() async throws {
        try self.require(try await self.statistics().nextChange == nil, "nothing will change in an empty store")
        try await self.enqueue([NewMessage(id: "a", payload: "", delay: .seconds(20))])
        try await self.enqueue("b")
        _ = try await self.claim("b", lease: .seconds(8))
        let list = try await self.list()
        try self.require(list.candidates.isEmpty, "nothing is ready")
        guard let first = list.nextChange, first <= .seconds(8) else {
            throw ConformanceViolation(rule: self.rule, message: "b is ready in 8 s, not \(list)")
        }
        await self.test.advance(first)
        try self.require(try await self.ids() == ["b"], "b was to be ready then")
        _ = try await self.claim("b", lease: .seconds(60))
        guard let second = try await self.statistics().nextChange, second <= .seconds(12) else {
            throw ConformanceViolation(rule: self.rule, message: "a is ready in 12 s")
        }
        await self.test.advance(second)
        try self.require(try await self.ids() == ["a"], "a was to be ready then")
    }
}
