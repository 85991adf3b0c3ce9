import SluiceBasics
import SluiceCore
import Testing

/// The strict mode, and what is common to both when the limit changes.
@Suite struct ThrottleWindowTests {
    @Test func `what left is free again after exactly a minute`() {
        let throttle = TimedThrottle(requests: 2, tokens: 100, mode: .strict)
        #expect(throttle.consume(60, at: 0))
        #expect(throttle.consume(40, at: 10_000))
        #expect(throttle.refusal(10, at: 10_000) == refused(.requests, 50_000))
        #expect(throttle.refusal(50, at: 10_000) == refused(.requests, 50_000))
        #expect(throttle.refusal(70, at: 10_000) == refused(.tokens, 60_000))
        #expect(throttle.refusal(50, at: 59_999) == refused(.requests, 1))
        #expect(throttle.consume(60, at: 60_000))
        #expect(throttle.tokens(at: 60_000) == 0)
        #expect(throttle.requests(at: 70_000) == 1)
    }

    @Test func `settling counts where it was reserved`() {
        let throttle = TimedThrottle(tokens: 100, mode: .strict)
        let reservation = throttle.reserve(100, at: 0)
        #expect(throttle.settle(reservation, 30, at: 59_000) == .settled)
        #expect(throttle.tokens(at: 59_000) == 70)
        #expect(throttle.tokens(at: 60_000) == 100)
        let late = throttle.reserve(100, at: 60_000)
        #expect(throttle.settle(late, 300, at: 61_000) == .settled)
        #expect(throttle.tokens(at: 61_000) == -200)
        #expect(throttle.refusal(1, at: 61_000) == refused(.tokens, 59_000))
        let past = throttle.reserve(100, at: 120_000)
        #expect(throttle.settle(past, 1_000, at: 200_000) == .settled)
        #expect(throttle.tokens(at: 200_000) == 100)
    }

    @Test func `under backlog a strict limit is used to 99 percent, with 1,001 slots`() {
        let limit = RateLimit(tokensPerMinute: 600_000, mode: .strict)
        var throttle = Throttle(limit, now: .zero)
        var random = SeededRandom(seed: 4)
        var used = 0
        var slots = 0
        var now: Int64 = 0
        let minutes: Int64 = 10
        while now < minutes * 60_000_000_000 {
            // Chosen so that nothing comes in bursts: otherwise it would always be the first moment of a minute.
            now += 1_000_000
            let tokens = Int.random(in: 1...19, using: &random)
            let outcome = throttle.reserve(tokens, at: Instant(nanoseconds: now))
            if case .success = outcome { used += tokens }
            if now % 7_000_000_000 == 0 {
                slots = max(slots, throttle.snapshot(at: Instant(nanoseconds: now), wallClock: 0).lastMinute.count)
            }
        }
        #expect(used > 600_000 * Int(minutes) * 99 / 100)
        #expect(slots > 900 && slots <= 1_001)
    }

    @Test func `becoming strict counts the minute before`() {
        let throttle = TimedThrottle(tokens: 100, burstTokens: 500)
        #expect(throttle.consume(300, at: 0))
        throttle.throttle.configure(
            RateLimit(tokensPerMinute: 400, mode: .strict),
            at: Instant(nanoseconds: 10_000_000_000)
        )
        #expect(throttle.tokens(at: 10_000) == 100)
        #expect(throttle.tokens(at: 60_000) == 400)
        #expect(throttle.consume(150, at: 60_000))
        throttle.throttle.configure(RateLimit(tokensPerMinute: 400), at: Instant(nanoseconds: 60_000_000_000))
        #expect(throttle.tokens(at: 60_000) == 250)
    }

    @Test func `a changed bucket keeps its share, and its debt`() {
        let throttle = TimedThrottle(requests: 60, tokens: 1_000)
        #expect(throttle.consume(500, at: 0))
        throttle.throttle.configure(RateLimit(requestsPerMinute: 60, tokensPerMinute: 10_000), at: .zero)
        #expect(throttle.tokens(at: 0) == 5_000)
        #expect(throttle.requests(at: 0) == 59)
        throttle.throttle.configure(RateLimit(requestsPerMinute: 60, tokensPerMinute: 100), at: .zero)
        #expect(throttle.tokens(at: 0) == 50)
        let overdrawn = throttle.reserve(50, at: 0)
        #expect(throttle.settle(overdrawn, 250, at: 0) == .settled)
        throttle.throttle.configure(RateLimit(tokensPerMinute: 1_000), at: .zero)
        #expect(throttle.tokens(at: 0) == -200)
        #expect(throttle.requests(at: 0) == nil)
        #expect(throttle.tokens(at: 12_000) == 0)
    }

    @Test(arguments: 0..<20)
    func `changing a limit to and fro gains nothing`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var throttle = Throttle(RateLimit(tokensPerMinute: 1_000), now: .zero)
        var used = 0
        for _ in 0..<1_000 {
            let tokens = Int.random(in: 1...300, using: &random)
            let outcome = throttle.reserve(tokens, at: .zero)
            if case .success = outcome { used += tokens }
            let rate = Int.random(in: 100...1_000, using: &random)
            throttle.configure(RateLimit(tokensPerMinute: rate), at: .zero)
        }
        #expect(used <= 1_000)
    }

    @Test func `reservations outlive a change of the limit`() {
        let throttle = TimedThrottle(requests: 100, tokens: 1_000)
        let reservations = (0..<40).map { _ in throttle.reserve(20, at: 0) }
        let limits = [
            RateLimit(requestsPerMinute: 100),
            RateLimit(tokensPerMinute: 1_000, mode: .strict),
            RateLimit(requestsPerMinute: 100, tokensPerMinute: 1_000),
        ]
        for limit in limits {
            throttle.throttle.configure(limit, at: .zero)
        }
        #expect(throttle.tokens(at: 0) == 200)
        for reservation in reservations.reversed() { #expect(throttle.settle(reservation, 10, at: 0) == .settled) }
        #expect(throttle.tokens(at: 0) == 600)
        #expect(throttle.requests(at: 0) == 60)
    }
}
