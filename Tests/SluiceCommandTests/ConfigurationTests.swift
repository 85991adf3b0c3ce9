import Testing

@testable import sluice

/// Layers, sources, checks and the words of problems.
@Suite struct ConfigurationTests {
    /// A loader that sees only what the test gives it.
    private func load(
        _ yaml: String? = nil,
        environment: [String: String] = [:],
        flags: [(path: String, name: String, value: String)] = [],
        files: [String: String] = [:]
    ) throws(ConfigurationProblems) -> Configuration {
        let content = files.merging(yaml.map { ["c.yaml": $0] } ?? [:]) { first, _ in first }
        return try ConfigurationLoader(
            flags: flags.map { .init(path: $0.path, name: $0.name, value: $0.value) },
            environment: environment,
            file: yaml == nil ? nil : "c.yaml",
            readFile: { path, _ throws(FileError) in
                guard let text = content[path] else { throw FileError(message: "cannot open \(path): no such file") }
                return Array(text.utf8)
            }
        ).load()
    }

    private func complaints(
        _ yaml: String? = nil,
        environment: [String: String] = [:],
        flags: [(path: String, name: String, value: String)] = []
    ) -> [String] {
        do {
            _ = try self.load(yaml, environment: environment, flags: flags)
            return []
        } catch {
            return error.problems.map(\.text)
        }
    }

    @Test func `a flag beats the environment, which beats the file, which beats the default`() throws {
        let yaml = "drain: 1s\nthreads: 1\nlog:\n  level: debug\n"
        let environment = ["SLUICE_DRAIN": "2s", "SLUICE_THREADS": "2"]
        let configuration = try self.load(
            yaml,
            environment: environment,
            flags: [(path: "drain", name: "drain", value: "3s")]
        )
        #expect(configuration.duration("drain") == .seconds(3))
        #expect(configuration.integer("threads") == 2)
        #expect(configuration.text("log.level") == "debug")
        #expect(configuration.text("log.format") == "auto")
        let sources = ["drain", "threads", "log.level", "log.format"].map { configuration.setting($0)?.source.text }
        #expect(sources == ["flag --drain", "environment SLUICE_THREADS", "c.yaml:4:10", "default"])
    }

    /// Sections without members until somebody names one.
    private static let unnamed: Set<String?> = ["api_keys", "budgets", "callbacks"]

