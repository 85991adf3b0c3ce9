import SluiceBasics
import SluiceCore
import SluiceTestKit
import Testing

/// A machine with one pool, and the shortest way to work with it.
private struct Machine {
    var machine: DispatchMachine
    var now = Instant(nanoseconds: 1_000_000_000)
    var grants: [Grant] = []
    var ended: [EndedRequest] = []
    var changes: [PoolEvent] = []

    init(_ configuration: PoolConfiguration, breaker: BreakerConfiguration = BreakerConfiguration()) {
        self.machine = DispatchMachine(
            pools: [configuration],
            backends: [BackendPolicy(name: "mock", breaker: breaker)],
            seed: 3
        )
    }

    private mutating func take(_ effects: DispatchEffects) {
        effects.grants.forEach { self.grants.append($0) }
        self.ended += effects.ended
        self.changes += effects.changes
    }

    mutating func submit(
        _ number: UInt64,
        timeout: Duration = .seconds(600),
        priority: Priority = .normal
    ) -> Admission {
        var effects = DispatchEffects()
        let submission = Submission.sample(number, priority: priority, deadline: self.now + timeout)
        let admission = self.machine.submit(submission, seat: number, now: self.now, &effects)
        self.take(effects)
        return admission
    }

    mutating func handle(_ number: UInt64, timeout: Duration = .seconds(600)) throws -> RequestHandle {
        guard case .accepted(let handle, _) = self.submit(number, timeout: timeout) else { throw Surprise() }
        return handle
    }

    mutating func start(_ lease: QueueLease) throws {
        var effects = DispatchEffects()
        guard case .proceed = self.machine.start(lease.handle, lease.token, now: self.now, &effects) else {
            throw Surprise()
        }
        self.take(effects)
    }

    mutating func finish(_ lease: QueueLease, _ result: AttemptResult) -> Ending {
        var effects = DispatchEffects()
        let ending = self.machine.finish(lease.handle, lease.token, result, now: self.now, &effects)
        self.take(effects)
        return ending
    }

    /// Submits and starts, expecting a free slot.
    mutating func run(_ number: UInt64, timeout: Duration = .seconds(600)) throws -> QueueLease {
        guard case .accepted(_, let lease?) = self.submit(number, timeout: timeout) else { throw Surprise() }
        try self.start(lease)
        return lease
    }

    mutating func advance(_ span: Duration) {
        self.now = self.now + span
        var effects = DispatchEffects()
        self.machine.tick(now: self.now, &effects)
        self.take(effects)
    }

    mutating func waiting(_ handle: RequestHandle) -> WaitingStatus? { self.machine.waiting(handle, now: self.now) }

    struct Surprise: Error {}
}

private let success = AttemptResult.success(status: 200, usage: nil)

private func failure(_ failureClass: FailureClass, retryAfter: Duration? = nil) -> AttemptResult {
    .failure(AttemptFailure(failureClass, retryAfter: retryAfter, message: "why"))
}

private func pool(
    slots: Int = 1,
    order: QueueOrder = .priority,
    retry: RetryPolicy = RetryPolicy()
) -> PoolConfiguration {
    PoolConfiguration(name: "default", backend: "mock", order: order, slots: slots, retry: retry)
}

@Suite struct DispatchMachineTests {
    @Test func `no estimate is made from too few measurements`() throws {
        var machine = Machine(pool())
        for number in 1...7 {
            let lease = try machine.run(UInt64(number))
            machine.advance(.seconds(10))
            _ = machine.finish(lease, success)
        }
        _ = try machine.run(100)
        let handle = try machine.handle(101, timeout: .seconds(1))
        #expect(machine.waiting(handle)?.estimatedStart == nil)
    }

