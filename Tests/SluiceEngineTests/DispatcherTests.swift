import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import Testing

/// A dispatcher with one pool on a manual clock.
private struct Bench {
    let clock = ManualClock()
    let observer = RecordingObserver()
    let dispatcher: Dispatcher

    init(slots: Int = 1, retry: RetryPolicy = RetryPolicy(), maximumRequests: Int = 10) {
        let pool = PoolConfiguration(
            name: "default",
            backend: "mock",
            slots: slots,
            maximumRequests: maximumRequests,
            retry: retry
        )
        self.dispatcher = Dispatcher(
            pools: [pool],
            backends: [BackendPolicy(name: "mock")],
            clock: self.clock,
            seed: 1,
            timer: self.clock,
            observer: self.observer
        )
    }

    func submit(
        _ number: UInt64,
        timeout: Duration = .seconds(60),
        _ cancellation: (any Cancellable)? = nil
    ) throws
        -> Ticket
    {
        try self.dispatcher.submit(
            .sample(number, deadline: self.clock.now() + timeout),
            cancellation: cancellation
        )
    }

    func lease(_ ticket: Ticket) async throws -> Lease {
        guard case .run(let lease) = await self.dispatcher.turn(ticket) else { throw Surprise() }
        return lease
    }

    struct Surprise: Error {}
}

private let success = AttemptResult.success(status: 200, usage: TokenUsage(prompt: 3, completion: 4))

@Suite struct DispatcherTests {
    @Test func `a request with a free slot runs at once and ends as done`() async throws {
        let bench = Bench()
        let ticket = try bench.submit(1)
        #expect(ticket.isClaimed)
        let lease = try await bench.lease(ticket)
        guard case .proceed(let attempt, let backend, _) = bench.dispatcher.start(lease) else { throw Bench.Surprise() }
        #expect(attempt == 1)
        #expect(backend == "mock")
        bench.clock.advance(by: .milliseconds(20))
        bench.dispatcher.firstByte(lease)
        #expect(bench.dispatcher.find(ticket.id)?.record.state == .streaming)
        guard case .ended(let record) = bench.dispatcher.finish(lease, success) else { throw Bench.Surprise() }
        #expect(record.reason == .ok)
        #expect(record.usage?.completion == 4)
        #expect(bench.observer.ended.map(\.reason) == [.ok])
        #expect(bench.observer.steps.map(\.state) == [.queued, .claimed, .started, .streaming, .ended])
        #expect(bench.dispatcher.liveCount == 0)
        #expect(bench.dispatcher.checkBooks() == nil)
    }

    @Test func `the next in line is woken when a slot becomes free`() async throws {
        let bench = Bench()
        let first = try await bench.lease(try bench.submit(1))
        _ = bench.dispatcher.start(first)
        let second = try bench.submit(2)
        #expect(!second.isClaimed)
        #expect(bench.dispatcher.find(second.id)?.waiting?.reason == .slotsFull)
        async let turn = bench.dispatcher.turn(second)
        _ = bench.dispatcher.finish(first, success)
        guard case .run(let lease) = await turn else { throw Bench.Surprise() }
        #expect(lease.id == second.id)
    }

    @Test func `cancelling the waiting task cancels the request at once`() async throws {
        let bench = Bench()
        _ = bench.dispatcher.start(try await bench.lease(try bench.submit(1)))
        let ticket = try bench.submit(2)
        let dispatcher = bench.dispatcher
        let task = Task { await dispatcher.turn(ticket) }
        task.cancel()
        guard case .ended(let record) = await task.value else { throw Bench.Surprise() }
        #expect(record.reason == .clientGone)
        #expect(bench.dispatcher.liveCount == 1)
        #expect(bench.dispatcher.checkBooks() == nil)
    }

    @Test func `an operator's cancel reaches running work, whose success still counts`() async throws {
        let bench = Bench()
        let cancellation = RecordedCancellation()
        let lease = try await bench.lease(try bench.submit(1, cancellation))
        _ = bench.dispatcher.start(lease)
        #expect(bench.dispatcher.cancel(lease.id, cause: .operatorRequest) == .cancelling)
        #expect(cancellation.count == 1)
        guard case .ended(let record) = bench.dispatcher.finish(lease, success) else { throw Bench.Surprise() }
        #expect(record.reason == .ok)
        #expect(bench.dispatcher.cancel(lease.id, cause: .operatorRequest) == .unknown)
    }

