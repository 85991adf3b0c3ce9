import SluiceBasics
import SluiceCore
import SluiceSimulator
import Testing

struct PoolSimulationTests {
    private static func workload(
        _ name: WorkloadShape.Name,
        load: Double,
        slots: Int,
        requests: Int,
        seed: UInt64 = 1
    ) -> Workload {
        let shape = WorkloadShape(name)
        let rate = load * Double(slots) / shape.means(BackendModel()).service
        return shape.workload(rate: rate, requests: requests, seed: seed)
    }

    @Test(arguments: SimulatedPolicy.Name.allCases)
    func `every request ends once, under every policy and workload`(policy: SimulatedPolicy.Name) {
        for name in WorkloadShape.Name.allCases {
            var workload = Self.workload(name, load: 1.2, slots: 4, requests: 1_500)
            for number in workload.arrivals.indices where number % 3 == 0 {
                workload.arrivals[number].deadline = .seconds(20)
            }
            var simulation = PoolSimulation(workload, .init(policy: SimulatedPolicy(policy), slots: 4))
            let report = simulation.finish(name: policy.rawValue)
            #expect(simulation.audit() == nil, "\(name)")
            #expect(report.requests == 1_500, "\(name)")
            #expect(report.outcomes.table.values.reduce(0, +) == 1_500, "\(name)")
            #expect(report.inTime + report.refused + report.expired == 1_500, "\(name)")
            #expect(report.utilization <= 1 && report.idle >= 0, "\(name)")
        }
    }

    @Test(arguments: SimulatedPolicy.Name.allCases)
    func `a seed is a table`(policy: SimulatedPolicy.Name) {
        let workload = Self.workload(.bursty, load: 0.9, slots: 4, requests: 3_000)
        let configuration = PoolSimulation.Configuration(policy: SimulatedPolicy(policy), slots: 4, seed: 5)
        let first = PoolSimulation.run(workload, configuration)
        #expect(first == PoolSimulation.run(workload, configuration))
        let other = Self.workload(.bursty, load: 0.9, slots: 4, requests: 3_000, seed: 2)
        #expect(first != PoolSimulation.run(other, configuration))
    }

    @Test(arguments: SimulatedPolicy.Name.allCases)
    func `no slot is idle while something waits`(policy: SimulatedPolicy.Name) {
        let workload = Self.workload(.bursty, load: 0.9, slots: 4, requests: 5_000)
        let report = PoolSimulation.run(workload, .init(policy: SimulatedPolicy(policy), slots: 4))
        #expect(report.idle == 0)
        #expect(report.inTime == 5_000)
    }

