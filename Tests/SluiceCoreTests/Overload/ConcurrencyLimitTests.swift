import SluiceBasics
import Testing

@testable import SluiceCore

/// A backend that shares its capacity: up to `knee` requests run at full speed, more of them slow all down alike.
private struct SharedBackend {
    struct Job {
        var ends: Double
        var startedAt: Instant
        var tokens: Int
    }

    var knee: Double
    var overhead = 0.5
    var perToken = 0.02
    /// Half-width of the uniform factor on every request's work.
    var noise = 0.3
    /// The next to end is last.
    var jobs: [Job] = []
    /// Work that a request running since the beginning would have got, in seconds.
    var served = 0.0
    var now = Instant.zero

    private var speed: Double { min(1, self.knee / Double(max(1, self.jobs.count))) }

    mutating func start(tokens: Int, _ random: inout SeededRandom) {
        let factor = 1 + self.noise * (2 * random.unit() - 1)
        let work = (self.overhead + self.perToken * Double(tokens)) * factor
        let job = Job(ends: self.served + work, startedAt: self.now, tokens: tokens)
        var low = 0
        var high = self.jobs.count
        while low < high {
            let middle = (low + high) / 2
            if self.jobs[middle].ends > job.ends { low = middle + 1 } else { high = middle }
        }
        self.jobs.insert(job, at: low)
    }

    var nextEnd: Instant {
        guard let first = self.jobs.last else { return .distantFuture }
        return self.now + .seconds(max(0, first.ends - self.served) / self.speed) + .nanoseconds(1)
    }

    mutating func advance(to instant: Instant) {
        self.served += (instant - self.now).inSeconds * self.speed
        self.now = instant
    }

    mutating func takeEnded() -> Job? {
        guard let job = self.jobs.last, job.ends <= self.served + 1e-9 else { return nil }
        return self.jobs.removeLast()
    }
}

private struct Bench {
    var backend: SharedBackend
    var limit: ConcurrencyLimit
    var random: SeededRandom
    var heavyTail = true
    var lowest = Int.max
    /// Of the limit, over time.
    var area = 0.0
    var span = 0.0

    init(knee: Double, seed: UInt64, policy: AdaptiveConcurrencyPolicy = AdaptiveConcurrencyPolicy()) {
        self.backend = SharedBackend(knee: knee)
        self.limit = ConcurrencyLimit(policy, now: .zero)
        self.random = SeededRandom(seed: seed)
    }

    /// Bounded Pareto with shape 1.2: 10 to 4,000 tokens.
    mutating func tokens() -> Int {
        guard self.heavyTail else { return 200 }
        var size = 10.0
        // A power without a mathematics library: each step of 1.2th root of 2 doubles the tail's odds.
        while size < 4_000 && self.random.unit() < 0.5 { size *= 1.78 }
        return Int(size * (1 + 0.78 * self.random.unit()))
    }

    /// Runs for so long.
    ///
    /// - Parameter rate: arrivals per second; `nil`: there is always something waiting.
    mutating func run(_ span: Duration, rate: Double? = nil, ending: ConcurrencyLimit.Ending = .served) {
        let until = self.backend.now + span
        var waiting = 0
        var arrival = Instant.distantFuture
        if let rate { arrival = self.backend.now + self.pause(rate) }
        self.area = 0
        self.span = 0
        while self.backend.now < until {
            while self.backend.jobs.count < self.limit.limit && (rate == nil || waiting > 0) {
                waiting = max(0, waiting - 1)
                self.backend.start(tokens: self.tokens(), &self.random)
                self.limit.started(inFlight: self.backend.jobs.count, at: self.backend.now)
            }
            let next = min(self.backend.nextEnd, arrival)
            let passed = (next - self.backend.now).inSeconds
            self.area += passed * Double(self.limit.limit)
            self.span += passed
            self.backend.advance(to: next)
            if next == arrival, let rate {
                waiting += 1
                arrival = next + self.pause(rate)
            }
            while let job = self.backend.takeEnded() {
                self.limit.ended(
                    ending,
                    latency: next - job.startedAt,
                    tokens: job.tokens,
                    inFlight: self.backend.jobs.count,
                    at: next
                )
                self.lowest = min(self.lowest, self.limit.limit)
            }
        }
    }

    var meanLimit: Double { self.area / self.span }

    /// Exponential, by inversion with a series for the logarithm.
    private mutating func pause(_ rate: Double) -> Duration {
        // −ln u as a sum of halvings: u = 2⁻ᵏ·m with m in [1, 2).
        var value = max(1e-12, self.random.unit())
        var result = 0.0
        while value < 1 {
            value *= 2
            result += 0.6931471805599453
        }
        let z = (value - 1) / (value + 1)
        result -= 2 * (z + z * z * z / 3 + z * z * z * z * z / 5)
        return .seconds(max(0, result) / rate)
    }
}

@Suite("Adaptive concurrency")
struct ConcurrencyLimitTests {
    @Test("Finds the backend's knee within a quarter", arguments: [12.0, 40, 150], [1 as UInt64, 2, 3])
    func findsTheKnee(knee: Double, seed: UInt64) {
        var bench = Bench(knee: knee, seed: seed)
        bench.run(.seconds(600))
        bench.run(.seconds(600))
        #expect(bench.meanLimit > knee * 0.75)
        #expect(bench.meanLimit < knee * 1.25)
    }

