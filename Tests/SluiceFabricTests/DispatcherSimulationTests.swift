import SluiceBasics
import SluiceFabric
import Testing

struct DispatcherSimulationTests {
    @Test(arguments: 0..<24 as Range<UInt64>)
    func `whoever dies and whatever the store does, every request ends once and nothing is left`(seed: UInt64) {
        let simulation = DispatcherSimulation(seed: seed)
        #expect(simulation.run() == [], "seed \(seed): \(simulation.popMode) \(simulation.orphans)")
    }

    @Test func `the simulation meets every way to end`() {
        var seen: Set<DispatcherSimulation.End> = []
        for seed in 1_000..<1_010 as Range<UInt64> {
            let simulation = DispatcherSimulation(seed: seed)
            _ = simulation.run()
            seen.formUnion(simulation.seen)
        }
        #expect(seen.isSuperset(of: [.answered, .done, .failed, .expired, .rejected, .dropped, .lost, .cancelled]))
    }

    @Test func `the same seed gives the same run`() {
        let first = DispatcherSimulation(seed: 3)
        let second = DispatcherSimulation(seed: 3)
        #expect(first.run() == second.run())
        #expect(first.state.withLock { $0.runs } == second.state.withLock { $0.runs })
    }
}
