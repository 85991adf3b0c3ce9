import SluiceBasics
import SluiceCore
import SluiceTestKit
import Testing

/// A pool's limit inside the machine: who waits for tokens, and who wakes it.
struct PoolBudgetTests {
    private struct Pool {
        var machine: DispatchMachine
        var now = Instant.zero
        var number: UInt64 = 0
        var leases: [UInt64: QueueLease] = [:]

        init(_ limit: RateLimit, slots: Int = 100, retry: RetryPolicy = RetryPolicy()) {
            let pool = PoolConfiguration(
                name: "default",
                backend: "mock",
                slots: slots,
                retry: retry,
                scheduling: SchedulingConfiguration(limit: limit)
            )
            self.machine = DispatchMachine(pools: [pool], backends: [], seed: 1)
        }

        /// Returns the number of the request.
        mutating func submit(tokens: Int, model: String = "gpt-test", tenant: String = "acme") -> UInt64 {
            self.number += 1
            var effects = DispatchEffects()
            var submission = Submission.sample(
                self.number,
                tenant: tenant,
                tokens: tokens,
                deadline: self.now + .seconds(3_600)
            )
            submission.model = model
            let answer = self.machine.submit(submission, seat: self.number, now: self.now, &effects)
            if case .accepted(_, let lease?) = answer { self.leases[self.number] = lease }
            self.absorb(effects)
            return self.number
        }

        mutating func absorb(_ effects: DispatchEffects) {
            effects.grants.forEach { self.leases[$0.seat] = $0.lease }
        }

        /// Lets time pass as the shell does: only when the machine asked for it.
        mutating func pass(_ span: Duration) {
            let end = self.now + span
            while self.machine.wake <= end {
                self.now = max(self.now, self.machine.wake)
                var effects = DispatchEffects()
                self.machine.tick(now: self.now, &effects)
                self.absorb(effects)
            }
            self.now = end
        }

        mutating func finish(_ number: UInt64, _ result: AttemptResult) {
            guard let lease = self.leases.removeValue(forKey: number) else { return }
            var effects = DispatchEffects()
            _ = self.machine.start(lease.handle, lease.token, now: self.now, &effects)
            _ = self.machine.finish(lease.handle, lease.token, result, now: self.now, &effects)
            self.absorb(effects)
        }

        func runs(_ number: UInt64) -> Bool { self.leases[number] != nil }
    }

    private static let limit = RateLimit(tokensPerMinute: 60_000)

    @Test func `what does not fit starts when the budget has refilled, without anybody asking`() {
        var pool = Pool(Self.limit)
        let first = pool.submit(tokens: 60_000)
        let second = pool.submit(tokens: 10_000)
        #expect(pool.runs(first))
        pool.pass(.seconds(9))
        #expect(!pool.runs(second))
        pool.pass(.seconds(2))
        #expect(pool.runs(second))
    }

    @Test func `tokens that were not used bring the start forward`() {
        var pool = Pool(Self.limit)
        let first = pool.submit(tokens: 60_000)
        let second = pool.submit(tokens: 30_000)
        pool.pass(.seconds(1))
        pool.finish(first, .success(status: 200, usage: TokenUsage(prompt: 100, completion: 35_900)))
        #expect(!pool.runs(second))
        // 24,000 came back and 1,000 had been refilled: 5,000 are missing.
        pool.pass(.seconds(6))
        #expect(pool.runs(second))
    }

    @Test func `what a budget waited for once holds back nobody later`() {
        var pool = Pool(Self.limit)
        let first = pool.submit(tokens: 60_000)
        let second = pool.submit(tokens: 40_000)
        pool.pass(.seconds(41))
        #expect(pool.runs(second))
        pool.pass(.seconds(5))
        pool.finish(second, .success(status: 200, usage: nil))
        pool.finish(first, .success(status: 200, usage: nil))
        let third = pool.submit(tokens: 1_000)
        #expect(pool.runs(third))
    }

    @Test func `a retry that fits does not wait for what others need`() {
        var pool = Pool(Self.limit, retry: RetryPolicy(baseDelay: .milliseconds(1), maximumDelay: .milliseconds(1)))
        let first = pool.submit(tokens: 1_000)
        _ = pool.submit(tokens: 59_000)
        let third = pool.submit(tokens: 50_000)
        pool.pass(.seconds(2))
        // It was executed, perhaps: its tokens stay spent, and 2,000 have been refilled.
        pool.finish(first, .failure(AttemptFailure(.serverError, status: 500, message: "no")))
        pool.pass(.milliseconds(10))
        #expect(pool.runs(first))
        #expect(!pool.runs(third))
    }

    @Test func `what is larger than the budget will ever be is refused, and says which knob`() {
        var pool = Pool(Self.limit)
        var effects = DispatchEffects()
        let submission = Submission.sample(1, tokens: 60_001, deadline: .zero + .seconds(60))
        guard case .rejected(let rejection) = pool.machine.submit(submission, seat: 1, now: .zero, &effects) else {
            Issue.record("it was accepted")
            return
        }
        #expect(rejection.reason == .oversize)
        #expect(rejection.message.contains("tokens_per_minute") && rejection.message.contains("60000"))
        #expect(rejection.retryAfter == nil)
    }

    @Test func `a limit that is lowered while larger work waits loses none of it`() {
        var pool = Pool(RateLimit(tokensPerMinute: 600_000))
        _ = pool.submit(tokens: 600_000)
        let waiting = pool.submit(tokens: 300_000)
        guard var configuration = pool.machine.status("default", now: pool.now)?.configuration else { return }
        configuration.scheduling.limit = Self.limit
        var effects = DispatchEffects()
        _ = pool.machine.configure(configuration, now: pool.now, &effects)
        pool.pass(.seconds(700))
        #expect(pool.runs(waiting))
    }

    @Test func `a tenant at its cap goes on when a request ends that began before there was a limit`() {
        var pool = Pool(RateLimit(), slots: 10)
        func configure(_ limit: RateLimit?) {
            guard var configuration = pool.machine.status("default", now: pool.now)?.configuration else { return }
            configuration.scheduling.limit = limit
            configuration.scheduling.tenants.maximumInFlight = 1
            var effects = DispatchEffects()
            _ = pool.machine.configure(configuration, now: pool.now, &effects)
            pool.absorb(effects)
        }
        configure(nil)
        let first = pool.submit(tokens: 10)
        configure(Self.limit)
        let small = pool.submit(tokens: 1_000)
        let other = pool.submit(tokens: 50_000, tenant: "other")
        let large = pool.submit(tokens: 60_000, tenant: "third")
        #expect(pool.runs(first) && pool.runs(other) && !pool.runs(small) && !pool.runs(large))
        pool.finish(first, .success(status: 200, usage: nil))
        #expect(pool.runs(small))
    }

    @Test func `what backends count changes what the next request is charged`() {
        var pool = Pool(Self.limit)
        for _ in 0..<20 {
            let number = pool.submit(tokens: 1_000, model: "terse")
            pool.finish(number, .success(status: 200, usage: TokenUsage(prompt: 250, completion: 250)))
            pool.pass(.seconds(60))
        }
        // Full, and each is charged about 500: 100 fit where 60 would have.
        let numbers = (0..<100).map { _ in pool.submit(tokens: 1_000, model: "terse") }
        #expect(numbers.allSatisfy { pool.runs($0) })
        let others = (0..<70).map { _ in pool.submit(tokens: 1_000, model: "other") }
        #expect(!others.allSatisfy { pool.runs($0) })
    }
}