    @Test func `a request that would miss its deadline is refused with the estimate`() throws {
        var machine = Machine(pool())
        for number in 1...8 {
            let lease = try machine.run(UInt64(number))
            machine.advance(.seconds(10))
            _ = machine.finish(lease, success)
        }
        _ = try machine.run(100)
        for number in 101...103 { _ = try machine.handle(UInt64(number)) }
        // Three ahead and one running, ten seconds each.
        guard case .rejected(let rejection) = machine.submit(104, timeout: .seconds(39)) else {
            Issue.record("accepted")
            return
        }
        #expect(rejection.reason == .wouldMissDeadline)
        #expect(rejection.message.contains("40.0 s") && rejection.message.contains("39.0 s"))
        #expect(rejection.retryAfter == .seconds(1))
        guard case .accepted(let handle, nil) = machine.submit(105, timeout: .seconds(41)) else {
            Issue.record("refused")
            return
        }
        #expect(
            machine.waiting(handle)
                == WaitingStatus(
                    reason: .aheadInQueue,
                    position: 4,
                    estimatedStart: .seconds(40)
                )
        )
        // The urgent do not wait behind the rest.
        guard case .accepted = machine.submit(106, timeout: .seconds(11), priority: .urgent) else {
            Issue.record("refused")
            return
        }
        guard case .rejected(let late) = machine.submit(107, timeout: .zero) else {
            Issue.record("accepted")
            return
        }
        #expect(late.reason == .wouldMissDeadline)
    }

    @Test func `every waiting reason is told`() throws {
        var machine = Machine(pool(), breaker: BreakerConfiguration(consecutiveFailures: 1, openFor: .seconds(10)))
        var lease = try machine.run(1)
        let second = try machine.handle(2)
        let third = try machine.handle(3)
        #expect(machine.waiting(second)?.reason == .slotsFull)
        #expect(machine.waiting(third)?.reason == .aheadInQueue)
        #expect(machine.waiting(lease.handle) == nil)
        var effects = DispatchEffects()
        _ = machine.machine.setMode(.paused, pool: "default", now: machine.now, &effects)
        #expect(machine.waiting(second)?.reason == .poolPaused)
        _ = machine.machine.setMode(.running, pool: "default", now: machine.now, &effects)
        _ = machine.finish(lease, failure(.rateLimited, retryAfter: .seconds(5)))
        #expect(machine.waiting(lease.handle)?.reason == .rateLimited)
        #expect(machine.waiting(second)?.reason == .rateLimited)
        #expect(machine.waiting(second)?.estimatedStart == .seconds(5))
        #expect(machine.machine.wake == machine.now + .seconds(5))
        machine.advance(.seconds(5))
        // The throttled one returns to its place: it has waited long enough by its own back-off too.
        lease = try #require(machine.grants.last?.lease)
        #expect(lease.id.low == 1)
        try machine.start(lease)
        _ = machine.finish(lease, failure(.serverError))
        #expect(machine.machine.breakerState(at: 0) == .open)
        #expect(machine.waiting(second)?.reason == .circuitOpen)
        #expect(machine.machine.status("default", now: machine.now)?.waitingReason == .circuitOpen)
    }

    @Test func `backoff is told, and others go on meanwhile`() throws {
        var machine = Machine(pool())
        let lease = try machine.run(1)
        let second = try machine.handle(2)
        guard case .requeued(let delay) = machine.finish(lease, failure(.reset)) else { throw Machine.Surprise() }
        #expect(machine.waiting(lease.handle)?.reason == .backoff)
        #expect(machine.waiting(second) == nil)
        #expect(machine.grants.last?.lease.id.low == 2)
        #expect(delay > .zero)
    }

    @Test func `an open circuit ends only what cannot be met`() throws {
        var machine = Machine(
            pool(retry: RetryPolicy(maximumAttempts: 1)),
            breaker: BreakerConfiguration(consecutiveFailures: 1, openFor: .seconds(10), probesToClose: 1)
        )
        let lease = try machine.run(1)
        _ = try machine.handle(2, timeout: .seconds(9))
        let patient = try machine.handle(3, timeout: .seconds(60))
        _ = machine.finish(lease, failure(.connectRefused))
        #expect(machine.ended.map(\.record.submission.id.low) == [2])
        #expect(machine.ended.first?.record.reason == .deadline)
        #expect(machine.ended.first?.record.message?.contains("circuit") == true)
        guard case .rejected(let rejection) = machine.submit(4, timeout: .seconds(8)) else { throw Machine.Surprise() }
        #expect(rejection.message.contains("circuit"))
        #expect(machine.waiting(patient)?.reason == .circuitOpen)
        machine.advance(.seconds(10))
        let probe = try #require(machine.grants.last?.lease)
        #expect(probe.handle == patient)
        try machine.start(probe)
        _ = machine.finish(probe, success)
        #expect(machine.machine.breakerState(at: 0) == .closed)
        #expect(
            machine.changes.map(\.change) == [
                .breaker(backend: "mock", .open), .breaker(backend: "mock", .halfOpen),
                .breaker(backend: "mock", .closed),
            ]
        )
    }

    @Test func `retries stay within the budget of the pool`() throws {
        let policy = RetryPolicy(maximumAttempts: 5, baseDelay: .milliseconds(1), budgetRatio: 0.2, budgetFloor: 2)
        var machine = Machine(
            pool(slots: 100, retry: policy),
            breaker: BreakerConfiguration(consecutiveFailures: 1_000, minimumCalls: 1_000)
        )
        var retried = 0
        for number in 1...40 {
            let lease = try machine.run(UInt64(number))
            if case .requeued = machine.finish(lease, failure(.reset)) { retried += 1 }
        }
        // 20 % of 40 starts.
        #expect(retried == 8)
        #expect(machine.machine.status("default", now: machine.now)?.retries == 8)
        machine.advance(.seconds(61))
        let lease = try machine.run(100)
        guard case .requeued = machine.finish(lease, failure(.reset)) else { throw Machine.Surprise() }
    }

    @Test func `an attempt refused for its rate does not count`() throws {
        var machine = Machine(pool(retry: RetryPolicy(maximumAttempts: 1)))
        var lease = try machine.run(1)
        for _ in 1...4 {
            guard case .requeued(let delay) = machine.finish(lease, failure(.rateLimited, retryAfter: .seconds(2)))
            else { throw Machine.Surprise() }
            #expect(delay >= .seconds(2))
            machine.advance(delay)
            lease = try #require(machine.grants.last?.lease)
            try machine.start(lease)
        }
        guard case .ended(let ended) = machine.finish(lease, success) else { throw Machine.Surprise() }
        #expect(ended.record.reason == .ok)
        #expect(ended.record.attempts.count == 5)
    }

    @Test(arguments: [nil, Duration.zero])
    func `a backend that refuses and asks for no wait is not asked in a loop`(asked: Duration?) throws {
        var machine = Machine(pool(retry: RetryPolicy(maximumAttempts: 2)))
        let start = machine.now
        var lease = try machine.run(1, timeout: .seconds(3600))
        var calls: [Duration] = [.zero]
        while case .requeued(let delay) = machine.finish(lease, failure(.rateLimited, retryAfter: asked)) {
            // Nobody else is sent into the refusal meanwhile.
            #expect(machine.machine.status("default", now: machine.now)?.waitingReason == .rateLimited)
            machine.advance(delay)
            calls.append(machine.now - start)
            lease = try #require(machine.grants.last?.lease)
            try machine.start(lease)
        }
        #expect(calls.count == 21)
        #expect(calls.filter { $0 <= .seconds(5) }.count <= 4)
        #expect(try #require(calls.last) >= .seconds(450))
        #expect(machine.ended.isEmpty && machine.machine.liveCount == 0)
    }

    @Test func `a pool is held back for what the backend asks, not for one request's own back-off`() throws {
        var machine = Machine(pool(retry: RetryPolicy(baseDelay: .seconds(40))))
        let lease = try machine.run(1)
        let second = try machine.handle(2)
        guard case .requeued(let delay) = machine.finish(lease, failure(.rateLimited, retryAfter: .seconds(5)))
        else { throw Machine.Surprise() }
        #expect(delay >= .seconds(20))
        machine.advance(.milliseconds(4999))
        #expect(machine.waiting(second)?.reason == .rateLimited)
        machine.advance(.milliseconds(1))
        #expect(machine.grants.last?.lease.id.low == 2)
    }

    @Test func `order is by priority and age, or by age alone, and can be changed`() throws {
        var machine = Machine(pool(slots: 1))
        let first = try machine.run(1)
        for (number, priority) in [(2, Priority.low), (3, .normal), (4, .urgent)] {
            _ = machine.submit(UInt64(number), priority: priority)
        }
        _ = machine.finish(first, success)
        #expect(machine.grants.last?.lease.id.low == 4)
        var effects = DispatchEffects()
        var configuration = pool(slots: 3, order: .fifo)
        configuration.backend = "elsewhere"
        #expect(machine.machine.configure(configuration, now: machine.now, &effects))
        var granted: [UInt64] = []
        effects.grants.forEach { granted.append($0.lease.id.low) }
        #expect(granted == [2, 3])
        #expect(machine.machine.status("default", now: machine.now)?.configuration.backend == "mock")
        #expect(machine.machine.checkBooks() == nil)
    }

    @Test func `a pool says how it is`() throws {
        var machine = Machine(pool(slots: 1))
        let lease = try machine.run(1)
        _ = try machine.handle(2)
        machine.advance(.seconds(3))
        let busy = try #require(machine.machine.status("default", now: machine.now))
        #expect(busy.queued == 1 && busy.inFlight == 1 && busy.bytes == 200)
        #expect(busy.oldestQueuedAge == .seconds(3))
        #expect(busy.waitingReason == .slotsFull)
        #expect(busy.meanServiceTime == nil)
        _ = machine.finish(lease, success)
        let after = try #require(machine.machine.status("default", now: machine.now))
        #expect(after.meanServiceTime == .seconds(3))
        #expect(after.accepted == 2 && after.ended == [.ok: 1] && after.attemptsStarted == 1)
        #expect(after.waitingReason == nil)
    }
}
