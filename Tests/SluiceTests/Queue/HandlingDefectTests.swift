import SluiceBasics
import SluiceTestKit
import Testing

@testable import Sluice

/// What went wrong with failures, workers and answers in the queue that this one grew out of, and must not here.
struct HandlingDefectTests {
    private struct Boom: Error {}

    @Test func `D-14 failures are delayed, counted, classified, and end`() async throws {
        let test = try QueueHarness(QueuePolicy(retry: RetryRules(baseDelay: .seconds(1), jitter: 0)))
        try await test.add("a")
        try await test.dequeue().fail(Boom(), advice: .retryAfter(.seconds(17)))
        #expect(await test.queue.dequeue().refusal?.retry == .after(.seconds(17)))
        test.clock.advance(by: .seconds(17))
        try await test.dequeue().fail(Boom(), advice: .giveUp)
        #expect(try await test.queue.deadLetters().first?.reason == .permanentFailure)
        try await test.add("b")
        try await test.dequeue().release()
        #expect(try await test.dequeue().attributes.receiveCount == 1)
        let totals = try await test.queue.metrics().totals
        #expect(totals.failed == 2 && totals.retried == 1 && totals.deadLettered == 1 && totals.released == 1)
    }

    @Test func `D-14 delays grow, have a ceiling, and lose at most their jitter`() {
        let rules = RetryRules(maximumReceives: 99, baseDelay: .seconds(1), maximumDelay: .seconds(60), jitter: 0.5)
        let ceilings = (1...8).map { rules.ceiling(afterReceives: $0) }
        #expect(ceilings == [1, 2, 4, 8, 16, 32, 60, 60].map { Duration.seconds($0) })
        #expect(rules.ceiling(afterReceives: .max) == .seconds(60))
        #expect(rules.delay(afterReceives: 4, unit: 0) == .seconds(8))
        #expect(rules.delay(afterReceives: 4, unit: 0.999_999) > .seconds(4))
        #expect(throws: PolicyFault.self) { try QueuePolicy(retry: RetryRules(jitter: .nan)).validate() }
        #expect(throws: PolicyFault.self) { try QueuePolicy(retry: RetryRules(multiplier: .infinity)).validate() }
    }

    @Test func `D-14 who loses its consumer too often is buried`() async throws {
        let policy = QueuePolicy(lease: .seconds(1), renewal: .manual, retry: RetryRules(maximumReceives: 3))
        let test = try QueueHarness(policy)
        try await test.add("poison")
        for _ in 0..<3 {
            _ = try await test.dequeue()
            test.clock.advance(by: .seconds(1))
        }
        #expect(await test.queue.dequeue().refusal?.reason == .empty)
        #expect(try await test.queue.deadLetters().first?.reason == .tooManyReceives)
    }

    @Test func `D-15 nothing is held of what was fetched ahead and is not worth another attempt`() async throws {
        let test = RemoteHarness()
        let loser = try test.worker(QueuePolicy(lease: .seconds(1), renewal: .manual))
        let queue = try test.worker(QueuePolicy.prefetching.with { $0.retry.maximumReceives = 1 })
        await test.add(["a", "b", "c", "d"], to: queue)
        while await loser.dequeue().message != nil {}
        test.clock.advance(by: .seconds(1))
        await test.add(["e"], to: queue)
        let message = try #require(await queue.dequeue().message)
        #expect(message.id == "e")
        #expect(try await queue.metrics().buffered == 1)
        try await message.complete()
        #expect(await queue.dequeue().refusal?.reason == .empty)
        #expect(try await queue.deadLetters().count == 4)
        #expect(queue.state.withLock { $0.heldCount } == 0)
    }

