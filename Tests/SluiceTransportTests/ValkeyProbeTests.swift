import SluiceBasics
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceTransport

/// What real servers say about themselves.
@Suite(.serialized, .timeLimit(.minutes(3)), .enabled(if: ValkeyServer.program != nil, "needs valkey-server"))
struct ValkeyProbeTests {
    @Test func `a server that is set up well passes`() async throws {
        let bench = try ValkeyBench(["--appendonly", "yes", "--maxmemory", "100mb"], reactors: 1)
        let facts = try await bench.client.probe()
        #expect(facts.role == .primary && facts.maximumMemory == 100 << 20 && facts.isAppendOnly == true)
        #expect(facts.savesSnapshots == false && facts.scripts == .present && facts.moves == .present)
        let assessment = ValkeyAssessment(facts)
        #expect(assessment.problems == [] && assessment.warnings == [])
        await bench.stop()
    }

    @Test func `a replica that forgets and evicts is found out`() async throws {
        let options = [
            "--replicaof", "127.0.0.1 1", "--maxmemory", "10mb", "--maxmemory-policy", "allkeys-lru",
        ]
        let bench = try ValkeyBench(options, reactors: 1)
        let facts = try await bench.client.probe()
        #expect(facts.role == .replica(of: "127.0.0.1:1"))
        let assessment = ValkeyAssessment(facts)
        #expect(assessment.problems.count == 1 && assessment.warnings.count == 2)
        await bench.stop()
    }

    @Test func `a user of few rights gets through, one without scripts is told`() async throws {
        let options = [
            "--user", "default", "off", "--user", "plain", "on", ">p", "~*", "+@all", "-info", "-config", "-command",
            "--user", "poor", "on", ">p", "~*", "+@all", "-@scripting",
        ]
        let plain = try ValkeyBench(options, reactors: 1, url: { "redis://plain:p@127.0.0.1:\($0.port)" })
        #expect(ValkeyAssessment(try await plain.client.probe()).problems == [])
        await plain.stop()
        let poor = try ValkeyBench(options, reactors: 1, url: { "redis://poor:p@127.0.0.1:\($0.port)" })
        #expect(ValkeyAssessment(try await poor.client.probe()).problems.first?.contains("EVAL") == true)
        await poor.stop()
        let nobody = try ValkeyBench(options, reactors: 1, url: { "redis://nobody:p@127.0.0.1:\($0.port)" })
        await #expect(throws: ValkeyError.self) { try await nobody.client.probe() }
        await nobody.stop()
    }
}
