import SluiceCore
import Testing

@testable import sluice

/// The keys of a pool's scheduling: what becomes of them, and what is refused in which words.
struct SchedulingKeysTests {
    private func load(
        _ yaml: String,
        environment: [String: String] = [:]
    ) throws(ConfigurationProblems) -> Configuration {
        try ConfigurationLoader(
            environment: environment,
            file: "c.yaml",
            readFile: { _, _ in Array(yaml.utf8) }
        ).load()
    }

    private func complaint(_ pool: String) -> String {
        do {
            _ = try self.load("pools: {default: {\(pool)}}\n")
            return "accepted"
        } catch {
            return error.problems.map(\.text).joined(separator: "; ")
        }
    }

    private func pool(_ keys: String, environment: [String: String] = [:]) throws -> PoolConfiguration {
        let configuration = try self.load("pools: {default: {\(keys)}}\n", environment: environment)
        return try #require(Wiring.pools(configuration).first)
    }

    @Test func `every key arrives in the pool`() throws {
        let pool = try self.pool(
            """
            policy: throughput-optimized, weights: {priority: 0.5, wait_time: 2}, min_score: 0.3, max_wait: 7s,
            requests_per_minute: 60, tokens_per_minute: 5000, burst_requests: 2, burst_tokens: 900, limit_mode: smooth,
            provider_limits: false, concurrency: adaptive, fair_tenants: false, tenant_weights: {a: 3, b.c: 0.5},
            tenant_max_in_flight: 4, shed_after: 800ms, shed_interval: 3s
            """
        )
        var weights = ScoringWeights.throughputOptimized
        weights.priority = 0.5
        weights.waitTime = 2
        let expected = SchedulingConfiguration(
            policy: SchedulingPolicy(
                order: .scored(weights),
                minimumScore: 0.3,
                candidates: 50,
                maximumWait: .seconds(7)
            ),
            tenants: TenantPolicy(isFair: false, weights: ["a": 3, "b.c": 0.5], maximumInFlight: 4),
            limit: RateLimit(requestsPerMinute: 60, tokensPerMinute: 5000, burstRequests: 2, burstTokens: 900),
            followsProviderLimits: false,
            isAdaptive: true,
            shedding: SheddingPolicy(target: .milliseconds(800), interval: .seconds(3))
        )
        #expect(pool.scheduling == expected)
        #expect(pool.scheduling.policy.preset == nil)
    }

    @Test(arguments: SchedulingPreset.allCases)
    func `every preset is a policy`(preset: SchedulingPreset) throws {
        let policy = try self.pool("policy: \(preset.rawValue)").scheduling.policy
        #expect(policy.preset == preset && policy.candidates == preset.candidates)
        #expect(policy.queueOrder == (preset == .fifo ? .fifo : .priority))
        #expect(try self.pool("policy: \(preset.rawValue), candidates: 7").scheduling.policy.candidates == 7)
    }

    @Test func `a null is what the pool would have had`() throws {
        let pool = try self.pool("policy: null, min_score: null, max_wait: null, shed_interval: null, weights: null")
        #expect(pool.scheduling.policy == SchedulingPolicy())
        #expect(pool.scheduling.shedding == SheddingPolicy())
    }

    @Test func `the environment can say all of it`() throws {
        let pool = try self.pool(
            "slots: 1",
            environment: [
                "SLUICE_POOLS_DEFAULT_WEIGHTS": "priority=1, retry=0",
                "SLUICE_POOLS_DEFAULT_TENANT_WEIGHTS": "a=2,b=1",
                "SLUICE_POOLS_DEFAULT_TOKENS_PER_MINUTE": "off",
                "SLUICE_POOLS_DEFAULT_REQUESTS_PER_MINUTE": "10",
                "SLUICE_POOLS_DEFAULT_SHED_AFTER": "off",
                "SLUICE_POOLS_DEFAULT_LIMIT_MODE": "strict",
            ]
        )
        var weights = ScoringWeights.balanced
        weights.priority = 1
        weights.retry = 0
        #expect(pool.scheduling.policy.order == .scored(weights))
        #expect(pool.scheduling.tenants.weights == ["a": 2, "b": 1])
        #expect(pool.scheduling.limit == RateLimit(requestsPerMinute: 10, mode: .strict))
        #expect(pool.scheduling.shedding.target == nil)
    }

