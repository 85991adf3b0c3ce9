import Glibc
import SluiceBasics
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceTransport

/// TLS with a real server.
@Suite(.serialized, .timeLimit(.minutes(3)), .enabled(if: ValkeyServer.program != nil, "needs valkey-server"))
struct ValkeyTLSTests {
    private static func bench(
        _ authority: Authority,
        _ paper: Authority.Paper,
        asksClients: Bool = false,
        host: String = "127.0.0.1",
        options: [String] = [],
        configure: @escaping (inout ValkeyTLSConfiguration) -> Void = { _ in }
    ) throws -> ValkeyBench {
        let port = ValkeyServer.freePort()
        return try ValkeyBench(
            [
                "--tls-port", String(port), "--tls-cert-file", paper.certificateFile,
                "--tls-key-file", paper.keyFile, "--tls-ca-cert-file", authority.root.certificateFile,
                "--tls-auth-clients", asksClients ? "yes" : "no",
            ] + options,
            reactors: 1,
            url: { _ in "rediss://\(host):\(port)" },
            configure: {
                $0.tls.authoritiesFile = authority.root.certificateFile
                configure(&$0.tls)
            }
        )
    }

    /// The sentence that a client gets.
    private static func refusal(_ bench: ValkeyBench) async throws -> String {
        let answer = await bench.ask("PING")
        await bench.stop()
        guard case .failure(.untrusted(let why)) = answer else { throw TestFailure("\(answer)") }
        return why
    }

