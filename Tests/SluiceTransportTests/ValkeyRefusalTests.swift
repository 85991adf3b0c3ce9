import Glibc
import SluiceBasics
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceTransport

/// Servers that are well enough to say no.
@Suite(.serialized, .timeLimit(.minutes(3)), .enabled(if: ValkeyServer.program != nil, "needs valkey-server"))
struct ValkeyRefusalTests {
    private static let write = ValkeyScript(name: "write", source: "return redis.call('SET', KEYS[1], ARGV[1])")

    private static func scriptRefusal(_ bench: ValkeyBench) async -> ValkeyServerError.Kind? {
        do throws(ValkeyError) {
            _ = try await bench.client.evaluate(Self.write, keys: ["k"], arguments: ["v"])
            return nil
        } catch {
            guard case .server(let refusal) = error else { return nil }
            return refusal.kind
        }
    }

    @Test func `a full server refuses commands and scripts alike, and lets read and drain`() async throws {
        let bench = try ValkeyBench(reactors: 1)
        #expect(await bench.ask("RPUSH", ["l", "x"]) == .success(.integer(1)))
        #expect(await bench.ask("CONFIG", ["SET", "maxmemory", "1mb"]) == .success(.status("OK")))
        #expect(await bench.refusal("SET", ["k", .bytes(Array(repeating: 0, count: 2 << 20))]) == .oom)
        #expect(await bench.ask("CONFIG", ["SET", "maxmemory", "1"]) == .success(.status("OK")))
        #expect(await Self.scriptRefusal(bench) == .oom)
        #expect(await bench.ask("LPOP", ["l"]) == .success(.bytes(Array("x".utf8))))
        await bench.stop()
    }

    @Test func `a snapshot that fails is told`() async throws {
        let bench = try ValkeyBench(reactors: 1)
        #expect(await bench.ask("PING") == .success(.status("PONG")))
        // A folder stands where the snapshot should be.
        mkdir("\(bench.server.folder)/dump.rdb", 0o700)
        #expect(await bench.ask("CONFIG", ["SET", "save", "3600 1"]) == .success(.status("OK")))
        _ = await bench.ask("BGSAVE")
        try await bench.until { await bench.refusal("SET", ["k", "v"]) == .misconfigured }
        #expect(await Self.scriptRefusal(bench) == .misconfigured)
        let assessment = ValkeyAssessment(try await bench.client.probe())
        #expect(assessment.problems.first?.contains("MISCONF") == true)
        rmdir("\(bench.server.folder)/dump.rdb")
        await bench.stop()
    }

    @Test func `missing replicas, rights and data are told apart`() async throws {
        let bench = try ValkeyBench(
            ["--min-replicas-to-write", "1", "--user", "plain", "on", ">p", "~*", "+@all", "-get", "-client"],
            reactors: 1
        )
        #expect(await bench.refusal("SET", ["k", "v"]) == .noReplicas)
        await bench.stop()
        // Nobody needs the right to give the connection a name.
        let plain = try ValkeyBench(
            ["--user", "plain", "on", ">p", "~*", "+@all", "-get", "-client"],
            reactors: 1,
            url: { "redis://plain:p@127.0.0.1:\($0.port)" }
        )
        #expect(await plain.refusal("GET", ["k"]) == .authentication)
        #expect(await plain.ask("PING") == .success(.status("PONG")))
        await plain.stop()
        let locked = try ValkeyBench(["--requirepass", "p"], reactors: 1)
        #expect(await locked.refusal("GET", ["k"]) == .authentication)
        await locked.stop()
        let orphan = try ValkeyBench(
            ["--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "no"],
            reactors: 1
        )
        #expect(await orphan.refusal("GET", ["k"]) == .masterDown)
        await orphan.stop()
    }

    @Test func `a script without end is told, and its end`() async throws {
        let bench = try ValkeyBench(["--busy-reply-threshold", "20"], reactors: 1)
        let popper = try bench.client.openPopper()
        async let script = ValkeyBench.pop(
            popper,
            ValkeyCommand("EVAL", ["while true do end", 0]),
            seconds: 20
        )
        try await bench.until { await bench.refusal("SET", ["k", "v"]) == .busy }
        let killed = await bench.ask("SCRIPT", ["KILL"])
        #expect(killed == .success(.status("OK")), "\(killed)")
        guard case .failure(.server) = await script else { throw TestFailure("the script was not ended") }
        #expect(await bench.ask("SET", ["k", "v"]) == .success(.status("OK")))
        await popper.close()
        await bench.stop()
    }

    @Test func `behind the name of a primary that became a replica the new one is found`() async throws {
        let (bench, proxy) = try ValkeyBench.behindProxy()
        let next = ValkeyServer()
        #expect(await bench.ask("SET", ["k", "old"]) == .success(.status("OK")))
        let popper = try bench.client.openPopper()
        let pop = ValkeyCommand("BLPOP", ["l", 10])
        async let popped = ValkeyBench.pop(popper, pop, seconds: 10)
        try await bench.until { await bench.blockedClients() == 1 }
        #expect(await bench.ask("REPLICAOF", ["127.0.0.1", 1]) == .success(.status("OK")))
        guard case .failure(let error) = await popped else { throw TestFailure("the pop went on") }
        #expect(error.isRetryable)
        proxy.turn(to: next.port)
        let client = bench.client
        // All that is on its way is answered before the connection is left.
        let kinds = await withTaskGroup(of: ValkeyServerError.Kind?.self, returning: [ValkeyServerError.Kind?].self) {
            group in
            for _ in 0..<20 { group.addTask { await bench.refusal("SET", ["k", "new"]) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(kinds.contains(.readOnly) && kinds.allSatisfy { $0 == .readOnly || $0 == nil })
        #expect(await bench.ask("SET", ["k", "new"]) == .success(.status("OK")))
        #expect(try await client.probe().role == .primary)
        #expect(await bench.ask("RPUSH", ["l", "x"]) == .success(.integer(1)))
        #expect(
            await ValkeyBench.pop(popper, pop, seconds: 10) == .success(.array([.bytes([108]), .bytes([120])]))
        )
        await popper.close()
        proxy.stop()
        next.kill()
        await bench.stop()
    }

    @Test func `a server that loads is asked again, not all the time`() async throws {
        let bench = try ValkeyBench(
            [
                "--enable-debug-command", "yes", "--key-load-delay", "500", "--rdbcompression", "no",
                "--loading-process-events-interval-bytes", "1024",
            ],
            reactors: 1
        )
        #expect(await bench.ask("DEBUG", ["POPULATE", 2_000]) == .success(.status("OK")))
        #expect(await bench.ask("SAVE") == .success(.status("OK")))
        bench.server.kill()
        bench.server.start()
        var refusals = 0
        try await bench.until {
            let answer = await bench.ask("SET", ["k", "v"])
            if case .failure(.server(let error)) = answer, error.kind == .loading { refusals += 1 }
            return answer == .success(.status("OK"))
        }
        // A second of loading, with pauses that double up to a second at random.
        #expect(refusals >= 1 && refusals < 60)
        await bench.stop()
    }
}
