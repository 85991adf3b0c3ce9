import SluiceBasics
import SluiceCore
import SluiceTestKit
import Testing

/// What a crowd, or a lane that is closed, does to others in a pool.
struct FloodTests {
    /// A machine with one pool, driven by hand.
    private struct World {
        var machine: DispatchMachine
        var now = Instant(nanoseconds: 1_000_000_000)
        var running: [UInt64: QueueLease] = [:]
        var ended: [EndedRequest] = []
        var last: UInt64 = 0

        init(slots: Int, _ scheduling: SchedulingConfiguration = SchedulingConfiguration()) {
            let pool = PoolConfiguration(
                name: "default",
                backend: "mock",
                slots: slots,
                maximumRequests: 100_000,
                maximumRequestsPerTenant: nil,
                retry: RetryPolicy(maximumAttempts: 1),
                scheduling: scheduling
            )
            self.machine = DispatchMachine(pools: [pool], backends: [BackendPolicy(name: "mock")], seed: 3)
        }

        mutating func take(_ effects: DispatchEffects) {
            var grants: [Grant] = []
            effects.grants.forEach { grants.append($0) }
            self.ended += effects.ended
            for grant in grants { self.start(grant.seat, grant.lease) }
        }

        private mutating func start(_ number: UInt64, _ lease: QueueLease) {
            var effects = DispatchEffects()
            if case .proceed = self.machine.start(lease.handle, lease.token, now: self.now, &effects) {
                self.running[number] = lease
            }
            self.take(effects)
        }

        @discardableResult
        mutating func submit(
            _ tenant: String = "acme",
            model: String = "gpt-test",
            _ priority: Priority = .normal,
            tokens: Int = 10,
            timeout: Duration = .seconds(100_000)
        ) -> Admission {
            self.last += 1
            var submission = Submission.sample(
                self.last,
                tenant: tenant,
                priority: priority,
                tokens: tokens,
                deadline: self.now + timeout
            )
            submission.model = model
            var effects = DispatchEffects()
            let admission = self.machine.submit(submission, seat: self.last, now: self.now, &effects)
            self.take(effects)
            if case .accepted(_, let lease?) = admission { self.start(self.last, lease) }
            return admission
        }

        /// One that has to wait.
        mutating func waiting(_ admission: Admission) -> WaitingStatus? {
            guard case .accepted(let handle, nil) = admission else { return nil }
            return self.machine.waiting(handle, now: self.now)
        }

        mutating func finish(
            _ number: UInt64,
            usage: TokenUsage? = nil,
            limits: ProviderObservation? = nil
        ) {
            guard let lease = self.running.removeValue(forKey: number) else { return }
            var effects = DispatchEffects()
            let result = AttemptResult.success(status: 200, usage: usage, limits: limits)
            let ending = self.machine.finish(lease.handle, lease.token, result, now: self.now, &effects)
            if case .ended(let request) = ending { self.ended.append(request) }
            self.take(effects)
        }

        var room: Int {
            var machine = self.machine
            return machine.room(pool: "default", now: self.now)
        }

        /// Lets time pass, ticking only when the machine wants to be.
        mutating func advance(_ span: Duration) {
            let end = self.now + span
            while self.machine.wake <= end {
                self.now = max(self.now, self.machine.wake)
                var effects = DispatchEffects()
                self.machine.tick(now: self.now, &effects)
                self.take(effects)
            }
            self.now = end
        }

        /// The pool learns that its requests take five seconds, with all of its slots in use.
        mutating func learn(slots: Int) {
            for _ in 0..<4 {
                for _ in 0..<slots { self.submit("teacher") }
                self.advance(.seconds(5))
                for number in self.running.keys.sorted() { self.finish(number) }
            }
            self.ended = []
        }
    }

    private static func said(requests: Int? = nil, tokens: Int? = nil, resetsIn: Duration) -> ProviderObservation {
        ProviderObservation(
            requests: requests.map { .init(limit: 100, remaining: $0, resetsIn: resetsIn) },
            tokens: tokens.map { .init(limit: 100_000, remaining: $0, resetsIn: resetsIn) }
        )
    }

