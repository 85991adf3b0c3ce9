import SluiceBasics
import SluiceCore
import SluiceGateway
import SluiceProviders
import SluiceTestKit
import SluiceTransport
import Testing

@testable import sluice

/// Parts of `sluice serve` and `sluice config` that need no socket.
@Suite struct ServePartsTests {
    private func load(_ yaml: String, _ environment: [String: String] = [:]) throws -> Configuration {
        try ConfigurationLoader(
            environment: environment,
            file: "c.yaml",
            readFile: { _, _ throws(FileError) in Array(yaml.utf8) }
        ).load()
    }

    @Test func `a line of the keys file says who may do what`() throws(KeysFile.Problem) {
        let key = try KeysFile.key(
            ["reports", "secret", "tenant=t", "pool=a", "pools=a,b", "max_priority=low", "operator"],
            pools: ["a", "b"],
            place: "keys:1"
        )
        #expect(key.name == "reports" && key.tenant == "t" && key.defaultPool == "a" && key.allowedPools == ["a", "b"])
        #expect(key.highestPriority == .low && key.role == .admin)
        #expect(key.digest == Digest.sha256(Array("secret".utf8)))
        let hashed = try KeysFile.key(["x", "sha256:" + Digest.hex(key.digest)], pools: [], place: "")
        #expect(hashed.digest == key.digest && hashed.tenant == "x" && hashed.role == nil)
    }

    @Test(arguments: ["only", "n k pools=gone", "n k max_priority=top", "n k what=1", "n sha256:zz", "n k tenant="])
    func `a bad line is refused with its place`(line: String) {
        let words = line.split(separator: " ").map(String.init)
        do {
            _ = try KeysFile.key(words, pools: ["default"], place: "keys:7")
            Issue.record("accepted: \(line)")
        } catch {
            #expect(error.message.hasPrefix("keys:7: "))
            #expect(!error.message.contains(" k "))
        }
    }

    @Test func `a keys file without keys is refused, because it would let everybody in`() throws(KeysFile.Problem) {
        let text = "# nobody yet\n\n"
        do {
            _ = try KeysFile.parse(Array(text.utf8), pools: ["default"], path: "keys")
            Issue.record("accepted")
        } catch {
            #expect(error.message.hasPrefix("keys has no keys"))
        }
        let two = try KeysFile.parse(Array("a k1\r\n# c\n\tb k2 operator\n".utf8), pools: [], path: "keys")
        #expect(two.map(\.name) == ["a", "b"] && two[1].role == .admin)
    }

