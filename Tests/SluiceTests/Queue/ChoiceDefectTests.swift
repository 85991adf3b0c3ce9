import Sluice
import SluiceTestKit
import Testing

/// What went wrong with choices in the queue that this one grew out of, and must not here.
struct ChoiceDefectTests {
    private struct Boom: Error {}

    @Test func `D-07 requests that make no sense are refused at the door`() async throws {
        let test = try QueueHarness(QueuePolicy(bounds: .init(payloadBytes: 100)))
        let bad: [(String, QueueRequest<String>)] = [
            ("estimatedTokens", QueueRequest(payload: "", estimatedTokens: -1)),
            ("estimatedTokens", QueueRequest(payload: "", estimatedTokens: .max)),
            ("expectedProcessing", QueueRequest(payload: "", estimatedTokens: 1, expectedProcessing: .seconds(-1))),
            ("delay", QueueRequest(payload: "", estimatedTokens: 1, delay: .seconds(-1))),
            ("delay", QueueRequest(payload: "", estimatedTokens: 1, delay: .seconds(1 << 40))),
            ("timeToLive", QueueRequest(payload: "", estimatedTokens: 1, timeToLive: .zero)),
            ("id", QueueRequest(id: "", payload: "", estimatedTokens: 1)),
            ("id", QueueRequest(id: String(repeating: "x", count: 257), payload: "", estimatedTokens: 1)),
            ("payloadBytes", QueueRequest(payload: "", estimatedTokens: 1, payloadBytes: 101)),
        ]
        for (field, request) in bad {
            do {
                try await test.queue.enqueue(request)
                Issue.record("\(field) was accepted")
            } catch {
                guard case .invalid(let named, _, _) = error else { throw error }
                #expect(named == field)
            }
        }
        #expect(Priority(rawValue: 4) == nil)
        #expect(try await test.queue.metrics().totals.refused == bad.count)
        let weights = ScoringWeights(priority: .nan)
        #expect(throws: PolicyFault.self) { try QueueHarness(QueuePolicy(weights: weights)) }
    }

    @Test func `D-07 a scorer that fails counts zero, for that message alone`() async throws {
        let scorers: [any QueueScorer<String>] = [
            ClosureScorer(name: "throws", weight: 1) { attributes, _, _ in
                if attributes.id == "bad" { throw Boom() }
                return 0.5
            },
            ClosureScorer(name: "nan", weight: 2) { _, payload, _ in payload == "bad" ? .nan : 0 },
        ]
        let test = try QueueHarness(scorers: scorers)
        try await test.add("bad", .urgent)
        try await test.add("good", .low)
        let first = try await test.dequeue()
        #expect(first.id == "good")
        #expect(first.breakdown.customScores.map(\.name) == ["throws", "nan"])
        #expect(first.breakdown.custom == 0.5)
        let second = try await test.dequeue()
        #expect(second.breakdown.custom == 0 && second.breakdown.total.isFinite)
        #expect(second.breakdown.customScores.compactMap(\.failure) == ["Boom()", "not a finite number"])
        #expect(try await test.queue.metrics().totals.scorerFailures == 4)
    }

    @Test func `D-07 weights are merged or replaced, never left undefined`() {
        var weights = ScoringWeights.fair
        weights.merge(priority: 0.9, processingTime: 0.1)
        #expect(weights.priority == 0.9 && weights.processingTime == 0.1)
        #expect(weights.waitTime == ScoringWeights.fair.waitTime)
    }