    @Test func `without a word everything has its default`() throws {
        let configuration = try self.load()
        for key in ConfigurationSchema.keys where !Self.unnamed.contains(key.wildcard?.section) {
            let setting = try #require(configuration.setting(key.path(for: "default")))
            #expect((setting.value == .none) == (key.fallback == nil && key.path != "pools.*.backend"), "\(key.path)")
            if let fallback = key.fallback { #expect(throws: Never.self) { try key.read(.scalar(fallback)).get() } }
        }
        #expect(configuration.address("listen")?.text == "127.0.0.1:8400")
        #expect(configuration.text("pools.default.backend") == "default")
        #expect(configuration.text("backends.default.url") == "https://api.openai.com/v1")
    }

    @Test func `the first seed's variables are honoured`() throws {
        let configuration = try self.load(
            "pools:\n  documents: {}\n  documents2: {slots: 1}\n",
            environment: [
                "OPENAI_API_KEY": "EMPTY", "OPENAI_API_BASE": "http://litellm:4000/v1",
                "OPENAI_BASE_URL": "http://other/v1", "LLM_QUEUE_POOL_ID": "documents2",
                "LLM_QUEUE_MAX_INLINE_PAYLOAD_BYTES": "1048576", "LLM_QUEUE_FABRIC_GROUP_ID": "f",
                "LLM_QUEUE_GATEWAY_ID": "g", "LLM_QUEUE_MAX_BATCH_ITEMS": "8", "LLM_HTTP_READ_TIMEOUT_S": "60",
                "LLM_QUEUE_ENABLED": "true", "LLM_QUEUE_VALKEY_URL": "redis://h:6379/0",
                "LLM_QUEUE_REPLY_POP_TIMEOUT_SECONDS": "1.5", "LLM_QUEUE_PRODUCER_TTL_SECONDS": "60",
                "LLM_QUEUE_MAX_BATCH_WAIT_MS": "100",
            ]
        )
        #expect(configuration.text("backends.default.key") == "EMPTY")
        #expect(configuration.text("backends.default.url") == "http://litellm:4000/v1")
        #expect(configuration.text("default_pool") == "documents2")
        #expect(configuration.integer("max_payload") == 1 << 20)
        #expect(configuration.text("fabric.group_id") == "f")
        #expect(configuration.text("fabric.gateway_id") == "g")
        #expect(configuration.integer("pools.default.slots") == 8)
        #expect(configuration.duration("request_timeout") == .seconds(60))
        #expect(configuration.toggle("fabric.enabled"))
        #expect(configuration.text("fabric.url") == "redis://h:6379/0")
        #expect(configuration.duration("fabric.reply_pop_timeout") == .milliseconds(1500))
        #expect(configuration.duration("fabric.producer_ttl") == .seconds(60))
        #expect(configuration.warnings.contains { $0.hasPrefix("LLM_QUEUE_MAX_BATCH_WAIT_MS has no effect") })
    }

    @Test func `pools and backends can come from the environment alone`() throws {
        let configuration = try self.load(environment: [
            "SLUICE_POOLS_FAST_LANE_SLOTS": "3", "SLUICE_POOLS_FAST_LANE_RETRY_ATTEMPTS": "1",
            "SLUICE_POOLS_FAST_LANE_BACKEND": "vllm", "SLUICE_BACKENDS_VLLM_URL": "http://v/v1",
            "SLUICE_BACKENDS_VLLM_ALIASES": "a=b, c=d",
        ])
        #expect(configuration.names("pools") == ["default", "fast-lane"])
        #expect(configuration.integer("pools.fast-lane.slots") == 3)
        #expect(configuration.integer("pools.fast-lane.retry.attempts") == 1)
        #expect(configuration.table("backends.vllm.aliases").map(\.value) == ["b", "d"])
        #expect(configuration.text("pools.default.backend") == "vllm")
    }

    @Test func `a variable means the pool that the file names, however it is spelt`() throws {
        let configuration = try self.load(
            "pools: {my_pool: {slots: 1}, Big.One: {slots: 1}}\n",
            environment: ["SLUICE_POOLS_MY_POOL_SLOTS": "5", "SLUICE_POOLS_BIG_ONE_SLOTS": "6"]
        )
        #expect(configuration.names("pools") == ["default", "Big.One", "my_pool"])
        #expect(configuration.integer("pools.my_pool.slots") == 5)
        #expect(configuration.integer("pools.Big.One.slots") == 6)
    }

    @Test func `a secret comes from a file, and is never in a message`() throws {
        let configuration = try self.load(
            "backends:\n  default:\n    key_file: /run/key\n",
            files: ["/run/key": "sk-1234\n"]
        )
        #expect(configuration.text("backends.default.key") == "sk-1234")
        let fromEnvironment = try self.load(environment: ["OPENAI_API_KEY_FILE": "k"], files: ["k": "sk-5"])
        #expect(fromEnvironment.text("backends.default.key") == "sk-5")
        #expect(fromEnvironment.setting("backends.default.key")?.source.text == "environment OPENAI_API_KEY_FILE")
        let problems = self.complaints(environment: ["OPENAI_API_KEY": "sk-secret\u{1}"])
        #expect(problems.count == 1)
        #expect(!problems.joined().contains("sk-secret"))
        #expect(
            self.complaints("backends:\n  default: {key: a, key_file: b}\n").first?.contains("already given") == true
        )
        #expect(self.complaints("backends:\n  default: {key_file: gone}\n").first?.contains("no such file") == true)
    }