    @Test("Follows a capacity that halves and doubles", arguments: [1 as UInt64, 2, 3])
    func followsCapacity(seed: UInt64) {
        var bench = Bench(knee: 80, seed: seed)
        bench.run(.seconds(600))
        for knee in [40.0, 80, 160, 80] {
            bench.backend.knee = knee
            bench.run(.seconds(500))
            bench.run(.seconds(300))
            #expect(bench.meanLimit > knee * 0.75)
            #expect(bench.meanLimit < knee * 1.25)
        }
    }

    @Test("A backend that becomes slower by itself keeps its concurrency", arguments: [1 as UInt64, 2, 3])
    func slowerBackend(seed: UInt64) {
        var bench = Bench(knee: 60, seed: seed)
        bench.run(.seconds(600))
        bench.backend.overhead *= 2
        bench.backend.perToken *= 2
        bench.run(.seconds(1_000))
        bench.run(.seconds(400))
        #expect(bench.meanLimit > 45)
        #expect(bench.meanLimit < 75)
    }

    @Test("Heavy-tailed lengths at low load are no congestion", arguments: [1 as UInt64, 2, 3, 4, 5])
    func heavyTailAtLowLoad(seed: UInt64) {
        var bench = Bench(knee: 64, seed: seed)
        bench.run(.seconds(600))
        // A probe that has begun ends.
        bench.run(.seconds(60), rate: 3)
        let found = bench.limit.limit
        bench.lowest = .max
        // About 8 in flight.
        bench.run(.seconds(2_000), rate: 3)
        #expect(found > 48)
        #expect(Double(bench.lowest) >= Double(found) * 0.9)
    }

    @Test("A limit that nobody uses up does not grow")
    func unusedDoesNotGrow() {
        var bench = Bench(knee: 64, seed: 1)
        bench.run(.seconds(3_000), rate: 1)
        #expect(bench.limit.limit <= 16)
    }

    @Test("Total failure leads to the floor and no lower, and recovers", arguments: [1 as UInt64, 2])
    func failure(seed: UInt64) {
        for ending in [ConcurrencyLimit.Ending.failed, .refused] {
            var bench = Bench(knee: 64, seed: seed, policy: AdaptiveConcurrencyPolicy(minimum: 3, maximum: 500))
            bench.run(.seconds(400))
            bench.run(.seconds(300), ending: ending)
            #expect(bench.limit.limit == 3)
            #expect(bench.lowest == 3)
            bench.run(.seconds(900))
            bench.run(.seconds(200))
            #expect(bench.meanLimit > 48)
            #expect(bench.meanLimit < 80)
        }
    }

    @Test("The ceiling holds, and moves what is above it")
    func ceiling() {
        var bench = Bench(knee: 64, seed: 1, policy: AdaptiveConcurrencyPolicy(minimum: 1, maximum: 20))
        bench.run(.seconds(300))
        #expect(bench.limit.limit <= 20)
        #expect(bench.limit.limit >= 10)
        bench.limit.configure(AdaptiveConcurrencyPolicy(minimum: 1, maximum: 5))
        #expect(bench.limit.limit <= 5)
    }

    @Test("One refusal of many in flight lowers the limit once")
    func refusalsOfOneTime() {
        var limit = ConcurrencyLimit(AdaptiveConcurrencyPolicy(), now: .zero)
        for running in 1...8 { limit.started(inFlight: running, at: .zero) }
        let now = Instant.zero + .seconds(1)
        for left in (0..<8).reversed() {
            limit.ended(.refused, latency: .seconds(1), tokens: 0, inFlight: left, at: now)
        }
        #expect(limit.limit == 6)
        #expect(limit.movement == .refused)
    }

    @Test("What clients do says nothing about the backend")
    func neutral() {
        var limit = ConcurrencyLimit(AdaptiveConcurrencyPolicy(), now: .zero)
        for step in 1...1_000 {
            limit.ended(.neutral, latency: .seconds(60), tokens: 0, inFlight: 7, at: .zero + .seconds(step))
        }
        #expect(limit.limit == 8)
    }

    @Test("Hostile numbers neither trap nor leave the bounds")
    func hostile() {
        let policy = AdaptiveConcurrencyPolicy(minimum: 2, maximum: 100)
        var limit = ConcurrencyLimit(policy, now: .zero)
        var random = SeededRandom(seed: 3)
        let spans: [Duration] = [.zero, .seconds(-5), .seconds(Int64.max), .nanoseconds(1), .seconds(1)]
        let sizes = [0, -1, Int.max, Int.min, 7]
        var now = Instant.zero
        for step in 0..<20_000 {
            now = now + .milliseconds(Int64(random.next() % 2_000))
            let ending: ConcurrencyLimit.Ending = random.next() % 5 == 0 ? .failed : .served
            limit.started(inFlight: sizes[Int(random.next() % 5)], at: step % 7 == 0 ? .zero : now)
            limit.ended(
                ending,
                latency: spans[Int(random.next() % 5)],
                tokens: sizes[Int(random.next() % 5)],
                inFlight: sizes[Int(random.next() % 5)],
                at: step % 11 == 0 ? .distantFuture : now
            )
            #expect((2...100).contains(limit.limit))
        }
    }
}
