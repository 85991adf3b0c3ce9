import Sluice
import SluiceTestKit
import Testing

/// What went wrong with deliveries in the queue that this one grew out of, and must not here.
struct DeliveryDefectTests {
    private struct Boom: Error {}

    @Test func `D-01 a dequeue that answers has reserved, and nothing beyond the limit is handed out`() async throws {
        let test = try QueueHarness()
        let limiter = try test.limiter(requests: 1, tokens: 100)
        for number in 0..<10 { try await test.add("m\(number)", tokens: 100) }
        let first = try await test.dequeue(under: limiter)
        #expect(limiter.availableTokens == 0 && limiter.availableRequests == 0)
        let refusal = try #require(await test.queue.dequeue(under: limiter).refusal)
        #expect(refusal == NoWork(reason: .rateLimited(.requests), retry: .after(.seconds(60))))
        try await first.complete(actualTokens: 40)
        #expect(limiter.availableTokens == 60)
        test.clock.advance(by: .seconds(60))
        let second = try await test.dequeue(under: limiter)
        #expect(limiter.availableTokens == 0)
        try await second.fail(Boom())
        #expect(limiter.availableTokens == 100 && limiter.availableRequests == 0)
        test.clock.advance(by: .seconds(60))
        try await test.dequeue(under: limiter).release()
        #expect(limiter.availableTokens == 100 && limiter.availableRequests == 1)
    }

    @Test func `D-01 consumers at the same time never get more than the limit`() async throws {
        let test = try QueueHarness()
        let limiter = try test.limiter(requests: 1_000, tokens: 100)
        for number in 0..<20 { try await test.add("m\(number)", tokens: 60) }
        let taken = await withTaskGroup(of: [ProcessableMessage<String>].self) { group in
            for _ in 0..<20 {
                group.addTask { [await test.queue.dequeue(under: limiter).message].compactMap(\.self) }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(taken.count == 1)
        #expect(limiter.availableTokens == 40)
    }

    @Test func `D-02 fetching ahead takes what is wanted, and hides nothing from others`() async throws {
        let test = RemoteHarness()
        let queue = try test.worker(QueuePolicy.prefetching.with { $0.prefetch?.bufferSize = 10 })
        await test.add((0..<200).map { "m\($0)" }, to: queue)
        let message = try #require(await queue.dequeue().message)
        #expect(try await queue.metrics().buffered <= 1)
        await test.pass(.seconds(330), step: .seconds(2))
        let metrics = try await queue.metrics()
        #expect(metrics.buffered == 0 && metrics.inFlight == 1 && metrics.depth == 199)
        let waiting = try await test.inner.candidates(CandidateQuery(limit: 1_000)).candidates
        #expect(waiting.count == 199)
        #expect(waiting.allSatisfy { $0.attributes.receiveCount == 0 })
        try await message.complete()
    }

    @Test func `D-02 a small buffer makes nothing invisible`() async throws {
        let test = RemoteHarness()
        let queue = try test.worker(QueuePolicy.prefetching.with { $0.prefetch?.bufferSize = 5 })
        await test.add((0..<20).map { "m\($0)" }, to: queue)
        var ids: [String] = []
        while let message = await queue.dequeue().message {
            ids.append(message.id)
            try await message.complete()
        }
        #expect(ids == (0..<20).map { "m\($0)" })
    }

    @Test func `D-03 what is given back was never received, and is ready at once`() async throws {
        let test = RemoteHarness()
        let queue = try test.worker()
        await test.add(["a", "b", "c", "d", "e"], to: queue)
        let first = try #require(await queue.dequeue().message)
        #expect(try await queue.metrics().buffered == 1)
        await queue.stop()
        let other = try test.worker(.default)
        var received: [Int] = []
        while let message = await other.dequeue().message {
            received.append(message.attributes.receiveCount)
            try await message.complete()
        }
        #expect(received == [1, 1, 1, 1])
        try await first.complete()
    }

    @Test func `D-04 a message that was fetched ahead is handed out once, however long it lay`() async throws {
        let test = RemoteHarness()
        let queue = try test.worker(QueuePolicy.prefetching.with { $0.prefetch?.patience = .seconds(600) })
        await test.add(["a", "b", "c"], to: queue)
        let first = try #require(await queue.dequeue().message)
        #expect(try await queue.metrics().buffered == 1)
        await test.pass(.seconds(31), step: .seconds(1))
        var ids = [first.id]
        try await first.complete()
        while let message = await queue.dequeue().message {
            ids.append(message.id)
            #expect(message.attributes.receiveCount == 1)
            try await message.complete()
        }
        #expect(ids == ["a", "b", "c"])
    }

    @Test func `D-05 a lease is as long as the policy says, and kept alive while somebody works`() async throws {
        let test = try QueueHarness()
        try await test.add("a")
        let message = try await test.dequeue()
        for _ in 0..<40 {
            await eventually { test.clock.sleepers > 0 }
            test.clock.advance(by: .seconds(10))
            await eventually { test.clock.sleepers > 0 }
        }
        #expect(await test.queue.dequeue().refusal?.reason == .empty)
        try await message.complete()
        let short = try QueueHarness(QueuePolicy(lease: .seconds(5), renewal: .manual))
        try await short.add("a")
        let slow = try await short.dequeue()
        short.clock.advance(by: .seconds(4))
        try await slow.extend(by: .seconds(5))
        short.clock.advance(by: .seconds(4))
        #expect(await short.queue.dequeue().message == nil)
        short.clock.advance(by: .seconds(1))
        #expect(try await short.dequeue().attributes.receiveCount == 2)
    }

    @Test func `D-05 a lease is not kept alive for ever`() async throws {
        let test = try QueueHarness(QueuePolicy(renewal: .automatic(limit: .seconds(60))))
        try await test.add("a")
        let stuck = try await test.dequeue()
        for _ in 0..<10 {
            test.clock.advance(by: .seconds(10))
            for _ in 0..<50 { await Task.yield() }
        }
        await eventually { await test.queue.dequeue().message?.attributes.receiveCount == 2 }
        await #expect(throws: MessageError.stale) { try await stuck.complete() }
    }

    @Test func `D-06 a stale receipt completes nothing, and says so`() async throws {
        let test = try QueueHarness(QueuePolicy(renewal: .manual))
        try await test.add("a")
        let first = try await test.dequeue()
        test.clock.advance(by: .seconds(30))
        let second = try await test.dequeue()
        #expect(second.receipt.token > first.receipt.token)
        await #expect(throws: MessageError.stale) { try await first.complete() }
        await #expect(throws: MessageError.alreadySettled) { try await first.complete() }
        #expect(try await test.queue.metrics().inFlight == 1)
        try await second.complete()
        #expect(try await test.queue.metrics().totals.leasesLost == 1)
        try await test.add("b")
        try await test.add("c")
        #expect(try await test.dequeue().receipt.token != test.dequeue().receipt.token)
    }

    @Test func `D-20 at exactly the end of a lease every function says the same`() async throws {
        let test = try QueueHarness(QueuePolicy(renewal: .manual))
        try await test.add("a")
        _ = try await test.dequeue()
        test.clock.advance(by: .seconds(30) - .nanoseconds(1))
        #expect(try await test.queue.metrics().depth == 0)
        #expect(await test.queue.dequeue().refusal?.retry == .after(.nanoseconds(1)))
        test.clock.advance(by: .nanoseconds(1))
        let metrics = try await test.queue.metrics()
        #expect(metrics.depth == 1 && metrics.inFlight == 0 && metrics.readyByPriority == [0, 0, 1, 0])
        #expect(await test.queue.dequeue().message != nil)
    }
}
