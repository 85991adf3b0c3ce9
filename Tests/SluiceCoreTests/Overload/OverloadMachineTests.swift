import SluiceBasics
import SluiceCore
import SluiceTestKit
import Testing

/// A machine with its pools at one backend, driven by hand.
private struct Rig {
    var machine: DispatchMachine
    var now = Instant(nanoseconds: 1_000_000_000)
    var running: [UInt64: QueueLease] = [:]
    var ended: [EndedRequest] = []
    private var next: UInt64 = 0

    init(_ pools: [PoolConfiguration]) {
        self.machine = DispatchMachine(pools: pools, backends: [BackendPolicy(name: "mock")], seed: 3)
    }

    mutating func take(_ effects: DispatchEffects) {
        var granted: [Grant] = []
        effects.grants.forEach { granted.append($0) }
        self.ended += effects.ended
        for grant in granted { self.start(grant.seat, grant.lease) }
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
        pool: String = "default",
        model: String = "gpt-test",
        priority: Priority = .normal,
        tokens: Int = 10,
        timeout: Duration = .seconds(600)
    ) -> Admission {
        self.next += 1
        var submission = Submission.sample(
            self.next,
            pool: pool,
            priority: priority,
            tokens: tokens,
            deadline: self.now + timeout
        )
        submission.model = model
        var effects = DispatchEffects()
        let admission = self.machine.submit(submission, seat: self.next, now: self.now, &effects)
        self.take(effects)
        if case .accepted(_, let lease?) = admission { self.start(self.next, lease) }
        return admission
    }

    var last: UInt64 { self.next }

    mutating func finish(_ number: UInt64, _ result: AttemptResult = .success(status: 200, usage: nil)) {
        guard let lease = self.running.removeValue(forKey: number) else { return }
        var effects = DispatchEffects()
        let ending = self.machine.finish(lease.handle, lease.token, result, now: self.now, &effects)
        if case .ended(let request) = ending { self.ended.append(request) }
        self.take(effects)
    }

    /// Lets time pass, ticking when the machine wants to be.
    mutating func advance(_ span: Duration) {
        let end = self.now + span
        while self.machine.wake <= end {
            self.now = max(self.now, self.machine.wake)
            self.tick()
        }
        self.now = end
        self.tick()
    }

    private mutating func tick() {
        var effects = DispatchEffects()
        self.machine.tick(now: self.now, &effects)
        self.take(effects)
    }

    var reasons: [OutcomeReason] { self.ended.compactMap(\.record.reason) }
    func status(_ name: String = "default") -> PoolStatus? { self.machine.status(name, now: self.now) }
}

private func pool(
    _ name: String = "default",
    slots: Int = 100,
    isAdaptive: Bool = false,
    limit: RateLimit? = nil,
    shedding: SheddingPolicy = SheddingPolicy()
) -> PoolConfiguration {
    PoolConfiguration(
        name: name,
        backend: "mock",
        slots: slots,
        retry: RetryPolicy(maximumAttempts: 1),
        scheduling: SchedulingConfiguration(limit: limit, isAdaptive: isAdaptive, shedding: shedding)
    )
}

private func said(
    requests: Int? = nil,
    tokens: Int? = nil,
    resetsIn: Duration = .seconds(30),
    retryAfter: Duration? = nil
) -> ProviderObservation {
    ProviderObservation(
        requests: requests.map { .init(limit: 100, remaining: $0, resetsIn: resetsIn) },
        tokens: tokens.map { .init(limit: 100_000, remaining: $0, resetsIn: resetsIn) },
        retryAfter: retryAfter
    )
}

@Suite("What backends say of their limits")
struct ProviderLanesTests {
    @Test("A model whose limit is used up waits, another goes on")
    func perModel() {
        var rig = Rig([pool()])
        rig.submit(model: "a")
        rig.finish(1, .success(status: 200, usage: nil, limits: said(requests: 0)))
        rig.submit(model: "a")
        rig.submit(model: "b")
        #expect(rig.running.keys.sorted() == [3])
        guard case .accepted(let handle, _) = rig.submit(model: "a") else { return }
        #expect(rig.machine.waiting(handle, now: rig.now)?.reason == .rateLimited)
        // A hundred requests come back within 30 s: one in 0.3 s.
        rig.advance(.milliseconds(290))
        #expect(rig.running.count == 1)
        rig.advance(.milliseconds(20))
        #expect(rig.running.keys.sorted() == [2, 3])
        rig.advance(.milliseconds(300))
        #expect(rig.running.count == 3)
    }

    @Test("What was sent since an answer's request counts against it")
    func charges() {
        var rig = Rig([pool()])
        rig.submit()
        rig.submit()
        rig.submit()
        // Said for the time of the first; two have been sent since.
        rig.finish(1, .success(status: 200, usage: nil, limits: said(requests: 5)))
        for _ in 0..<10 { rig.submit() }
        #expect(rig.running.count == 2 + 3)
    }

