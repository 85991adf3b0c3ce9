import SluiceBasics
import Testing

@testable import SluiceCore

/// Requests come at random, wait in line for one of the slots, perhaps for a limit of tokens, and run.
private struct Line {
    struct Waiting {
        var arrivedAt: Double
        var tokens: Int
        var work: Double
        var prediction: StartPrediction?
    }

    var slots = 16
    var random: SeededRandom
    var rate = ServiceRate()
    var now = 0.0
    /// Ends of what runs, with tokens and start; the next is last.
    var running: [(end: Double, start: Double, tokens: Int)] = []
    var waiting: [Waiting] = []
    /// Seconds per token, and before the first.
    var perToken = 0.02
    var overhead = 0.4
    /// Whether the estimates of tokens are known beforehand.
    var knowsTokens = true
    var tokensPerMinute: Int?
    var bucket = 0.0
    /// Actual over predicted, for those that had to wait.
    var ratios: [Double] = []
    var covered = 0

    init(seed: UInt64) {
        self.random = SeededRandom(seed: seed)
    }

    mutating func tokens() -> Int {
        var size = 10.0
        while size < 4_000 && self.random.unit() < 0.5 { size *= 1.78 }
        return Int(size * (1 + 0.78 * self.random.unit()))
    }

    mutating func exponential() -> Double {
        var value = max(1e-12, self.random.unit())
        var result = 0.0
        while value < 1 {
            value *= 2
            result += 0.6931471805599453
        }
        let z = (value - 1) / (value + 1)
        return max(0, result - 2 * (z + z * z * z / 3 + z * z * z * z * z / 5))
    }

    private var question: StartQuestion {
        var question = StartQuestion(
            ahead: self.waiting.count,
            slots: self.slots,
            freeSlots: self.slots - self.running.count
        )
        if self.knowsTokens { question.tokensAhead = self.waiting.reduce(0) { $0 + $1.tokens } }
        if let limit = self.tokensPerMinute {
            question.limit = .init(
                tokens: Int(self.bucket),
                tokensPerMinute: limit,
                requests: nil,
                requestsPerMinute: 0
            )
        }
        return question
    }

    private mutating func advance(to instant: Double) {
        if let limit = self.tokensPerMinute {
            self.bucket = min(Double(limit), self.bucket + (instant - self.now) * Double(limit) / 60)
        }
        self.now = instant
    }

    private mutating func startWhatCan(measures: Bool) {
        while self.running.count < self.slots, let first = self.waiting.first {
            if self.tokensPerMinute != nil {
                guard self.bucket >= Double(first.tokens) else { return }
                self.bucket -= Double(first.tokens)
            }
            self.waiting.removeFirst()
            if measures, let prediction = first.prediction, prediction.expected > .milliseconds(200) {
                let actual = self.now - first.arrivedAt
                self.ratios.append(actual / prediction.expected.inSeconds)
                if actual >= prediction.earliest.inSeconds && actual <= prediction.latest.inSeconds {
                    self.covered += 1
                }
            }
            let end = self.now + first.work
            let index = self.running.firstIndex { $0.end < end } ?? self.running.count
            self.running.insert((end, self.now, first.tokens), at: index)
            self.rate.follow(inFlight: self.running.count, at: .zero + .seconds(self.now))
        }
    }

    /// When the limit lets the first through.
    private var refill: Double {
        guard let limit = self.tokensPerMinute, self.running.count < self.slots, let first = self.waiting.first else {
            return .infinity
        }
        return self.now + max(0, Double(first.tokens) - self.bucket) / (Double(limit) / 60) + 1e-9
    }

    mutating func run(arrivals: Int, perSecond: Double, measuresAfter: Int) {
        var next = self.now + self.exponential() / perSecond
        var seen = 0
        while seen < arrivals {
            let end = self.running.last?.end ?? .infinity
            let instant = min(next, end, self.refill)
            self.advance(to: instant)
            if instant == end, let ended = self.running.popLast() {
                self.rate.follow(inFlight: self.running.count, at: .zero + .seconds(self.now))
                self.rate.record(.seconds(ended.end - ended.start), tokens: self.knowsTokens ? ended.tokens : 0)
            } else if instant == next {
                seen += 1
                next = self.now + self.exponential() / perSecond
                let tokens = self.tokens()
                var question = self.question
                question.tokens = tokens
                let work = (self.overhead + self.perToken * Double(tokens)) * (0.7 + 0.6 * self.random.unit())
                let prediction = self.rate.start(question)
                self.waiting.append(
                    Waiting(arrivedAt: self.now, tokens: tokens, work: work, prediction: prediction)
                )
            }
            self.startWhatCan(measures: seen > measuresAfter)
        }
    }

