import FoundationEssentials
import SluiceCore
import SluiceTestKit
import Testing

/// `SLUICE_SIMULATION_SEEDS` sets how many seeds run (2,000), `SLUICE_SIMULATION_SEED` replays a single one.
@Suite struct SimulationTests {
    private static let lanes = 2

    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test(.timeLimit(.minutes(10)))
    func `every seed keeps every rule`() async throws {
        if let seed = Self.number("SLUICE_SIMULATION_SEED") {
            var simulation = Simulation(seed: seed)
            let report = try simulation.run()
            print("seed \(seed): \(report)")
            return
        }
        let count = Self.number("SLUICE_SIMULATION_SEEDS") ?? 2_000
        let lanes = UInt64(Self.lanes)
        let totals = try await withThrowingTaskGroup(of: Totals.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    var totals = Totals()
                    for seed in stride(from: lane, to: count, by: Int(lanes)) {
                        try totals.add(Self.run(seed))
                        // There are as many threads as cores: other tests must get on meanwhile.
                        await Task.yield()
                    }
                    return totals
                }
            }
            var sum = Totals()
            for try await totals in group { sum.add(totals) }
            return sum
        }
        print("simulated \(count) seeds: \(totals)")
        guard count >= 500 else { return }
        // The world is rough enough to have tried everything.
        for reason in [
            OutcomeReason.ok, .late, .backend, .malformedResponse, .resultTooLarge, .clientGone, .operatorRequest,
            .deadline, .poison, .outcomeUnknown, .shed,
        ] {
            #expect(totals.outcomes[reason, default: 0] > 0, "no request ended as \(reason)")
        }
        #expect(totals.retries > 0 && totals.recovered > 0 && totals.staleCalls > 0 && totals.openings > 0)
    }

    /// Every hundredth seed runs twice: the same seed is the same world.
    private static func run(_ seed: UInt64) throws -> SimulationReport {
        var simulation = Simulation(seed: seed)
        let report = try simulation.run()
        if seed % 100 == 0 {
            var again = Simulation(seed: seed)
            let second = try again.run()
            #expect(second == report, "seed \(seed) does not repeat itself")
        }
        return report
    }

    /// The harness must notice each planted bug within a hundred seeds.
    @Test(arguments: PlantedBug.allCases)
    func `a planted bug is caught`(bug: PlantedBug) async {
        for seed in 0..<100 as Range<UInt64> {
            await Task.yield()
            var simulation = Simulation(seed: seed, bug: bug)
            do {
                _ = try simulation.run()
            } catch {
                print("\(bug.rawValue): \(error)")
                return
            }
        }
        Issue.record("\(bug.rawValue) survived 100 seeds")
    }
}

private struct Totals: CustomStringConvertible {
    var steps = 0
    var accepted = 0
    var rejected = 0
    var calls = 0
    var retries = 0
    var recovered = 0
    var staleCalls = 0
    var openings = 0
    var outcomes: [OutcomeReason: UInt64] = [:]

    mutating func add(_ report: SimulationReport) {
        self.steps += report.steps
        self.accepted += report.accepted
        self.rejected += report.rejected
        self.calls += report.calls
        self.retries += report.retries
        self.recovered += report.recovered
        self.staleCalls += report.staleCalls
        self.openings += report.openings
        self.outcomes.merge(report.outcomes.table) { $0 + $1 }
    }

    mutating func add(_ other: Totals) {
        self.steps += other.steps
        self.accepted += other.accepted
        self.rejected += other.rejected
        self.calls += other.calls
        self.retries += other.retries
        self.recovered += other.recovered
        self.staleCalls += other.staleCalls
        self.openings += other.openings
        self.outcomes.merge(other.outcomes) { $0 + $1 }
    }

    var description: String {
        let ended = OutcomeReason.allCases.compactMap { reason in
            self.outcomes[reason].map { "\(reason.rawValue) \($0)" }
        }
        return "\(self.steps) steps, \(self.accepted) accepted, \(self.rejected) rejected, \(self.calls) calls, "
            + "\(self.retries) retries, \(self.recovered) recovered, \(self.staleCalls) stale calls, "
            + "\(self.openings) circuits opened; " + ended.joined(separator: ", ")
    }
}
