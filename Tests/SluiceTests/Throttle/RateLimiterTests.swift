import Sluice
import SluiceBasics
import Testing

@Suite struct RateLimiterTests {
    @Test func `reserve, settle, cancel`() throws {
        let clock = LimiterClock()
        let limit = RateLimit(requestsPerMinute: 2, tokensPerMinute: 100)
        let limiter = try RateLimiter(limit, name: "key", clock: clock)
        let first = try limiter.reserve(60).get()
        #expect(limiter.availableTokens == 40)
        #expect(limiter.availableRequests == 1)
        #expect(limiter.tokenCapacity == 100)
        let refusal = ThrottleRefusal(limit: .tokens, availableIn: .seconds(12), limiter: "key")
        #expect(limiter.check(60) == .refused(refusal))
        #expect(limiter.reserve(60).refusal == refusal)
        clock.advance(by: .seconds(12))
        #expect(limiter.check(60).isAllowed)
        #expect(limiter.settle(first, actualTokens: 80) == .settled)
        #expect(limiter.availableTokens == 40)
        #expect(limiter.settle(first, actualTokens: 0) == .unknownReservation)
        let second = try limiter.reserve(10).get()
        #expect(limiter.adjust(second, toTokens: 40) == .settled)
        #expect(limiter.availableTokens == 0)
        #expect(limiter.cancel(second) == .settled)
        #expect(limiter.availableTokens == 40)
        #expect(limiter.metrics.totals.cancelled == 1)
        limiter.reset()
        #expect(limiter.availableTokens == 100)
        #expect(limiter.metrics.totals.admitted == 2)
    }

    @Test func `a reservation from before a reset is unknown`() throws {
        let limiter = try RateLimiter(RateLimit(tokensPerMinute: 100), clock: LimiterClock())
        let old = try limiter.reserve(50).get()
        limiter.reset()
        let new = try limiter.reserve(50).get()
        #expect(old != new)
        #expect(limiter.settle(old, actualTokens: 0) == .unknownReservation)
        #expect(limiter.availableTokens == 50)
    }

    @Test func `a configuration with errors is refused whole, warnings are kept`() throws {
        let wrong = RateLimit(requestsPerMinute: 0, tokensPerMinute: 100, burstTokens: 5)
        let error = #expect(throws: RateLimitConfigurationError.self) { _ = try RateLimiter(wrong) }
        #expect(
            error.map(\.description) == """
                Configuration validation failed: RPM must be greater than 0, Burst TPM cannot be less than TPM
                """
        )
        let limiter = try RateLimiter(RateLimit(tokensPerMinute: 2_000_000), clock: LimiterClock())
        #expect(limiter.warnings.map(\.rule) == ["tpm_high_warning"])
        #expect(throws: RateLimitConfigurationError.self) { try limiter.configure(wrong) }
        #expect(limiter.limit == RateLimit(tokensPerMinute: 2_000_000))
        try limiter.configure(RateLimit(tokensPerMinute: 1_000))
        #expect(limiter.warnings == [])
        #expect(limiter.availableTokens == 1_000)
    }

    @Test func `time by the clocks of the standard library`() throws {
        for clock in [ContinuousClock(), SuspendingClock()] as [any Clock<Duration>] {
            let limiter = try RateLimiter(RateLimit(tokensPerMinute: 60_000_000), clock: clock)
            #expect(limiter.reserve(60_000_000).isSuccess)
            let wait = try #require(limiter.reserve(60_000_000).refusal?.availableIn)
            #expect(wait > .zero && wait <= .seconds(60))
        }
    }

    @Test func `T-14 many threads never get more than there is`() async throws {
        let clock = LimiterClock()
        let limiter = try RateLimiter(RateLimit(requestsPerMinute: 10_000, tokensPerMinute: 10_000), clock: clock)
        let admitted = await withTaskGroup(of: Int.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var random = SeededRandom(seed: UInt64(worker))
                    var tokens = 0
                    for _ in 0..<2_000 {
                        let wanted = Int.random(in: 1...10, using: &random)
                        guard case .success(let reservation) = limiter.reserve(wanted) else { continue }
                        if Bool.random(using: &random) {
                            limiter.cancel(reservation)
                        } else {
                            let used = Int.random(in: 0...wanted, using: &random)
                            limiter.settle(reservation, actualTokens: used)
                            tokens += used
                        }
                    }
                    return tokens
                }
            }
            return await group.reduce(0, +)
        }
        #expect(admitted <= 10_000)
        #expect(limiter.availableTokens == 10_000 - admitted)
        #expect(limiter.metrics.openReservations == 0)
    }
}

@Suite struct LimiterGroupTests {
    private let clock = LimiterClock()

