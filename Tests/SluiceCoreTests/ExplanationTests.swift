import SluiceBasics
import SluiceCore
import SluiceTestKit
import Testing

/// What a pool says of a request that waits, gate by gate, and of one that it refuses.
struct ExplanationTests {
    private struct Surprise: Error {}

    /// A machine with one pool.
    private struct World {
        var machine: DispatchMachine
        var now = Instant(nanoseconds: 1_000_000_000)
        var grants: [Grant] = []

        init(
            slots: Int = 1,
            _ scheduling: SchedulingConfiguration = SchedulingConfiguration(),
            _ change: (inout PoolConfiguration) -> Void = { _ in }
        ) {
            var pool = PoolConfiguration(name: "default", backend: "mock", slots: slots, scheduling: scheduling)
            change(&pool)
            self.machine = DispatchMachine(pools: [pool], backends: [BackendPolicy(name: "mock")], seed: 3)
        }

        mutating func submit(
            _ number: UInt64,
            tenant: String = "acme",
            priority: Priority = .normal,
            bytes: Int = 100,
            tokens: Int = 10,
            timeout: Duration = .seconds(600)
        ) -> Admission {
            var effects = DispatchEffects()
            let submission = Submission.sample(
                number,
                tenant: tenant,
                priority: priority,
                bytes: bytes,
                tokens: tokens,
                deadline: self.now + timeout
            )
            defer { effects.grants.forEach { self.grants.append($0) } }
            return self.machine.submit(submission, seat: number, now: self.now, &effects)
        }

        /// One that has to wait, or runs already.
        mutating func handle(
            _ number: UInt64,
            tenant: String = "acme",
            priority: Priority = .normal,
            tokens: Int = 10
        ) throws -> RequestHandle {
            let answer = self.submit(number, tenant: tenant, priority: priority, tokens: tokens)
            guard case .accepted(let handle, _) = answer else { throw Surprise() }
            return handle
        }

        mutating func refusal(_ number: UInt64, bytes: Int = 100, tokens: Int = 10) throws -> Rejection {
            guard case .rejected(let rejection) = self.submit(number, bytes: bytes, tokens: tokens) else {
                throw Surprise()
            }
            return rejection
        }

        mutating func advance(_ span: Duration) {
            self.now = self.now + span
            var effects = DispatchEffects()
            self.machine.tick(now: self.now, &effects)
            effects.grants.forEach { self.grants.append($0) }
        }

        mutating func explain(_ handle: RequestHandle) throws -> Explanation {
            guard let explanation = self.machine.explain(handle, now: self.now) else { throw Surprise() }
            return explanation
        }

        mutating func gate(_ gate: Explanation.Gate, _ handle: RequestHandle) throws -> Explanation.Reading {
            guard let found = try self.explain(handle).gates.first(where: { $0.gate == gate }) else {
                throw Surprise()
            }
            return found
        }

        mutating func mode(_ mode: PoolMode) {
            var effects = DispatchEffects()
            _ = self.machine.setMode(mode, pool: "default", now: self.now, &effects)
        }
    }

