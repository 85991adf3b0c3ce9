import SluiceBasics
import Testing

@testable import SluiceCore

/// Which of several attempts a request's end is due to, and which of them count.
@Suite struct DecisiveAttemptTests {
    private func hedging() -> RoutedPool {
        let pool = RoutedPool(["a", "b"], hedgeRatio: 0.5)
        for _ in 0..<100 {
            guard let lease = pool.submit()?.1 else { continue }
            _ = pool.start(lease)
            pool.advance(.milliseconds(100))
            _ = pool.finish(lease)
        }
        return pool
    }

    private func record(_ ending: Ending) -> RequestRecord? {
        if case .ended(let request) = ending { request.record } else { nil }
    }

    @Test("the first call wins: the second one, though later, decides nothing")
    func firstWins() throws {
        let pool = self.hedging()
        let request = try #require(pool.submit()?.1)
        let first = pool.start(request)
        let second = try #require(pool.hedge(request))
        pool.close(request, second.attempt, .failure(RouterFixture.failure(.cancelled)), isOvertaken: true)
        let record = try #require(self.record(pool.finish(request)))
        #expect(record.decisiveAttempt?.backend == first)
        #expect(record.decisiveAttempt?.failure == nil)
    }

    @Test("the first call wins and its stream breaks off: that is what is told, not the second one's end")
    func firstBreaks() throws {
        let pool = self.hedging()
        let request = try #require(pool.submit()?.1)
        let first = pool.start(request)
        let second = try #require(pool.hedge(request))
        pool.close(request, second.attempt, .failure(RouterFixture.failure(.cancelled)), isOvertaken: true)
        var broken = RouterFixture.failure(.reset)
        broken.committed = true
        let record = try #require(self.record(pool.finish(request, .failure(broken))))
        #expect(record.attempts.last?.failure == .cancelled)
        #expect(record.decisiveAttempt?.backend == first)
        #expect(record.decisiveAttempt?.failure == .reset)
    }

    @Test("the second call wins, or fails last: it decides")
    func secondDecides() throws {
        for result in [
            AttemptResult.success(status: 200, usage: nil), .failure(RouterFixture.failure(.invalidRequest)),
        ] {
            let pool = self.hedging()
            let request = try #require(pool.submit()?.1)
            _ = pool.start(request)
            let second = try #require(pool.hedge(request))
            pool.close(request, 1, .failure(RouterFixture.failure(.serverError)))
            let record = try #require(self.record(pool.finish(request, result)))
            #expect(record.decisiveAttempt?.backend == second.choice.backend)
        }
    }

    @Test("after retries it is the last one, and without any there is none")
    func retries() throws {
        let failing = RouterFixture.failure(.serverError, status: 500)
        let record = try #require(RoutedPool(["a", "b"]).run(["a": failing, "b": failing]))
        #expect(record.decisiveAttempt == record.attempts.last)
        #expect(RequestRecord(submission: record.submission, submittedAt: .zero).decisiveAttempt == nil)
    }

    // MARK: What counts as an attempt

    @Test("a move to a fallback for what is in the request needs no retry")
    func movesAreNoRetries() throws {
        let plan = RoutePlan(
            targets: [RoutePlan.Target(backend: "a")],
            fallbacks: [.contextWindow: [RoutePlan.Target(backend: "b"), RoutePlan.Target(backend: "c")]]
        )
        let tooLong = RouterFixture.failure(.invalidRequest, status: 400, refusal: .contextWindow)
        let once = RoutedPool(plan) { $0.retry.maximumAttempts = 1 }
        #expect(once.run(["a": tooLong])?.attempts.map(\.backend) == ["a", "b"])
        #expect(once.run(["a": tooLong, "b": tooLong])?.attempts.map(\.backend) == ["a", "b", "c"])
        let failing = RouterFixture.failure(.serverError, status: 500)
        #expect(once.run(["a": tooLong, "b": failing])?.attempts.count == 2)
        let twice = RoutedPool(plan) { $0.retry.maximumAttempts = 2 }
        #expect(twice.run(["a": tooLong, "b": failing, "c": failing])?.attempts.count == 3)
        let all = once.run(["a": tooLong, "b": tooLong, "c": tooLong])
        #expect(all?.attempts.count == 3 && all?.reason == .backend)
    }

    @Test("what one target cannot express goes to another", arguments: 1...20 as ClosedRange<UInt64>)
    func inexpressible(seed: UInt64) throws {
        var refused = RouterFixture.failure(.invalidRequest, status: 400)
        refused.isInexpressible = true
        let pool = RoutedPool(["a", "b", "c"], seed: seed) {
            $0.retry.maximumAttempts = 1
            $0.retry.mode = .neverAfterSend
            $0.retry.budgetFloor = 0
        }
        for _ in 0..<20 { #expect(pool.run(["a": refused, "b": refused])?.reason == .ok) }
        #expect(pool.status?.targets.allSatisfy { $0.state == .ready } == true)
        let nowhere = try #require(pool.run(["a": refused, "b": refused, "c": refused]))
        #expect(nowhere.reason == .backend && nowhere.attempts.count == 3)
    }
}
