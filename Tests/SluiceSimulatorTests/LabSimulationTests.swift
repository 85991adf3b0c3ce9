import SluiceBasics
import SluiceCore
import SluiceWire
import Testing

@testable import SluiceSimulator

struct LabSimulationTests {
    private static func seconds(_ seconds: Double) -> Instant { Instant.zero + LabScenario.span(seconds) }

    private static func run(_ simulation: inout LabSimulation, to seconds: Double) {
        while simulation.advance(to: Self.seconds(seconds), most: 1_000) == 1_000 {}
    }

    /// Everything that a frame shows, in one text.
    private static func picture(_ simulation: inout LabSimulation) -> String {
        "\(simulation.frame())\(simulation.series.samples(0))"
    }

    @Test(arguments: LabPreset.all.map(\.id))
    func `books balance in every preset`(id: String) throws {
        let preset = try #require(LabPreset.all.first { $0.id == id })
        var simulation = LabSimulation(preset.scenario)
        for second in stride(from: 10.0, through: 600, by: 10) {
            Self.run(&simulation, to: second)
            #expect(simulation.audit() == nil, "at \(second) s")
        }
        #expect(simulation.totals.done > 100)
        #expect(simulation.now == Self.seconds(600))
    }

    @Test func `the same seed and the same changes give the same frames`() {
        func pictures(sliced: Int) -> [String] {
            var scenario = LabScenario()
            scenario.rate = 3
            scenario.failureRate = 0.1
            scenario.limit.tokensPerMinute = 60_000
            var simulation = LabSimulation(scenario)
            var pictures: [String] = []
            for second in 1...60 {
                // However it is cut into slices.
                while simulation.advance(to: Self.seconds(Double(second)), most: sliced) == sliced {}
                if second == 20 {
                    scenario.rate = 5
                    scenario.weights.priority = 0.9
                    scenario.policy = LabScenario.customPolicy
                    simulation.change(to: scenario)
                }
                if second == 30 { _ = simulation.add(5, tenant: "beta", priority: .urgent, tokens: 2_000) }
                if second == 40 {
                    scenario.slots = 3
                    scenario.limit.tokensPerMinute = nil
                    simulation.change(to: scenario)
                }
                pictures.append(Self.picture(&simulation))
            }
            #expect(simulation.audit() == nil)
            return pictures
        }
        #expect(pictures(sliced: 1_000) == pictures(sliced: 3))
    }

    @Test func `changes lose nobody who waits`() {
        var scenario = LabScenario()
        scenario.rate = 10
        var simulation = LabSimulation(scenario)
        Self.run(&simulation, to: 60)
        let waiting = simulation.live
        #expect(waiting > 100)
        let changes: [(inout LabScenario) -> Void] = [
            { $0.policy = "fifo" }, { $0.isFair = false }, { $0.isFair = true }, { $0.slots = 1 },
            { $0.limit = RateLimit(requestsPerMinute: 10, tokensPerMinute: 50_000) },
            { $0.limit.mode = .strict }, { $0.limit = RateLimit() },
            { $0.tenants = [LabScenario.Tenant("gamma", weight: 3)] }, { $0.policy = "throughput-optimized" },
            { $0.pattern = .none }, { $0.lengths.longShare = 1 },
        ]
        for change in changes {
            change(&scenario)
            simulation.change(to: scenario)
            #expect(simulation.live == waiting)
            #expect(simulation.audit() == nil)
        }
        scenario.slots = 64
        simulation.change(to: scenario)
        Self.run(&simulation, to: 7_200)
        #expect(simulation.live == 0)
        #expect(simulation.totals.ended == simulation.totals.arrived)
        #expect(simulation.audit() == nil)
    }

    @Test func `half the requests a minute is half the throughput`() {
        var scenario = LabScenario()
        scenario.rate = 4
        scenario.slots = 64
        scenario.limit = RateLimit(requestsPerMinute: 120, burstRequests: 1)
        var simulation = LabSimulation(scenario)
        Self.run(&simulation, to: 300)
        let before = simulation.frame().lastMinute.started
        scenario.limit.requestsPerMinute = 60
        simulation.change(to: scenario)
        Self.run(&simulation, to: 600)
        let after = simulation.frame().lastMinute.started
        #expect((118...121).contains(before))
        #expect((59...61).contains(after))
    }

    @Test func `more weight for priority lets urgent requests wait less`() throws {
        var scenario = try #require(LabPreset.all.first { $0.id == "urgent" }).scenario
        var simulation = LabSimulation(scenario)
        Self.run(&simulation, to: 600)
        let first = simulation.frame().classes[0].p50
        let before = try #require(first)
        scenario.weights.priority = 5
        simulation.change(to: scenario)
        Self.run(&simulation, to: 1_800)
        let second = simulation.frame().classes[0].p50
        let after = try #require(second)
        #expect(after < before / 2, "\(after) after \(before)")
    }

