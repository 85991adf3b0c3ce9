import SluiceBasics
import SluiceCore
import SluiceSimulator
import Testing

/// What the scheduler promises, in runs that are small enough for every day. `docs-simulate` has the large ones.
struct FigureTests {
    private static func rate(_ shape: WorkloadShape, load: Double, slots: Int) -> Double {
        load * Double(slots) / shape.means(BackendModel()).service
    }

    @Test func `short requests wait a fifth beside long ones, and long ones little longer`() throws {
        let shape = WorkloadShape(.mixed, tenants: [.init("one")])
        let rate = Self.rate(shape, load: 0.9, slots: 64)
        var (better, worse) = (0.0, 0.0)
        for seed in 1...3 as ClosedRange<UInt64> {
            let workload = shape.workload(rate: rate, requests: 6_000, seed: seed)
            let fifo = PoolSimulation.run(workload, .init(policy: SimulatedPolicy(.fifo), slots: 64))
            let scored = PoolSimulation.run(workload, .init(policy: SimulatedPolicy(.standard), slots: 64))
            #expect(fifo.inTime == 6_000 && scored.inTime == 6_000)
            #expect(abs(scored.duration / fifo.duration - 1) < 0.02)
            func wait(_ report: SimulationReport, _ isShort: Bool) throws -> Double {
                try #require(report.wait(.size(isShort: isShort))?.p95)
            }
            better += try wait(fifo, true) / wait(scored, true) / 3
            worse += try wait(scored, false) / wait(fifo, false) / 3
        }
        #expect(better >= 5, "\(better) times better")
        #expect(worse <= 1.3, "\(worse) times worse")
    }

    /// Alone means: alone on its share of the slots.
    @Test func `an honest tenant beside one that floods waits as if it had its share for itself`() throws {
        let shape = WorkloadShape(.flood, tenants: [.init("honest", share: 0.4), .init("flood", share: 2)])
        let rate = Self.rate(shape, load: 2.4, slots: 8)
        var (beside, alone) = (0.0, 0.0)
        for seed in 1...4 as ClosedRange<UInt64> {
            let workload = shape.workload(rate: rate, requests: 6_000, seed: seed)
            let policy = SimulatedPolicy(.standard)
            let crowded = PoolSimulation.run(workload, .init(policy: policy, slots: 8))
            let quiet = PoolSimulation.run(
                try #require(workload.only(tenant: "honest")),
                .init(policy: policy, slots: 4)
            )
            beside += try #require(crowded.wait(.tenant("honest"))?.p99) / 4
            alone += try #require(quiet.wait(.all)?.p99) / 4
            let flood = try #require(crowded.wait(.tenant("flood"))?.p99)
            #expect(flood > 1_000)
        }
        #expect(beside <= 2 * alone, "\(beside) s beside, \(alone) s alone")
    }

    @Test(arguments: [RateLimit.Mode.strict, .smooth], [SimulatedPolicy.Name.standard, .throughputOptimized])
    func `a limit is used up under a backlog, and never exceeded`(
        mode: RateLimit.Mode,
        name: SimulatedPolicy.Name
    ) throws {
        var shape = WorkloadShape(.backlog)
        shape.estimateError = 0
        let workload = shape.workload(rate: 1, requests: 2_500, seed: 1)
        let limit = RateLimit(tokensPerMinute: 600_000, mode: mode)
        let report = PoolSimulation.run(
            workload,
            .init(policy: SimulatedPolicy(name), slots: 256, limit: limit)
        )
        let use = try #require(report.limit)
        #expect(report.inTime == 2_500)
        #expect(use.minutes >= 10)
        #expect(try #require(use.tokenShare) >= 0.97, "\(use)")
        // What may go out at once is the whole limit; rounding of the bucket is a token.
        #expect(try #require(use.tokenPeak) <= 1.000_01, "\(use)")
        #expect(report.idle < 0.001, "\(report.idle)")
    }
}