    @Test func `everything works over TLS as without`() async throws {
        let authority = try Authority()
        let paper = try authority.sign("server", for: "IP:127.0.0.1,DNS:localhost")
        for host in ["127.0.0.1", "localhost"] {
            let bench = try Self.bench(authority, paper, host: host)
            #expect(await bench.ask("PING") == .success(.status("PONG")))
            for size in [0, 1, 70_000, 16 << 20] {
                let value = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 37) }
                #expect(await bench.ask("SET", ["k", .bytes(value)]) == .success(.status("OK")))
                #expect(await bench.ask("GET", ["k"]) == .success(.bytes(value)))
            }
            let client = bench.client
            let wrong = await withTaskGroup(of: Int.self, returning: Int.self) { group in
                for number in 0..<2_000 {
                    group.addTask {
                        let reply = try? await client.send(ValkeyCommand("ECHO", [.integer(number)]))
                        return reply?.int == number ? 0 : 1
                    }
                }
                return await group.reduce(0, +)
            }
            #expect(wrong == 0)
            let popper = try bench.client.openPopper()
            let pop = ValkeyCommand("BLPOP", ["l", 10])
            async let popped = ValkeyBench.pop(popper, pop, seconds: 10)
            #expect(await bench.ask("RPUSH", ["l", "x"]) == .success(.integer(1)))
            #expect(await popped == .success(.array([.bytes([108]), .bytes([120])])))
            await popper.close()
            await bench.stop()
        }
    }

    @Test func `a server that is killed and comes back is used again over TLS`() async throws {
        let authority = try Authority()
        let bench = try Self.bench(authority, try authority.sign("server", for: "IP:127.0.0.1"))
        #expect(await bench.ask("PING") == .success(.status("PONG")))
        bench.server.kill()
        bench.server.start()
        var answer = await bench.ask("PING")
        // The loss may be noticed only by the first command.
        if answer == .failure(.connectionLost(sent: true)) { answer = await bench.ask("PING") }
        #expect(answer == .success(.status("PONG")))
        await bench.stop()
    }

    @Test func `a certificate for another host is refused, unless that name is expected`() async throws {
        let authority = try Authority()
        let paper = try authority.sign("server", for: "DNS:valkey.example.org,IP:127.0.0.2")
        let byAddress = try await Self.refusal(try Self.bench(authority, paper))
        #expect(byAddress.contains("is not for '127.0.0.1'"))
        let byName = try await Self.refusal(try Self.bench(authority, paper, host: "localhost"))
        #expect(byName.contains("is not for 'localhost'"))
        let expected = try Self.bench(authority, paper) { $0.serverName = "valkey.example.org" }
        #expect(await expected.ask("PING") == .success(.status("PONG")))
        await expected.stop()
    }

    @Test func `an unknown authority is refused, with the system's authorities too`() async throws {
        let authority = try Authority()
        let stranger = try Authority()
        let paper = try stranger.sign("server", for: "IP:127.0.0.1")
        let own = try await Self.refusal(try Self.bench(authority, paper))
        #expect(own.contains("unknown authority"))
        let system = try await Self.refusal(try Self.bench(authority, paper) { $0.authoritiesFile = nil })
        #expect(system.contains("unknown authority"))
        let blind = try Self.bench(authority, paper) { $0.verifies = false }
        #expect(await blind.ask("PING") == .success(.status("PONG")))
        await blind.stop()
    }

    @Test func `an expired certificate is refused`() async throws {
        let authority = try Authority()
        let paper = try authority.sign("server", for: "IP:127.0.0.1", days: -1)
        #expect(try await Self.refusal(try Self.bench(authority, paper)).contains("has expired"))
    }

    @Test func `a client certificate lets in where one is asked for`() async throws {
        let authority = try Authority()
        let paper = try authority.sign("server", for: "IP:127.0.0.1")
        let ours = try authority.sign("client", for: "DNS:client")
        let theirs = try Authority().sign("client", for: "DNS:client")
        for options in [[], ["--tls-protocols", "TLSv1.2"]] {
            let without = try await Self.refusal(try Self.bench(authority, paper, asksClients: true, options: options))
            #expect(without.contains("client certificate"), "\(without)")
            let good = try Self.bench(authority, paper, asksClients: true, options: options) {
                $0.certificateFile = ours.certificateFile
                $0.keyFile = ours.keyFile
            }
            #expect(await good.ask("PING") == .success(.status("PONG")))
            await good.stop()
        }
        let mixed = try await Self.refusal(
            try Self.bench(authority, paper, asksClients: true) {
                $0.certificateFile = ours.certificateFile
                $0.keyFile = theirs.keyFile
            }
        )
        #expect(mixed.contains("is of another certificate"))
    }

    @Test func `files that are missing are named`() async throws {
        let authority = try Authority()
        let paper = try authority.sign("server", for: "IP:127.0.0.1")
        let bench = try Self.bench(authority, paper) { $0.authoritiesFile = "/no/such/file.pem" }
        #expect(try await Self.refusal(bench).contains("/no/such/file.pem"))
        let alone = try Self.bench(authority, paper) { $0.certificateFile = paper.certificateFile }
        #expect(try await Self.refusal(alone).contains("needs its key"))
    }

    @Test func `an old version of TLS is refused`() async throws {
        let authority = try Authority()
        let paper = try authority.sign("server", for: "IP:127.0.0.1")
        let options = ["--tls-protocols", "TLSv1.1", "--tls-ciphers", "ALL:@SECLEVEL=0"]
        #expect(try await Self.refusal(try Self.bench(authority, paper, options: options)).contains("1.2 or later"))
    }

    @Test func `a port for TLS that is spoken to without says so`() async throws {
        let authority = try Authority()
        let paper = try authority.sign("server", for: "IP:127.0.0.1")
        let port = ValkeyServer.freePort()
        let bench = try ValkeyBench(
            [
                "--tls-port", String(port), "--tls-cert-file", paper.certificateFile,
                "--tls-key-file", paper.keyFile, "--tls-ca-cert-file", authority.root.certificateFile,
            ],
            reactors: 1,
            url: { _ in "redis://127.0.0.1:\(port)" },
            configure: { $0.commandTimeout = .seconds(1) }
        )
        guard case .failure(let error) = await bench.ask("PING") else { throw TestFailure("answered") }
        #expect(error.message.contains("rediss://"), "\(error.message)")
        await bench.stop()
    }

    @Test func `a port without TLS that is spoken to with it says so`() async throws {
        let authority = try Authority()
        let bench = try ValkeyBench(
            reactors: 1,
            url: { "valkeys://127.0.0.1:\($0.port)" },
            configure: {
                $0.connectTimeout = .milliseconds(500)
                $0.commandTimeout = .milliseconds(1_500)
                $0.tls.authoritiesFile = authority.root.certificateFile
            }
        )
        guard case .failure(let error) = await bench.ask("PING") else { throw TestFailure("answered") }
        #expect(error.message.contains("port for TLS"), "\(error.message)")
        await bench.stop()
    }
}