    @Test("An answer to an older request does not undo what a newer one has said")
    func outOfOrder() {
        var rig = Rig([pool()])
        rig.submit()
        rig.advance(.seconds(1))
        rig.submit()
        rig.finish(2, .success(status: 200, usage: nil, limits: said(requests: 0)))
        rig.finish(1, .success(status: 200, usage: nil, limits: said(requests: 90)))
        rig.submit()
        #expect(rig.running.isEmpty)
    }

    @Test("Tokens that are left decide what fits")
    func tokens() {
        var rig = Rig([pool()])
        rig.submit()
        rig.finish(1, .success(status: 200, usage: nil, limits: said(tokens: 1_000)))
        rig.submit(tokens: 5_000)
        rig.submit(tokens: 800)
        #expect(rig.running.keys.sorted() == [3])
    }

    @Test("The head of a stream tells as well")
    func firstByte() {
        var rig = Rig([pool()])
        rig.submit()
        var effects = DispatchEffects()
        guard let lease = rig.running[1] else { return }
        rig.machine.firstByte(lease.handle, lease.token, limits: said(requests: 0), now: rig.now, &effects)
        rig.submit()
        #expect(rig.running.count == 1)
    }

    @Test("A pool that does not follow its provider is not held up")
    func ignored() {
        var configuration = pool()
        configuration.scheduling.followsProviderLimits = false
        var rig = Rig([configuration])
        rig.submit()
        rig.finish(1, .success(status: 200, usage: nil, limits: said(requests: 0)))
        rig.submit()
        #expect(rig.running.count == 1)
    }

    @Test("A request that its provider's limit would keep beyond its deadline is refused, with the time")
    func wouldMiss() {
        var rig = Rig([pool()])
        rig.submit()
        rig.finish(1, .success(status: 200, usage: nil, limits: said(tokens: 0, resetsIn: .seconds(50))))
        guard case .rejected(let rejection) = rig.submit(tokens: 50_000, timeout: .seconds(10)) else {
            Issue.record("accepted")
            return
        }
        #expect(rejection.reason == .wouldMissDeadline)
        #expect(rejection.message.contains("25.0 s, and 10.0 s remain"))
        #expect(rejection.message.contains("backend 'mock' has said"))
        #expect(rejection.retryAfter == .seconds(15))
    }

    @Test("Any number of model names keeps to the lanes there are")
    func manyModels() {
        var rig = Rig([pool(slots: 1_000)])
        for number in 1...600 {
            rig.submit(model: "model-\(number)")
            rig.finish(rig.last, .success(status: 200, usage: nil, limits: said(requests: 50)))
        }
        rig.submit(model: "model-1")
        #expect(rig.running.count == 1)
    }

    @Test("The pool's own limit makes predictions too")
    func ownLimit() {
        var rig = Rig([pool(limit: RateLimit(tokensPerMinute: 6_000))])
        rig.submit(tokens: 6_000)
        // 3,000 tokens come back in 30 s.
        guard case .rejected(let rejection) = rig.submit(tokens: 3_000, timeout: .seconds(10)) else {
            Issue.record("accepted")
            return
        }
        #expect(rejection.reason == .wouldMissDeadline)
        #expect(rejection.message.contains("30.0 s, and 10.0 s remain"))
    }
}

@Suite("Concurrency that adapts, in the machine")
struct AdaptiveMachineTests {
    @Test("The limit bounds what is in flight, and is shown")
    func bounds() {
        var rig = Rig([pool(isAdaptive: true)])
        for _ in 0..<50 { rig.submit() }
        #expect(rig.running.count == 8)
        #expect(rig.status()?.concurrency == ConcurrencyStatus(limit: 8, stretch: nil, movement: "learning"))
        #expect(rig.machine.blockage(pool: "default", now: rig.now) == .slotsFull)
    }

    @Test("It grows while latency stays, shrinks on refusals")
    func follows() {
        var rig = Rig([pool(isAdaptive: true)])
        for _ in 0..<5_000 { rig.submit(timeout: .seconds(100_000)) }
        for _ in 0..<40 {
            rig.advance(.seconds(1))
            for number in rig.running.keys.sorted() { rig.finish(number) }
        }
        let grown = rig.status()?.concurrency?.limit ?? 0
        #expect(grown > 60)
        #expect(rig.running.count == grown)
        rig.advance(.seconds(1))
        for number in rig.running.keys.sorted() {
            rig.finish(number, .failure(AttemptFailure(.rateLimited, status: 429, message: "no")))
        }
        let shrunk = rig.status()?.concurrency?.limit ?? 0
        #expect(shrunk < grown)
        #expect(shrunk > grown / 2)
    }

    @Test("A limit of the rate that is used up says nothing about concurrency")
    func rateLimit() {
        var rig = Rig([pool(isAdaptive: true)])
        for _ in 0..<50 { rig.submit() }
        for number in rig.running.keys.sorted() {
            let limits = said(requests: 0)
            rig.finish(number, .failure(AttemptFailure(.rateLimited, status: 429, message: "no", limits: limits)))
        }
        #expect(rig.status()?.concurrency?.limit == 8)
    }

