import SluiceCore
import SluiceGateway
import Testing

@testable import sluice

/// Caches, callbacks and the log of calls as they are configured.
@Suite struct AroundKeysTests {
    private func load(_ yaml: String) throws(ConfigurationProblems) -> Configuration {
        try ConfigurationLoader(
            file: "test.yaml",
            readFile: { _, _ in Array(yaml.utf8) }
        ).load()
    }

    private func gateway(_ yaml: String) throws -> GatewayConfiguration {
        try Wiring(configuration: self.load(yaml)).gatewayConfiguration(keys: [])
    }

    private func complaint(_ yaml: String) -> String {
        do {
            _ = try self.load(yaml)
            return ""
        } catch {
            return error.text
        }
    }

    @Test func `nothing is kept and nobody told unless that is said`() throws {
        let gateway = try self.gateway("")
        #expect(gateway.caches.isEmpty && gateway.callLogging == .all && !gateway.showsPrompts)
        #expect(try self.load("").names("callbacks").isEmpty)
    }

    @Test func `every key arrives`() throws {
        let gateway = try self.gateway(
            """
            log: {requests: failures, prompts: true}
            cache: {max_bytes: 8MiB, max_entry: 1MiB}
            pools: {default: {cache: on, cache_ttl: 5m}, other: {}}
            """
        )
        #expect(gateway.callLogging == .failures && gateway.showsPrompts)
        #expect(gateway.cacheLimits.maximumBytes == 8 << 20 && gateway.cacheLimits.maximumEntry == 1 << 20)
        #expect(gateway.caches["default"]?.timeToLive == .seconds(300))
        #expect(gateway.caches["other"] == nil)
        let configuration = try self.load(
            """
            callbacks:
              audit:
                url: https://example.com/hook
                secret: whsec_AQID
                events: [before, end]
                content: true
                headers: {X-Team: llm}
                timeout: 3s
                attempts: 2
                max_events: 7
                max_bytes: 1MiB
              off: {timeout: 1s}
            """
        )
        let wiring = AroundWiring(configuration: configuration, role: .serve)
        let webhook = try #require(wiring.webhook("audit"))
        #expect(webhook.url == "https://example.com/hook" && webhook.secret == [1, 2, 3])
        #expect(webhook.events == [.before, .end] && webhook.showsContent)
        #expect(webhook.headers.map(\.name) == ["X-Team"])
        #expect(webhook.timeout == .seconds(3) && webhook.maximumAttempts == 2)
        #expect(webhook.maximumEvents == 7 && webhook.maximumBytes == 1 << 20)
        #expect(wiring.webhook("off") == nil)
    }

    @Test func `another credential, address, header or alias is another backend`() throws {
        func identity(_ backend: String) throws -> [UInt8]? {
            try self.gateway("pools: {default: {cache: on}}\nbackends: {default: {\(backend)}}").caches["default"]?
                .backend
        }
        let plain = try identity("url: 'http://a', key: k")
        #expect(try identity("url: 'http://a', key: k") == plain)
        #expect(try identity("url: 'http://a', key: k, breaker: {probes: 4}") == plain)
        #expect(try identity("url: 'http://a', key: k, stream_usage: on") == plain)
        for other in [
            "url: 'http://b', key: k", "url: 'http://a', key: l", "url: 'http://a', key: k, headers: {X-A: b}",
            "url: 'http://a', key: k, aliases: {m: n}",
        ] {
            #expect(try identity(other) != plain, "\(other)")
        }
    }

    private func identity(_ yaml: String, role: Role = .serve, _ environment: [String: String] = [:]) throws -> [UInt8]?
    {
        var gateway = GatewayConfiguration(version: "", backends: [:])
        AroundWiring(configuration: try self.load(yaml), role: role, environment: environment).configure(&gateway)
        return gateway.caches["default"]?.backend
    }

    @Test func `gateways of another group or role do not answer for each other`() throws {
        let yaml = "pools: {default: {cache: on}}\nfabric: {group_id: "
        let blue = try self.identity(yaml + "blue}", role: .gateway)
        #expect(try blue != nil && self.identity(yaml + "blue}", role: .gateway) == blue)
        #expect(try self.identity(yaml + "green}", role: .gateway) != blue)
        #expect(try self.identity(yaml + "blue}", role: .serve) != blue)
    }

    @Test(arguments: [
        ("bedrock", "AWS_BEARER_TOKEN_BEDROCK"), ("bedrock", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"),
        ("bedrock", "AWS_SESSION_TOKEN"), ("bedrock", "AWS_ACCESS_KEY_ID"), ("bedrock", "AWS_REGION"),
        ("cohere", "CO_API_URL"), ("vertex", "GOOGLE_CLOUD_PROJECT"), ("vertex", "VERTEXAI_LOCATION"),
        ("openai", "OPENAI_ORG_ID"), ("openai", "OPENAI_PROJECT_ID"), ("auto", "CO_API_URL"),
        ("auto", "AWS_SECRET_ACCESS_KEY"),
    ])
    func `variables that a provider reads make another backend`(provider: String, variable: String) throws {
        let yaml = "pools: {default: {cache: on}}\nbackends: {default: {provider: \(provider)}}"
        let plain = try self.identity(yaml)
        #expect(try self.identity(yaml, [variable: "a"]) != plain)
        for other in ["POD_TOKEN", "KUBERNETES_SERVICE_HOST", "MISTRAL_API_KEYS"] {
            #expect(try self.identity(yaml, [other: "a"]) == plain)
        }
    }

    @Test func `variables of providers that are not used make no other backend`() throws {
        let yaml = "pools: {default: {cache: on}}\nbackends: {default: {provider: cohere}}"
        #expect(try self.identity(yaml, ["AWS_SESSION_TOKEN": "a"]) == self.identity(yaml))
    }

    @Test func `the pool's route arrives at its cache`() throws {
        let gateway = try self.gateway(
            """
            pools: {default: {cache: on, route: {targets: [default]}}}
            backends: {default: {url: 'http://a'}}
            """
        )
        #expect(gateway.caches["default"]?.route?.mainCount == 1)
    }

    @Test func `what does not go together is said`() {
        let cached = "pools: {default: {cache: on}}\n"
        #expect(self.complaint(cached + "cache: {store: valkey}").contains("needs fabric.url"))
        #expect(self.complaint("cache: {store: valkey}").isEmpty)
        #expect(self.complaint("cache: {max_entry: 1GiB}").contains("larger than cache.max_bytes"))
        #expect(self.complaint("callbacks: {a: {events: [succes]}}").contains("did you mean 'success'?"))
        #expect(self.complaint("callbacks: {a: {secret: 'whsec_!'}}").contains("not base64"))
    }
}
