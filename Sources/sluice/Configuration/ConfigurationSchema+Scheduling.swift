import SluiceCore

// What of a pool's waiting requests runs next, under which limits, and whose.
extension ConfigurationSchema {
    static let scheduling: [ConfigurationKey] = choice + limits + sharing

    private static let choice: [ConfigurationKey] = [
        .init(
            path: "pools.*.policy",
            kind: .choice(SchedulingPreset.allCases.map(\.rawValue)),
            fallback: SchedulingPreset.standard.rawValue,
            isLive: true,
            help: "What runs next: by age, by priority and age, or by a score with one of four sets of weights."
        ),
        .init(
            path: "pools.*.weights",
            kind: .table(isSecret: false),
            isLive: true,
            help: "How much each scorer counts, over the policy's own: \(ScoringWeights.names.joined(separator: ", "))."
        ),
        .init(
            path: "pools.*.min_score",
            kind: .ratio(0...1_000),
            fallback: "0.1",
            isLive: true,
            help: "What scores less is taken only when nothing scores more; never held back beside idle slots."
        ),
        .init(
            path: "pools.*.candidates",
            kind: .integer(1...10_000),
            isLive: true,
            help: "Requests that are scored for each choice; 20 when not set, 50 with throughput-optimized."
        ),
        .init(
            path: "pools.*.max_wait",
            kind: .duration(.milliseconds(1) ... .seconds(7 * 86_400)),
            fallback: "5m",
            isLive: true,
            help: "Who has waited longer is served by age alone, whatever the scores."
        ),
    ]

    private static let limits: [ConfigurationKey] = [
        .init(
            path: "pools.*.requests_per_minute",
            kind: .integer(1...1_000_000_000),
            isLive: true,
            help: "Calls of the backend a minute. Off when not set."
        ),
        .init(
            path: "pools.*.tokens_per_minute",
            kind: .integer(1...1_000_000_000_000),
            isLive: true,
            help: "Tokens a minute, prompt and completion. Off when not set."
        ),
        .init(
            path: "pools.*.burst_requests",
            kind: .integer(1...1_000_000_000),
            isLive: true,
            help: "Calls at once after a quiet time; requests_per_minute when not set."
        ),
        .init(
            path: "pools.*.burst_tokens",
            kind: .integer(1...1_000_000_000_000),
            isLive: true,
            help: "Tokens at once after a quiet time; tokens_per_minute when not set."
        ),
        .init(
            path: "pools.*.limit_mode",
            kind: .choice(RateLimit.Mode.allCases.map(\.rawValue)),
            fallback: RateLimit.Mode.smooth.rawValue,
            isLive: true,
            help: "A bucket that fills steadily, or never more than the limit in any 60 s."
        ),
        .init(
            path: "pools.*.provider_limits",
            kind: .toggle,
            fallback: "true",
            isLive: true,
            help: "Whether the limits that the backend states in its headers are kept too, per model."
        ),
        .init(
            path: "pools.*.concurrency",
            kind: .choice(ConcurrencyMode.allCases.map(\.rawValue)),
            fallback: ConcurrencyMode.fixed.rawValue,
            isLive: true,
            help: "As many at once as there are slots, or as many as the backend's latency bears, up to the slots."
        ),
    ]

    private static let sharing: [ConfigurationKey] = [
        .init(
            path: "pools.*.fair_tenants",
            kind: .toggle,
            fallback: "true",
            isLive: true,
            help: "Whether tenants are served in turn by the tokens they have had; else all are one crowd."
        ),
        .init(
            path: "pools.*.tenant_weights",
            kind: .table(isSecret: false),
            isLive: true,
            help: "Shares of tenants, relative to one another; 1 for who is not named."
        ),
        .init(
            path: "pools.*.tenant_max_in_flight",
            kind: .integer(1...1_000_000),
            isLive: true,
            help: "One tenant's requests that run at once. Off when not set."
        ),
        .init(
            path: "pools.*.shed_after",
            kind: .duration(.milliseconds(1) ... .seconds(86_400)),
            isLive: true,
            help: "When the oldest request stays older than this for shed_interval, the lowest class is shed. "
                + "Off when not set."
        ),
        .init(
            path: "pools.*.shed_interval",
            kind: .duration(.milliseconds(100) ... .seconds(3600)),
            fallback: "10s",
            isLive: true,
            help: "How long the oldest request has to stay older than shed_after."
        ),
    ]
}
