import SluiceFabric
import Testing

struct ProducerSimulationTests {
    @Test(arguments: 0..<24 as Range<UInt64>)
    func `whatever the store and dispatchers do, every call ends once, in time, and nothing is left`(
        seed: UInt64
    ) async {
        let problems = await ProducerSimulation(seed: seed).run()
        #expect(problems == [], "seed \(seed)")
    }

    @Test func `the simulation meets every way to end`() async {
        var seen: Set<ProducerSimulation.Ending> = []
        for seed in 100..<120 as Range<UInt64> {
            let simulation = ProducerSimulation(seed: seed)
            _ = await simulation.run()
            seen.formUnion(simulation.endings.keys)
        }
        for kind in ["timedOut", "cancelled", "store", "storeFull", "brokenStream", "queueFull"] {
            #expect(seen.contains(.failed(kind)), "\(kind) was not met")
        }
        #expect(seen.isSuperset(of: [.reply, .errorReply, .streamed]))
        #expect(!seen.contains(.failed("INCOMPLETE")))
    }

    @Test func `the same seed gives the same run`() async {
        let first = ProducerSimulation(seed: 5)
        let second = ProducerSimulation(seed: 5)
        _ = await first.run()
        _ = await second.run()
        #expect(first.endings == second.endings)
        #expect(first.world.producer.counts == second.world.producer.counts)
    }
}