    // MARK: Turns

    @Test func `beside a flood of 10,000 an honest tenant is accepted and told a short wait`() throws {
        var world = World(slots: 64)
        world.learn(slots: 64)
        for _ in 0..<10_064 { world.submit("flood") }
        let admission = world.submit("honest", timeout: .seconds(60))
        let waiting = world.waiting(admission)
        let status = try #require(waiting)
        #expect(status.position == 2)
        #expect(try #require(status.estimatedStart) < .seconds(10))
        // Who floods waits for its own.
        guard case .rejected(let rejection) = world.submit("flood", timeout: .seconds(60)) else {
            Issue.record("accepted")
            return
        }
        #expect(rejection.reason == .wouldMissDeadline)
        guard case .accepted(let handle, _) = admission else { return }
        let number = world.last - 1
        for _ in 0..<2 { world.finish(world.running.keys.sorted().first ?? 0) }
        #expect(world.running[number] != nil)
        let then = world.machine.waiting(handle, now: world.now)
        #expect(then == nil)
    }

    @Test func `a place counts each of the others by its weight, and one's own in full`() throws {
        var world = World(slots: 1, SchedulingConfiguration(tenants: TenantPolicy(weights: ["heavy": 3])))
        world.submit("first")
        for _ in 0..<50 { world.submit("heavy") }
        for _ in 0..<50 { world.submit("light") }
        world.submit("few")
        world.submit("honest")
        world.submit("honest", .low)
        // One of its own, and for either of its turns three of "heavy" and one of "light"; "few" has only one.
        let normal = world.waiting(world.submit("honest"))
        #expect(normal?.position == 1 + 6 + 2 + 1 + 1)
        let urgent = world.waiting(world.submit("honest", .urgent))
        #expect(urgent?.position == 1)
    }

    @Test func `of thousands of tenants each counts once`() {
        var world = World(slots: 1)
        for number in 0..<2_000 {
            world.submit("tenant-\(number)")
            world.submit("tenant-\(number)")
        }
        let position = world.waiting(world.submit("another"))?.position ?? 0
        #expect((2_000...2_001).contains(position))
    }

    @Test func `without turns the whole line is ahead`() {
        var world = World(slots: 1, SchedulingConfiguration(tenants: TenantPolicy(isFair: false)))
        for _ in 0..<100 { world.submit("flood") }
        let status = world.waiting(world.submit("honest"))
        #expect(status?.position == 100)
    }

    // MARK: Lanes

    @Test func `a model that takes over the lane of a closed one starts`() {
        var world = World(slots: 1_000)
        world.submit(model: "closed")
        world.finish(world.last, limits: Self.said(requests: 0, resetsIn: .seconds(3_000)))
        world.submit(model: "closed", timeout: .seconds(100_000))
        #expect(world.running.isEmpty)
        world.advance(.seconds(1))
        for number in 1...64 {
            world.submit(model: "model-\(number)")
            let started = world.last
            #expect(world.running[started] != nil, "model-\(number)")
            world.finish(started, limits: Self.said(requests: 50, resetsIn: .seconds(60)))
        }
    }

    @Test func `a closed lane does not hide what the others wait for`() {
        let limit = RateLimit(tokensPerMinute: 60_000, burstTokens: 10_000)
        var world = World(slots: 10, SchedulingConfiguration(limit: limit))
        world.submit(model: "closed", tokens: 5_000)
        let counted = TokenUsage(prompt: 5_000, completion: 0)
        world.finish(1, usage: counted, limits: Self.said(requests: 0, resetsIn: .seconds(5_000)))
        world.submit(model: "closed", tokens: 100)
        world.submit(model: "open", tokens: 10_000)
        #expect(world.running.isEmpty)
        // 5,000 tokens come back in five seconds.
        world.advance(.seconds(5.1))
        #expect(world.running[3] != nil)
    }