    @Test func `a cancel between claim and start means that nothing is sent`() async throws {
        let bench = Bench()
        let lease = try await bench.lease(try bench.submit(1))
        #expect(bench.dispatcher.cancel(lease.id, cause: .operatorRequest) == .cancelling)
        guard case .ended(let record) = bench.dispatcher.start(lease) else { throw Bench.Surprise() }
        #expect(record.reason == .operatorRequest)
        #expect(record.attempts.isEmpty)
        #expect(bench.observer.ended.count == 1)
    }

    @Test func `queued work expires at its deadline without being sent`() async throws {
        let bench = Bench()
        _ = bench.dispatcher.start(try await bench.lease(try bench.submit(1)))
        let ticket = try bench.submit(2, timeout: .seconds(5))
        bench.clock.advance(by: .seconds(6))
        guard case .ended(let record) = await bench.dispatcher.turn(ticket) else { throw Bench.Surprise() }
        #expect(record.reason == .deadline)
        #expect(record.attempts.isEmpty)
    }

    @Test func `running work is told to stop at its deadline`() async throws {
        let bench = Bench()
        let cancellation = RecordedCancellation()
        let lease = try await bench.lease(try bench.submit(1, timeout: .seconds(5), cancellation))
        _ = bench.dispatcher.start(lease)
        bench.clock.advance(by: .seconds(5))
        #expect(cancellation.count == 1)
        let failure = AttemptFailure(.cancelled, message: "closed")
        guard case .ended(let record) = bench.dispatcher.finish(lease, .failure(failure)) else {
            throw Bench.Surprise()
        }
        #expect(record.reason == .deadline)
    }

    @Test func `a retry waits for its delay and keeps its ticket`() async throws {
        let bench = Bench()
        let ticket = try bench.submit(1)
        let lease = try await bench.lease(ticket)
        _ = bench.dispatcher.start(lease)
        let failure = AttemptFailure(.connectRefused, message: "refused")
        guard case .requeued(let delay) = bench.dispatcher.finish(lease, .failure(failure)) else {
            throw Bench.Surprise()
        }
        #expect(delay <= .seconds(1))
        #expect(bench.dispatcher.find(ticket.id)?.waiting?.reason == .backoff)
        async let turn = bench.dispatcher.turn(ticket)
        bench.clock.advance(by: .seconds(1))
        guard case .run(let again) = await turn else { throw Bench.Surprise() }
        #expect(again.token != lease.token)
        guard case .proceed(let attempt, _, _) = bench.dispatcher.start(again) else { throw Bench.Surprise() }
        #expect(attempt == 2)
        guard case .ended(let record) = bench.dispatcher.finish(again, success) else { throw Bench.Surprise() }
        #expect(record.attempts.count == 2)
        #expect(record.attempts.first?.failure == .connectRefused)
        #expect(record.attempts.first?.retryDelay == delay)
    }

