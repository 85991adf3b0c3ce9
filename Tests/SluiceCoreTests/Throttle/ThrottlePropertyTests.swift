import SluiceBasics
import SluiceCore
import Testing

/// What the limiter promises, over random histories.
@Suite struct ThrottlePropertyTests {
    /// A charge as it finally counts.
    private struct Charge {
        var time: Int64
        var tokens: Int
        var requests = 1
    }

    /// The level of a bucket that is full at 0 and is charged as the list says, replayed from the start.
    private static func replay(_ charges: [Charge], rate: Int, capacity: Int, until now: Int64) -> Int {
        let unit = Int128(TokenBucket.unitsPerToken)
        var level = Int128(capacity) * unit
        var time: Int64 = 0
        for charge in charges {
            level = min(level + Int128(rate) * Int128(charge.time - time), Int128(capacity) * unit)
            level -= Int128(charge.tokens) * unit
            time = charge.time
        }
        level = min(level + Int128(rate) * Int128(now - time), Int128(capacity) * unit)
        let (quotient, remainder) = level.quotientAndRemainder(dividingBy: unit)
        return Int(remainder < 0 ? quotient - 1 : quotient)
    }

    @Test(arguments: 0..<40)
    func `5 settling leaves what reserving the right number would have left`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let rate = Int.random(in: 1...5_000, using: &random)
        let capacity = Int.random(in: rate...(3 * rate), using: &random)
        let limit = RateLimit(
            requestsPerMinute: 600,
            tokensPerMinute: rate,
            burstRequests: 5_000,
            burstTokens: capacity
        )
        var throttle = Throttle(limit, now: .zero)
        var charges: [Charge] = []
        var open: [(reservation: ThrottleReservation, index: Int)] = []
        var now: Int64 = 0
        // Some seeds settle at once, others leave hundreds open.
        let patience = Int.random(in: 2...12, using: &random)
        for _ in 0..<800 {
            now += Int64.random(in: 0...2_000_000_000, using: &random) / Int64.random(in: 1...1_000, using: &random)
            let at = Instant(nanoseconds: now)
            if Int.random(in: 0..<20, using: &random) == 0 { now += 90_000_000_000 }
            switch Int.random(in: 0..<patience, using: &random) {
            case 0 where !open.isEmpty:
                let (reservation, index) = open.remove(at: Int.random(in: 0..<open.count, using: &random))
                charges[index].tokens = Int.random(in: 0...capacity, using: &random)
                #expect(throttle.settle(reservation, actual: charges[index].tokens, at: at) == .settled)
            case 1 where !open.isEmpty:
                let (reservation, index) = open[Int.random(in: 0..<open.count, using: &random)]
                charges[index].tokens = Int.random(in: 0...(2 * capacity), using: &random)
                #expect(throttle.adjust(reservation, to: charges[index].tokens, at: at) == .settled)
            case 2 where !open.isEmpty:
                let (reservation, index) = open.remove(at: Int.random(in: 0..<open.count, using: &random))
                charges[index].tokens = 0
                charges[index].requests = 0
                #expect(throttle.cancel(reservation, at: at) == .settled)
            default:
                let tokens = Int.random(in: 0...capacity, using: &random)
                if case .success(let reservation) = throttle.reserve(tokens, at: at) {
                    open.append((reservation, charges.count))
                    charges.append(Charge(time: at.nanoseconds, tokens: tokens))
                }
            }
            let expected = Self.replay(charges, rate: rate, capacity: capacity, until: at.nanoseconds)
            #expect(throttle.availableTokens(at: at) == expected)
            let requests = charges.map { Charge(time: $0.time, tokens: $0.requests) }
            let left = Self.replay(requests, rate: 600, capacity: 5_000, until: at.nanoseconds)
            #expect(throttle.availableRequests(at: at) == left)
        }
    }

    /// Random work that uses at most what it reserved; returns what counts in the end.
    private static func charges(under limit: RateLimit, seed: UInt64) -> [Charge] {
        var random = SeededRandom(seed: seed)
        var throttle = Throttle(limit, now: .zero)
        var charges: [Charge] = []
        var open: [(reservation: ThrottleReservation, index: Int)] = []
        var now: Int64 = 0
        let largest = max(1, (limit.tokensPerMinute ?? 1) / Int.random(in: 1...20, using: &random))
        let pause = Int64.random(in: 1_000_000...3_000_000_000, using: &random)
        while charges.count < 250 {
            now += Int64.random(in: 0...pause, using: &random)
            let at = Instant(nanoseconds: now)
            let tokens = Int.random(in: 0...largest, using: &random)
            if case .success(let reservation) = throttle.reserve(tokens, at: at) {
                open.append((reservation, charges.count))
                charges.append(Charge(time: now, tokens: tokens))
            }
            guard !open.isEmpty, Int.random(in: 0..<3, using: &random) > 0 else { continue }
            let (reservation, index) = open.remove(at: Int.random(in: 0..<open.count, using: &random))
            if Int.random(in: 0..<5, using: &random) == 0 {
                charges[index] = Charge(time: charges[index].time, tokens: 0, requests: 0)
                throttle.cancel(reservation, at: at)
            } else {
                charges[index].tokens = Int.random(in: 0...charges[index].tokens, using: &random)
                throttle.settle(reservation, actual: charges[index].tokens, at: at)
            }
        }
        return charges
    }

    @Test(arguments: 0..<30)
    func `2 a bucket lets through its capacity and its rate over every interval`(seed: UInt64) {
        let limit = RateLimit(requestsPerMinute: 100, tokensPerMinute: 6_007, burstRequests: 110, burstTokens: 7_001)
        let charges = Self.charges(under: limit, seed: seed)
        let unit = Int128(TokenBucket.unitsPerToken)
        for start in charges.indices {
            var tokens: Int128 = 0
            var requests: Int128 = 0
            for charge in charges[start...] {
                tokens += Int128(charge.tokens)
                requests += Int128(charge.requests)
                let span = Int128(charge.time - charges[start].time)
                #expect(tokens * unit <= 7_001 * unit + 6_007 * span)
                #expect(requests * unit <= 110 * unit + 100 * span)
            }
        }
    }

    @Test(arguments: 0..<30)
    func `2 a strict limit holds in every 60 seconds`(seed: UInt64) {
        let limit = RateLimit(requestsPerMinute: 100, tokensPerMinute: 6_007, burstTokens: 100_000, mode: .strict)
        let charges = Self.charges(under: limit, seed: seed)
        for start in charges.indices {
            let window = charges[start...].prefix { $0.time - charges[start].time < 60_000_000_000 }
            #expect(window.map(\.tokens).reduce(0, +) <= 6_007)
            #expect(window.map(\.requests).reduce(0, +) <= 100)
        }
    }

    @Test(arguments: 0..<30, RateLimit.Mode.allCases)
    func `4 the time of a refusal is honest, and 6 check and reserve agree`(seed: UInt64, mode: RateLimit.Mode) {
        var random = SeededRandom(seed: seed)
        let limit = RateLimit(
            requestsPerMinute: Int.random(in: 1...600, using: &random),
            tokensPerMinute: Int.random(in: 1...20_000, using: &random),
            mode: mode
        )
        let capacity = limit.tokensPerMinute ?? 0
        var throttle = Throttle(limit, now: .zero)
        var now: Int64 = 0
        for _ in 0..<600 {
            now += Int64.random(in: 0...100_000_000, using: &random)
            let at = Instant(nanoseconds: now)
            let tokens = Int.random(in: 0...(capacity + capacity / 10), using: &random)
            let answer = throttle.check(tokens, at: at)
            var copy = throttle
            let outcome = throttle.reserve(tokens, at: at)
            switch outcome {
            case .success(let reservation):
                #expect(answer.isAllowed)
                // Overruns make negative balances, which count in both.
                if Bool.random(using: &random) {
                    throttle.settle(reservation, actual: tokens + Int.random(in: 0...50, using: &random), at: at)
                }
            case .failure(let refusal):
                #expect(answer == .refused(refusal))
                #expect((refusal.availableIn == nil) == (tokens > capacity))
                guard let wait = refusal.availableIn else { continue }
                #expect(wait > .zero)
                let tooSoon = copy.check(tokens, at: at + wait - .nanoseconds(1))
                let inTime = copy.check(tokens, at: at + wait)
                #expect(!tooSoon.isAllowed)
                #expect(inTime.isAllowed)
                now += wait.wholeNanoseconds
            }
        }
    }
}