    /// The mean wait of M/M/c by Erlang's C formula.
    @Test(arguments: [(1, 0.5), (1, 0.8), (4, 0.7), (16, 0.8)])
    func `waits are those of queueing theory`(slots: Int, load: Double) throws {
        let mean = 0.02 * 1_000
        let rate = load * Double(slots) / mean
        let backend = BackendModel(overhead: .zero, perPromptToken: .zero)
        var waits: [Double] = []
        for seed in 1...10 as ClosedRange<UInt64> {
            let workload = WorkloadShape(.exponential).workload(rate: rate, requests: 6_000, seed: seed)
            let report = PoolSimulation.run(
                workload,
                .init(policy: SimulatedPolicy(.fifo), slots: slots, backend: backend)
            )
            waits.append(try #require(report.wait(.all)?.mean))
            #expect(abs(report.utilization / load - 1) < 0.08)
        }
        let average = waits.reduce(0, +) / 10
        let deviation = (waits.reduce(0) { $0 + ($1 - average) * ($1 - average) } / 9).squareRoot()
        let expected = Self.waitProbability(slots: slots, load: load) * mean / (Double(slots) * (1 - load))
        // Student's t of nine degrees of freedom at 99.9 %, and what the start with an empty queue and rounding cost.
        let margin = 4.781 * deviation / 10.0.squareRoot() + 0.01 * expected
        #expect(abs(average - expected) < margin, "\(average) ± \(margin), not \(expected)")
        #expect(margin < 0.5 * expected)
    }

    /// Erlang C.
    private static func waitProbability(slots: Int, load: Double) -> Double {
        let offered = load * Double(slots)
        var (term, sum) = (1.0, 1.0)
        for number in 1..<max(2, slots) where slots > 1 {
            term *= offered / Double(number)
            sum += term
        }
        let last = term * offered / Double(slots) / (1 - load)
        return slots == 1 ? load : last / (sum + last)
    }

    @Test func `a closed loop keeps as many requests as it has users`() throws {
        var shape = WorkloadShape(.closed)
        shape.loop = ClosedLoop(users: 8, think: .zero)
        let workload = shape.workload(rate: 1, requests: 2_000, seed: 1)
        let report = PoolSimulation.run(workload, .init(policy: SimulatedPolicy(.fifo), slots: 8))
        #expect(report.requests == 2_000 && report.inTime == 2_000)
        #expect(report.wait(.all)?.longest == 0)
        let tight = PoolSimulation.run(workload, .init(policy: SimulatedPolicy(.fifo), slots: 4))
        #expect(tight.utilization > 0.95)
        // Little's law: 8 = rate · (wait + service).
        let served = tight.utilization * 4 * tight.duration / 2_000
        let wait = try #require(tight.wait(.all)?.mean)
        #expect(abs((wait + served) * 2_000 / tight.duration / 8 - 1) < 0.05)
    }

    @Test func `only what arrives within the duration is counted`() {
        let workload = Self.workload(.poisson, load: 0.5, slots: 4, requests: 5_000)
        let end = workload.arrivals[1_999].at + .nanoseconds(1)
        let report = PoolSimulation.run(
            workload,
            .init(policy: SimulatedPolicy(.fifo), slots: 4, duration: end)
        )
        #expect(report.requests == 2_000)
    }

    @Test func `what is too late is not good`() {
        var workload = Self.workload(.poisson, load: 1.5, slots: 2, requests: 2_000)
        for number in workload.arrivals.indices { workload.arrivals[number].deadline = .seconds(15) }
        let report = PoolSimulation.run(workload, .init(policy: SimulatedPolicy(.fifo), slots: 2))
        #expect(report.inTime < 2_000 && report.inTime > 500)
        #expect(report.refused + report.expired == 2_000 - report.inTime)
        #expect((report.wait(.all)?.longest ?? 100) <= 15)
    }

    @Test func `slowing down with company makes calls longer`() {
        let arrival = Arrival(at: .zero, promptTokens: 800, completionTokens: 100, tokenEstimate: 900)
        let backend = BackendModel(slowDown: 1)
        #expect(backend.service(of: arrival, running: 1, slots: 5) == .milliseconds(2_150))
        #expect(backend.service(of: arrival, running: 3, slots: 5) == .milliseconds(3_225))
        #expect(backend.service(of: arrival, running: 5, slots: 5) == .milliseconds(4_300))
        var recorded = arrival
        recorded.service = .seconds(7)
        #expect(backend.service(of: recorded, running: 5, slots: 5) == .seconds(7))
    }

    private static let shares: [([Double], Double)] = [
        ([1, 1, 1, 1], 1), ([1, 0, 0, 0], 0.25), ([2, 1], 0.9), ([5, 3, 2], 100.0 / 114), ([1e300, 1e300], 1),
    ]

    @Test(arguments: Self.shares)
    func `Jain's index`(shares: [Double], expected: Double) throws {
        #expect(abs(try #require(JainIndex.of(shares)) - expected) < 1e-12)
    }

    @Test func `Jain's index of nothing is not known`() {
        #expect(JainIndex.of([]) == nil)
        #expect(JainIndex.of([0, 0]) == nil)
        #expect(JainIndex.of([.infinity, 1]) == nil)
        #expect(JainIndex.of([.nan, 1]) == nil)
    }

    @Test func `percentiles are by nearest rank`() {
        let values = (1...200).map(Double.init)
        #expect(WaitSummary.percentile(0.5, of: values) == 100)
        #expect(WaitSummary.percentile(0.95, of: values) == 190)
        #expect(WaitSummary.percentile(1, of: values) == 200)
        #expect(WaitSummary.percentile(0.5, of: [7]) == 7)
        #expect(WaitSummary.percentile(0.5, of: []) == nil)
    }
}
