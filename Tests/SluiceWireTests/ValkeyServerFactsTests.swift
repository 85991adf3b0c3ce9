import SluiceBasics
import SluiceTestKit
import Testing

@testable import SluiceWire

struct ValkeyServerFactsTests {
    private static let refused = RESPValue.error(
        ValkeyServerError(line: "NOPERM this user has no permissions to run the 'x' command")
    )
    private static let unknown = RESPValue.error(ValkeyServerError(line: "ERR unknown command 'x'"))

    private static func text(_ lines: String...) -> RESPValue {
        .bytes(Array((["# Section"] + lines).joined(separator: "\r\n").utf8))
    }

    /// A server without anything to complain about, but for what is said.
    private static func answers(
        ping: RESPValue = .status("PONG"),
        server: RESPValue = Self.text("redis_version:7.2.4", "server_name:valkey", "valkey_version:8.0.1"),
        memory: RESPValue = Self.text("maxmemory:1000", "maxmemory_policy:noeviction"),
        persistence: RESPValue = Self.text("loading:0", "aof_enabled:1"),
        replication: RESPValue = Self.text("role:master", "connected_slaves:0"),
        save: RESPValue = .array([.bytes(Array("save".utf8)), .bytes(Array("3600 1".utf8))]),
        commands: RESPValue = .array([.array([])]),
        script: RESPValue = .integer(1)
    ) -> [RESPValue] {
        [ping, server, memory, persistence, replication, save, commands, script]
    }

    private static func judge(_ answers: [RESPValue]) -> ValkeyAssessment {
        ValkeyAssessment(ValkeyServerFacts(answers))
    }

    @Test func `Valkey 8 with everything as it should be gives no word`() {
        let facts = ValkeyServerFacts(Self.answers())
        #expect(facts.isValkey && facts.product == "Valkey 8.0.1" && facts.role == .primary)
        #expect(facts.maximumMemory == 1000 && facts.isAppendOnly == true && facts.savesSnapshots == true)
        let assessment = ValkeyAssessment(facts)
        #expect(assessment.problems + assessment.warnings + assessment.notes == [])
    }

    @Test func `Redis 6 0 is too old`() {
        let assessment = Self.judge(
            Self.answers(
                server: Self.text("redis_version:6.0.16", "redis_mode:standalone"),
                commands: .array([.null])
            )
        )
        #expect(assessment.problems.count == 1)
        #expect(assessment.problems.first?.hasPrefix("Redis 6.0.16 is too old") == true)
    }

    @Test func `Redis 7 is good`() {
        let facts = ValkeyServerFacts(Self.answers(server: Self.text("redis_version:7.0.15", "redis_mode:standalone")))
        #expect(!facts.isValkey && facts.product == "Redis 7.0.15")
        #expect(ValkeyAssessment(facts).problems == [] && ValkeyAssessment(facts).notes == [])
    }

    @Test func `KeyDB is good`() {
        let server = Self.text("redis_version:6.3.4", "executable:/usr/bin/keydb-server")
        // With and without the list of commands.
        for commands in [.array([.array([])]), Self.refused] {
            let assessment = Self.judge(Self.answers(server: server, commands: commands))
            #expect(assessment.problems == [] && assessment.warnings == [])
            #expect(assessment.notes == [])
        }
    }

    @Test func `a user who may not ask is no problem`() {
        let assessment = Self.judge(
            Self.answers(
                server: Self.refused,
                memory: Self.refused,
                persistence: Self.refused,
                replication: Self.refused,
                save: Self.refused,
                commands: Self.refused
            )
        )
        #expect(assessment.problems == [] && assessment.warnings == [])
        #expect(assessment.notes.count == 1)
    }

    @Test func `without scripts it does not work`() {
        for answer in [Self.refused, Self.unknown] {
            let assessment = Self.judge(Self.answers(script: answer))
            #expect(assessment.problems.count == 1 && assessment.problems.first?.contains("EVAL") == true)
        }
    }

    @Test func `a replica, a cluster and a server with a bad disk are problems`() {
        let replica = Self.judge(
            Self.answers(replication: Self.text("role:slave", "master_host:10.0.0.1", "master_port:6379"))
        )
        #expect(
            replica.problems == [
                "The server is a replica of 10.0.0.1:6379 and takes no writes; give the primary's address."
            ]
        )
        let cluster = Self.judge(Self.answers(server: Self.text("redis_version:7.2.4", "server_mode:cluster")))
        #expect(cluster.problems.count == 1)
        let refusal = RESPValue.error(ValkeyServerError(line: "MISCONF errors writing to the AOF file"))
        let broken = Self.judge(Self.answers(ping: refusal, script: refusal))
        #expect(broken.problems.count == 1 && broken.problems.first?.contains("AOF file") == true)
    }

    @Test func `eviction, lost persistence and loading are warnings`() {
        let evicting = Self.text("maxmemory:1000", "maxmemory_policy:allkeys-lru")
        #expect(Self.judge(Self.answers(memory: evicting)).warnings.first?.contains("allkeys-lru") == true)
        // Without a bound nothing is evicted.
        let unbounded = Self.judge(Self.answers(memory: Self.text("maxmemory:0", "maxmemory_policy:allkeys-lru")))
        #expect(unbounded.warnings == [] && unbounded.notes.count == 1)
        let forgetful = Self.text("loading:0", "aof_enabled:0")
        let nothing = RESPValue.array([.bytes(Array("save".utf8)), .bytes([])])
        let none = Self.judge(Self.answers(persistence: forgetful, save: nothing))
        #expect(none.warnings.first?.contains("nothing on disk") == true)
        #expect(Self.judge(Self.answers(persistence: forgetful)).warnings.first?.contains("snapshots") == true)
        #expect(Self.judge(Self.answers(persistence: forgetful, save: Self.refused)).warnings.count == 1)
        let loading = RESPValue.error(ValkeyServerError(line: "LOADING Valkey is loading the dataset in memory"))
        let busy = Self.judge(Self.answers(ping: loading, persistence: Self.text("loading:1"), script: loading))
        #expect(busy.problems == [] && busy.warnings.count == 1)
    }

    @Test func `versions are read and compared`() {
        #expect(ValkeyVersion("7.2.4") == ValkeyVersion(7, 2, 4))
        #expect(ValkeyVersion("8.1.0-rc1") == ValkeyVersion(8, 1, 0))
        #expect(ValkeyVersion("7") == ValkeyVersion(7, 0, 0))
        #expect(ValkeyVersion("x") == nil && ValkeyVersion("") == nil)
        #expect(ValkeyVersion(6, 0, 16) < ValkeyVersion(6, 2) && ValkeyVersion(6, 2) < ValkeyVersion(10, 0))
    }

    @Test func `the arguments of a command that a server does not know are not repeated`() {
        let line = "ERR unknown command 'AUTH', with args beginning with: 'user' 'secret' "
        let error = ValkeyServerError(line: line)
        #expect(error.kind == .unknownCommand && error.message == "ERR unknown command 'AUTH'")
    }
}
