import Sluice
import SluiceBasics
import SluiceTestKit
import Testing

/// Properties that hold for every sequence of calls, tried with seeds.
struct QueuePropertyTests {
    private struct Boom: Error {}

    /// What a test knows of a queue by its own counting.
    private struct Log {
        var accepted = 0
        var completed: [(at: Int64, tokens: Int)] = []
        var waits: [Int64] = []
        var services: [Int64] = []
        var buried = 0
        var cancelled = 0
        var failed = 0
        var held: [(message: ProcessableMessage<String>, at: Int64)] = []
    }

    @Test(arguments: Array(UInt64(1)...12))
    func `properties 1 and 9: nothing is lost or doubled, and metrics equal a recount at every step`(
        seed: UInt64
    ) async throws {
        var random = SeededRandom(seed: seed)
        let policy = QueuePolicy(
            renewal: .manual,
            retry: RetryRules(maximumReceives: 3, baseDelay: .seconds(1), jitter: 0.5),
            deduplicationWindow: .zero
        )
        let test = try QueueHarness(policy)
        let limiter = try test.limiter(tokens: 60_000)
        var log = Log()
        var time: Int64 = 0
        for step in 0..<400 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0...2: try await self.enqueue(test, step, &log, &random)
            case 3...5:
                if let message = await test.queue.dequeue(under: limiter).message {
                    if message.attributes.receiveCount == 1 {
                        log.waits.append(message.attributes.age.wholeNanoseconds)
                    }
                    // A message that is handed out again is not this consumer's any more.
                    log.held.removeAll { $0.message.id == message.id }
                    log.held.append((message, time))
                }
            case 6...7: try await self.settle(test, time, &log, &random)
            default:
                let span = Int64.random(in: 1...4_000, using: &random) * 1_000_000
                test.clock.advance(by: .nanoseconds(span))
                time += span
            }
            try await self.compare(test, log, time, "seed \(seed), step \(step)")
        }
    }

    private func enqueue(
        _ test: QueueHarness,
        _ step: Int,
        _ log: inout Log,
        _ random: inout SeededRandom
    ) async throws {
        let request = QueueRequest(
            id: "\(step)",
            payload: "\(step)",
            priority: Priority.allCases.randomElement(using: &random) ?? .normal,
            estimatedTokens: Int.random(in: 0...2_000, using: &random),
            delay: Bool.random(using: &random) ? .zero : .milliseconds(Int.random(in: 0...3_000, using: &random))
        )
        try await test.queue.enqueue(request)
        log.accepted += 1
        if step.isMultiple(of: 13), try await test.queue.cancel("\(step)") == .cancelled { log.cancelled += 1 }
    }

    private func settle(
        _ test: QueueHarness,
        _ time: Int64,
        _ log: inout Log,
        _ random: inout SeededRandom
    ) async throws {
        guard let index = log.held.indices.randomElement(using: &random) else { return }
        let (message, since) = log.held.remove(at: index)
        let isStale = time - since >= 30_000_000_000
        let tokens = Int.random(in: 0...2_000, using: &random)
        do {
            switch Int.random(in: 0..<4, using: &random) {
            case 0...1:
                try await message.complete(actualTokens: tokens)
                log.completed.append((time, tokens))
                log.services.append(time - since)
            case 2:
                try await message.fail(Boom())
                log.failed += 1
                if message.attributes.receiveCount >= 3 { log.buried += 1 }
            default: try await message.release()
            }
            #expect(!isStale)
        } catch {
            guard case .stale = error else { throw error }
            #expect(isStale)
        }
    }

    private func compare(_ test: QueueHarness, _ log: Log, _ time: Int64, _ place: Comment) async throws {
        let metrics = try await test.queue.metrics()
        let totals = metrics.totals
        // Who has been lost too often is buried by the dequeue that finds it.
        #expect(totals.deadLettered >= log.buried, place)
        #expect(metrics.dead == totals.deadLettered, place)
        let ends = log.completed.count + log.cancelled + metrics.dead
        #expect(log.accepted == ends + metrics.depth + metrics.inFlight, place)
        #expect(totals.completed == log.completed.count && totals.cancelled == log.cancelled, place)
        #expect(totals.failed == log.failed && totals.enqueued == log.accepted, place)
        let second = time / 1_000_000_000
        let recent = log.completed.filter { $0.at / 1_000_000_000 > second - 60 }
        #expect(metrics.messagesPerMinute == recent.count, place)
        #expect(metrics.tokensPerMinute == recent.reduce(0) { $0 + $1.tokens }, place)
        try self.compare(metrics.wait, log.waits, place)
        try self.compare(metrics.service, log.services, place)
    }

    /// The tests last less than the retention: everything counts.
    private func compare(_ summary: DurationSummary, _ spans: [Int64], _ place: Comment) throws {
        guard summary.count == spans.count || spans.isEmpty else {
            #expect(summary.count < spans.count, place)
            return
        }
        guard !spans.isEmpty else { return }
        let sorted = spans.sorted()
        #expect(summary.mean == .nanoseconds(spans.reduce(0, +) / Int64(spans.count)), place)
        #expect(summary.maximum == .nanoseconds(sorted[sorted.count - 1]), place)
        for (share, found) in [(0.5, summary.p50), (0.9, summary.p90), (0.95, summary.p95), (0.99, summary.p99)] {
            let exact = sorted[max(1, Int((Double(sorted.count) * share).rounded(.up))) - 1]
            #expect(found >= .microseconds(exact / 1_000), place)
            #expect(Double(found.wholeNanoseconds) <= Double(exact) * 33 / 32 + 1_000, place)
        }
    }

    @Test(arguments: Array(UInt64(1)...30))
    func `property 1: consumers that die, and a store that loses answers, lose and double nothing`(
        seed: UInt64
    ) async throws {
        let test = RemoteHarness(.unreliable(seed: seed))
        let policy = QueuePolicy(
            renewal: .manual,
            retry: RetryRules(maximumReceives: 1_000),
            deduplicationWindow: .zero
        )
        var random = SeededRandom(seed: seed)
        var queue = try test.worker(policy)
        for number in 0..<40 {
            let message = NewMessage(id: "\(number)", payload: "\(number)", estimatedTokens: 1)
            _ = try await test.inner.enqueue([message])
        }
        var done: [String: Int] = [:]
        for _ in 0..<5_000 where done.count < 40 {
            if Int.random(in: 0..<40, using: &random) == 0 { queue = try test.worker(policy) }
            guard let message = await queue.dequeue().message else {
                test.clock.advance(by: .seconds(5))
                continue
            }
            // A third of the consumers die.
            if Int.random(in: 0..<3, using: &random) == 0 { continue }
            while true {
                do {
                    try await message.complete()
                    done[message.id, default: 0] += 1
                } catch MessageError.storage {
                    continue
                } catch {
                    // Completed by an attempt whose answer was lost.
                    done[message.id, default: 0] += 1
                }
                break
            }
        }
        #expect(done.count == 40)
        #expect(done.values.allSatisfy { $0 == 1 })
        #expect(try await test.inner.statistics() == StorageStatistics())
    }

    @Test(arguments: Array(UInt64(1)...20))
    func `property 3: with work that fits a dequeue returns work, and everything is served within a bound`(
        seed: UInt64
    ) async throws {
        var random = SeededRandom(seed: seed)
        let weights = [ScoringWeights.balanced, .simplePriority, .throughputOptimized, .fair]
        let policy = QueuePolicy(
            weights: weights[Int(seed) % 4],
            minimumScore: Double.random(in: 0...2, using: &random),
            candidates: Int.random(in: 1...30, using: &random),
            maximumWait: .seconds(60)
        )
        let test = try QueueHarness(policy)
        let limiter = try test.limiter(tokens: 6_000)
        var sizes: [String: Int] = [:]
        var longest = Duration.zero
        for second in 0..<600 {
            // Less than is refilled on average, in bursts, urgent ones mostly.
            for number in 0..<(Int.random(in: 0..<8, using: &random) == 0 ? 8 : 0) {
                let tokens = Bool.random(using: &random) ? 10 : Int.random(in: 1...150, using: &random)
                let priority: Priority = Int.random(in: 0..<5, using: &random) == 0 ? .low : .urgent
                sizes["\(second) \(number)"] = tokens
                try await test.add("\(second) \(number)", priority, tokens: tokens)
            }
            while true {
                let answer = await test.queue.dequeue(under: limiter)
                guard let message = answer.message else {
                    let available = limiter.availableTokens ?? 0
                    let least = sizes.values.min() ?? .max
                    let counts = try await test.storage.statistics()
                    let isSaving = (counts.oldestAge ?? .zero) >= .seconds(60)
                    #expect(least > available || isSaving, "seed \(seed): \(least) of \(available) was refused")
                    break
                }
                longest = max(longest, message.attributes.age)
                sizes[message.id] = nil
                try await message.complete()
            }
            test.clock.advance(by: .seconds(1))
        }
        // The bound of the policy, and the time to fill the bucket for each of those who are older.
        #expect(longest <= .seconds(180), "seed \(seed)")
    }

    @Test(arguments: Array(UInt64(1)...10))
    func `property 7: equal scores keep their order, and the same calls give the same order`(seed: UInt64) async throws
    {
        var orders: [[String]] = []
        for _ in 0..<2 {
            var random = SeededRandom(seed: seed)
            let test = try QueueHarness()
            for number in 0..<60 {
                let priority = Priority.allCases.randomElement(using: &random) ?? .normal
                try await test.add("\(number)", priority, tokens: Int.random(in: 1...500, using: &random))
                test.clock.advance(by: .milliseconds(Int.random(in: 0...900, using: &random)))
            }
            orders.append(try await test.order(under: try test.limiter(tokens: 1_000_000)))
        }
        #expect(orders[0].count == 60 && orders[0] == orders[1])
        let same = try QueueHarness()
        for number in 0..<100 { try await same.add("\(number)") }
        #expect(try await same.order() == (0..<100).map(String.init))
    }
}