    @Test func `rejections are booked and explained`() throws {
        let bench = Bench(maximumRequests: 1)
        _ = try bench.submit(1)
        #expect(throws: Rejection.self) { try bench.submit(2) }
        let rejection = try #require(bench.observer.rejections.first)
        #expect(rejection.reason == .full)
        #expect(rejection.message.contains("max_requests"))
        #expect(rejection.retryAfter != nil)
        bench.dispatcher.reject(
            .sample(3, deadline: bench.clock.now()),
            Rejection(.oversize, message: "too large")
        )
        #expect(bench.dispatcher.pool("default")?.ended == [.full: 1, .oversize: 1])
        #expect(bench.dispatcher.setMode(.draining, pool: "default"))
        #expect(throws: Rejection.self) { try bench.submit(4) }
        #expect(bench.observer.rejections.last?.reason == .paused)
        #expect(!bench.dispatcher.setMode(.paused, pool: "nowhere"))
        #expect(throws: Rejection.self) {
            try bench.dispatcher.submit(.sample(5, pool: "x", deadline: .distantFuture), cancellation: nil)
        }
    }

    @Test func `a paused pool accepts and starts when it is resumed`() async throws {
        let bench = Bench(slots: 2)
        #expect(bench.dispatcher.setMode(.paused, pool: "default"))
        let ticket = try bench.submit(1)
        #expect(bench.dispatcher.find(ticket.id)?.waiting?.reason == .poolPaused)
        #expect(bench.dispatcher.pool("default")?.waitingReason == .poolPaused)
        #expect(bench.dispatcher.setMode(.running, pool: "default"))
        _ = try await bench.lease(ticket)
        #expect(bench.observer.changes.map(\.change) == [.mode(.paused), .mode(.running)])
    }

    @Test func `more slots start more work`() async throws {
        let bench = Bench(slots: 1)
        _ = try bench.submit(1)
        let second = try bench.submit(2)
        let status = bench.dispatcher.update(pool: "default") { $0.slots = 2 }
        #expect(status?.inFlight == 2)
        _ = try await bench.lease(second)
        #expect(bench.dispatcher.update(pool: "nowhere") { $0.slots = 2 } == nil)
    }

    @Test func `live requests are listed by age, filtered and paged`() throws {
        let bench = Bench(slots: 1)
        for number in 1...5 { _ = try bench.submit(UInt64(number)) }
        let all = bench.dispatcher.live(LiveFilter(), limit: 10, after: nil)
        #expect(all.map(\.record.submission.id.low) == [1, 2, 3, 4, 5])
        #expect(all.map { $0.waiting?.position } == [nil, 1, 2, 3, 4])
        let page = bench.dispatcher.live(LiveFilter(state: .queued), limit: 2, after: all[1].record.submission.id)
        #expect(page.map(\.record.submission.id.low) == [3, 4])
        let waiting = bench.dispatcher.live(LiveFilter(waiting: .aheadInQueue), limit: 10, after: nil)
        #expect(waiting.map(\.record.submission.id.low) == [3, 4, 5])
        bench.dispatcher.cancelAll(cause: .shutdown)
        #expect(bench.dispatcher.liveCount == 1)
        #expect(bench.observer.ended.allSatisfy { $0.reason == .shutdown })
        #expect(bench.dispatcher.checkBooks() == nil)
    }

    @Test func `a lease that came to its end is refused`() async throws {
        let bench = Bench()
        let lease = try await bench.lease(try bench.submit(1))
        _ = bench.dispatcher.start(lease)
        _ = bench.dispatcher.finish(lease, success)
        guard case .ended(let record) = bench.dispatcher.finish(lease, success) else { throw Bench.Surprise() }
        #expect(record.reason == nil)
        #expect(bench.observer.ended.count == 1)
        guard case .ended = bench.dispatcher.start(lease) else { throw Bench.Surprise() }
    }

    @Test func `thousands of tasks on all cores leave balanced books`() async throws {
        let bench = Bench(slots: 7, maximumRequests: 10_000)
        let dispatcher = bench.dispatcher
        let deadline = bench.clock.now() + .seconds(100)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<2_000 {
                group.addTask {
                    guard
                        let ticket = try? dispatcher.submit(
                            .sample(UInt64(number), deadline: deadline),
                            cancellation: nil
                        )
                    else { return }
                    if number % 5 == 0 { _ = dispatcher.cancel(ticket.id, cause: .clientGone) }
                    guard case .run(let lease) = await dispatcher.turn(ticket) else { return }
                    guard case .proceed = dispatcher.start(lease) else { return }
                    await Task.yield()
                    _ = dispatcher.finish(lease, success)
                }
            }
        }
        #expect(dispatcher.liveCount == 0)
        #expect(bench.observer.ended.count == 2_000)
        #expect(dispatcher.checkBooks() == nil)
    }

    @Test func `retries, cancellations and time from many threads leave balanced books`() async throws {
        let policy = RetryPolicy(maximumAttempts: 3, baseDelay: .milliseconds(50), budgetFloor: 10_000)
        let bench = Bench(slots: 5, retry: policy, maximumRequests: 10_000)
        let dispatcher = bench.dispatcher
        let start = bench.clock.now()
        let finished = Lock(0)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<400 {
                group.addTask {
                    defer { finished.withLock { $0 += 1 } }
                    let seconds = number % 7 == 0 ? 1 : 1_000
                    guard
                        let ticket = try? dispatcher.submit(
                            .sample(UInt64(number), deadline: start + .seconds(seconds)),
                            cancellation: nil
                        )
                    else { return }
                    for round in 1... {
                        guard case .run(let lease) = await dispatcher.turn(ticket) else { return }
                        guard case .proceed = dispatcher.start(lease) else { return }
                        await Task.yield()
                        let fails = (number + round) % 3 == 0
                        let failure = AttemptFailure(.connectError, message: "no")
                        guard case .requeued = dispatcher.finish(lease, fails ? .failure(failure) : success) else {
                            return
                        }
                        if number % 11 == 0 { _ = dispatcher.cancel(ticket.id, cause: .operatorRequest) }
                    }
                }
            }
            group.addTask {
                while finished.withLock({ $0 }) < 400 {
                    bench.clock.advance(by: .milliseconds(20))
                    await Task.yield()
                }
            }
        }
        #expect(dispatcher.liveCount == 0)
        #expect(dispatcher.checkBooks() == nil)
        let rejected = bench.observer.rejections.count
        #expect(bench.observer.ended.count + rejected == 400)
    }
}