    @Test func `the wiring takes over every value of a pool and the server`() throws {
        let configuration = try self.load(
            """
            listen: 127.0.0.1:1
            max_payload: 1MiB
            http: {max_head: 4KiB, idle_timeout: 1s, max_connections_per_address: 3}
            client: {connect_timeout: 2s, verify_tls: false}
            backends: {b: {url: 'http://h/v1', aliases: {x: y}, breaker: {probes: 9}}}
            pools:
              default: {policy: fifo, slots: 2, max_requests: 3, max_bytes: 4MiB, max_requests_per_tenant: 5,
                        retry: {mode: never-after-send, attempts: 6, base_delay: 1ms, budget_ratio: 0.5}}
            """
        )
        let pool = try #require(Wiring.pools(configuration).first)
        #expect(
            pool.backend == "b" && pool.order == .fifo && pool.scheduling.policy.order == .fifo && pool.slots == 2
                && pool.maximumRequests == 3
        )
        #expect(pool.maximumBytes == 4 << 20 && pool.maximumRequestsPerTenant == 5)
        #expect(pool.retry.mode == .neverAfterSend && pool.retry.maximumAttempts == 6)
        #expect(pool.retry.baseDelay == .milliseconds(1) && pool.retry.budgetRatio == 0.5)
        let wiring = Wiring(configuration: configuration)
        let server = wiring.serverConfiguration()
        #expect(
            server.port == 1 && server.maximumBodyBytes == (1 << 20) + (64 << 10) && server.maximumHeadBytes == 4096
        )
        #expect(server.idleTimeout == .seconds(1) && server.maximumConnectionsPerAddress == 3)
        #expect(wiring.clientConfiguration().connectTimeout == .seconds(2))
        #expect(!wiring.clientConfiguration().verifiesTLS)
        #expect(try wiring.backend("b").modelAliases == ["x": "y"])
        #expect(try wiring.gatewayConfiguration(keys: []).poolsThatNeverResend == ["default"])
    }

    @Test func `without a word the wiring has the model's own defaults`() throws {
        let pool = try #require(Wiring.pools(try self.load("")).first)
        #expect(pool == PoolConfiguration(name: "default", backend: "default"))
    }

    @Test func `a reload applies what it can and names what needs a restart`() throws {
        let before = try self.load("drain: 1s\npools: {default: {slots: 1}}\napi_keys: {a: {key: k}}\n")
        let after = try self.load("drain: 2s\npools: {default: {slots: 2}, new: {slots: 3}}\napi_keys: {b: {key: k}}\n")
        let changes = ConfigurationChanges(from: before, to: after)
        #expect(changes.live.contains("pools.default.slots"))
        #expect(changes.live.contains("api_keys.b.key") && changes.live.contains("api_keys.a.key"))
        #expect(changes.needRestart.contains("drain") && changes.needRestart.contains("pools.new.slots"))
        #expect(!changes.live.contains("drain"))
        let kept = after.keeping(changes.needRestart, of: before)
        #expect(kept.duration("drain") == .seconds(1) && kept.integer("pools.default.slots") == 2)
        #expect(ConfigurationChanges(from: kept, to: after).needRestart == changes.needRestart)
        #expect(ConfigurationChanges(from: after, to: after) == ConfigurationChanges(from: before, to: before))
    }

    @Test func `a log line stays one line, in text and in JSON`() {
        let lines = Lock<[String]>([])
        let entry = LogEntry(.warning, "request failed", [("id", "req_1"), ("detail", "two\nlines \"q\"")])
        for format in [EventLog.Format.text, .json] {
            let log = EventLog(
                format: format,
                level: "info",
                clock: ManualClock(),
                write: { line in lines.withLock { $0.append(line) } }
            )
            log.record(entry)
            log.setLevel("error")
            log.record(entry)
        }
        let written = lines.withLock { $0 }
        #expect(written.count == 2)
        #expect(written[0].contains(" WARNING request failed id=req_1 detail=\"two\\nlines \\\"q\\\"\"\n"))
        #expect(written[1].contains(#""level":"warning","message":"request failed","id":"req_1""#))
        #expect(written.allSatisfy { $0.filter { $0 == "\n" }.count == 1 })
    }

    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00.000Z"), (951_782_400_123_000_000, "2000-02-29T00:00:00.123Z"),
        (1_795_219_025_501_000_000, "2026-11-20T23:57:05.501Z"),
    ])
    func `times are written as RFC 3339`(nanoseconds: Int64, text: String) {
        #expect(Timestamp.text(nanoseconds: nanoseconds) == text)
    }

    @Test func `sluice config masks secrets and shows sources`() {
        let environment = [
            "OPENAI_API_KEY": "sk-very-secret", "SLUICE_CLIENT_PROXY": "http://user:hidden@proxy:1",
            "SLUICE_BACKENDS_DEFAULT_HEADERS": "x-token=hidden2",
        ]
        for words in [["config"], ["config", "--json"]] {
            let (code, out, _) = ClientCommandTests.capture(words, environment)
            #expect(code == 0)
            for secret in ["sk-very-secret", "hidden", "hidden2"] { #expect(!out.contains(secret)) }
            #expect(out.contains("environment OPENAI_API_KEY"))
            #expect(out.contains("http://********@proxy:1"))
            #expect(out.contains("16MiB"))
        }
    }

    @Test func `sluice config --check tells every problem and ends with 1`() {
        let good = ClientCommandTests.capture(["config", "--check", Repository.path("examples/sluice.yaml")], [:])
        #expect(good.code == 0)
        #expect(good.out == "The configuration is good.\n")
        let bad = ClientCommandTests.capture(["config", "--check"], ["SLUICE_THREADS": "x", "SLUICE_DRAIN": "5"])
        #expect(bad.code == 1)
        #expect(bad.error.split(separator: "\n").count == 2)
        #expect(ClientCommandTests.capture(["config", "/nonexistent.yaml"], [:]).code == 1)
    }

    @Test func `usage errors end with 2 and name the help`() {
        let (code, _, error) = ClientCommandTests.capture(["mock", "--seed", "x"], [:])
        #expect(code == 2)
        #expect(error.contains("--seed needs a number") && error.contains("See 'sluice mock --help'."))
        #expect(ClientCommandTests.capture(["mock", "--behaviour", "{\"lateny\":1}"], [:]).code == 2)
        #expect(ClientCommandTests.capture(["serve", "--set", "x"], [:]).code == 2)
        #expect(ClientCommandTests.capture(["version"], [:]).out == "sluice \(Version.text)\n")
    }
}
