import Glibc
import SluiceBasics
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceTransport

/// The client on a real server.
@Suite(.serialized, .timeLimit(.minutes(3)), .enabled(if: ValkeyServer.program != nil, "needs valkey-server"))
struct ValkeyTests {
    @Test func `values of any bytes and sizes come back as they were`() async throws {
        let bench = try ValkeyBench()
        #expect(await bench.ask("PING") == .success(.status("PONG")))
        for size in [0, 1, 70_000, 16 << 20] {
            let value = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            #expect(await bench.ask("SET", ["k", .bytes(value)]) == .success(.status("OK")))
            #expect(await bench.ask("GET", ["k"]) == .success(.bytes(value)))
        }
        #expect(await bench.ask("GET", ["none"]) == .success(.null))
        #expect(await bench.ask("INCRBY", ["n", 41]) == .success(.integer(41)))
        #expect(await bench.ask("RPUSH", ["l", "a", "b"]) == .success(.integer(2)))
        #expect(await bench.ask("LRANGE", ["l", 0, -1]) == .success(.array([.bytes([97]), .bytes([98])])))
        await bench.stop()
    }

    @Test func `what is handed over in one turn goes out in one write`() async throws {
        let bench = try ValkeyBench()
        _ = await bench.ask("PING")
        let before = await bench.client.writes()
        let first = bench.reactors.reactors[0]
        let client = bench.client
        let done = Signal()
        bench.reactors.spawn(on: first) {
            // The children are enqueued on this reactor while this turn lasts.
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<500 {
                    group.addTask { _ = try? await client.send(ValkeyCommand("RPUSH", ["l", .integer(number)])) }
                }
            }
            done.set()
        }
        await done.wait()
        #expect(await bench.ask("LLEN", ["l"]) == .success(.integer(500)))
        // The greeting of that reactor's connection and LLEN beside the one.
        #expect(await bench.client.writes() - before <= 4)
        await bench.stop()
    }

    @Test func `many commands at once are answered in order`() async throws {
        let bench = try ValkeyBench()
        let client = bench.client
        let wrong = await withTaskGroup(of: Int.self, returning: Int.self) { group in
            for number in 0..<10_000 {
                group.addTask {
                    let reply = try? await client.send(ValkeyCommand("ECHO", [.integer(number)]))
                    return reply?.int == number ? 0 : 1
                }
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
        let replies = try await client.send([
            ValkeyCommand("SET", ["a", 1]), ValkeyCommand("LPUSH", ["a", 1]), ValkeyCommand("GET", ["a"]),
        ])
        #expect(replies[0] == .status("OK") && replies[2].int == 1)
        guard case .error(let error) = replies[1] else { throw TestFailure("no error in the middle") }
        #expect(error.kind == .wrongType)
        await bench.stop()
    }

    @Test func `refusals are told apart`() async throws {
        let bench = try ValkeyBench()
        #expect(await bench.refusal("NOSUCH") == .unknownCommand)
        #expect(await bench.refusal("EVALSHA", ["0000000000000000000000000000000000000000", 0]) == .noScript)
        #expect(await bench.refusal("CONFIG", ["SET", "maxmemory", "1"]) == nil)
        #expect(await bench.refusal("SET", ["k", "v"]) == .oom)
        let script = ValkeyScript(name: "sum", source: "return ARGV[1] + ARGV[2]")
        for _ in 0..<2 {
            #expect(try await bench.client.evaluate(script, keys: [], arguments: [40, 2]) == .integer(42))
        }
        await bench.stop()
    }

    @Test func `a password, a database and a name are used, a wrong password says so at once`() async throws {
        let options = ["--requirepass", "p@ss:w/rd"]
        let bench = try ValkeyBench(options, url: { "redis://:p%40ss%3Aw%2Frd@127.0.0.1:\($0.port)/3" })
        guard case .success(let value) = await bench.ask("CLIENT", ["INFO"]) else { throw TestFailure("not let in") }
        #expect(value.text?.contains(" db=3 ") == true && value.text?.contains("name=sluice") == true)
        await bench.stop()
        let wrong = try ValkeyBench(options, url: { "redis://:wrong@127.0.0.1:\($0.port)" })
        guard case .failure(.server(let error)) = await wrong.ask("PING") else { throw TestFailure("let in") }
        #expect(error.kind == .authentication)
        await wrong.stop()
    }

    @Test func `a local socket serves as well`() async throws {
        let bench = try ValkeyBench(url: { "unix://\($0.socket)" })
        #expect(await bench.ask("PING") == .success(.status("PONG")))
        await bench.stop()
    }

    @Test func `an oversized reply breaks the connection, not the client`() async throws {
        let bench = try ValkeyBench(configure: { $0.maximumReplyBytes = 100_000 })
        #expect(await bench.ask("SETRANGE", ["k", 400_000, "x"]) == .success(.integer(400_001)))
        #expect(await bench.ask("GET", ["k"]) == .failure(.replyTooLarge(limit: 100_000)))
        #expect(await bench.ask("STRLEN", ["k"]) == .success(.integer(400_001)))
        await bench.stop()
    }

    @Test func `a server that is killed and comes back is used again within two seconds`() async throws {
        let bench = try ValkeyBench()
        #expect(await bench.ask("PING") == .success(.status("PONG")))
        let popper = try bench.client.openPopper()
        async let pop = ValkeyBench.pop(popper, ValkeyCommand("BLPOP", ["nothing", 20]), seconds: 20)
        try await bench.reactors.sleep(for: .milliseconds(100))
        bench.server.kill()
        #expect(await pop == .failure(.connectionLost(sent: true)))
        async let waiting = bench.ask("PING")
        bench.server.start()
        let clock = SystemClock()
        let restarted = clock.now()
        #expect(await waiting == .success(.status("PONG")))
        #expect(clock.now() - restarted < .seconds(2))
        #expect(await bench.ask("RPUSH", ["l", "x"]) == .success(.integer(1)))
        #expect(
            await ValkeyBench.pop(popper, ValkeyCommand("BLPOP", ["l", 1]), seconds: 1)
                == .success(.array([.bytes([108]), .bytes([120])]))
        )
        await popper.close()
        await bench.stop()
    }

    @Test func `a server that says nothing any more is found out, and found again`() async throws {
        let bench = try ValkeyBench(reactors: 1, configure: { $0.pingInterval = .milliseconds(200) })
        #expect(await bench.ask("PING") == .success(.status("PONG")))
        bench.server.signal(SIGSTOP)
        let clock = SystemClock()
        let stopped = clock.now()
        #expect(await bench.ask("GET", ["k"]) == .failure(.timedOut))
        #expect(clock.now() - stopped < .seconds(5))
        bench.server.signal(SIGCONT)
        #expect(await bench.ask("PING") == .success(.status("PONG")))
        await bench.stop()
    }

    @Test func `an address where nobody listens is an error in time`() async throws {
        let bench = try ValkeyBench(
            url: { _ in "redis://127.0.0.1:1" },
            configure: { $0.commandTimeout = .milliseconds(300) }
        )
        guard case .failure(.unreachable(let why)) = await bench.ask("PING") else { throw TestFailure("reached") }
        #expect(why.contains("refused"))
        await bench.stop()
        let unnamed = try ValkeyBench(
            url: { _ in "redis://no-such-host.invalid" },
            configure: { $0.commandTimeout = .milliseconds(300) }
        )
        guard case .failure(.unreachable) = await unnamed.ask("PING") else { throw TestFailure("reached") }
        await unnamed.stop()
    }

    @Test func `a blocked pop is woken by a push, and holds up nothing else`() async throws {
        let bench = try ValkeyBench()
        let popper = try bench.client.openPopper()
        async let pop = ValkeyBench.pop(
            popper,
            ValkeyCommand("BLMOVE", ["from", "to", "LEFT", "RIGHT", 10]),
            seconds: 10
        )
        #expect(await bench.ask("PING") == .success(.status("PONG")))
        #expect(await bench.ask("RPUSH", ["from", "work"]) == .success(.integer(1)))
        #expect(await pop == .success(.bytes(Array("work".utf8))))
        #expect(await ValkeyBench.pop(popper, ValkeyCommand("BLPOP", ["from", 1]), seconds: 1) == .success(.null))
        await popper.close()
        #expect(await ValkeyBench.pop(popper, ValkeyCommand("BLPOP", ["from", 1]), seconds: 1) == .failure(.closed))
        await bench.stop()
    }

    @Test func `too many commands at once are refused`() async throws {
        let bench = try ValkeyBench(configure: { $0.maximumWaiting = 10 })
        _ = await bench.ask("PING")
        bench.server.signal(SIGSTOP)
        let client = bench.client
        let first = bench.reactors.reactors[0]
        let refused = Lock(0)
        let done = Signal()
        bench.reactors.spawn(on: first) {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<15 {
                    group.addTask {
                        do throws(ValkeyError) {
                            _ = try await client.send(ValkeyCommand("PING"))
                        } catch {
                            if error == .overloaded(limit: 10) { refused.withLock { $0 += 1 } }
                        }
                    }
                }
            }
            done.set()
        }
        while refused.withLock({ $0 }) < 5 { try await bench.reactors.sleep(for: .milliseconds(5)) }
        bench.server.signal(SIGCONT)
        await done.wait()
        #expect(refused.withLock { $0 } == 5)
        await bench.stop()
    }
}
