import Sluice
import SluiceBasics
import SluiceTestKit
import Testing

/// The rules of a dequeue one by one.
struct DequeueRuleTests {
    @Test func `the best score wins, the earliest of equals, and what does not fit is not looked at`() async throws {
        let test = try QueueHarness()
        let limiter = try test.limiter(tokens: 1_500)
        try await test.add("oversized", .urgent, tokens: 2_000)
        try await test.add("inefficient", tokens: 150)
        try await test.add("efficient", tokens: 1_200)
        try await test.add("twin", tokens: 1_200)
        test.clock.advance(by: .seconds(30))
        let message = try await test.dequeue(under: limiter)
        #expect(message.id == "efficient")
        #expect(abs(message.selection.score - 0.685200) < 1e-6)
        #expect(message.selection.compared == 3)
        #expect(limiter.availableTokens == 300)
        #expect(try await test.dequeue(under: limiter).id == "inefficient")
    }

    @Test func `a first delivery scores as never received, and a second one less`() async throws {
        let test = try QueueHarness(QueuePolicy(retry: RetryRules(baseDelay: .zero, jitter: 0)))
        try await test.add("a", tokens: 100)
        let first = try await test.dequeue()
        #expect(first.breakdown.retry == 0.1)
        try await first.fail(CancellationError())
        #expect(abs(try await test.dequeue().breakdown.retry - 0.07) < 1e-12)
    }

    @Test func `consumers at the same time lease as many messages as they get`() async throws {
        let test = try QueueHarness()
        for number in 0..<200 { try await test.add("m\(number)") }
        let taken = await withTaskGroup(of: ProcessableMessage<String>?.self) { group in
            for _ in 0..<4 { group.addTask { await test.queue.dequeue().message } }
            return await group.reduce(into: [ProcessableMessage<String>]()) { all, message in
                if let message { all.append(message) }
            }
        }
        #expect(Set(taken.map(\.id)).count == 4)
        let metrics = try await test.queue.metrics()
        #expect(metrics.inFlight == 4 && metrics.depth == 196 && metrics.buffered == 0)
    }

    @Test(arguments: Array(UInt64(1)...10))
    func `availableIn of a refusal is honest: not before, and exactly then`(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        // Without a bound on waiting, for which tokens would be saved.
        let test = try QueueHarness(QueuePolicy(maximumWait: .seconds(1_000_000)))
        let limiter = try test.limiter(requests: 30, tokens: 1_000)
        for _ in 0..<60 {
            try await test.queue.enqueue(
                QueueRequest(payload: "", estimatedTokens: Int.random(in: 0...900, using: &random))
            )
        }
        for _ in 0..<60 {
            switch await test.queue.dequeue(under: limiter) {
            case .work(let message):
                try await message.complete(actualTokens: Int.random(in: 0...1_000, using: &random))
            case .nothing(let nothing):
                guard case .after(let span) = nothing.retry, span > .milliseconds(1) else {
                    Issue.record("\(nothing)")
                    return
                }
                test.clock.advance(by: span - .milliseconds(1))
                #expect(await test.queue.dequeue(under: limiter).message == nil)
                test.clock.advance(by: .milliseconds(1))
                let message = try await test.dequeue(under: limiter)
                try await message.complete()
            }
        }
    }

    @Test func `a thousand consumers that wait are woken one for each request`() async throws {
        let test = try QueueHarness()
        let consumers = (0..<200).map { _ in Task { try await test.queue.next()?.id } }
        try await eventually { try await test.queue.metrics().waitingConsumers == 200 }
        let requests = (0..<200).map { QueueRequest(id: "\($0)", payload: "", estimatedTokens: 1) }
        _ = await test.queue.enqueue(contentsOf: requests)
        var ids = Set<String>()
        for consumer in consumers { if let id = try await consumer.value { ids.insert(id) } }
        #expect(ids.count == 200)
        #expect(test.clock.sleepers <= 1)
    }

    @Test(arguments: [100, 1_000, 10_000])
    func `property 8: how many messages a dequeue compares does not grow with the queue`(count: Int) async throws {
        let test = try QueueHarness()
        let limiter = try test.limiter(requests: 1 << 30, tokens: 1 << 36)
        var random = SeededRandom(seed: 8)
        for _ in 0..<count {
            let request = QueueRequest(
                payload: "",
                priority: Priority.allCases.randomElement(using: &random) ?? .normal,
                estimatedTokens: 1 << Int.random(in: 0..<14, using: &random)
            )
            try await test.queue.enqueue(request)
        }
        for _ in 0..<50 {
            let message = try await test.dequeue(under: limiter)
            // Four priorities, fourteen sizes; the window of twenty besides.
            #expect(message.selection.compared <= 4 * 14 + 20)
            try await message.complete()
        }
    }
}

/// Who is woken when.
struct WakingTests {
    @Test func `what one consumer may not take wakes another that may`() async throws {
        let test = try QueueHarness()
        let poor = try test.limiter(tokens: 10)
        let rich = try test.limiter(tokens: 1_000)
        _ = poor.reserve(10)
        let consumers = [poor, poor, rich].map { limiter in Task { try await test.queue.next(under: limiter)?.id } }
        try await eventually { try await test.queue.metrics().waitingConsumers == 3 }
        try await test.add("large", tokens: 500)
        #expect(try await consumers[2].value == "large")
        for consumer in consumers { consumer.cancel() }
    }

    @Test(arguments: Array(UInt64(1)...10))
    func `no ring is lost among consumers that come, wait, and are cancelled`(seed: UInt64) async throws {
        let test = try QueueHarness()
        let taken = Lock<Set<String>>([])
        var random = SeededRandom(seed: seed)
        var consumers: [Task<Void, any Error>] = []
        for number in 0..<300 {
            if Bool.random(using: &random) {
                consumers.append(
                    Task {
                        while let message = try await test.queue.next() {
                            taken.withLock { _ = $0.insert(message.id) }
                            try await message.complete()
                        }
                    }
                )
            }
            if consumers.count > 8 { consumers.remove(at: 0).cancel() }
            try await test.add("\(number)")
            if Int.random(in: 0..<4, using: &random) == 0 { await Task.yield() }
        }
        await eventually { taken.withLock { $0.count } == 300 }
        await test.queue.stop()
        for consumer in consumers { try await consumer.value }
    }
}
