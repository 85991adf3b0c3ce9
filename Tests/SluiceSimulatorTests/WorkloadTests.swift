import SluiceBasics
import SluiceCore
import SluiceSimulator
import Testing

struct WorkloadTests {
    private static func gaps(_ process: ArrivalProcess, rate: Double, count: Int, seed: UInt64 = 1) -> [Double] {
        var stream = ArrivalStream(process, rate: rate, seed: seed)
        var before = 0.0
        return (0..<count).map { _ in
            let at = stream.next().inSeconds
            defer { before = at }
            return at - before
        }
    }

    private static func moments(_ values: [Double]) -> (mean: Double, squaredVariation: Double) {
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
        return (mean, variance / mean / mean)
    }

    @Test func `Poisson arrivals have the rate and a coefficient of variation of 1`() {
        let (mean, variation) = Self.moments(Self.gaps(.poisson, rate: 8, count: 100_000))
        #expect(abs(mean * 8 - 1) < 0.01)
        #expect(abs(variation - 1) < 0.03)
    }

    @Test(arguments: [1.0, 8])
    func `bursts have the rate and the coefficient of variation of their process`(rate: Double) throws {
        let process = ArrivalProcess.bursty(meanOn: .seconds(1))
        let expected = try #require(process.squaredVariation(rate: rate))
        let (mean, variation) = Self.moments(Self.gaps(process, rate: rate, count: 200_000))
        #expect(abs(mean * rate - 1) < 0.05)
        #expect(abs(variation / expected - 1) < 0.1)
        #expect(expected > 1.5)
    }

    @Test func `a day has its rate at night and at noon`() {
        var stream = ArrivalStream(.diurnal(amplitude: 0.8, period: .seconds(3_600)), rate: 20, seed: 3)
        var tenths = Array(repeating: 0, count: 10)
        var count = 0
        while case let at = stream.next().inSeconds, at < 36_000 {
            tenths[Int(at.truncatingRemainder(dividingBy: 3_600) / 360)] += 1
            count += 1
        }
        #expect(abs(Double(count) / (36_000 * 20) - 1) < 0.01)
        // Integrals of 1 − 0.8 · cos over the first and the sixth tenth.
        #expect(abs(Double(tenths[0]) / Double(count) * 10 - 0.251_6) < 0.03)
        #expect(abs(Double(tenths[5]) / Double(count) * 10 - 1.748_4) < 0.03)
    }

    @Test func `a log-normal length has its median and spread`() {
        var random = SeededRandom(seed: 5)
        let length = LengthDistribution.heavyTailed(median: 2_000, sigma: 0.8, longest: 10_000_000)
        let drawn = (0..<100_000).map { _ in Double(length.sample(&random)) }
        let sorted = drawn.sorted()
        #expect(abs(sorted[50_000] / 2_000 - 1) < 0.02)
        // exp(0.8) up: 84.1 %.
        #expect(abs(sorted[84_134] / (2_000 * 2.225_5) - 1) < 0.03)
    }

    @Test func `the tail has its index`() {
        var random = SeededRandom(seed: 6)
        let length = LengthDistribution.heavyTailed(
            median: 100,
            sigma: 0.3,
            tailShare: 0.1,
            tailFrom: 10_000,
            tailIndex: 1.5,
            longest: 1_000_000_000
        )
        let tail = (0..<150_000).map { _ in Double(length.sample(&random)) }.filter { $0 >= 10_000 }
        #expect(abs(Double(tail.count) / 15_000 - 1) < 0.03)
        // P(X > 4 · least) = 4^-1.5 = 1/8; P(X > 100 · least) = 1/1000.
        #expect(abs(Double(tail.count { $0 > 40_000 }) / Double(tail.count) - 0.125) < 0.01)
        #expect(abs(Double(tail.count { $0 > 1_000_000 }) / Double(tail.count) - 0.001) < 0.000_9)
    }

    @Test func `nothing is longer than the longest, and nothing is empty`() {
        var random = SeededRandom(seed: 7)
        let length = LengthDistribution.heavyTailed(
            median: 2,
            sigma: 3,
            tailShare: 0.2,
            tailFrom: 10,
            tailIndex: 0.5,
            longest: 500
        )
        let drawn = (0..<20_000).map { _ in length.sample(&random) }
        #expect(drawn.min() == 1)
        #expect(drawn.max() == 500)
    }

    @Test(arguments: WorkloadShape.Name.allCases)
    func `a seed is a workload, and another one another`(name: WorkloadShape.Name) {
        let shape = WorkloadShape(name)
        let first = shape.workload(rate: 3, requests: 2_000, seed: 11)
        #expect(first == shape.workload(rate: 3, requests: 2_000, seed: 11))
        #expect(first != shape.workload(rate: 3, requests: 2_000, seed: 12))
        #expect(first.arrivals.count == 2_000)
        #expect(zip(first.arrivals, first.arrivals.dropFirst()).allSatisfy { $0.at <= $1.at })
    }

    @Test func `requests are shared between tenants and kinds as it was said`() {
        var shape = WorkloadShape(.mixed, tenants: [.init("a", share: 3), .init("b", share: 1)])
        shape.kinds[0].priorities = [.init(.high, share: 1), .init(.low, share: 3)]
        let arrivals = shape.workload(rate: 5, requests: 40_000, seed: 1).arrivals
        let short = arrivals.filter(\.isShort)
        #expect(abs(Double(short.count) / 40_000 - 0.8) < 0.01)
        #expect(abs(Double(short.count { $0.priority == .high }) / Double(short.count) - 0.25) < 0.01)
        #expect(abs(Double(arrivals.count { $0.tenant == 0 }) / 40_000 - 0.75) < 0.01)
    }

    @Test func `a tenant that comes changes nothing for the others`() throws {
        let two = WorkloadShape(.mixed, tenants: [.init("a"), .init("b")]).workload(rate: 2, requests: 4_000, seed: 9)
        let three = WorkloadShape(.mixed, tenants: [.init("a"), .init("b"), .init("c", share: 8)])
            .workload(rate: 10, requests: 20_000, seed: 9)
        let alone = try #require(two.only(tenant: "b")).arrivals.prefix(1_500)
        let beside = try #require(three.only(tenant: "b")).arrivals.prefix(1_500)
        #expect(alone == beside)
    }

    @Test func `the estimate is right on average and wrong as told`() {
        var shape = WorkloadShape(.poisson)
        shape.estimateError = 0
        let exact = shape.workload(rate: 1, requests: 500, seed: 1).arrivals
        #expect(exact.allSatisfy { $0.tokenEstimate == $0.tokens })
        shape.estimateError = 0.5
        let rough = shape.workload(rate: 1, requests: 5_000, seed: 1).arrivals
        let over = rough.count { $0.tokenEstimate > $0.tokens }
        #expect(abs(Double(over) / 5_000 - 0.5) < 0.03)
    }
}