    @Test func `D-15 nothing is held of messages whose consumers are gone, or whose store does not answer`()
        async throws
    {
        let test = try QueueHarness()
        let limiter = try test.limiter(tokens: 100)
        try await test.add("a", tokens: 60)
        do { _ = try await test.dequeue(under: limiter) }
        let metrics = try await test.queue.metrics()
        #expect(metrics.active.isEmpty && metrics.totals.abandoned == 1)
        #expect(limiter.availableTokens == 40)
        test.clock.advance(by: .seconds(30))
        #expect(try await test.dequeue().attributes.receiveCount == 2)

        let remote = RemoteHarness(.unreliable(seed: 5))
        let queue = try remote.worker(.default)
        for number in 0..<30 {
            let request = QueueRequest(id: "m\(number)", payload: "", estimatedTokens: 1)
            while (try? await queue.enqueue(request)) == nil { if try await self.isKnown(request, queue) { break } }
        }
        var done = Set<String>()
        for _ in 0..<2_000 where done.count < 30 {
            guard let message = await queue.dequeue().message else {
                remote.clock.advance(by: .seconds(1))
                continue
            }
            // A lost answer leaves it to us to try again: then the receipt may be stale.
            for _ in 0..<50 {
                do {
                    try await message.complete()
                    break
                } catch MessageError.storage {
                    continue
                } catch {
                    break
                }
            }
            done.insert(message.id)
        }
        #expect(done.count == 30)
        for _ in 0..<50 {
            if let metrics = try? await queue.metrics() {
                #expect(metrics.active.isEmpty)
                break
            }
        }
        #expect(queue.state.withLock { $0.inFlight } == 0)
        #expect(queue.state.withLock { $0.heldCount } == 0)
    }

    private func isKnown(_ request: QueueRequest<String>, _ queue: Queue<String>) async throws -> Bool {
        do {
            try await queue.enqueue(request)
            return true
        } catch {
            if case .duplicate = error { return true }
            return false
        }
    }

    @Test func `D-16 a worker that fetches ahead leaves work to others, and gives back what it does not use`()
        async throws
    {
        let test = RemoteHarness()
        let first = try test.worker(QueuePolicy.prefetching)
        let second = try test.worker(QueuePolicy.prefetching)
        await test.add((0..<10).map { "m\($0)" }, to: first)
        let taken = try #require(await first.dequeue().message)
        #expect(await second.dequeue().message != nil)
        await test.pass(.seconds(5))
        #expect(try await first.metrics().buffered == 0)
        // They go back beside, so that a slow store holds up no lease.
        var count = 0
        try await eventually {
            while let message = await second.dequeue().message {
                count += 1
                try await message.complete()
            }
            return count >= 9 - 1
        }
        #expect(count == 9 - 1)
        try await taken.complete()
    }

    @Test func `D-16 a busy worker leaves half of what it sees to others`() async throws {
        let test = RemoteHarness()
        let busy = try test.worker(QueuePolicy.prefetching)
        let other = try test.worker(QueuePolicy.prefetching)
        await test.add((0..<11).map { "m\($0)" }, to: busy)
        for _ in 0..<6 { try await busy.dequeue().message?.complete() }
        #expect(try await busy.metrics().buffered > 1)
        #expect(await other.dequeue().message != nil)
    }

    @Test func `D-16 what another worker has purged is not handed out`() async throws {
        let test = RemoteHarness()
        let first = try test.worker()
        let second = try test.worker()
        await test.add(["a", "b", "c", "d"], to: first)
        let taken = try #require(await first.dequeue().message)
        #expect(try await first.metrics().buffered == 1)
        try await second.purge()
        #expect(await first.dequeue().refusal?.reason == .empty)
        await #expect(throws: MessageError.stale) { try await taken.complete() }
    }

    @Test func `D-17 an answer without work says why, and when to try again`() async throws {
        let test = try QueueHarness(QueuePolicy(maximumInFlight: 1))
        let limiter = try test.limiter(tokens: 60)
        #expect(await test.queue.dequeue().refusal == NoWork(reason: .empty, retry: .onChange))
        try await test.add("a", tokens: 60)
        try await test.add("b", tokens: 30)
        test.queue.pause()
        #expect(await test.queue.dequeue().refusal?.reason == .paused)
        test.queue.resume()
        let first = try await test.dequeue(under: limiter)
        #expect(await test.queue.dequeue().refusal == NoWork(reason: .atCapacity, retry: .onChange))
        try await first.complete()
        let second = await test.queue.dequeue(under: limiter)
        let expected: Duration = first.id == "a" ? .seconds(30) : .seconds(30)
        #expect(second.refusal == NoWork(reason: .rateLimited(.tokens), retry: .after(expected)))
        await test.queue.stop()
        #expect(await test.queue.dequeue().refusal?.reason == .stopped)
        let remote = RemoteHarness(.unreliable(seed: 1))
        let queue = try remote.worker(.default)
        var reasons = Set<String>()
        for _ in 0..<20 {
            if case .unavailable(let what)? = await queue.dequeue().refusal?.reason { reasons.insert(what) }
        }
        #expect(!reasons.isEmpty)
    }

