import Sluice
import SluiceBasics
import SluiceTestKit
import Testing

/// What was missing or wrong in the metrics and promises of the queue that this one grew out of.
struct FeatureTests {
    private struct Boom: Error {}

    @Test func `M-01 metrics say what is, however long ago it came`() async throws {
        let test = try QueueHarness()
        try await test.add("a", tokens: 100)
        try await test.add("b", .high, tokens: 50)
        test.clock.advance(by: .seconds(2))
        let message = try await test.dequeue()
        test.clock.advance(by: .seconds(3))
        var metrics = try await test.queue.metrics()
        #expect(metrics.depth == 1 && metrics.inFlight == 1 && metrics.buffered == 0)
        #expect(metrics.readyByPriority == [0, 0, 1, 0])
        #expect(metrics.oldestAge == .seconds(5))
        #expect(metrics.active.map(\.id) == ["b"] && metrics.active.first?.running == .seconds(3))
        try await message.complete(actualTokens: 77)
        metrics = try await test.queue.metrics()
        #expect(metrics.wait.count == 1 && metrics.wait.mean == .seconds(2) && metrics.wait.maximum == .seconds(2))
        #expect(metrics.service.mean == .seconds(3))
        #expect(metrics.messagesPerMinute == 1 && metrics.tokensPerMinute == 77)
        test.clock.advance(by: .seconds(400))
        metrics = try await test.queue.metrics()
        #expect(metrics.depth == 1 && metrics.totals.enqueued == 2 && metrics.totals.completed == 1)
        #expect(metrics.messagesPerMinute == 0 && metrics.wait.count == 0)
        try await test.queue.purge()
        metrics = try await test.queue.metrics()
        #expect(metrics.depth == 0 && metrics.oldestAge == nil && metrics.totals.purged == 1)
    }

    @Test func `M-02 the reason and every part of the score are told`() async throws {
        let deadline = ClosureScorer<String>(name: "deadline", weight: 0.2) { attributes, _, _ in
            // Nearer is better.
            guard let left = attributes.metadata["left"].flatMap(Double.init) else { return 0.5 }
            return max(0, min(1, 1 - left / 3_600_000))
        }
        let test = try QueueHarness(scorers: [deadline])
        let limiter = try test.limiter(tokens: 1_500)
        for (id, left) in [("far", "7200000"), ("near", "1000")] {
            try await test.queue.enqueue(
                QueueRequest(id: id, payload: id, estimatedTokens: 100, metadata: ["left": left])
            )
        }
        test.clock.advance(by: .seconds(30))
        let message = try await test.dequeue(under: limiter)
        #expect(message.id == "near" && message.selection.reason == .score && message.selection.compared == 2)
        let custom = try #require(message.breakdown.customScores.first)
        #expect(custom.name == "deadline" && abs(custom.score - 0.199944) < 1e-6)
        #expect(abs(message.breakdown.builtin - 0.519048) < 1e-6)
        #expect(abs(message.selection.score - message.breakdown.total) < 1e-12)
    }

    @Test func `M-03 the presets exist under their names, and the caller's settings win`() async throws {
        let storage = InMemoryStorage<String>()
        let queues = [
            try Queue<String>.inMemory(),
            try .prefetching(storage: storage) { $0.prefetch = nil },
            try .simplePriority(storage: storage) { $0.weights.merge(tokenFit: 0.1) },
            try .throughputOptimized(storage: storage) {
                $0.prefetch?.bufferSize = 300
                $0.candidates = 7
                $0.weights = .fair
            },
            try .fair(storage: storage) { $0.minimumScore = 0 },
        ]
        #expect(queues[0].policy == QueuePolicy.default && queues[0].policy.weights == .balanced)
        #expect(queues[1].policy.prefetch == nil)
        #expect(queues[2].policy.weights.tokenFit == 0.1 && queues[2].policy.weights.priority == 0.8)
        #expect(queues[3].policy.prefetch?.bufferSize == 300 && queues[3].policy.candidates == 7)
        #expect(queues[3].policy.weights == .fair)
        #expect(queues[4].policy.minimumScore == 0 && queues[4].policy.weights == .fair)
        #expect(QueuePolicy.throughputOptimized.candidates == 50)
        #expect(QueuePolicy.throughputOptimized.prefetch?.bufferSize == 200)
        #expect(QueuePolicy.prefetching.prefetch?.bufferSize == 100)
        #expect(QueuePolicy.default.candidates == 20 && QueuePolicy.default.minimumScore == 0.1)
        #expect(QueuePolicy.default.lease == .seconds(30))
    }

