import SluiceBasics
import Testing

@testable import SluiceCore

@Suite struct RoutedPoolTests {
    @Test("every attempt is recorded with the backend, and the model, that it went to")
    func records() throws {
        let plan = RoutePlan(
            targets: [RoutePlan.Target(backend: "a", model: "small")],
            fallbacks: [.contextWindow: [RoutePlan.Target(backend: "b", model: "large")]]
        )
        let pool = RoutedPool(plan)
        let tooLong = RouterFixture.failure(.invalidRequest, status: 400, refusal: .contextWindow)
        let record = try #require(pool.run(["a": tooLong]))
        #expect(record.reason == .ok)
        #expect(record.attempts.map(\.backend) == ["a", "b"])
        #expect(record.attempts.map(\.model) == ["small", "large"])
        #expect(record.attempts.map(\.status) == [400, 200])
        #expect(record.attempts.map(\.failure) == [.invalidRequest, nil])
        #expect(record.attempts[0].retryDelay == .zero)
        #expect(pool.inFlight == [0, 0])
    }

    @Test("a refusal for what is in the request does not use up the retry budget")
    func refusalsAreFree() throws {
        let plan = RoutePlan(
            targets: [RoutePlan.Target(backend: "a")],
            fallbacks: [.contextWindow: [RoutePlan.Target(backend: "b")]]
        )
        let pool = RoutedPool(plan) { $0.retry.budgetFloor = 0 }
        let tooLong = RouterFixture.failure(.invalidRequest, status: 400, refusal: .contextWindow)
        for _ in 0..<50 { #expect(pool.run(["a": tooLong])?.reason == .ok) }
    }

    @Test("nobody sees a dead target", arguments: 1...20 as ClosedRange<UInt64>)
    func dead(seed: UInt64) throws {
        let pool = RoutedPool(["a", "b"], seed: seed)
        let dead = ["a": RouterFixture.failure(.connectRefused)]
        let start = pool.now
        var tried = 0
        for _ in 0..<100 {
            let record = try #require(pool.run(dead))
            #expect(record.reason == .ok)
            tried += record.attempts.filter { $0.backend == "a" }.count
        }
        #expect(pool.now == start, "nobody waited")
        #expect(tried == 1)
        let target = try #require(pool.status?.targets[0])
        #expect(target.state == .cooling)
        #expect(target.coolsFor == .seconds(5))
        #expect(target.cause == .connectRefused)
        #expect(pool.status?.breaker.state == .closed)
    }

    @Test("a 429 goes elsewhere at once, does not count as an attempt and holds back only its target")
    func refused() throws {
        let pool = RoutedPool(["a", "b"]) { $0.retry.maximumAttempts = 1 }
        let limited = ["a": RouterFixture.failure(.rateLimited, status: 429, retryAfter: .seconds(20))]
        for _ in 0..<20 { #expect(pool.run(limited)?.reason == .ok) }
        pool.advance(.seconds(19))
        #expect(pool.status?.targets[0].state == .cooling)
        pool.advance(.seconds(1))
        for _ in 0..<20 { #expect(pool.run([:])?.reason == .ok) }
        #expect(pool.status?.targets[0].state == .ready)
    }

    @Test("all targets cool down: the pool waits, says why and for how long, and goes on in time")
    func allCooling() throws {
        let pool = RoutedPool(["a", "b"])
        let limited = RouterFixture.failure(.rateLimited, status: 429, retryAfter: .seconds(30))
        let longer = RouterFixture.failure(.rateLimited, status: 429, retryAfter: .seconds(50))
        let (first, lease) = try #require(pool.submit())
        var current = try #require(lease)
        for _ in 0..<2 {
            let backend = pool.start(current)
            _ = pool.finish(current, .failure(backend == "a" ? limited : longer))
            if !pool.granted.isEmpty { current = pool.granted.removeFirst() }
        }
        #expect(pool.status?.queued == 1)
        let (second, none) = try #require(pool.submit())
        #expect(none == nil)
        #expect(pool.waiting(second)?.reason == .rateLimited)
        let explained = try #require(pool.explain(second))
        let reading = try #require(explained.gates.first { $0.gate == .targets })
        #expect(!reading.isOpen)
        #expect(reading.reopensIn == .seconds(30))
        // Who cannot wait that long is told at once.
        #expect(pool.submit(timeout: .seconds(20)) == nil)
        #expect(pool.machine.wake <= pool.now + .seconds(30))
        pool.advance(.seconds(30))
        // One probe, the other waits for its answer.
        #expect(pool.granted.count == 1)
        let probe = try #require(pool.takeGrant())
        #expect(pool.start(probe) == "a")
        pool.advance(.seconds(1))
        #expect(pool.granted.isEmpty)
        _ = pool.finish(probe)
        #expect(pool.granted.count == 1)
        #expect(pool.waiting(first) == nil || pool.waiting(second) == nil)
    }

    @Test("an unknown outcome is not repeated elsewhere where that is forbidden")
    func neverAfterSend() throws {
        for failureClass in [FailureClass.serverError, .readTimeout, .reset, .malformedResponse] {
            let pool = RoutedPool(["a", "b"]) { $0.retry.mode = .neverAfterSend }
            let failure = RouterFixture.failure(failureClass)
            #expect(pool.run(["a": failure, "b": failure])?.attempts.count == 1)
        }
        for failureClass in [FailureClass.connectRefused, .rateLimited, .authentication, .routeOrModel] {
            let pool = RoutedPool(["a", "b"]) { $0.retry.mode = .neverAfterSend }
            let failure = RouterFixture.failure(failureClass)
            #expect(pool.run(["a": failure])?.reason == .ok, "\(failureClass)")
            #expect(pool.run(["b": failure])?.reason == .ok, "\(failureClass)")
        }
    }

    @Test("after the first content nothing is tried elsewhere")
    func committed() throws {
        let pool = RoutedPool(["a", "b"])
        let (_, lease) = try #require(pool.submit(isStream: true))
        let stream = try #require(lease)
        _ = pool.start(stream)
        pool.machine.firstByte(stream.handle, stream.token, now: pool.now)
        var failure = RouterFixture.failure(.reset)
        failure.committed = true
        guard case .ended(let request) = pool.finish(stream, .failure(failure)) else {
            Issue.record("retried")
            return
        }
        #expect(request.record.attempts.count == 1)
    }

    @Test("never more attempts than the pool allows", arguments: 1...30 as ClosedRange<UInt64>)
    func attempts(seed: UInt64) throws {
        let names = ["a", "b", "c", "d", "e", "f"]
        for maximum in 1...5 {
            let pool = RoutedPool(names, seed: seed, failuresToCoolDown: 1_000_000) {
                $0.retry.maximumAttempts = maximum
                $0.retry.budgetFloor = 1_000
            }
            let failures = Dictionary(
                uniqueKeysWithValues: names.map { ($0, RouterFixture.failure(.serverError, status: 500)) }
            )
            let record = try #require(pool.run(failures))
            #expect(record.attempts.count == maximum)
            #expect(Set(record.attempts.map(\.backend)).count == maximum, "each at another target")
            #expect(record.reason == .backend)
        }
    }

    @Test("with nothing but tried targets left, it waits as long as an ordinary retry")
    func sameAgain() throws {
        let pool = RoutedPool(["a"], failuresToCoolDown: 1_000)
        let (_, lease) = try #require(pool.submit())
        let first = try #require(lease)
        _ = pool.start(first)
        guard case .requeued(let delay) = pool.fail(first, .serverError, status: 500) else {
            Issue.record("ended")
            return
        }
        #expect(delay > .zero && delay <= .seconds(1))
    }

    @Test("a request that is given up before its start gives its target back")
    func cancelledBeforeStart() throws {
        let pool = RoutedPool(["a"])
        let (handle, lease) = try #require(pool.submit())
        #expect(pool.inFlight == [1])
        var effects = DispatchEffects()
        _ = pool.machine.cancel(handle, cause: .clientGone, now: pool.now, &effects)
        #expect(try pool.start(#require(lease)) == nil)
        #expect(pool.inFlight == [0])
    }

    @Test("the pool of one backend is as it was")
    func plain() throws {
        let pool = RoutedPool(["a", "b"])
        let plain = try #require(pool.machine.status("plain", now: pool.now))
        #expect(plain.targets.isEmpty)
        #expect(plain.breaker.backend == "a")
        #expect(pool.status?.breaker.backend == "route:chat")
    }

    /// A pool whose usual times are known.
    private func hedging(_ ratio: Double = 1, _ change: (inout PoolConfiguration) -> Void = { _ in }) -> RoutedPool {
        let pool = RoutedPool(["a", "b"], hedgeRatio: ratio, change)
        for _ in 0..<100 {
            guard case (_, let lease?)? = pool.submit() else { continue }
            _ = pool.start(lease)
            pool.advance(.milliseconds(100))
            _ = pool.finish(lease)
        }
        return pool
    }

    @Test("the second call wins: both are attempts, the loser is closed, the books are right")
    func hedgeWins() throws {
        let pool = self.hedging()
        let (_, lease) = try #require(pool.submit())
        let request = try #require(lease)
        let delay = try #require(request.choice?.hedgeAfter)
        #expect(delay >= .milliseconds(100) && delay < .milliseconds(120))
        let first = pool.start(request)
        pool.advance(delay)
        let second = try #require(pool.hedge(request))
        #expect(second.attempt == 2)
        #expect(second.choice.backend != first)
        #expect(pool.inFlight == [1, 1])
        let third = pool.hedge(request)
        #expect(third == nil, "one at a time")
        pool.advance(.milliseconds(50))
        pool.close(request, 1, .failure(RouterFixture.failure(.cancelled)), isOvertaken: true)
        guard case .ended(let ended) = pool.finish(request) else {
            Issue.record("not ended")
            return
        }
        let attempts = ended.record.attempts
        #expect(attempts.map(\.failure) == [.cancelled, nil])
        #expect(attempts.map(\.isHedge) == [false, true])
        #expect(attempts.map(\.backend) == [first, second.choice.backend])
        #expect(attempts.allSatisfy { $0.endedAt != nil })
        #expect(pool.inFlight == [0, 0])
        #expect(pool.status?.hedges == 1)
        #expect(pool.status?.hedgesWon == 1)
        #expect(pool.status?.targets.allSatisfy { $0.state == .ready } == true)
    }

    @Test("the first call wins all the same")
    func hedgeLoses() throws {
        let pool = self.hedging()
        let request = try #require(pool.submit()?.1)
        _ = pool.start(request)
        pool.advance(.milliseconds(200))
        let second = try #require(pool.hedge(request))
        pool.close(request, second.attempt, .failure(RouterFixture.failure(.cancelled)), isOvertaken: true)
        guard case .ended(let ended) = pool.finish(request) else {
            Issue.record("not ended")
            return
        }
        #expect(ended.record.attempts.map(\.failure) == [nil, .cancelled])
        #expect(ended.record.attempts.map(\.status) == [200, nil])
        #expect(pool.status?.hedgesWon == 0)
        #expect(pool.inFlight == [0, 0])
    }

    @Test("the first call fails while the second is under way: that one decides")
    func hedgeDecides() throws {
        let pool = self.hedging()
        let request = try #require(pool.submit()?.1)
        _ = pool.start(request)
        pool.advance(.milliseconds(200))
        _ = try #require(pool.hedge(request))
        pool.close(request, 1, .failure(RouterFixture.failure(.serverError, status: 500)))
        guard case .requeued = pool.fail(request, .serverError, status: 502) else {
            Issue.record("two of three attempts have failed")
            return
        }
        pool.advance(.seconds(5))
        let again = try #require(pool.takeGrant())
        _ = pool.start(again)
        guard case .ended(let ended) = pool.fail(again, .serverError, status: 503) else {
            Issue.record("three attempts")
            return
        }
        #expect(ended.record.attempts.map(\.status) == [500, 502, 503])
        #expect(pool.inFlight == [0, 0])
    }

    @Test("no second call where it may not be executed twice, nor beyond attempts, limits or content")
    func noHedge() throws {
        let careful = self.hedging { $0.retry.mode = .neverAfterSend }
        let once = self.hedging { $0.retry.maximumAttempts = 1 }
        for pool in [careful, once] {
            let request = try #require(pool.submit()?.1)
            #expect(request.choice?.hedgeAfter == nil)
            _ = pool.start(request)
            let second = pool.hedge(request)
            #expect(second == nil)
        }
        let limited = self.hedging { $0.scheduling.limit = RateLimit(requestsPerMinute: 1, burstRequests: 101) }
        let last = try #require(limited.submit()?.1)
        _ = limited.start(last)
        let beyond = limited.hedge(last)
        #expect(beyond == nil)
        let pool = self.hedging()
        let stream = try #require(pool.submit(isStream: true)?.1)
        _ = pool.start(stream)
        pool.machine.firstByte(stream.handle, stream.token, now: pool.now)
        let late = pool.hedge(stream)
        #expect(late == nil)
    }

    @Test("whoever forgets the second call leaves nothing behind")
    func forgotten() throws {
        let pool = self.hedging()
        let request = try #require(pool.submit()?.1)
        _ = pool.start(request)
        _ = try #require(pool.hedge(request))
        _ = pool.finish(request)
        #expect(pool.inFlight == [0, 0])
    }
}