    @Test func `D-08 what could never run is refused when the capacity is known`() async throws {
        let test = try QueueHarness(QueuePolicy(bounds: .init(capacity: 1_000)))
        await #expect(throws: EnqueueError.neverFits(tokens: 1_500, capacity: 1_000)) {
            try await test.add("large", tokens: 1_500)
        }
        try await test.add("exact", tokens: 1_000)
    }

    @Test func `D-08 otherwise it stands in nobody's way, and never is said as never`() async throws {
        let test = try QueueHarness()
        let limiter = try test.limiter(tokens: 1_000)
        try await test.add("large", .urgent, tokens: 1_500)
        #expect(
            await test.queue.dequeue(under: limiter).refusal
                == NoWork(reason: .allRefused(needs: 1_500), retry: .onChange)
        )
        test.clock.advance(by: .seconds(400))
        try await test.add("small", .low, tokens: 10)
        #expect(try await test.dequeue(under: limiter).id == "small")
        #expect(try await test.dequeue(under: try test.limiter(tokens: 2_000)).id == "large")
    }

    @Test func `D-09 what fits is found behind any number of requests that do not`() async throws {
        let test = try QueueHarness()
        let limiter = try test.limiter(tokens: 1_000)
        for number in 0..<20 { try await test.add("u\(number)", .urgent, tokens: 5_000) }
        try await test.add("low", .low, tokens: 10)
        #expect(try await test.dequeue(under: limiter).id == "low")
        let remote = RemoteHarness()
        let queue = try remote.worker(.default)
        let other = try RateLimiter(RateLimit(tokensPerMinute: 1_000), clock: remote.clock)
        for number in 0..<50 {
            try await queue.enqueue(
                QueueRequest(id: "u\(number)", payload: "", priority: .urgent, estimatedTokens: 5_000)
            )
        }
        try await queue.enqueue(QueueRequest(id: "low", payload: "", priority: .low, estimatedTokens: 10))
        #expect(await queue.dequeue(under: other).message?.id == "low")
    }

    @Test func `D-10 what has just come in competes at once`() async throws {
        let test = try QueueHarness()
        for number in 0..<60 { try await test.add("n\(number)") }
        let first = try await test.dequeue()
        try await test.add("urgent", .urgent)
        #expect(try await test.dequeue().id == "urgent")
        try await first.complete()
        let remote = RemoteHarness()
        let queue = try remote.worker(QueuePolicy.prefetching.with { $0.prefetch?.bufferSize = 1 })
        await remote.add(["l1", "l2", "l3", "l4"], .low, to: queue)
        let low = await queue.dequeue().message
        #expect(low?.id == "l1")
        #expect(try await queue.metrics().buffered == 1)
        await remote.add(["urgent"], .urgent, to: queue)
        let second = await queue.dequeue().message
        #expect(second?.id == "urgent")
    }

    @Test(
        arguments: [ScoringWeights.balanced, .simplePriority, .throughputOptimized, .fair],
        Priority.allCases.dropLast()
    )
    func `D-11 nobody starves: a low request under a backlog of better ones is served within the bound`(
        weights: ScoringWeights,
        better: Priority
    ) async throws {
        let test = try QueueHarness(QueuePolicy(weights: weights, maximumWait: .seconds(300)))
        try await test.add("low", .low)
        for number in 0..<24 { try await test.add("b\(number)", better) }
        var second = 0
        while second < 1_000 {
            let message = try await test.dequeue()
            try await message.complete()
            if message.id == "low" { break }
            test.clock.advance(by: .seconds(1))
            second += 1
            try await test.add("s\(second)", better)
        }
        #expect(second <= 300)
    }

    @Test func `D-11 tokens are saved for who has waited too long, so that small requests cannot starve a large one`()
        async throws
    {
        let test = try QueueHarness(QueuePolicy(maximumWait: .seconds(60)))
        let limiter = try test.limiter(tokens: 600)
        try await test.add("large", .low, tokens: 600)
        var served: Int?
        for second in 0..<300 where served == nil {
            for _ in 0..<5 {
                try await test.queue.enqueue(QueueRequest(payload: "s", priority: .urgent, estimatedTokens: 10))
            }
            while let message = await test.queue.dequeue(under: limiter).message {
                if message.payload == "large" { served = second }
                try await message.complete()
            }
            test.clock.advance(by: .seconds(1))
        }
        #expect(try #require(served) <= 121)
    }

    @Test func `D-12 the threshold orders and never holds back`() async throws {
        let test = try QueueHarness(QueuePolicy(weights: .throughputOptimized))
        let limiter = try test.limiter(tokens: 10_000_000)
        try await test.add("lone", .low, tokens: 10, expected: .seconds(60))
        let message = try await test.dequeue(under: limiter)
        #expect(message.attributes.receiveCount == 1)
        #expect(message.selection.reason == .belowMinimum)
        #expect(message.selection.score < 0.1)
        try await test.add("weak", .low, tokens: 10, expected: .seconds(60))
        try await test.add("strong", .high, tokens: 10)
        #expect(try await test.order(under: limiter) == ["strong", "weak"])
    }

    @Test func `D-13 fetching ahead begins with the first dequeue, and survives purge and stop`() async throws {
        let test = RemoteHarness()
        let queue = try test.worker()
        await test.add(["a", "b", "c", "d"], to: queue)
        #expect(await queue.dequeue().message?.id == "a")
        try await queue.purge()
        await test.add(["e", "f", "g"], to: queue)
        #expect(await queue.dequeue().message?.id == "e")
        #expect(try await queue.metrics().buffered == 1)
        await queue.stop()
        #expect(await queue.dequeue().refusal?.reason == .stopped)
        queue.resume()
        #expect(await queue.dequeue().message?.id == "f")
    }
}
