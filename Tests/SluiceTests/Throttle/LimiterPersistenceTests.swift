import Sluice
import SluiceBasics
import Testing

@Suite struct LimiterPersistenceTests {
    private let storage = MemoryThrottleStorage()
    private let wall = Lock<Duration>(.seconds(1_700_000_000))

    /// A limiter of a process that has just begun: its clock knows nothing of the one before.
    private func start(_ limit: RateLimit, uptime: Duration = .zero) throws -> (RateLimiter, LimiterClock) {
        let clock = LimiterClock(at: uptime)
        let wall = self.wall
        let limiter = try RateLimiter(
            limit,
            clock: clock,
            wallClock: { wall.withLock { $0 } },
            persistence: ThrottlePersistence(self.storage, key: "tpm")
        )
        return (limiter, clock)
    }

    @Test(arguments: RateLimit.Mode.allCases)
    func `T-08 after a restart the bucket fills at once`(mode: RateLimit.Mode) async throws {
        let limit = RateLimit(tokensPerMinute: 1_000, mode: mode)
        let (before, clock) = try self.start(limit)
        clock.advance(by: .seconds(3_600))
        #expect(before.reserve(1_000).isSuccess)
        try await before.persist()
        self.wall.withLock { $0 += .seconds(30) }
        let (after, _) = try self.start(limit)
        #expect(try await after.restore())
        #expect(after.availableTokens == (mode == .smooth ? 500 : 0))
        self.wall.withLock { $0 += .seconds(30) }
        let (later, _) = try self.start(limit)
        try await later.restore()
        #expect(later.availableTokens == 1_000)
    }

    @Test func `T-08 a snapshot from the future counts as taken now`() async throws {
        let (before, _) = try self.start(RateLimit(requestsPerMinute: 100, tokensPerMinute: 1_000))
        #expect(before.reserve(600).isSuccess)
        try await before.persist()
        self.wall.withLock { $0 -= .seconds(86_400) }
        let (after, clock) = try self.start(RateLimit(requestsPerMinute: 100, tokensPerMinute: 1_000))
        try await after.restore()
        #expect(after.availableTokens == 400)
        clock.advance(by: .seconds(36))
        #expect(after.availableTokens == 1_000)
        #expect(after.metrics.requestsInLastMinute == 1)
        clock.advance(by: .seconds(24))
        #expect(after.metrics.requestsInLastMinute == 0)
    }

    @Test func `T-09 what was settled and overdrawn survives, and is paid once`() async throws {
        let limit = RateLimit(tokensPerMinute: 100)
        let (before, clock) = try self.start(limit)
        let reservation = try before.reserve(50).get()
        before.settle(reservation, actualTokens: 250)
        try await before.persist()
        clock.advance(by: .seconds(60))
        self.wall.withLock { $0 += .seconds(60) }
        #expect(before.availableTokens == -50)
        try await before.persist()
        self.wall.withLock { $0 += .seconds(60) }
        let (after, _) = try self.start(limit)
        try await after.restore()
        #expect(after.availableTokens == 50)
        let again = try after.reserve(10).get()
        // A handle from before the restart is not that of somebody else now.
        #expect(after.settle(reservation, actualTokens: 0) == .unknownReservation)
        #expect(after.settle(again, actualTokens: 0) == .settled)
    }

    @Test func `T-09 saves are in order, one at a time and shared by who waits`() async throws {
        let (limiter, _) = try self.start(RateLimit(tokensPerMinute: 1_000_000))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    #expect(limiter.reserve(10).isSuccess)
                    try await limiter.persist()
                    // What was reserved before is in what is stored.
                    let stored = try await self.storage.load("tpm")
                    #expect(stored?.tokens.map { $0.tokens <= 1_000_000 - 10 } == true)
                }
            }
            try await group.waitForAll()
        }
        #expect(self.storage.sequences == self.storage.sequences.sorted())
        #expect(self.storage.mostAtOnce == 1)
        #expect(self.storage.sequences.count < 100)
        let stored = try await self.storage.load("tpm")
        #expect(stored?.tokens?.tokens == 1_000_000 - 1_000)
    }

    @Test func `T-09 a failure is told to those whose snapshot it was, and to nobody else`() async throws {
        let (limiter, _) = try self.start(RateLimit(tokensPerMinute: 1_000))
        self.storage.fail(1)
        await #expect(throws: StorageFailure.self) { try await limiter.persist() }
        try await limiter.persist()
        self.storage.fail(1)
        await #expect(throws: StorageFailure.self) { _ = try await limiter.reserveDurably(400) }
        #expect(limiter.availableTokens == 1_000)
        #expect(try await limiter.reserveDurably(400).isSuccess)
        let stored = try await self.storage.load("tpm")
        #expect(stored?.tokens?.tokens == 600)
        #expect(try await limiter.reserveDurably(900).refusal != nil)
    }

    @Test func `under another limit the books go on`() async throws {
        let (before, _) = try self.start(RateLimit(tokensPerMinute: 1_000))
        #expect(before.reserve(750).isSuccess)
        let snapshot = before.snapshot()
        let (smaller, _) = try self.start(RateLimit(tokensPerMinute: 100))
        smaller.restore(snapshot)
        #expect(smaller.availableTokens == 25)
        let (strict, _) = try self.start(RateLimit(tokensPerMinute: 1_000, mode: .strict))
        strict.restore(snapshot)
        #expect(strict.availableTokens == 250)
    }

    @Test func `nothing stored, nothing restored`() async throws {
        let (limiter, _) = try self.start(RateLimit(tokensPerMinute: 1_000))
        #expect(try await limiter.restore() == false)
        let alone = try RateLimiter(RateLimit(tokensPerMinute: 1_000))
        #expect(try await alone.restore() == false)
        try await alone.persist()
    }

    @Test func `many snapshots, restored at any moment, never give more than the limit`() async throws {
        let limit = RateLimit(requestsPerMinute: 60, tokensPerMinute: 6_000, mode: .strict)
        var (limiter, clock) = try self.start(limit)
        var random = SeededRandom(seed: 9)
        var used: [(at: Duration, tokens: Int)] = []
        for _ in 0..<3_000 {
            let pause = Duration.milliseconds(Int64.random(in: 1...200, using: &random))
            clock.advance(by: pause)
            self.wall.withLock { $0 += pause }
            let tokens = Int.random(in: 1...400, using: &random)
            if limiter.reserve(tokens).isSuccess { used.append((self.wall.withLock { $0 }, tokens)) }
            if Int.random(in: 0..<50, using: &random) == 0 {
                let snapshot = limiter.snapshot()
                (limiter, clock) = try self.start(limit)
                limiter.restore(snapshot)
            }
        }
        for start in used.indices {
            let window = used[start...].prefix { $0.at - used[start].at < .seconds(60) }
            #expect(window.count <= 60)
            #expect(window.map(\.tokens).reduce(0, +) <= 6_000)
        }
    }
}
