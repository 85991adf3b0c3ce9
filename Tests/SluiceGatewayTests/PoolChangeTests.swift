import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire
import Testing

@testable import SluiceGateway

/// `PATCH /api/pools/{id}`: what it changes, what it refuses, and that a refusal changes nothing.
@Suite(.timeLimit(.minutes(3))) struct PoolChangeTests {
    private static let path = "/api/pools/default"

    private func change(_ bench: GatewayBench, _ body: String) async -> (status: Int, text: String) {
        let answer = await bench.send(.patch, Self.path, body)
        return (answer.response.status, answer.text)
    }

    /// What the log says of changes.
    private func notes(_ bench: GatewayBench) -> [String] {
        bench.log.filter { $0.message == "pool changed" }.map { entry in
            entry.fields.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        }
    }

    private func scheduling(_ bench: GatewayBench) throws -> SchedulingConfiguration {
        try #require(bench.dispatcher.pool("default")).configuration.scheduling
    }

    @Test func `every field arrives, and is shown as it was given`() async throws {
        let bench = GatewayBench([])
        let body = """
            {"slots":3,"policy":{"preset":"throughput-optimized","weights":{"priority":0.5},"min_score":0.25,\
            "candidates":7,"max_wait_ms":9000},"limits":{"requests_per_minute":60,"tokens_per_minute":5000,\
            "burst_requests":2,"burst_tokens":900,"mode":"smooth","provider_limits":false},\
            "tenants":{"fair":false,"weights":{"a":3,"b.c":0.5},"max_in_flight":4},"concurrency":"adaptive",\
            "shedding":{"after_ms":800,"interval_ms":3000}}
            """
        let (status, text) = await self.change(bench, body)
        #expect(status == 200, "\(text)")
        var weights = ScoringWeights.throughputOptimized
        weights.priority = 0.5
        let expected = SchedulingConfiguration(
            policy: SchedulingPolicy(
                order: .scored(weights),
                minimumScore: 0.25,
                candidates: 7,
                maximumWait: .seconds(9)
            ),
            tenants: TenantPolicy(isFair: false, weights: ["a": 3, "b.c": 0.5], maximumInFlight: 4),
            limit: RateLimit(requestsPerMinute: 60, tokensPerMinute: 5000, burstRequests: 2, burstTokens: 900),
            followsProviderLimits: false,
            isAdaptive: true,
            shedding: SheddingPolicy(target: .milliseconds(800), interval: .seconds(3))
        )
        #expect(try self.scheduling(bench) == expected)
        for part in [
            #""policy":{"preset":"custom","weights":{"priority":0.5,"efficiency":0.35,"#,
            #""min_score":0.25,"candidates":7,"max_wait_ms":9000}"#,
            #""limits":{"requests_per_minute":60,"tokens_per_minute":5000,"burst_requests":2,"burst_tokens":900,"#,
            #""tenants":{"fair":false,"weights":{"a":3,"b.c":0.5},"max_in_flight":4},"concurrency":"adaptive","#,
            #""shedding":{"after_ms":800,"interval_ms":3000}"#,
        ] { #expect(text.contains(part), "\(part)\n\(text)") }
        #expect(self.notes(bench).contains { $0.contains("policy.candidates=7") })
    }

    @Test func `what is not named stays, and null takes away`() async throws {
        let bench = GatewayBench([])
        _ = await self.change(bench, #"{"limits":{"tokens_per_minute":500,"burst_tokens":50}}"#)
        _ = await self.change(bench, #"{"limits":{"requests_per_minute":6}}"#)
        #expect(
            try self.scheduling(bench).limit == RateLimit(requestsPerMinute: 6, tokensPerMinute: 500, burstTokens: 50)
        )
        _ = await self.change(bench, #"{"limits":{"tokens_per_minute":null,"burst_tokens":null}}"#)
        #expect(try self.scheduling(bench).limit == RateLimit(requestsPerMinute: 6))
        _ = await self.change(bench, #"{"limits":null}"#)
        #expect(try self.scheduling(bench).limit == nil)
        _ = await self.change(bench, #"{"tenants":{"weights":{"a":2,"b":3}}}"#)
        _ = await self.change(bench, #"{"tenants":{"weights":{"a":null,"c":4}}}"#)
        #expect(try self.scheduling(bench).tenants.weights == ["b": 3, "c": 4])
        _ = await self.change(bench, #"{"tenants":{"weights":null}}"#)
        #expect(try self.scheduling(bench).tenants.weights.isEmpty)
        _ = await self.change(bench, #"{"policy":{"weights":{"retry":9}}}"#)
        _ = await self.change(bench, #"{"policy":{"weights":{"priority":8}}}"#)
        var weights = ScoringWeights.balanced
        weights.retry = 9
        weights.priority = 8
        #expect(try self.scheduling(bench).policy.order == .scored(weights))
        _ = await self.change(bench, #"{"policy":{"preset":"throughput-optimized"}}"#)
        #expect(try self.scheduling(bench).policy.candidates == 50)
        _ = await self.change(bench, #"{"policy":{"preset":"fifo"}}"#)
        let pool = try #require(bench.dispatcher.pool("default")).configuration
        #expect(pool.scheduling.policy == SchedulingPolicy(order: .fifo))
    }

    @Test(arguments: [
        (#"{}"#, nil, "must be an object with some of"),
        (#"{"order":"fifo"}"#, "order", "cannot be changed"),
        (#"{"policy":"fair"}"#, "policy", "must be an object with some of: preset"),
        (#"{"policy":{"preset":"fare"}}"#, "policy.preset", "must be one of default, fifo"),
        (#"{"policy":{"weight":{}}}"#, "policy.weight", "Known fields: policy.preset"),
        (#"{"policy":{"weights":{"x":1}}}"#, "policy.weights.x", "Known fields: policy.weights.priority"),
        (#"{"policy":{"weights":{"retry":-1}}}"#, "policy.weights.retry", "a number from 0 to 1000000"),
        (#"{"policy":{"weights":{"retry":1e300}}}"#, "policy.weights.retry", "a number from 0 to 1000000"),
        (#"{"policy":{"weights":{"retry":null}}}"#, "policy.weights.retry", "a number from 0 to 1000000"),
        (#"{"policy":{"preset":"fifo","weights":{"retry":1}}}"#, "policy.weights", "scores nothing"),
        (#"{"policy":{"min_score":-0.1}}"#, "policy.min_score", "a number from 0 to 1000"),
        (#"{"policy":{"candidates":0}}"#, "policy.candidates", "from 1 to 10000"),
        (#"{"policy":{"max_wait_ms":0}}"#, "policy.max_wait_ms", "from 1 to"),
        (#"{"limits":{"tokens_per_minute":0}}"#, "limits.tokens_per_minute", "or null for none"),
        (#"{"limits":{"burst_tokens":5}}"#, "limits.burst_tokens", "has no meaning without tokens_per_minute"),
        (#"{"limits":{"mode":"strict"}}"#, "limits.mode", "has no effect while nothing is limited"),
        (
            #"{"limits":{"requests_per_minute":5,"burst_requests":5,"mode":"strict"}}"#, "limits.burst_requests",
            "has no meaning in strict mode"
        ),
        (#"{"limits":{"provider_limits":1}}"#, "limits.provider_limits", "true or false"),
        (#"{"tenants":{"fair":"yes"}}"#, "tenants.fair", "true or false"),
        (#"{"tenants":{"weights":{"a":0}}}"#, "tenants.weights.a", "a number from 0.001 to 1000000"),
        (#"{"tenants":{"weights":{"a b":1}}}"#, "tenants.weights.a b", "a tenant's name"),
        (#"{"tenants":{"max_in_flight":0}}"#, "tenants.max_in_flight", "from 1 to"),
        (#"{"concurrency":"auto"}"#, "concurrency", "one of fixed, adaptive"),
        (#"{"shedding":{"after_ms":0}}"#, "shedding.after_ms", "from 1 to"),
        (#"{"shedding":{"interval_ms":null}}"#, "shedding.interval_ms", "a whole number from 100"),
        (#"{"slots":2,"concurrency":"adaptive","shedding":{}}"#, "shedding", "must be an object"),
        (#"["slots"]"#, nil, "must be an object"),
        (#"{"slots":"#, nil, ""),
    ])
    func `what cannot be meant is refused by its name and changes nothing`(
        body: String,
        field: String?,
        part: String
    ) async throws {
        let bench = GatewayBench([])
        let before = bench.dispatcher.pool("default")?.configuration
        let (status, text) = await self.change(bench, body)
        #expect(status == 400)
        let error = try JSON.read(Array(text.utf8)) { root in
            (message: root["error"]?["message"]?.string ?? "", param: root["error"]?["param"]?.string)
        }
        #expect(error.param == field && error.message.contains(part), "\(text)")
        #expect(bench.dispatcher.pool("default")?.configuration == before)
        #expect(self.notes(bench).isEmpty)
    }
}