    @Test func `slots and those ahead, with their numbers`() throws {
        var world = World(slots: 2)
        let handles = try (1...5).map { try world.handle($0) }
        let explanation = try world.explain(handles[4])
        #expect(explanation.state == .queued && explanation.position == 3 && explanation.queued == 3)
        #expect(
            try world.gate(.slots, handles[4])
                == Explanation.Reading(.slots, isOpen: false, value: 2, threshold: 2, unit: .slots)
        )
        #expect(try world.gate(.order, handles[4]).value == 2)
        #expect(try world.gate(.poolMode, handles[4]).isOpen && world.gate(.circuitBreaker, handles[4]).isOpen)
        let running = try world.explain(handles[0])
        #expect(running.state == .claimed && running.gates.isEmpty && running.position == nil)
        world.mode(.paused)
        #expect(try world.explain(handles[4]).firstClosed?.gate == .poolMode)
        var effects = DispatchEffects()
        _ = world.machine.cancel(handles[4], cause: .operatorRequest, now: world.now, &effects)
        #expect(world.machine.explain(handles[4], now: world.now) == nil)
    }

    @Test func `tokens and requests a minute, what is left against what it needs, and until when`() throws {
        let limit = RateLimit(requestsPerMinute: 60, tokensPerMinute: 600, burstRequests: 3, burstTokens: 100)
        var world = World(slots: 9, SchedulingConfiguration(limit: limit))
        _ = try world.handle(1, tokens: 80)
        let large = try world.handle(2, tokens: 50)
        let reading = try world.gate(.tokensPerMinute, large)
        #expect(!reading.isOpen && reading.value == 20 && reading.threshold == 50 && reading.unit == .tokens)
        // 30 tokens at 10 a second.
        #expect(reading.reopensIn == .seconds(3))
        #expect(try world.gate(.requestsPerMinute, large).isOpen)
        #expect(try world.explain(large).predictedStart == .seconds(3))
        _ = try world.handle(3, tokens: 1)
        _ = try world.handle(4, tokens: 1)
        let fifth = try world.handle(5, tokens: 1)
        let requests = try world.gate(.requestsPerMinute, fifth)
        #expect(!requests.isOpen && requests.value == 0 && requests.threshold == 1 && requests.reopensIn == .seconds(1))
        #expect(try world.explain(fifth).reason == .rateLimited)
    }

    @Test func `tokens that are kept for somebody overdue are no longer there for others`() throws {
        let limit = RateLimit(tokensPerMinute: 600, burstTokens: 100)
        let policy = SchedulingPolicy(maximumWait: .seconds(5))
        var world = World(slots: 9, SchedulingConfiguration(policy: policy, limit: limit))
        _ = try world.handle(1, tokens: 100)
        let large = try world.handle(2, tokens: 90)
        #expect(try world.gate(.ageing, large).reopensIn == .seconds(5))
        world.advance(.seconds(6))
        let small = try world.handle(3, tokens: 5)
        let kept = try world.gate(.tokensPerMinute, small)
        #expect(!kept.isOpen && kept.value == 60 && kept.detail?.contains("max_wait") == true)
        #expect(kept.reopensIn == .seconds(3))
        #expect(try world.gate(.ageing, large).isOpen)
        #expect(try world.explain(small).winner?.id == RequestID(high: 1, low: 2))
    }

    @Test func `a limit that dispatchers share, of which this one holds nothing yet`() throws {
        var world = World(slots: 9, SchedulingConfiguration(limit: RateLimit(tokensPerMinute: 600)))
        var effects = DispatchEffects()
        world.machine.shareBudgets(of: ["default"], now: world.now, &effects)
        let handle = try world.handle(1, tokens: 10)
        let reading = try world.gate(.tokensPerMinute, handle)
        #expect(!reading.isOpen && reading.value == 0 && reading.threshold == 10 && reading.unit == .tokens)
        #expect(reading.detail == "nothing is leased yet")
    }

    @Test func `a tenant at its cap, and whose turn it is`() throws {
        let tenants = TenantPolicy(weights: ["honest": 2], maximumInFlight: 1)
        var world = World(slots: 2, SchedulingConfiguration(tenants: tenants))
        _ = try world.handle(1, tenant: "flood", tokens: 40)
        let second = try world.handle(2, tenant: "flood")
        let explanation = try world.explain(second)
        #expect(explanation.reason == .tenantSlotsFull && explanation.winner == nil)
        #expect(
            try world.gate(.tenantInFlight, second)
                == Explanation.Reading(.tenantInFlight, isOpen: false, value: 1, threshold: 1, unit: .requests)
        )
        #expect(explanation.tenant?.inFlight == 1 && explanation.tenant?.queued == 1)
        _ = try world.handle(3, tenant: "other", tokens: 4)
        let honest = try world.handle(4, tenant: "honest")
        let turn = try world.gate(.tenantTurn, second)
        // 40 tokens of which 20 are completion, which count twice.
        #expect(!turn.isOpen && turn.value == 60 && turn.detail == "honest" && turn.unit == .virtualTokens)
        #expect(try world.gate(.tenantTurn, honest).isOpen)
        let seen = try world.explain(second)
        #expect(seen.winner?.tenant == "honest" && seen.winner?.id == RequestID(high: 1, low: 4))
        #expect(try world.explain(honest).tenant?.weight == 2 && world.explain(honest).winner == nil)
    }

    @Test func `scores of both, as the policy made them`() throws {
        var world = World()
        _ = try world.handle(1)
        let low = try world.handle(2, priority: .low)
        let high = try world.handle(3, priority: .high)
        world.advance(.seconds(3))
        let explanation = try world.explain(low)
        #expect(explanation.winner?.id == RequestID(high: 1, low: 3) && explanation.winner?.priority == .high)
        let mine = try #require(explanation.score)
        let best = try #require(explanation.winner?.score)
        #expect(mine.priority == ScoringWeights.balanced.priority * 0.1 && best.priority > mine.priority)
        let reading = try world.gate(.score, low)
        #expect(!reading.isOpen && reading.value == mine.total && reading.threshold == best.total)
        #expect(try world.gate(.score, high).isOpen)
        #expect(try world.explain(high).winner == nil)
        var line = World(SchedulingConfiguration(policy: SchedulingPolicy(order: .fifo)))
        _ = try line.handle(1)
        let waiting = try line.handle(2)
        #expect(try line.explain(waiting).score == nil)
        #expect(try line.explain(waiting).gates.allSatisfy { $0.gate != .score })
    }

    @Test func `asking changes nothing`() throws {
        let limit = RateLimit(requestsPerMinute: 600, tokensPerMinute: 6_000, burstRequests: 3, burstTokens: 60)
        let scheduling = SchedulingConfiguration(tenants: TenantPolicy(maximumInFlight: 2), limit: limit)
        var asked = World(slots: 3, scheduling)
        var silent = asked
        for number in 1...200 as ClosedRange<UInt64> {
            let tenant = "t\(number % 3)"
            let handle = try asked.handle(number, tenant: tenant, tokens: Int(number % 30))
            _ = try silent.handle(number, tenant: tenant, tokens: Int(number % 30))
            _ = asked.machine.explain(handle, now: asked.now)
            for span in [Duration.milliseconds(7), .milliseconds(130)] {
                asked.advance(span)
                silent.advance(span)
            }
            _ = asked.machine.explain(handle, now: asked.now)
        }
        #expect(asked.grants.map(\.seat) == silent.grants.map(\.seat))
        #expect(asked.machine.checkBooks() == nil && asked.machine.wake == silent.machine.wake)
    }

    // MARK: Refusals

    @Test func `every refusal names the bound, where it is set, what was measured and when to try again`() throws {
        var full = World { $0.maximumRequests = 2 }
        for number in 1...2 as ClosedRange<UInt64> { _ = try full.handle(number) }
        let rejection = try full.refusal(3)
        #expect(
            rejection.message
                == "Pool 'default' is full: it holds 2 requests, waiting and running, and may hold 2 "
                + "(pools.default.max_requests). Try again in about 1.0 s."
        )
        #expect(rejection.retryAfter == .seconds(1))
        var heavy = World { $0.maximumBytes = 250 }
        _ = try heavy.handle(1)
        let bytes = try heavy.refusal(2, bytes: 200)
        for part in ["100 bytes", "200", "250", "pools.default.max_bytes", "in about 1.0 s"] {
            #expect(bytes.message.contains(part), "\(bytes.message)")
        }
        let never = try heavy.refusal(3, bytes: 300)
        #expect(never.reason == .oversize && never.retryAfter == nil && never.message.contains("does not help"))
        var tenant = World { $0.maximumRequestsPerTenant = 1 }
        _ = try tenant.handle(1)
        let share = try tenant.refusal(2)
        #expect(share.message.contains("has 1 requests") && share.message.contains("max_requests_per_tenant"))
        #expect(share.retryAfter != nil)
        var tokens = World(SchedulingConfiguration(limit: RateLimit(tokensPerMinute: 500)))
        let tooMany = try tokens.refusal(1, tokens: 501)
        for part in ["501 tokens", "500", "pools.default.tokens_per_minute", "does not help"] {
            #expect(tooMany.message.contains(part), "\(tooMany.message)")
        }
        var burst = World(SchedulingConfiguration(limit: RateLimit(tokensPerMinute: 500, burstTokens: 50)))
        #expect(try burst.refusal(1, tokens: 51).message.contains("pools.default.burst_tokens"))
        var draining = World()
        draining.mode(.draining)
        #expect(try draining.refusal(1).message.contains("sluice pools resume default"))
    }
}