    @Test func `each lane is awaited for what waits in it`() {
        var world = World(slots: 10)
        world.submit(model: "slow")
        world.submit(model: "quick")
        world.finish(1, limits: Self.said(requests: 0, resetsIn: .seconds(10_000)))
        world.finish(2, limits: Self.said(tokens: 1_000, resetsIn: .seconds(99)))
        world.submit(model: "slow", tokens: 10)
        world.submit(model: "quick", tokens: 2_500)
        #expect(world.running.isEmpty)
        // A thousand a second come back.
        world.advance(.seconds(2))
        #expect(world.running.keys.sorted() == [4])
    }

    @Test func `what fits its lane is found behind any number that do not`() {
        var world = World(slots: 10)
        world.submit()
        world.finish(1, limits: Self.said(tokens: 1_050, resetsIn: .seconds(10_000)))
        for _ in 0..<40 { world.submit(tokens: 1_100) }
        #expect(world.running.isEmpty)
        world.submit(tokens: 1_030)
        #expect(world.running[42] != nil)
    }

    // MARK: Shedding

    private static let shedding = SchedulingConfiguration(
        shedding: SheddingPolicy(target: .seconds(5), interval: .seconds(10))
    )

    @Test func `a flood is shed and refused, who keeps within his share is not`() {
        var world = World(slots: 1, Self.shedding)
        for _ in 0..<200 { world.submit("flood", .urgent) }
        // Later, and of a lower class.
        for number in 0..<70 { world.submit("honest-\(number)", .low) }
        world.advance(.seconds(100))
        #expect(world.ended.count > 10)
        #expect(world.ended.allSatisfy { $0.record.submission.tenant == "flood" && $0.record.reason == .shed })
        guard case .accepted = world.submit("newcomer", .low) else {
            Issue.record("refused")
            return
        }
        guard case .rejected(let rejection) = world.submit("flood", .urgent) else {
            Issue.record("accepted")
            return
        }
        #expect(rejection.reason == .overloaded)
        #expect(world.machine.checkBooks() == nil)
    }

    @Test func `of tenants that are alike the lowest class goes, and the door is closed to all`() {
        var world = World(slots: 1, Self.shedding)
        world.submit("first")
        for number in 0..<30 { world.submit("t\(number)", number % 2 == 0 ? .low : .high) }
        world.advance(.seconds(16))
        #expect(world.ended.allSatisfy { $0.record.submission.priority == .low } && !world.ended.isEmpty)
        guard case .rejected(let rejection) = world.submit("another", .low) else {
            Issue.record("accepted")
            return
        }
        #expect(rejection.reason == .overloaded)
    }

    // MARK: Room

    @Test func `work that cannot start here leaves room for other work`() {
        var world = World(slots: 64, SchedulingConfiguration(tenants: TenantPolicy(maximumInFlight: 2)))
        for _ in 0..<62 { world.submit("capped") }
        #expect(world.running.count == 2)
        #expect(world.room == 62)
        // But not without end: 4 for each slot may pile up.
        for _ in 0..<150 { world.submit("capped") }
        #expect(world.room == 256 - 210)
        for _ in 0..<100 { world.submit("capped") }
        #expect(world.room == 0)
    }

    @Test func `work of a closed lane leaves room for other work`() {
        var world = World(slots: 8)
        world.submit(model: "closed")
        world.finish(1, limits: Self.said(requests: 0, resetsIn: .seconds(5_000)))
        for _ in 0..<20 { world.submit(model: "closed") }
        #expect(world.room == 8)
    }

    // MARK: Counts

    @Test func `a count of tokens that cannot be is not believed`() {
        for usage in [
            TokenUsage(prompt: .max, completion: .max), TokenUsage(prompt: 1 << 40, completion: 0),
            TokenUsage(prompt: -5_000, completion: 1),
        ] {
            var world = World(slots: 4, SchedulingConfiguration(limit: RateLimit(tokensPerMinute: 6_000)))
            world.submit(tokens: 600)
            world.finish(1, usage: usage)
            world.submit("other", tokens: 5_400)
            #expect(world.running[2] != nil)
            #expect(world.ended.first?.record.usage == nil)
            // What it had been estimated at is used up.
            world.submit(tokens: 600)
            #expect(world.running[3] == nil)
            world.advance(.seconds(7))
            #expect(world.running[3] != nil)
        }
    }
}