    @Test func `M-04 models have limits of their own, and one that is exhausted does not block another`() async throws {
        let test = try QueueHarness()
        let limiter = LimiterGroup(
            [],
            models: ["big": try test.limiter(tokens: 100), "small": try test.limiter(tokens: 1_000)]
        )
        for number in 0..<5 {
            let request = QueueRequest(
                id: "b\(number)",
                payload: "",
                priority: .urgent,
                estimatedTokens: 60,
                model: "big"
            )
            try await test.queue.enqueue(request)
        }
        let low = QueueRequest(id: "s", payload: "", priority: .low, estimatedTokens: 500, model: "small")
        try await test.queue.enqueue(low)
        #expect(try await test.order(under: limiter) == ["b0", "s"])
        let refusal = await test.queue.dequeue(under: limiter).refusal
        #expect(refusal == NoWork(reason: .rateLimited(.tokens), retry: .after(.seconds(12))))
        test.clock.advance(by: .seconds(12))
        #expect(try await test.order(under: limiter) == ["b1"])
    }

    @Test func `M-05 delays, times to live and cancelling`() async throws {
        let events = Lock<[QueueEvent]>([])
        let test = try QueueHarness(observer: { event in events.withLock { $0.append(event) } })
        for (id, delay, life) in [("now", 0, 60), ("later", 10, 60), ("short", 0, 5)] {
            try await test.queue.enqueue(
                QueueRequest(
                    id: id,
                    payload: id,
                    estimatedTokens: 1,
                    delay: .seconds(delay),
                    timeToLive: .seconds(life)
                )
            )
        }
        let message = try await test.dequeue()
        #expect(message.id == "now")
        test.clock.advance(by: .seconds(5))
        #expect(await test.queue.dequeue().refusal == NoWork(reason: .empty, retry: .after(.seconds(5))))
        #expect(try await test.queue.cancel("later") == .cancelled)
        #expect(try await test.queue.cancel("nobody") == .unknown)
        #expect(try await test.queue.cancel("now") == .inFlight)
        #expect(message.isCancelled)
        try await message.fail(Boom())
        #expect(await test.queue.dequeue().refusal == NoWork(reason: .empty, retry: .onChange))
        let totals = try await test.queue.metrics().totals
        #expect(totals.cancelled == 2 && totals.expired == 1 && totals.retried == 0)
        let told = events.withLock { $0 }
        #expect(told.contains(.expired(id: "short")))
        #expect(told.last == .cancelled(id: "now"))
    }

    @Test func `M-05 pausing, draining, a cap, and sharing between tenants`() async throws {
        let policy = QueuePolicy(maximumInFlight: 3, sharing: .init(weights: ["paying": 3]))
        let test = try QueueHarness(policy)
        for number in 0..<40 {
            for tenant in ["flood", "paying"] {
                let request = QueueRequest(id: "\(tenant) \(number)", payload: "", estimatedTokens: 100, tenant: tenant)
                try await test.queue.enqueue(request)
            }
        }
        var served = ["flood": 0, "paying": 0]
        for _ in 0..<40 {
            let message = try await test.dequeue()
            served[message.attributes.tenant, default: 0] += 1
            try await message.complete()
        }
        #expect(served == ["flood": 10, "paying": 30])
        var held: [ProcessableMessage<String>] = []
        while let message = await test.queue.dequeue().message { held.append(message) }
        #expect(held.count == 3)
        let draining = Task { try await test.queue.drain() }
        await eventually { await test.queue.dequeue().refusal?.reason == .stopped }
        for message in held { try await message.complete() }
        try await draining.value
        #expect(try await test.queue.metrics().inFlight == 0)
        test.queue.resume()
        #expect(await test.queue.dequeue().message != nil)
    }

    @Test func `M-05 a policy can be changed while work waits`() async throws {
        let test = try QueueHarness()
        try await test.add("low", .low)
        try await test.add("urgent", .urgent)
        try test.queue.configure(QueuePolicy(order: .fifo))
        #expect(try await test.order() == ["low", "urgent"])
        #expect(throws: PolicyFault.self) { try test.queue.configure(QueuePolicy(candidates: 0)) }
    }
}
