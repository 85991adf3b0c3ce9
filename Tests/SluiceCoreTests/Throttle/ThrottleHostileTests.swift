import SluiceBasics
import SluiceCore
import Testing

/// Numbers and times that nobody means.
@Suite struct ThrottleHostileTests {
    private static let numbers = [Int.min, -1, 0, 1, 7, 1 << 40, .max]

    @Test(arguments: [Int.min, -1, 0, 1, 1 << 40, .max], RateLimit.Mode.allCases)
    func `nothing traps`(rate: Int, mode: RateLimit.Mode) {
        for burst in Self.numbers {
            let limit = RateLimit(
                requestsPerMinute: burst,
                tokensPerMinute: rate,
                burstRequests: rate,
                burstTokens: burst,
                mode: mode
            )
            var throttle = Throttle(limit, now: Instant(nanoseconds: .max))
            for time in [Int64.min, 0, .max, .max - 1, -5, .min, 1, 2] {
                let now = Instant(nanoseconds: time)
                for tokens in Self.numbers {
                    let answer = throttle.check(tokens, at: now)
                    let outcome = throttle.reserve(tokens, at: now)
                    guard case .success(let reservation) = outcome else {
                        #expect(!answer.isAllowed)
                        continue
                    }
                    #expect(answer.isAllowed)
                    throttle.adjust(reservation, to: .max, at: now)
                    throttle.settle(reservation, actual: tokens, at: now)
                    throttle.cancel(reservation, at: now)
                }
                throttle.configure(RateLimit(tokensPerMinute: .max, burstTokens: rate, mode: mode), at: now)
                throttle.configure(limit, at: now)
                let snapshot = throttle.snapshot(at: now, wallClock: time)
                throttle.restore(snapshot, at: now, wallClock: .max)
                _ = throttle.metrics(at: now)
            }
        }
    }

    @Test func `a limit of nothing lets nothing through, ever`() {
        for mode in RateLimit.Mode.allCases {
            let throttle = TimedThrottle(tokens: 0, mode: mode)
            #expect(throttle.refusal(1, at: 0) == ThrottleRefusal(limit: .tokens, availableIn: nil))
            #expect(throttle.refusal(0, at: 0) == nil)
            let none = TimedThrottle(requests: 0, mode: mode)
            #expect(none.refusal(0, at: 1_000_000) == ThrottleRefusal(limit: .requests, availableIn: nil))
        }
    }

    @Test func `a bucket that never fills is used up once`() {
        var throttle = Throttle(RateLimit(tokensPerMinute: 0, burstTokens: 10), now: .zero)
        let first = throttle.reserve(10, at: .zero)
        #expect((try? first.get()) != nil)
        let answer = throttle.check(1, at: .distantFuture)
        #expect(answer == .refused(ThrottleRefusal(limit: .tokens, availableIn: nil)))
    }

    @Test func `leaps of centuries, over and over`() {
        var throttle = Throttle(RateLimit(requestsPerMinute: 10, tokensPerMinute: 1_000), now: .zero)
        for leap in 0..<1_000 {
            let now = Instant(nanoseconds: leap % 2 == 0 ? .max : 0)
            let outcome = throttle.reserve(1_000, at: now)
            #expect(((try? outcome.get()) != nil) == (leap % 2 == 0))
            let open = throttle.metrics(at: now).openReservations
            #expect(open == 1)
        }
    }

    @Test func `the rate is exact over a thousand years of minutes`() {
        var throttle = Throttle(RateLimit(tokensPerMinute: 7, burstTokens: 1 << 40), now: .zero)
        let all = throttle.reserve(1 << 40, at: .zero)
        #expect((try? all.get()) != nil)
        // 292 years at once, which is all that an instant can say.
        let available = throttle.availableTokens(at: .distantFuture)
        #expect(available == Int(Int128(Int64.max) * 7 / 60_000_000_000))
    }

    @Test(arguments: ["null", "wrong"])
    func `a snapshot of nonsense is bounded`(kind: String) {
        let balance = ThrottleSnapshot.Balance(tokens: .min, remainder: kind == "null" ? .min : .max)
        let snapshot = ThrottleSnapshot(
            sequence: .max,
            takenAt: kind == "null" ? .min : .max,
            limit: RateLimit(tokensPerMinute: kind == "null" ? .min : .max),
            requests: balance,
            tokens: balance,
            lastMinute: (0..<5_000).map { .init(age: $0 % 2 == 0 ? .min : .max, requests: .max, tokens: .min) }
        )
        var throttle = Throttle(RateLimit(requestsPerMinute: 10, tokensPerMinute: 100), now: .zero)
        throttle.restore(snapshot, at: .zero, wallClock: 0)
        let metrics = throttle.metrics(at: .zero)
        #expect(metrics.tokens?.limit == 100)
        #expect(metrics.requestsInLastMinute >= 0)
        #expect(metrics.tokensInLastMinute == 0)
    }
}
