import SluiceBasics
import SluiceCore
import Testing

/// The bucket alone, with rates per second as people write them.
@Suite struct TokenBucketTests {
    private static let second: Int64 = 1_000_000_000

    @Test func `100 tokens, 10 a second, half full`() {
        var bucket = TokenBucket(perMinute: 600, capacity: 100, level: 50)
        bucket.charge(30)
        #expect(bucket.available == 20)
        #expect(!bucket.has(60))
        bucket.refill(2 * Self.second)
        #expect(bucket.available == 40)
    }

    @Test func `it fills up to its capacity`() {
        var bucket = TokenBucket(perMinute: 600, capacity: 100, level: 50)
        bucket.refill(2 * Self.second)
        #expect(bucket.available == 70)
        bucket.refill(8 * Self.second)
        #expect(bucket.available == 100)
    }

    @Test func `empty, it says when the next tokens come`() {
        let bucket = TokenBucket(perMinute: 600, capacity: 100, level: 0)
        #expect(bucket.wait(for: 0) == 0)
        #expect(bucket.wait(for: 1) == 100_000_000)
        #expect(bucket.wait(for: 5) == 500_000_000)
        #expect(bucket.wait(for: 100) == 10 * Self.second)
        #expect(bucket.wait(for: 101) == nil)
    }

    @Test func `10,000 a minute, emptied`() {
        var bucket = TokenBucket(perMinute: 10_000, capacity: 10_000)
        bucket.charge(10_000)
        #expect(bucket.wait(for: 1) == 6_000_000)
        #expect(bucket.wait(for: 150) == 900_000_000)
        #expect(bucket.wait(for: 10_000) == 60 * Self.second)
        bucket.refill(6 * Self.second)
        #expect(bucket.available == 1_000)
        bucket.refill(24 * Self.second)
        #expect(bucket.available == 5_000)
    }

    @Test func `nothing is lost in small steps`() {
        var bucket = TokenBucket(perMinute: 99_991, capacity: 99_991, level: 0)
        // 60 s in steps of 7 ns and less would round to nothing anywhere but here.
        for _ in 0..<1_000_000 { bucket.refill(7) }
        #expect(bucket.available == 99_991 * 7_000_000 / 60_000_000_000)
        bucket.refill(60 * Self.second - 7_000_001)
        #expect(bucket.available == 99_990)
        bucket.refill(1)
        #expect(bucket.available == 99_991)
    }
}

/// Worked examples of a limiter, in milliseconds.
@Suite struct ThrottleSequenceTests {
    @Test func `wait for tokens and refill`() {
        let throttle = TimedThrottle(requests: 60, tokens: 6_000)
        #expect(throttle.consume(6_000, at: 0))
        #expect(throttle.refusal(100, at: 0) == refused(.tokens, 1_000))
        #expect(throttle.refusal(100, at: 999) == refused(.tokens, 1))
        #expect(throttle.tokens(at: 999) == 99)
        #expect(throttle.refusal(100, at: 1_000) == nil)
        #expect(throttle.consume(100, at: 1_000))
        #expect(throttle.refusal(1, at: 1_000) == refused(.tokens, 10))
    }