    @Test func `an unknown key is refused with its place and the nearest`() {
        #expect(
            self.complaints("pools:\n  default:\n    slotz: 3\n")
                == ["c.yaml:3:5: pools.default.slotz: there is no such key; did you mean 'slots'?"]
        )
        #expect(
            self.complaints("lisen: 1\n").first == "c.yaml:1:1: lisen: there is no such key; did you mean 'listen'?"
        )
        #expect(self.complaints("log: {qqqqqq: 1}\n").first?.contains("known here: level, format") == true)
        #expect(
            self.complaints(flags: [(path: "pools.default.slot", name: "set", value: "1")]).first
                == "flag --set: there is no key 'pools.default.slot'; did you mean 'pools.default.slots'?"
        )
    }

    @Test func `an unknown variable is a warning with the nearest`() throws {
        let configuration = try self.load(environment: ["SLUICE_LISTN": "1", "SLUICE_MOCK_LISTEN": "x", "HOME": "/"])
        #expect(
            configuration.warnings == ["environment variable SLUICE_LISTN is not known; did you mean SLUICE_LISTEN?"]
        )
    }

    @Test(arguments: [
        ("threads: 300", "c.yaml:1:10: threads: '300' is not a number from 0 to 256"),
        ("drain: 10", "c.yaml:1:8: drain: '10' has no unit; write 10s or 10ms"),
        ("drain: 2h", "c.yaml:1:8: drain: '2h' is not a duration from 0s to 1h"),
        ("max_payload: 1", "c.yaml:1:14: max_payload: '1' is not a size from 1KiB to 1GiB"),
        ("insecure: maybe", "c.yaml:1:11: insecure: 'maybe' is not true or false"),
        ("listen: [1]", "c.yaml:1:9: listen: needs host:port, [IPv6]:port or a port, not a list"),
        ("log: {level: wanring}", "did you mean 'warning'?"),
        ("log: 1", "c.yaml:1:6: log: needs a mapping of level, format"),
        ("pools: {'a b': {slots: 1}}", "a name has letters"),
        ("pools: {default: {retry: {budget_ratio: nan}}}", "'nan' is not a number from 0.0 to 10.0"),
        ("backends: {default: {url: 'ftp://x'}}", "is not a URL that begins with http:// or https://"),
        ("client: {proxy: 'nonsense'}", "is not a URL"),
    ])
    func `a bad value names field, value and limit`(yaml: String, part: String) {
        let problems = self.complaints(yaml + "\n")
        #expect(problems.count == 1)
        #expect(problems.first?.contains(part) == true, "\(problems)")
    }

    @Test func `all problems are told at once`() {
        #expect(self.complaints("threads: x\ndrain: y\nnope: 1\n").count == 3)
    }

    @Test func `values must go together`() {
        func first(_ yaml: String) -> String { self.complaints(yaml).first ?? "" }
        #expect(first("listen: 0.0.0.0:8400").contains("can be reached from other machines"))
        #expect(self.complaints("listen: 0.0.0.0:8400\ninsecure: true\n").isEmpty)
        #expect(self.complaints("listen: 0.0.0.0:8400\napi_keys: {a: {key: k}}\n").isEmpty)
        #expect(first("default_pool: fast").contains("there is no pool 'fast', only default"))
        #expect(first("pools: {default: {backend: vlm}}\nbackends: {vllm: {url: 'http://x'}}").contains("mean 'vllm'"))
        #expect(first("backends: {a: {url: 'http://x'}, b: {url: 'http://y'}}").contains("is needed"))
        #expect(first("request_timeout: 2h").contains("longer than max_request_timeout"))
        #expect(first("pools: {default: {max_bytes: 1MiB}}").contains("less than max_payload"))
        #expect(first("tls: {certificate_file: a}").contains("TLS needs both"))
        #expect(first("api_keys: {a: {tenant: t}}").contains("needs either a key"))
        #expect(first("api_keys: {a: {sha256: zz}}").contains("64 hexadecimal digits"))
        #expect(first("api_keys: {a: {key: k, pools: [gone]}}").contains("there is no pool 'gone'"))
    }

    @Test func `the example is complete and good`() throws {
        let path = Repository.path("examples/sluice.yaml")
        let bytes = try Files.read(path, limit: 1 << 20)
        let configuration = try self.load(String(decoding: bytes, as: UTF8.self))
        for key in ConfigurationSchema.keys where key.wildcard?.section != "api_keys" && !key.isSecret {
            let setting = try #require(configuration.setting(key.path(for: "default")))
            #expect(setting.source != .standard, "\(key.path) is not in examples/sluice.yaml")
            guard let fallback = key.fallback else { continue }
            #expect(try key.read(.scalar(fallback)).get() == setting.value, "\(key.path) is not the default")
        }
        #expect(configuration.text("pools.batch.backend") == "local")
    }

    @Test func `the reference names every key, its variables, option and default`() throws {
        let bytes = try Files.read(Repository.path("docs/configuration.md"), limit: 1 << 20)
        let text = String(decoding: bytes, as: UTF8.self)
        for key in ConfigurationSchema.keys {
            #expect(text.contains("`\(key.path)`"), "\(key.path)")
            let variable = key.environmentName.split(separator: "*").joined(separator: "NAME")
            #expect(text.contains("`\(variable)`"), "\(variable)")
            for alias in key.aliases { #expect(text.contains("`\(alias.name)`"), "\(alias.name)") }
            if let flag = key.flag { #expect(text.contains("`--\(flag)`"), "\(flag)") }
            if let fallback = key.fallback { #expect(text.contains("`\(fallback)`"), "\(key.path): \(fallback)") }
        }
    }
}

/// Files of the checkout that tests look at.
enum Repository {
    static func path(_ relative: String, from file: String = #filePath) -> String {
        let parts = file.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/") + "/" + relative
    }
}