    @Test("Pools of one backend share its limit, and what one frees the other gets")
    func shared() {
        var rig = Rig([pool("a", isAdaptive: true), pool("b", isAdaptive: true), pool("c")])
        for _ in 0..<8 { rig.submit(pool: "a") }
        rig.submit(pool: "b")
        #expect(rig.running.count == 8)
        rig.submit(pool: "c")
        #expect(rig.running.count == 9)
        rig.finish(1)
        #expect(rig.running[9] != nil)
    }

    @Test("Switched on and off while it works")
    func live() {
        var rig = Rig([pool()])
        for _ in 0..<50 { rig.submit() }
        #expect(rig.running.count == 50)
        var effects = DispatchEffects()
        _ = rig.machine.configure(pool(isAdaptive: true), now: rig.now, &effects)
        rig.take(effects)
        rig.submit()
        #expect(rig.running.count == 50)
        effects = DispatchEffects()
        _ = rig.machine.configure(pool(), now: rig.now, &effects)
        rig.take(effects)
        #expect(rig.running.count == 51)
        #expect(rig.status()?.concurrency == nil)
    }
}

@Suite("Shedding, in the machine")
struct SheddingMachineTests {
    private static let policy = SheddingPolicy(target: .seconds(5), interval: .seconds(10))

    /// One slot that is busy, and others waiting: two urgent, three low.
    private static func crowded() -> Rig {
        var rig = Rig([pool(slots: 1, shedding: Self.policy)])
        rig.submit()
        rig.submit(priority: .low)
        rig.submit(priority: .urgent)
        rig.submit(priority: .low)
        rig.submit(priority: .urgent)
        rig.submit(priority: .low)
        return rig
    }

    @Test("After the interval the newest of the lowest class goes, by itself, and the books balance")
    func newest() {
        var rig = Self.crowded()
        rig.advance(.seconds(14.9))
        #expect(rig.ended.isEmpty)
        #expect(rig.status()?.isShedding == false)
        rig.advance(.seconds(0.2))
        #expect(rig.reasons == [.shed])
        #expect(rig.ended.first?.notes.seat == 6)
        let message = rig.ended.first?.record.message ?? ""
        #expect(message.contains("longer than 5.0 s (pools.default.shed_after)"))
        #expect(message.contains("for 10.0 s (pools.default.shed_interval)"))
        #expect(message.contains("priority low"))
        #expect(message.contains("Try again in 10.0 s"))
        #expect(rig.status()?.isShedding == true)
        #expect(rig.machine.checkBooks() == nil)
        rig.advance(.seconds(10.1))
        #expect(rig.ended.map(\.notes.seat) == [6, 4])
        let status = rig.status()
        #expect(status?.ended[.shed] == 2)
        #expect(status?.accepted == 6)
    }

    @Test("Who would miss his deadline anyhow goes before the newest")
    func hopeless() {
        var rig = Rig([pool(slots: 1, shedding: Self.policy)])
        for _ in 0..<8 {
            rig.submit()
            rig.advance(.seconds(1))
            rig.finish(rig.last)
        }
        // A second each; the second of four has less time left than it needs when shedding begins.
        rig.submit(timeout: .seconds(1_000))
        rig.submit(priority: .low, timeout: .seconds(1_000))
        rig.submit(priority: .low, timeout: .seconds(16.5))
        rig.submit(priority: .low, timeout: .seconds(1_000))
        let hopeless = rig.last - 1
        rig.ended = []
        rig.advance(.seconds(15.1))
        #expect(rig.reasons == [.shed])
        #expect(rig.ended.first?.notes.seat == hopeless)
    }

    @Test("Meanwhile the door is closed to that class, and open to others")
    func door() {
        var rig = Self.crowded()
        rig.advance(.seconds(15.1))
        guard case .rejected(let rejection) = rig.submit(priority: .low) else {
            Issue.record("accepted")
            return
        }
        #expect(rejection.reason == .overloaded)
        #expect(rejection.retryAfter == .seconds(10))
        #expect(rejection.message.contains("shed_after"))
        #expect(rejection.message.contains("priority low or lower are not accepted"))
        guard case .accepted = rig.submit(priority: .normal) else {
            Issue.record("refused")
            return
        }
        #expect(rig.status()?.ended[.overloaded] == 1)
    }

    @Test("It ends when the line moves again")
    func recovers() {
        var rig = Self.crowded()
        rig.advance(.seconds(15.1))
        while let number = rig.running.keys.first { rig.finish(number) }
        #expect(rig.status()?.isShedding == false)
        guard case .accepted = rig.submit(priority: .low) else {
            Issue.record("refused")
            return
        }
    }

    @Test("A paused pool waits because somebody wants it to")
    func paused() {
        var rig = Self.crowded()
        var effects = DispatchEffects()
        _ = rig.machine.setMode(.paused, pool: "default", now: rig.now, &effects)
        rig.take(effects)
        rig.advance(.seconds(100))
        #expect(rig.ended.isEmpty)
    }
}
