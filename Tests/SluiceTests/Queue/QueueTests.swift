import Sluice
import SluiceTestKit
import Testing

struct QueueTests {
    @Test func `a request goes in, is handed out once, and is done`() async throws {
        let test = try QueueHarness()
        try await test.add("a", tokens: 150)
        let message = try await test.dequeue()
        #expect(message.id == "a" && message.payload == "a")
        #expect(message.attributes.receiveCount == 1)
        #expect(message.selection.reason == .score)
        #expect(await test.queue.dequeue().refusal?.reason == .empty)
        try await message.complete(actualTokens: 120)
        let metrics = try await test.queue.metrics()
        #expect(metrics.depth == 0 && metrics.inFlight == 0)
        #expect(metrics.totals.completed == 1 && metrics.totals.tokens == 120)
        await #expect(throws: MessageError.alreadySettled) { try await message.complete() }
    }

    @Test func `an empty queue says when a delayed message will be ready`() async throws {
        let test = try QueueHarness()
        let empty = await test.queue.dequeue().refusal
        #expect(empty == NoWork(reason: .empty, retry: .onChange))
        try await test.queue.enqueue(QueueRequest(payload: "later", estimatedTokens: 1, delay: .seconds(5)))
        #expect(await test.queue.dequeue().refusal == NoWork(reason: .empty, retry: .after(.seconds(5))))
        test.clock.advance(by: .seconds(5))
        #expect(await test.queue.dequeue().message?.payload == "later")
    }

    @Test func `a failure is retried after a while that grows, and is a dead letter in the end`() async throws {
        var policy = QueuePolicy()
        policy.retry = RetryRules(maximumReceives: 3, baseDelay: .seconds(2), jitter: 0)
        let test = try QueueHarness(policy)
        try await test.add("a")
        for delay in [2, 4] {
            try await test.dequeue().fail(CancellationError())
            #expect(await test.queue.dequeue().refusal?.retry == .after(.seconds(delay)))
            test.clock.advance(by: .seconds(delay))
        }
        let last = try await test.dequeue()
        #expect(last.attributes.receiveCount == 3 && last.attributes.lastError == "CancellationError()")
        try await last.fail(CancellationError())
        let dead = try await test.queue.deadLetters()
        #expect(dead.map(\.attributes.id) == ["a"] && dead.first?.reason == .tooManyReceives)
        #expect(try await test.queue.redrive("a"))
        #expect(try await test.dequeue().attributes.receiveCount == 1)
    }

    @Test func `next waits for a request, and is cancelled at once`() async throws {
        let test = try QueueHarness()
        let waiting = Task { try await test.queue.next()?.id }
        try await eventually { try await test.queue.metrics().waitingConsumers == 1 }
        try await test.add("a")
        #expect(try await waiting.value == "a")
        let cancelled = Task { try await test.queue.next()?.id }
        try await eventually { try await test.queue.metrics().waitingConsumers == 1 }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        let stopped = Task { try await test.queue.next()?.id }
        try await eventually { try await test.queue.metrics().waitingConsumers == 1 }
        await test.queue.stop()
        #expect(try await stopped.value == nil)
    }
}
