import SluiceBasics
import SluiceCore
import SluiceWire
import Testing

@testable import SluiceSimulator

struct LabScenarioTests {
    private static func document(_ scenario: LabScenario) -> [UInt8] {
        var json = JSONWriter()
        json.object { scenario.write(to: &$0) }
        return json.bytes
    }

    private static func apply(_ text: String, to scenario: inout LabScenario) throws {
        try JSON.read(Array(text.utf8)) { root throws(LabFault) in try scenario.apply(root) }
    }

    @Test func `what is written is read again`() throws {
        for preset in LabPreset.all {
            var read = LabScenario()
            try JSON.read(Self.document(preset.scenario)) { root throws(LabFault) in try read.apply(root) }
            #expect(read == preset.scenario, "\(preset.id)")
        }
    }

    @Test func `a change names what it changes and leaves the rest`() throws {
        var scenario = LabScenario()
        let text = #"{"weights":{"priority":0.9},"requests_per_minute":30,"arrivals":{"rate":2.5},"deadline_s":20}"#
        try Self.apply(text, to: &scenario)
        var expected = LabScenario()
        expected.weights.priority = 0.9
        expected.limit.requestsPerMinute = 30
        expected.rate = 2.5
        expected.deadline = 20
        #expect(scenario == expected)
        try Self.apply(#"{"requests_per_minute":null,"deadline_s":null}"#, to: &scenario)
        expected.limit.requestsPerMinute = nil
        expected.deadline = nil
        #expect(scenario == expected)
    }

    @Test(arguments: [
        (#"{"slots":0}"#, "slots"), (#"{"slots":1.5}"#, "slots"), (#"{"policy":"best"}"#, "policy"),
        (#"{"weights":{"priority":-1}}"#, "weights.priority"), (#"{"arrivals":{"rate":1e9}}"#, "arrivals.rate"),
        (#"{"arrivals":{"pattern":"x"}}"#, "arrivals.pattern"), (#"{"tenants":[]}"#, "tenants"),
        (#"{"tenants":[{"name":"a"},{"name":"a"}]}"#, "tenants.name"), (#"{"tenants":[{"weight":1}]}"#, "tenants.name"),
        (#"{"burst_tokens":5}"#, "burst_tokens"), (#"{"limit_mode":"loose"}"#, "limit_mode"),
        (#"{"priorities":{"urgent":0,"high":0,"normal":0,"low":0}}"#, "priorities"), (#"{"fair":1}"#, "fair"),
        (#"{"lengths":{"prompt":0}}"#, "lengths.prompt"), (#"{"backend":{"token_speed":0}}"#, "backend.token_speed"),
        (#"{"seed":-1}"#, "seed"), ("[]", "scenario"),
    ])
    func `a bad value is refused by its name`(text: String, field: String) {
        var scenario = LabScenario()
        do {
            try Self.apply(text, to: &scenario)
            Issue.record("was taken")
        } catch {
            #expect((error as? LabFault)?.field == field, "\(error)")
        }
    }

    @Test func `policies meet the same arrivals, piece by piece as in one go`() throws {
        var scenario = LabScenario()
        scenario.rate = 2.5
        let contenders = ["fifo", "priority", "default"].map { name in
            var other = scenario
            other.policy = name
            return LabComparison.Contender(name: name, scenario: other)
        }
        func results(_ most: Int) -> [LabComparison.Result] {
            var comparison = LabComparison(scenario, trace: nil, contenders: contenders, requests: 2_000)
            while comparison.advance(most: most) {}
            return comparison.results
        }
        let whole = results(.max)
        #expect(whole.map(\.name) == ["fifo", "priority", "default"])
        let pieces = results(7)
        #expect(pieces.count == whole.count)
        for (one, other) in zip(whole, pieces) {
            #expect(one.report == other.report)
            #expect(one.series == other.series)
        }
        for result in whole {
            #expect(result.complaint == nil)
            #expect(result.report.requests == 2_000)
            #expect(result.series.arrived.reduce(0, +) == 2_000)
            #expect(result.series.pending.last == 0)
            #expect(!result.series.utilisation.isEmpty)
            #expect(result.series.utilisation.allSatisfy { (0...1).contains($0) })
        }
        let urgent = try whole.map { try #require($0.report.wait(.priority(.urgent))?.p95) }
        #expect(urgent[1] < urgent[0] / 4)
    }
}
