import Sluice

// Who may work on what, and for how long.
extension StorageCheck {
    func claimsOnce() async throws {
        try await self.enqueue(["a", "b", "c"].map { NewMessage(id: $0, payload: "") })
        _ = try await self.claim("b")
        let rest = try await self.repeated { (store) async throws(StorageError) in
            try await store.claim(["a", "b", "nobody", "c"], lease: Self.lease)
        }.answer.map(\.receipt.id)
        try self.require(rest == ["a", "c"], "a and c were free, got \(rest)")
        let ids = try await self.ids()
        try self.require(ids.isEmpty, "all is leased, and \(ids) is offered")
    }

    func givesGrowingTokens() async throws {
        var last: UInt64 = 0
        for round in 0..<5 {
            try await self.enqueue(["a", "b"].map { NewMessage(id: $0, payload: "") })
            for id in ["a", "b"] {
                let claimed = try await self.claim(id)
                try self.require(claimed.receipt.token > last, "token \(claimed.receipt.token) came after \(last)")
                last = claimed.receipt.token
                if round.isMultiple(of: 2) { try await self.complete(claimed) }
            }
            if !round.isMultiple(of: 2) {
                _ = try await self.repeated { (store) async throws(StorageError) in try await store.purge() }
            }
        }
    }

    func countsReceives() async throws {
        try await self.enqueue("a")
        for count in 1...3 {
            let claimed = try await self.claim("a")
            let received = claimed.attributes.receiveCount
            try self.require(received == count, "received \(count) times, and \(received) was counted")
            try await self.release(claimed, error: "failure \(count)")
        }
        try await self.release(try await self.claim("a"), undoes: true)
        let offered = try await self.list().candidates.first?.attributes
        try self.require(offered?.receiveCount == 3, "a receive was undone: 3, not \(String(describing: offered))")
        try self.require(
            offered?.lastError == "failure 3",
            "the last error was failure 3: \(String(describing: offered))"
        )
    }

    func keepsPlaces() async throws {
        try await self.enqueue(["a", "b", "c"].map { NewMessage(id: $0, payload: "") })
        let claimed = try await self.claim("a")
        try await self.enqueue("d")
        try await self.release(claimed)
        let ids = try await self.ids()
        try self.require(ids == ["a", "b", "c", "d"], "a is the oldest still, got \(ids)")
    }

    func delays() async throws {
        try await self.enqueue([NewMessage(id: "a", payload: "", delay: .seconds(10))])
        await self.test.advance(.seconds(10) - self.test.tolerance)
        try self.require(try await self.ids().isEmpty, "ready a millisecond before its delay ended")
        let early = try await self.repeated { (store) async throws(StorageError) in
            try await store.claim(["a"], lease: Self.lease)
        }.answer
        try self.require(early.isEmpty, "claimed a millisecond before its delay ended")
        await self.test.advance(self.test.tolerance)
        try self.require(try await self.ids() == ["a"], "not ready when its delay had ended")
        try await self.release(try await self.claim("a"), after: .seconds(5))
        try self.require(try await self.ids().isEmpty, "ready before the delay of its release ended")
        await self.test.advance(.seconds(5))
        _ = try await self.claim("a")
    }

    func leasesLapse() async throws {
        try await self.enqueue("a")
        let first = try await self.claim("a", lease: .seconds(10))
        await self.test.advance(.seconds(10) - self.test.tolerance)
        try self.require(try await self.ids().isEmpty, "offered a millisecond before its lease lapsed")
        await self.test.advance(self.test.tolerance)
        try self.require(try await self.ids() == ["a"], "not offered when its lease had lapsed")
        let second = try await self.claim("a")
        try self.require(second.attributes.receiveCount == 2, "the second receive was not counted")
        try await self.refuse("complete") { (store) async throws(StorageError) in
            try await store.complete(first.receipt, actualTokens: nil)
        }
        try await self.complete(second)
    }

    func extendsFromNow() async throws {
        try await self.enqueue("a")
        let claimed = try await self.claim("a", lease: .seconds(10))
        await self.test.advance(.seconds(8))
        let stale = Receipt(id: "a", token: claimed.receipt.token &+ 1)
        let answers = try await self.repeated { (store) async throws(StorageError) in
            try await store.extend([claimed.receipt, stale], lease: .seconds(10))
        }.answer
        try self.require(answers == [true, false], "a valid receipt and another one were answered \(answers)")
        let none = try await self.repeated { (store) async throws(StorageError) in
            try await store.extend([], lease: .seconds(10))
        }.answer
        try self.require(none.isEmpty, "no receipts were answered \(none)")
        await self.test.advance(.seconds(10) - self.test.tolerance)
        try self.require(try await self.ids().isEmpty, "lapsed before ten seconds after it was extended")
        await self.test.advance(self.test.tolerance)
        try self.require(try await self.ids() == ["a"], "extending is not additive: ten seconds from then")
        let again = try await self.claim("a")
        _ = try await self.repeated { (store) async throws(StorageError) in
            try await store.extend([again.receipt], lease: .zero)
        }
        try self.require(try await self.ids() == ["a"], "extended by nothing, the message is ready at once")
    }

    func fencesStaleReceipts() async throws {
        try await self.enqueue("a")
        let first = try await self.claim("a", lease: .seconds(1))
        await self.test.advance(.seconds(1))
        let second = try await self.claim("a")
        try await self.refuse("complete") { (store) async throws(StorageError) in
            try await store.complete(first.receipt, actualTokens: 5)
        }
        try await self.refuse("release") { (store) async throws(StorageError) in
            try await store.release(first.receipt, after: .zero, undoesReceive: true, error: "x")
        }
        try await self.refuse("bury") { (store) async throws(StorageError) in
            try await store.bury(first.receipt, reason: .permanentFailure, error: nil)
        }
        try await self.refuse("extend") { (store) async throws(StorageError) in
            try await store.extend([first.receipt], lease: .zero).first ?? false
        }
        let statistics = try await self.statistics()
        try self.require(statistics.inFlight == 1 && statistics.queued == 0, "a stale receipt had an effect")
        try await self.complete(second)
        try await self.refuse("extend") { (store) async throws(StorageError) in
            try await store.extend([second.receipt], lease: Self.lease).first ?? false
        }
    }

    func completes() async throws {
        try await self.enqueue("a")
        let claimed = try await self.claim("a")
        try await self.complete(claimed)
        await self.test.advance(Self.lease * 2)
        try self.require(try await self.ids().isEmpty, "a completed message came back")
        try await self.refuse("release") { (store) async throws(StorageError) in
            try await store.release(claimed.receipt, after: .zero, undoesReceive: false, error: nil)
        }
        try self.require(try await self.statistics() == StorageStatistics(), "something is left")
    }
}