    @Test func `wait for requests`() {
        let throttle = TimedThrottle(requests: 60, tokens: 100_000)
        for _ in 0..<60 { #expect(throttle.consume(1, at: 0)) }
        #expect(throttle.refusal(1, at: 0) == refused(.requests, 1_000))
        #expect(throttle.refusal(1, at: 500) == refused(.requests, 500))
        #expect(throttle.refusal(1, at: 999) == refused(.requests, 1))
        #expect(throttle.refusal(1, at: 1_000) == nil)
    }

    @Test func `requests are named before tokens that hold equally long`() {
        let throttle = TimedThrottle(requests: 1, tokens: 100)
        #expect(throttle.consume(100, at: 0))
        #expect(throttle.refusal(100, at: 0) == refused(.requests, 60_000))
        #expect(throttle.refusal(100, at: 30_000) == refused(.requests, 30_000))
        #expect(throttle.refusal(100, at: 60_000) == nil)
    }

    @Test func `bursts are the capacity, refill stays the limit`() {
        let throttle = TimedThrottle(requests: 60, tokens: 1_000, burstRequests: 120, burstTokens: 2_000)
        #expect(throttle.metrics(at: 0).requests?.limit == 120)
        #expect(throttle.metrics(at: 0).tokens?.limit == 2_000)
        #expect(throttle.consume(2_000, at: 0))
        #expect(throttle.refusal(1, at: 0) == refused(.tokens, 60))
        #expect(throttle.metrics(at: 30_000).tokens?.available == 500)
        #expect(throttle.metrics(at: 30_000).tokens?.percentage == 75)
        #expect(throttle.tokens(at: 119_999) == 1_999)
        #expect(throttle.tokens(at: 120_000) == 2_000)
    }

    @Test func `120 requests of 16 tokens in one burst`() {
        let throttle = TimedThrottle(requests: 60, tokens: 1_000, burstRequests: 120, burstTokens: 2_000)
        for _ in 0..<120 { #expect(throttle.consume(16, at: 0)) }
        #expect(!throttle.consume(16, at: 0))
        #expect(throttle.metrics(at: 0).requests?.used == 120)
        #expect(throttle.metrics(at: 0).tokens?.used == 1_920)
    }

    @Test func `metrics after 400 and 300 tokens`() throws {
        let throttle = TimedThrottle(requests: 60, tokens: 1_000)
        #expect(throttle.consume(400, at: 0))
        #expect(throttle.consume(300, at: 0))
        let metrics = throttle.metrics(at: 0)
        #expect(metrics.requests?.used == 2)
        #expect(abs(try #require(metrics.requests).percentage - 3.333333) < 1e-6)
        #expect(metrics.tokens?.used == 700)
        #expect(metrics.tokens?.percentage == 70)
        #expect(metrics.history.count == 2)
        #expect(metrics.history.totalTokens == 700)
        #expect(metrics.history.averageTokensPerRequest == 350)
        // T-12: without an actual number there is no efficiency.
        #expect(metrics.efficiency == nil)
        #expect(metrics.estimationAccuracy == nil)
    }

    @Test(arguments: [(700, 700, 500.0 / 700), (300, 300, 0.6), (0, 0, 0.0)])
    func `500 tokens settled`(actual: Int, used: Int, efficiency: Double) throws {
        let throttle = TimedThrottle(requests: 60, tokens: 1_000)
        let reservation = throttle.reserve(500, at: 0)
        #expect(throttle.settle(reservation, actual, at: 0) == .settled)
        let metrics = throttle.metrics(at: 0)
        #expect(metrics.tokens?.used == used)
        #expect(metrics.requests?.used == 1)
        #expect(abs(try #require(metrics.efficiency) - efficiency) < 1e-6)
    }

    @Test func `efficiency looks at the newest, accuracy at all`() throws {
        let throttle = TimedThrottle(requests: 60, tokens: 10_000, options: ThrottleOptions(efficiencyWindow: 2))
        for (estimate, actual) in [(100, 10), (100, 50), (100, 100)] {
            let reservation = throttle.reserve(estimate, at: 0)
            #expect(throttle.settle(reservation, actual, at: 0) == .settled)
        }
        let metrics = throttle.metrics(at: 0)
        #expect(abs(try #require(metrics.efficiency) - 0.75) < 1e-6)
        #expect(abs(try #require(metrics.estimationAccuracy) - 0.533333) < 1e-6)
    }

    @Test func `the history holds a minute`() {
        let throttle = TimedThrottle(requests: 60, tokens: 1_000)
        #expect(throttle.consume(10, at: 1_000))
        #expect(throttle.metrics(at: 60_999).history.count == 1)
        #expect(throttle.metrics(at: 61_000).history.count == 0)
    }

    @Test func `either limit may be absent`() {
        let tokensOnly = TimedThrottle(tokens: 100)
        for _ in 0..<1_000 { #expect(tokensOnly.consume(0, at: 0)) }
        #expect(tokensOnly.requests(at: 0) == nil)
        #expect(tokensOnly.consume(100, at: 0))
        #expect(tokensOnly.refusal(1, at: 0) == refused(.tokens, 600))
        let requestsOnly = TimedThrottle(requests: 1)
        #expect(requestsOnly.tokens(at: 0) == nil)
        #expect(requestsOnly.consume(.max, at: 0))
        #expect(requestsOnly.refusal(0, at: 0) == refused(.requests, 60_000))
        let open = TimedThrottle()
        #expect(open.consume(.max, at: 0) && open.consume(.max, at: 0))
    }

    @Test func `a cancelled reservation gives the request back, too`() {
        let throttle = TimedThrottle(requests: 1, tokens: 100)
        let reservation = throttle.reserve(100, at: 0)
        #expect(!throttle.consume(0, at: 0))
        if let reservation { throttle.throttle.cancel(reservation, at: .zero) }
        #expect(throttle.metrics(at: 0).history.count == 0)
        #expect(throttle.consume(100, at: 0))
    }
}
