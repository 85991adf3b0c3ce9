import Sluice
import SluiceConformance
import SluiceTestKit
import Testing

/// Age, order and caps where the queue itself compares what the store offers.
struct ComparedByQueueTests {
    private static var scorers: [any QueueScorer<String>] {
        [ClosureScorer(name: "none", weight: 0) { _, _, _ in 0 }]
    }

    @Test func `a message that never fits its model's limit does not keep others from being overdue`() async throws {
        let test = try QueueHarness(QueuePolicy(maximumWait: .seconds(60)), scorers: Self.scorers)
        let all = try test.limiter(tokens: 1_000_000)
        let model = try test.limiter(tokens: 500)
        let limiter = LimiterGroup([all], models: ["m": model])
        try await test.queue.enqueue(QueueRequest(id: "stuck", payload: "", estimatedTokens: 600, model: "m"))
        try await test.add("low", .low)
        test.clock.advance(by: .seconds(61))
        for number in 0..<30 { try await test.add("urgent \(number)", .urgent) }
        let message = try await test.dequeue(under: limiter)
        #expect(message.id == "low" && message.selection.reason == .overdue)
    }

    @Test func `what is overdue is found behind what needs more than there could ever be`() async throws {
        let test = try QueueHarness(QueuePolicy(maximumWait: .seconds(60)), scorers: Self.scorers)
        let limiter = try test.limiter(tokens: 1_000)
        // Of one size class.
        try await test.add("never", .low, tokens: 1_020)
        try await test.add("low", .low, tokens: 990)
        test.clock.advance(by: .seconds(61))
        for number in 0..<30 { try await test.add("urgent \(number)", .urgent) }
        #expect(try await test.dequeue(under: limiter).id == "low")
    }

    @Test func `a tenant at its cap is at its cap however long its messages wait`() async throws {
        let sharing = QueuePolicy.Sharing(maximumInFlight: 1)
        let test = try QueueHarness(QueuePolicy(maximumWait: .seconds(60), sharing: sharing), scorers: Self.scorers)
        for id in ["first", "second"] {
            try await test.queue.enqueue(QueueRequest(id: id, payload: "", estimatedTokens: 1, tenant: "t"))
        }
        let first = try await test.dequeue()
        test.clock.advance(by: .seconds(20))
        try await first.extend(by: .seconds(600))
        test.clock.advance(by: .seconds(60))
        #expect(await test.queue.dequeue().message == nil)
        let claimed = try await test.storage.claim(["second"], lease: .seconds(1))
        #expect(claimed.isEmpty)
        try await first.complete()
        #expect(try await test.dequeue().id == "second")
    }

    @Test func `first in first out looks behind twenty messages that are more important`() async throws {
        var policy = QueuePolicy(maximumWait: .seconds(1_000_000))
        policy.order = .fifo
        let test = try QueueHarness(policy, scorers: Self.scorers)
        try await test.add("low", .low)
        // Of many sizes, all of which are looked at before age.
        for number in 0..<30 { try await test.add("urgent \(number)", .urgent, tokens: 1 << number) }
        #expect(try await test.order(2) == ["low", "urgent 0"])
    }

    @Test func `when all that is ready belongs to tenants at their cap that is the reason`() async throws {
        let test = try QueueHarness(QueuePolicy(sharing: QueuePolicy.Sharing(maximumInFlight: 1)))
        try await test.add("a")
        try await test.add("b")
        let message = try await test.dequeue()
        #expect(await test.queue.dequeue().refusal?.reason == .atCapacity)
        try await message.complete()
        try await test.dequeue().complete()
        #expect(await test.queue.dequeue().refusal?.reason == .empty)
    }

    @Test func `names that the queue makes itself are made anew when they are taken, and not for ever`() async throws {
        let test = RemoteHarness(.callsFirstDuplicate)
        let queue = try test.worker(.default)
        let answers = await queue.enqueue(
            contentsOf: (0..<3).map { QueueRequest(payload: "\($0)", estimatedTokens: 1) }
        )
        #expect(answers.allSatisfy { (try? $0.get()) != nil })
        #expect(try await test.inner.statistics().ready == 3)
        let stubborn = try RemoteHarness(.callsAllDuplicates).worker(.default)
        await #expect(throws: EnqueueError.self) {
            try await stubborn.enqueue(QueueRequest(payload: "", estimatedTokens: 1))
        }
    }
}

struct ConformanceToleranceTests {
    /// Time passes while calls are made, as it does where the suite really waits.
    @Test(arguments: StorageConformance.allCases)
    func `a store whose time passes by itself can keep every rule`(rule: StorageConformance) async {
        let violations = await rule.violations {
            let clock = StepClock()
            let storage = FaultyStorage(InMemoryStorage(clock: clock), .none) { clock.advance(by: .milliseconds(2)) }
            return StorageUnderTest(storage: storage, tolerance: .milliseconds(200)) { clock.advance(by: $0) }
        }
        #expect(violations == [])
    }
}