    @Test(arguments: [
        ("order: fifo", "there is no such key"),
        ("policy: fare", "policy: 'fare' is not one of default, fifo"),
        ("policy: fairr", "did you mean 'fair'?"),
        ("policy: fifo, weights: {priority: 1}", "default.weights: policy fifo scores nothing; set policy to one of"),
        ("weights: {priorty: 1}", "there is no weight 'priorty'; did you mean 'priority'?"),
        ("weights: {priority: -1}", "priority: '-1' is not a number from 0 to 1000000"),
        ("weights: {priority: nan}", "priority: 'nan' is not a number from 0 to 1000000"),
        ("weights: {priority: inf}", "priority: 'inf' is not a number from 0 to 1000000"),
        ("weights: {priority: x}", "priority: 'x' is not a number"),
        ("weights: 'priority=1,priority=2'", "default.weights: names 'priority' twice"),
        ("min_score: -1", "'-1' is not a number from 0.0 to 1000.0"),
        ("candidates: 0", "'0' is not a number from 1 to 10000"),
        ("max_wait: 5", "'5' has no unit; write 5s or 5ms"),
        ("tokens_per_minute: 0", "'0' is not a number from 1 to"),
        ("burst_tokens: 5", "default.burst_tokens: has no meaning without tokens_per_minute"),
        ("burst_requests: 5", "default.burst_requests: has no meaning without requests_per_minute"),
        (
            "tokens_per_minute: 9, burst_tokens: 5, limit_mode: strict",
            "default.burst_tokens: has no meaning in strict mode"
        ),
        (
            "requests_per_minute: 9, burst_requests: 5, limit_mode: strict",
            "default.burst_requests: has no meaning in strict mode"
        ),
        ("limit_mode: window", "is not one of smooth, strict"),
        ("concurrency: auto", "is not one of fixed, adaptive"),
        ("tenant_weights: {a: 0}", "default.tenant_weights: a: '0' is not a number from 0.001 to 1000000"),
        ("tenant_weights: {a: nan}", "a: 'nan' is not a number"),
        ("tenant_max_in_flight: 0", "is not a number from 1"),
        ("shed_after: 0s", "is not a duration from 1ms to 24h"),
    ])
    func `what cannot be meant is refused by its name`(keys: String, part: String) {
        let complaint = self.complaint(keys)
        #expect(complaint.contains(part), "\(complaint)")
    }

    @Test func `a gateway of the fabric waits only, limits and shares are for who calls the backend`() throws {
        let configuration = try self.load(
            """
            pools: {default: {policy: fair, tokens_per_minute: 5, concurrency: adaptive, tenant_max_in_flight: 1,
                              shed_after: 1s}}
            """
        )
        let scheduling = try #require(Wiring(configuration: configuration, role: .gateway).pools().first).scheduling
        #expect(scheduling.limit == nil && !scheduling.isAdaptive && !scheduling.followsProviderLimits)
        #expect(scheduling.tenants.maximumInFlight == nil && scheduling.shedding.target == nil)
        #expect(scheduling.policy.preset == .fair)
    }

    @Test func `a reload applies scheduling`() throws {
        let before = try self.load("pools: {default: {policy: fifo}}\n")
        let after = try self.load("pools: {default: {policy: fair, tenant_weights: {a: 2}, shed_after: 1s}}\n")
        let changes = ConfigurationChanges(from: before, to: after)
        #expect(changes.needRestart.isEmpty)
        #expect(
            changes.live.sorted() == [
                "pools.default.policy", "pools.default.shed_after", "pools.default.tenant_weights",
            ]
        )
    }
}