    private func limiter(_ name: String, requests: Int? = nil, tokens: Int? = nil) throws -> RateLimiter {
        let limit = RateLimit(requestsPerMinute: requests, tokensPerMinute: tokens)
        return try RateLimiter(limit, name: name, clock: self.clock)
    }

    @Test func `all or none, and who refuses longest is named`() throws {
        let key = try self.limiter("key", requests: 60)
        let tenant = try self.limiter("tenant", tokens: 6_000)
        let large = try self.limiter("large", tokens: 600)
        let group = LimiterGroup([key, tenant], models: ["large": large])
        #expect(group.availableTokens() == 6_000)
        #expect(group.availableTokens(model: "large") == 600)
        #expect(group.availableRequests(model: "large") == 60)
        #expect(group.tokenCapacity(model: "large") == 600)
        let first = try group.reserve(tokens: 500, model: "large").get()
        #expect(first.handles.count == 3)
        let refusal = ThrottleRefusal(limit: .tokens, availableIn: .seconds(40), limiter: "large")
        #expect(group.check(tokens: 500, model: "large") == .refused(refusal))
        #expect(group.reserve(tokens: 500, model: "large").refusal == refusal)
        #expect(group.reserve(tokens: 700, model: "large").refusal?.isNever == true)
        // Nothing was taken from the others.
        #expect(key.availableRequests == 59)
        #expect(tenant.availableTokens == 5_500)
        #expect(group.reserve(tokens: 500, model: "small").isSuccess)
        group.settle(first, actualTokens: 100)
        #expect(tenant.availableTokens == 5_400)
        #expect(large.availableTokens == 500)
        clock.advance(by: .seconds(10))
        #expect(group.reserve(tokens: 500, model: "large").isSuccess)
    }

    @Test func `cancelling gives back everywhere`() throws {
        let key = try self.limiter("key", requests: 1, tokens: 100)
        let tenant = try self.limiter("tenant", requests: 1, tokens: 100)
        let group = LimiterGroup([key, tenant, key], models: ["m": tenant])
        let reservation = try group.reserve(tokens: 100, model: "m").get()
        #expect(reservation.handles.count == 2)
        group.adjust(reservation, toTokens: 70)
        #expect(key.availableTokens == 30)
        group.cancel(reservation)
        #expect(key.availableTokens == 100 && tenant.availableRequests == 1)
    }

    @Test func `what may be spent`() throws {
        let key = try self.limiter("key", requests: 60, tokens: 1_000)
        let tenant = try self.limiter("tenant", requests: 3)
        let small = try self.limiter("small", requests: 1)
        let large = try self.limiter("large", tokens: 500)
        let group = LimiterGroup([key, tenant], models: ["small": small, "large": large])
        #expect(group.budget() == WorkBudget(tokens: 1_000, modelTokens: ["large": 500], capacity: 1_000))
        #expect(group.reserve(tokens: 100, model: "small").isSuccess)
        #expect(group.reserve(tokens: 100, model: "large").isSuccess)
        let left = WorkBudget(tokens: 800, modelTokens: ["large": 400, "small": -1], capacity: 1_000)
        #expect(group.budget() == left)
        #expect(group.reserve(tokens: 0, model: "small").refusal?.limiter == "small")
        #expect(group.reserve(tokens: 0).isSuccess)
        let refusal = ThrottleRefusal(limit: .requests, availableIn: .seconds(20), limiter: "tenant")
        #expect(group.check(tokens: 0) == .refused(refusal))
        #expect(group.budget().isExhausted)
        #expect(tenant.budget() == WorkBudget(isExhausted: true))
        let single: any WorkLimiter = key
        #expect(single.check(tokens: 800, model: "any").isAllowed)
        let reservation = try single.reserve(tokens: 800, model: nil).get()
        single.settle(reservation, actualTokens: 200)
        #expect(key.availableTokens == 600)
        single.cancel(reservation)
        #expect(key.availableTokens == 600)
    }

    @Test func `without limiters everything may go`() {
        let group = LimiterGroup([])
        #expect(group.reserve(tokens: .max).isSuccess)
        #expect(group.availableTokens() == nil)
    }

    @Test func `in a race nobody gets half`() async throws {
        let one = try self.limiter("one", tokens: 1_000)
        let two = try self.limiter("two", tokens: 700)
        let groups = [LimiterGroup([one, two]), LimiterGroup([two, one])]
        let used = await withTaskGroup(of: Int.self) { tasks in
            for worker in 0..<8 {
                tasks.addTask {
                    (0..<500).filter { _ in groups[worker % 2].reserve(tokens: 1).isSuccess }.count
                }
            }
            return await tasks.reduce(0, +)
        }
        #expect(used <= 700)
        #expect(one.availableTokens == 1_000 - used)
        #expect(two.availableTokens == 700 - used)
        #expect(one.metrics.openReservations == used)
    }
}