    @Test func `D-17 next is woken by tokens, leases, delays, settlements and resume`() async throws {
        let test = try QueueHarness(QueuePolicy(renewal: .manual))
        let limiter = try test.limiter(tokens: 60)
        try await test.add("a", tokens: 60)
        let first = try await test.dequeue(under: limiter)
        try await first.complete()
        try await test.add("b", tokens: 30)
        let refilled = Task { try await test.queue.next(under: limiter)?.id }
        await eventually { test.clock.sleepers == 1 }
        test.clock.advance(by: .seconds(30))
        #expect(try await refilled.value == "b")
        let lapsed = Task { try await test.queue.next(under: nil)?.attributes.receiveCount }
        await eventually { test.clock.sleepers == 1 }
        test.clock.advance(by: .seconds(30))
        #expect(try await lapsed.value == 2)
        test.queue.pause()
        try await test.add("c")
        let resumed = Task { try await test.queue.next()?.id }
        try await eventually { try await test.queue.metrics().waitingConsumers == 1 }
        test.queue.resume()
        #expect(try await resumed.value == "c")
        #expect(test.clock.sleepers == 0)
    }

    @Test func `D-18 an id is taken once, also for a while after its request has ended`() async throws {
        let test = try QueueHarness(QueuePolicy(deduplicationWindow: .seconds(60)))
        try await test.add("a")
        await #expect(throws: EnqueueError.duplicate(id: "a")) { try await test.add("a") }
        try await test.dequeue().complete()
        await #expect(throws: EnqueueError.duplicate(id: "a")) { try await test.add("a") }
        test.clock.advance(by: .seconds(60))
        try await test.add("a")
        let ids = await test.queue.enqueue(
            contentsOf: (0..<1_000).map { QueueRequest(payload: "\($0)", estimatedTokens: 1) }
        )
        #expect(Set(ids.compactMap { try? $0.get() }).count == 1_000)
    }

    @Test func `D-18 another queue on the same store goes on after one is gone, and repeats only what was not settled`()
        async throws
    {
        let test = RemoteHarness()
        var queue: Queue<String>? = try test.worker(.default)
        if let queue { await test.add(["a", "b", "c"], to: queue) }
        try await queue?.dequeue().message?.complete()
        _ = await queue?.dequeue().message
        queue = nil
        test.clock.advance(by: .seconds(30))
        let next = try test.worker(.default)
        var received: [String: Int] = [:]
        while let message = await next.dequeue().message {
            received[message.id] = message.attributes.receiveCount
            try await message.complete()
        }
        #expect(received == ["b": 2, "c": 1])
    }

    @Test func `D-19 bounds that are stated are kept`() async throws {
        let clock = StepClock()
        let storage = InMemoryStorage<String>(clock: clock, maximumMessages: 2, maximumDeadLetters: 1)
        let queue = try Queue(storage: storage, clock: clock)
        for id in ["a", "b"] {
            try await queue.enqueue(QueueRequest(id: id, payload: id, estimatedTokens: 1, timeToLive: .seconds(9)))
        }
        await #expect(throws: EnqueueError.full) {
            try await queue.enqueue(QueueRequest(payload: "c", estimatedTokens: 1))
        }
        clock.advance(by: .seconds(9))
        #expect(await queue.dequeue().refusal?.reason == .empty)
        #expect(try await queue.deadLetters().map(\.attributes.id) == ["b"])
        #expect(try await queue.metrics().totals.expired == 2)
        try await queue.enqueue(QueueRequest(payload: "c", estimatedTokens: 1))
    }
}