    @Test func `the line is shown in the order in which it is served`() throws {
        for policy in ["fifo", "priority", "default", "simple-priority"] {
            var scenario = LabScenario()
            scenario.policy = policy
            scenario.pattern = .none
            scenario.slots = 1
            scenario.tenants = [LabScenario.Tenant("alpha"), LabScenario.Tenant("beta", weight: 2)]
            var simulation = LabSimulation(scenario)
            for index in 0..<12 {
                _ = simulation.add(
                    1,
                    tenant: index % 3 == 0 ? "alpha" : "beta",
                    priority: Priority.allCases[index % 4],
                    tokens: 100 * (index + 1)
                )
            }
            // Scores move while time passes: only who is next is promised.
            for left in (1...11).reversed() {
                let frame = simulation.frame()
                #expect(frame.pending.count == left)
                let next = try #require(frame.pending.first).message.number
                let running = try #require(frame.processing.first).number
                while simulation.frame().processing.first.map({ $0.number == running }) ?? true {
                    var silent = 86_400
                    guard case .happened = simulation.stepOnce(silent: &silent) else { break }
                }
                #expect(simulation.frame().processing.map(\.number) == [next], "\(policy)")
            }
        }
    }

    @Test func `a message's score is its scorers' values by their weights`() throws {
        var scenario = LabScenario()
        scenario.pattern = .none
        scenario.slots = 1
        scenario.limit.tokensPerMinute = 10_000
        var simulation = LabSimulation(scenario)
        _ = simulation.add(3, tenant: nil, priority: .high, tokens: 2_000)
        Self.run(&simulation, to: 3)
        let third = simulation.explain(3)
        let waiting = try #require(third)
        #expect(waiting.message.state == .pending)
        #expect(waiting.scorers.count == 6)
        for scorer in waiting.scorers {
            #expect(abs(scorer.value * scorer.weight - scorer.contribution) < 1e-12)
            #expect((0...1).contains(scorer.value))
        }
        let total = try #require(waiting.total)
        #expect(abs(total - waiting.scorers.reduce(0) { $0 + $1.contribution }) < 1e-12)
        #expect(waiting.explanation?.firstClosed?.gate == .slots)
        let first = simulation.explain(1)
        let running = try #require(first)
        #expect(running.message.state == .processing)
        #expect(running.total != nil)
        #expect(simulation.explain(99) == nil)
    }

    @Test func `calls that fail are repeated and counted`() {
        var scenario = LabScenario()
        scenario.failureRate = 0.2
        scenario.rate = 0.5
        var simulation = LabSimulation(scenario)
        Self.run(&simulation, to: 2_000)
        #expect(simulation.totals.retries > 50)
        #expect(simulation.audit() == nil)
    }

    @Test func `a trace arrives as it was recorded, faster if asked`() throws {
        let lines = (0..<50).map { #"{"arrival_ms":\#($0 * 100),"tenant":"t\#($0 % 2)","prompt_tokens":10}"# }
        let trace = try TraceReader.read(Array(lines.joined(separator: "\n").utf8))
        var scenario = LabScenario()
        scenario.pace = 2
        var simulation = LabSimulation(scenario, trace: trace)
        Self.run(&simulation, to: 1)
        #expect(simulation.totals.arrived == 21)
        scenario.pace = 1
        simulation.change(to: scenario)
        Self.run(&simulation, to: 2)
        #expect(simulation.totals.arrived == 31)
        scenario.repeatsTrace = true
        simulation.change(to: scenario)
        Self.run(&simulation, to: 10)
        #expect(simulation.totals.arrived > 100)
        #expect(simulation.frame().tenants.contains { $0.name == "t1" && $0.done > 20 })
        #expect(simulation.audit() == nil)
    }

    @Test func `series keep a bounded past in four resolutions`() {
        var scenario = LabScenario()
        scenario.rate = 2
        scenario.slots = 2
        var simulation = LabSimulation(scenario)
        Self.run(&simulation, to: 3_000)
        #expect(simulation.series.samples(0).count == LabSeries.points)
        #expect(simulation.series.samples(1).count == LabSeries.points)
        #expect(simulation.series.samples(2).count == 30)
        let coarse = simulation.series.samples(1).suffix(10).reduce(0) { $0 + $1.arrived }
        let fine = simulation.series.samples(0).suffix(100).reduce(0) { $0 + $1.arrived }
        #expect(coarse == fine)
        let busy = simulation.series.recent(100)
        #expect(abs(busy.busy / busy.slotSeconds - 1) < 1e-9)
    }

    @Test func `tenants who compete are served by their weights`() throws {
        let scenario = try #require(LabPreset.all.first { $0.id == "weights" }).scenario
        var simulation = LabSimulation(scenario)
        Self.run(&simulation, to: 3_600)
        let frame = simulation.frame()
        #expect(try #require(frame.fairness) > 0.9)
        let tokens = frame.tenants.map { Double($0.tokens) / $0.weight }
        #expect(tokens.max() ?? 0 < 1.2 * (tokens.min() ?? 0))
    }

    @Test func `what lives is bounded`() {
        var scenario = LabScenario()
        scenario.rate = 1_000
        scenario.slots = 1
        var simulation = LabSimulation(scenario)
        Self.run(&simulation, to: 30)
        #expect(simulation.live == LabScenario.mostLive)
        #expect(simulation.totals.refused > 5_000)
        #expect(simulation.frame().pending.count == 200)
        #expect(simulation.audit() == nil)
    }
}
