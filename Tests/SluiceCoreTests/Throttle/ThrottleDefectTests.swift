import SluiceBasics
import SluiceCore
import Testing

/// What limiters of this kind have got wrong, each by its name.
@Suite struct ThrottleDefectTests {
    @Test func `T-01 a strict limit of 60 admits 60 in a minute, not 119`() {
        let strict = TimedThrottle(requests: 60, burstRequests: 600, mode: .strict)
        let admitted = (0..<6_000).filter { strict.consume(0, at: $0 * 10) }.count
        #expect(admitted == 60)
        let smooth = TimedThrottle(requests: 60)
        #expect((0..<6_000).filter { smooth.consume(0, at: $0 * 10) }.count == 119)
    }

    @Test func `T-02 what is overdrawn counts for the question as for the reservation`() {
        let throttle = TimedThrottle(requests: 10, tokens: 100)
        let reservation = throttle.reserve(50, at: 0)
        #expect(throttle.settle(reservation, 90, at: 0) == .settled)
        #expect(throttle.refusal(40, at: 0) == refused(.tokens, 18_000))
        #expect(!throttle.consume(40, at: 0))
        #expect(throttle.refusal(40, at: 18_000) == nil)
        #expect(throttle.consume(40, at: 18_000))
    }

    @Test func `T-03 a debt above the capacity is paid by refill`() {
        let throttle = TimedThrottle(tokens: 100)
        let reservation = throttle.reserve(100, at: 0)
        #expect(throttle.settle(reservation, 300, at: 0) == .settled)
        #expect(throttle.tokens(at: 0) == -200)
        #expect(throttle.refusal(1, at: 0) == refused(.tokens, 120_600))
        #expect(throttle.refusal(100, at: 0) == refused(.tokens, 180_000))
        #expect(!throttle.consume(1, at: 120_599))
        #expect(throttle.consume(1, at: 120_600))
        #expect(throttle.tokens(at: 3_600_000) == 100)
    }

    @Test func `T-04 corrections up and down again leave nothing`() {
        let throttle = TimedThrottle(requests: 10, tokens: 100)
        guard let reservation = throttle.reserve(100, at: 0) else { return }
        throttle.throttle.adjust(reservation, to: 150, at: .zero)
        #expect(throttle.tokens(at: 0) == -50)
        throttle.throttle.adjust(reservation, to: 100, at: .zero)
        #expect(throttle.tokens(at: 0) == 0)
        #expect(throttle.settle(reservation, 100, at: 0) == .settled)
        #expect(throttle.tokens(at: 0) == 0)
        #expect(throttle.metrics(at: 0).history.totalTokens == 100)
    }

    @Test func `T-05 an overrun is charged, all of it`() throws {
        let throttle = TimedThrottle(requests: 10, tokens: 100)
        let reservation = throttle.reserve(100, at: 0)
        #expect(throttle.settle(reservation, 150, at: 0) == .settled)
        let metrics = throttle.metrics(at: 0)
        let tokens = try #require(metrics.tokens)
        #expect(tokens.available == -50 && tokens.used == 150 && tokens.percentage == 150)
        #expect(abs(try #require(metrics.efficiency) - 0.666667) < 1e-6)
        #expect(!throttle.consume(1, at: 30_000))
        #expect(throttle.consume(50, at: 60_000))
        #expect(throttle.tokens(at: 60_000) == 0)
    }

    @Test func `T-06 a request that runs longer than the history can be settled`() {
        let throttle = TimedThrottle(tokens: 100, burstTokens: 1_000)
        let long = throttle.reserve(1_000, at: 0)
        #expect(throttle.metrics(at: 120_000).history.count == 0)
        #expect(throttle.settle(long, 400, at: 120_000) == .settled)
        #expect(throttle.tokens(at: 120_000) == 800)
        #expect(throttle.settle(long, 0, at: 120_000) == .unknownReservation)
        #expect(throttle.tokens(at: 120_000) == 800)
        #expect(throttle.metrics(at: 120_000).totals.unknownReservations == 1)
    }