    var median: Double {
        let sorted = self.ratios.sorted()
        return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
    }
}

@Suite("Service rate")
struct ServiceRateTests {
    @Test("Predictions hold in the median, with heavy tails and random arrivals", arguments: [1 as UInt64, 2, 3])
    func calibration(seed: UInt64) {
        for (knows, load) in [(true, 0.95), (true, 1.1), (false, 0.95), (false, 1.1)] {
            var line = Line(seed: seed)
            line.knowsTokens = knows
            // Mean work, by drawing it.
            var mean = 0.0
            for _ in 0..<20_000 { mean += line.overhead + line.perToken * Double(line.tokens()) }
            let capacity = Double(line.slots) / (mean / 20_000)
            line.run(arrivals: 8_000, perSecond: capacity * load, measuresAfter: 1_000)
            let share = Double(line.covered) / Double(max(1, line.ratios.count))
            #expect(line.ratios.count > 500)
            #expect(line.median > 0.75)
            #expect(line.median < 1.25)
            #expect(share > 0.5)
        }
    }

    @Test("A limit that is tighter than the slots decides", arguments: [1 as UInt64, 2])
    func limited(seed: UInt64) {
        var line = Line(seed: seed)
        line.slots = 200
        line.tokensPerMinute = 60_000
        line.run(arrivals: 4_000, perSecond: 30, measuresAfter: 500)
        #expect(line.ratios.count > 500)
        #expect(line.median > 0.75)
        #expect(line.median < 1.25)
    }

    @Test("A backend that becomes three times slower is believed soon")
    func change() {
        var rate = ServiceRate()
        var random = SeededRandom(seed: 4)
        for _ in 0..<500 { rate.record(.seconds(1 + random.unit()), tokens: 100) }
        let before = rate.average?.inSeconds ?? 0
        for _ in 0..<64 { rate.record(.seconds(3 + 3 * random.unit()), tokens: 100) }
        let after = rate.average?.inSeconds ?? 0
        #expect(abs(before - 1.5) < 0.15)
        #expect(after > 3.5)
    }

    @Test("Nothing is predicted before eight ends, unless a slot is free")
    func trust() {
        var rate = ServiceRate()
        let free = StartQuestion(ahead: 0, slots: 4, freeSlots: 1)
        let full = StartQuestion(ahead: 0, slots: 4, freeSlots: 0)
        #expect(rate.start(free)?.expected == .zero)
        for count in 0..<8 {
            #expect(rate.count == count)
            #expect(rate.start(full) == nil)
            rate.record(.seconds(8), tokens: 10)
        }
        let expected = rate.start(full)?.expected.inSeconds ?? 0
        #expect(abs(expected - 2) < 0.1)
        #expect(rate.start(StartQuestion(ahead: 0, slots: 0, freeSlots: 0)) == nil)
        var gated = free
        gated.gate = .seconds(7)
        #expect(rate.start(gated)?.expected == .seconds(7))
    }

    @Test("Requests that do not end slow the prediction down")
    func stuck() {
        var rate = ServiceRate()
        var now = Instant.zero
        for _ in 0..<100 {
            rate.follow(inFlight: 2, at: now)
            now = now + .milliseconds(500)
            rate.follow(inFlight: 1, at: now)
            rate.record(.seconds(1), tokens: 10)
        }
        let before = rate.average ?? .zero
        rate.follow(inFlight: 2, at: now)
        rate.follow(inFlight: 2, at: now + .seconds(400))
        #expect((rate.average ?? .zero) > before * 2)
    }

    @Test("Hostile numbers stay finite")
    func hostile() {
        var rate = ServiceRate()
        for span in [Duration.zero, .seconds(-1), .seconds(Int64.max), .nanoseconds(1)] {
            for tokens in [0, -1, Int.max, Int.min] {
                rate.record(span, tokens: tokens)
                rate.follow(inFlight: tokens, at: .distantFuture)
            }
        }
        var question = StartQuestion(ahead: .max, slots: 1, freeSlots: 0)
        question.tokensAhead = .max
        question.tokens = .max
        question.limit = .init(tokens: .min, tokensPerMinute: 0, requests: .min, requestsPerMinute: 1)
        _ = rate.start(question)
        question.limit = .init(tokens: .max, tokensPerMinute: .max, requests: .max, requestsPerMinute: .max)
        #expect(rate.start(question) != nil)
        _ = rate.start(StartQuestion(ahead: .min, slots: .max, freeSlots: .min))
    }
}
