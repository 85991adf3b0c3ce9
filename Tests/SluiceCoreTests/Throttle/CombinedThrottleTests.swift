import SluiceBasics
import SluiceCore
import Testing

@Suite struct CombinedThrottleTests {
    @Test func `all or none, and who holds longest is named`() throws {
        var throttles = CombinedThrottle()
        let key = throttles.add("key", RateLimit(requestsPerMinute: 60), now: .zero)
        let tenant = throttles.add("tenant", RateLimit(tokensPerMinute: 6_000), now: .zero)
        let model = throttles.add("model", RateLimit(tokensPerMinute: 600, mode: .strict), now: .zero)
        let all = [key, tenant, model]
        let first = try throttles.reserve(500, of: all, at: .zero).get()
        let refusal = ThrottleRefusal(limit: .tokens, availableIn: .seconds(60), limiter: "model")
        #expect(throttles.check(200, of: all, at: .zero) == .refused(refusal))
        #expect(throttles.reserve(200, of: all, at: .zero) == .failure(refusal))
        #expect(throttles.reserve(700, of: all, at: .zero).failure?.isNever == true)
        #expect(throttles[key].availableRequests(at: .zero) == 59)
        #expect(throttles[tenant].availableTokens(at: .zero) == 5_500)
        throttles.settle(first, actual: 100, at: .zero)
        #expect(throttles[tenant].availableTokens(at: .zero) == 5_900)
        let second = try throttles.reserve(500, of: all, at: .zero).get()
        throttles.cancel(second, at: .zero)
        #expect(throttles[key].availableRequests(at: .zero) == 59)
        #expect(throttles[model].availableTokens(at: .zero) == 500)
        throttles[model].configure(RateLimit(tokensPerMinute: 50), at: .zero)
        #expect(throttles.reserve(100, of: all, at: .zero).failure?.limiter == "model")
        #expect(throttles.reserve(100, of: [key, tenant], at: .zero).failure == nil)
    }

    @Test(arguments: 0..<20)
    func `6 check and reserve agree, and together they are never more generous than any`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var throttles = CombinedThrottle()
        var members: [CombinedThrottle.Member] = []
        for index in 0..<5 {
            let limit = RateLimit(
                requestsPerMinute: Bool.random(using: &random) ? Int.random(in: 1...300, using: &random) : nil,
                tokensPerMinute: Bool.random(using: &random) ? Int.random(in: 100...9_000, using: &random) : nil,
                mode: Bool.random(using: &random) ? .strict : .smooth
            )
            members.append(throttles.add("\(index)", limit, now: .zero))
        }
        var now = Instant.zero
        for _ in 0..<500 {
            now = now + .milliseconds(Int64.random(in: 0...400, using: &random))
            let some = members.filter { _ in Bool.random(using: &random) }
            let tokens = Int.random(in: 0...500, using: &random)
            let before = members.map { throttles[$0].availableTokens(at: now) }
            let answer = throttles.check(tokens, of: some, at: now)
            switch throttles.reserve(tokens, of: some, at: now) {
            case .success(let reservation):
                #expect(answer == .allowed)
                if Bool.random(using: &random) { throttles.settle(reservation, actual: tokens / 2, at: now) }
            case .failure(let refusal):
                #expect(answer == .refused(refusal))
                let after = members.map { throttles[$0].availableTokens(at: now) }
                #expect(before == after)
                guard let wait = refusal.availableIn else { continue }
                let early = throttles.check(tokens, of: some, at: now + wait - .nanoseconds(1))
                #expect(!early.isAllowed)
                now = now + wait
                let inTime = throttles.check(tokens, of: some, at: now)
                #expect(inTime.isAllowed)
            }
        }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        guard case .failure(let failure) = self else { return nil }
        return failure
    }
}