    @Test func `T-06 a reservation nobody settles expires, and its estimate stands`() {
        let options = ThrottleOptions(reservationTimeToLive: .seconds(90), maximumReservations: 3)
        let throttle = TimedThrottle(tokens: 100, burstTokens: 1_000, options: options)
        let first = throttle.reserve(100, at: 0)
        #expect(throttle.metrics(at: 89_999).openReservations == 1)
        #expect(throttle.metrics(at: 90_000).openReservations == 0)
        #expect(throttle.settle(first, 0, at: 90_000) == .unknownReservation)
        #expect(throttle.tokens(at: 90_000) == 1_000)
        // And when there are too many, the oldest goes early.
        let second = throttle.reserve(100, at: 90_000)
        let others = (0..<3).map { _ in throttle.reserve(100, at: 90_000) }
        #expect(throttle.metrics(at: 90_000).openReservations == 3)
        #expect(throttle.settle(second, 0, at: 90_000) == .unknownReservation)
        for other in others { #expect(throttle.settle(other, 0, at: 90_000) == .settled) }
        #expect(throttle.tokens(at: 90_000) == 900)
        #expect(throttle.metrics(at: 90_000).totals.expired == 2)
    }

    @Test func `T-07 requests of one name settle each for itself`() {
        let throttle = TimedThrottle(tokens: 1_000)
        let twins = (0..<3).map { _ in throttle.reserve(100, at: 0) }
        #expect(Set(twins).count == 3)
        #expect(throttle.settle(twins[1], 10, at: 0) == .settled)
        #expect(throttle.settle(twins[1], 10, at: 0) == .unknownReservation)
        #expect(throttle.settle(twins[2], 20, at: 0) == .settled)
        #expect(throttle.tokens(at: 0) == 870)
        #expect(throttle.settle(twins[0], 30, at: 0) == .settled)
        #expect(throttle.tokens(at: 0) == 940)
    }

    @Test func `T-07 a reservation of another limiter is unknown`() {
        let limit = RateLimit(tokensPerMinute: 100)
        var one = Throttle(limit, number: 1, now: .zero)
        var two = Throttle(limit, number: 2, now: .zero)
        guard case .success(let mine) = one.reserve(50, at: .zero), case .success = two.reserve(60, at: .zero) else {
            Issue.record("refused")
            return
        }
        #expect(two.settle(mine, actual: 0, at: .zero) == .unknownReservation)
        #expect(two.availableTokens(at: .zero) == 40)
    }

    @Test func `T-10 a clock that steps back does not stop the refill`() {
        let throttle = TimedThrottle(tokens: 600, at: 10_000_000)
        #expect(throttle.consume(600, at: 10_000_000))
        // Two hours back: time goes on from there.
        #expect(throttle.tokens(at: 2_800_000) == 0)
        #expect(throttle.tokens(at: 2_810_000) == 100)
        // Half a second back is waited out, and answers say so.
        #expect(throttle.refusal(200, at: 2_809_500) == refused(.tokens, 10_500))
        #expect(throttle.tokens(at: 2_810_000) == 100)
        #expect(throttle.tokens(at: 2_820_000) == 200)
    }

    @Test func `T-10 jitter of the clock gains nothing`() {
        let throttle = TimedThrottle(tokens: 600, at: 0)
        #expect(throttle.consume(600, at: 0))
        for step in 1...10_000 { _ = throttle.tokens(at: Int64(step % 2 == 0 ? 1_000 : 100)) }
        #expect(throttle.tokens(at: 1_000) == 10)
    }

    @Test func `T-11 the wait is over all limits`() {
        let throttle = TimedThrottle(requests: 60, tokens: 60)
        for _ in 0..<60 { #expect(throttle.consume(1, at: 0)) }
        #expect(throttle.refusal(30, at: 0) == refused(.tokens, 30_000))
        #expect(!throttle.consume(30, at: 29_999))
        #expect(throttle.consume(30, at: 30_000))
    }

    @Test func `T-11 no wait is too short by rounding`() {
        var probes = 0
        for rate in stride(from: 1, through: 20_000, by: 37) {
            for need in [1, 3, 7, 31, 97, 499, 1_009, 9_973] where need <= rate {
                var throttle = Throttle(RateLimit(tokensPerMinute: rate), now: .zero)
                _ = throttle.reserve(rate, at: .zero)
                guard case .refused(let refusal) = throttle.check(need, at: .zero), let wait = refusal.availableIn
                else {
                    Issue.record("\(need) of \(rate) is not refused")
                    continue
                }
                var copy = throttle
                let early = copy.check(need, at: .zero + wait - .nanoseconds(1))
                let inTime = throttle.check(need, at: .zero + wait)
                #expect(!early.isAllowed && inTime.isAllowed, "\(need) of \(rate)")
                probes += 1
            }
        }
        #expect(probes > 3_000)
    }

    @Test func `T-11 and D-08 more than the capacity is never available`() {
        for mode in RateLimit.Mode.allCases {
            let throttle = TimedThrottle(requests: 10, tokens: 1_000, mode: mode)
            #expect(throttle.refusal(1_500, at: 0) == ThrottleRefusal(limit: .tokens, availableIn: nil))
            #expect(throttle.refusal(1_500, at: 0)?.isNever == true)
            #expect(throttle.refusal(1_000, at: 0) == nil)
            // Never is longer than any time.
            for _ in 0..<10 { #expect(throttle.consume(0, at: 0)) }
            #expect(throttle.refusal(1_500, at: 0) == ThrottleRefusal(limit: .tokens, availableIn: nil))
        }
    }

    @Test func `T-12 efficiency and accuracy agree on zeros and say when there is no data`() throws {
        let throttle = TimedThrottle(tokens: 1_000)
        #expect(throttle.metrics(at: 0).history.averageTokensPerRequest == nil)
        let pairs = [(0, 0), (0, 10), (10, 0), (100, 50)]
        let reservations = pairs.map { throttle.reserve($0.0, at: 0) }
        #expect(throttle.metrics(at: 0).efficiency == nil)
        for (reservation, pair) in zip(reservations, pairs) {
            #expect(throttle.settle(reservation, pair.1, at: 0) == .settled)
        }
        let metrics = throttle.metrics(at: 0)
        #expect(abs(try #require(metrics.efficiency) - 0.375) < 1e-6)
        #expect(metrics.estimationAccuracy == metrics.efficiency)
        // What was overdrawn is in the totals.
        #expect(metrics.history.totalTokens == 60)
        #expect(metrics.totals.estimatedTokens == 110)
        #expect(metrics.totals.actualTokens == 60)
        #expect(throttle.metrics(at: 60_000).efficiency == nil)
    }

    @Test func `T-13 numbers that are none are refused or bounded`() {
        #expect(
            RateLimit(requestsPerMinute: 0, tokensPerMinute: -1).findings().map(\.rule)
                == ["rpm_positive", "tpm_positive"]
        )
        let throttle = TimedThrottle(requests: .max, tokens: .max, burstTokens: .max)
        #expect(throttle.tokens(at: 0) == 1 << 40)
        #expect(throttle.consume(.max, at: 0))
        #expect(throttle.tokens(at: 0) == 0)
        #expect(throttle.consume(.min, at: 0))
        #expect(throttle.tokens(at: 0) == 0)
    }
}
