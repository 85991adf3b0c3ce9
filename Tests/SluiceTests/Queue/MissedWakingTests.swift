import SluiceBasics
import SluiceTestKit
import Testing

@testable import Sluice

/// Who waits is woken by whatever may bring work.
struct MissedWakingTests {
    @Test func `a message that is given up at once wakes who waits`() async throws {
        let test = try QueueHarness()
        try await test.add("a")
        let message = try await test.dequeue()
        let waiting = Task { try await test.queue.next()?.id }
        await eventually { test.queue.bell.waiters == 1 }
        try await message.extend(by: .zero)
        await Self.expect(waiting, "a")
    }

    @Test func `a queue beside is woken by a lease that is made shorter`() async throws {
        let test = try QueueHarness()
        let other = try Queue(storage: test.storage, clock: test.clock)
        try await test.add("a")
        let message = try await test.dequeue()
        let waiting = Task { try await other.next()?.id }
        await eventually { other.bell.waiters == 1 }
        try await message.extend(by: .zero)
        await Self.expect(waiting, "a")
    }

    @Test func `a queue beside is woken when a tenant at its cap has room again`() async throws {
        let policy = QueuePolicy(sharing: QueuePolicy.Sharing(maximumInFlight: 1))
        let test = try QueueHarness(policy)
        let other = try Queue(storage: test.storage, policy: policy, clock: test.clock)
        try await test.add("a")
        try await test.add("b")
        let message = try await test.dequeue()
        let waiting = Task { try await other.next()?.id }
        await eventually { other.bell.waiters == 1 }
        try await message.complete()
        await Self.expect(waiting, "b")
    }

    @Test func `who is refused notices that the limit was changed`() async throws {
        let test = try QueueHarness()
        let limiter = try test.limiter(tokens: 100)
        try await test.add("a", tokens: 500)
        let waiting = Task { try await test.queue.next(under: limiter)?.id }
        await eventually { test.queue.bell.waiters == 1 }
        try limiter.configure(RateLimit(tokensPerMinute: 60_000))
        await eventually { test.clock.sleepers > 0 }
        test.clock.advance(by: .seconds(1))
        await Self.expect(waiting, "a")
    }

    @Test func `who waits for a limit asks the limiter alone, and notices that it was reset`() async throws {
        let test = try QueueHarness()
        let limiter = try test.limiter(tokens: 60)
        _ = limiter.reserve(60)
        try await test.add("a", tokens: 50)
        let waiting = Task { try await test.queue.next(under: limiter)?.id }
        for _ in 0..<20 {
            await eventually { test.clock.sleepers > 0 }
            test.clock.advance(by: .seconds(1))
        }
        #expect(test.queue.state.withLock { $0.looks } == 1)
        await eventually { test.clock.sleepers > 0 }
        limiter.reset()
        test.clock.advance(by: .seconds(1))
        await Self.expect(waiting, "a")
    }

    private static func expect(_ waiting: Task<String?, any Error>, _ id: String) async {
        let answer = Lock<String?>(nil)
        let watching = Task {
            let id = try await waiting.value
            answer.withLock { $0 = id }
        }
        await eventually { answer.withLock { $0 == id } }
        waiting.cancel()
        _ = await watching.result
    }
}

/// A limiter whose budget says less than it knows.
struct SecretiveLimiterTests {
    private final class Secretive: WorkLimiter {
        let refused: String
        let named: [String: Int]
        let calls = Lock(0)

        init(refused: String, named: Int) {
            self.refused = refused
            self.named = Dictionary(uniqueKeysWithValues: (0..<named).map { ("m\($0)", 1_000) })
        }

        func budget() -> WorkBudget { WorkBudget(modelTokens: self.named) }

        private var refusal: ThrottleRefusal { ThrottleRefusal(limit: .tokens, availableIn: .seconds(9)) }

        func check(tokens: Int, model: String?) -> ThrottleAnswer {
            model == self.refused ? .refused(self.refusal) : .allowed
        }

        func reserve(tokens: Int, model: String?) -> Result<WorkReservation, ThrottleRefusal> {
            self.calls.withLock { $0 += 1 }
            return model == self.refused ? .failure(self.refusal) : .success(WorkReservation(tokens: tokens))
        }

        func settle(_ reservation: WorkReservation, actualTokens: Int) {}

        func cancel(_ reservation: WorkReservation) {}
    }

    @Test(arguments: [0, 254])
    func `a model that is refused blocks nobody, and is not tried a thousand times`(named: Int) async throws {
        let test = try QueueHarness()
        let limiter = Secretive(refused: "held", named: named)
        for number in 0..<30 {
            try await test.queue.enqueue(
                QueueRequest(id: "x\(number)", payload: "", priority: .urgent, estimatedTokens: 10, model: "held")
            )
        }
        try await test.queue.enqueue(QueueRequest(id: "a", payload: "", estimatedTokens: 10, model: "free"))
        #expect(try await test.dequeue(under: limiter).id == "a")
        #expect(limiter.calls.withLock { $0 } <= 4)
        limiter.calls.withLock { $0 = 0 }
        #expect(await test.queue.dequeue(under: limiter).message == nil)
        #expect(limiter.calls.withLock { $0 } <= 10)
    }
}
