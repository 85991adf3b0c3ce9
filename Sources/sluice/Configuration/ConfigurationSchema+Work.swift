import SluiceProviders

// Who may ask, what is called and what waits: the sections whose members have names of the user's choice.
extension ConfigurationSchema {
    static let access: [ConfigurationKey] = [
        .init(
            path: "api_keys_file",
            kind: .path,
            flag: "api-keys-file",
            isLive: true,
            help: "File with API keys, one a line."
        ),
        .init(
            path: "api_keys.*.key",
            kind: .secret,
            isLive: true,
            help: "The key itself; only its hash is kept."
        ),
        .init(
            path: "api_keys.*.sha256",
            kind: .text,
            isLive: true,
            help: "Instead of the key: its SHA-256 in hexadecimal."
        ),
        .init(path: "api_keys.*.tenant", kind: .name, isLive: true, help: "Tenant of its requests; the key's name."),
        .init(path: "api_keys.*.pool", kind: .name, isLive: true, help: "Pool of requests that name none."),
        .init(path: "api_keys.*.pools", kind: .list, isLive: true, help: "Pools that it may use; all when not set."),
        .init(
            path: "api_keys.*.max_priority",
            kind: .choice(["urgent", "high", "normal", "low"]),
            fallback: "urgent",
            isLive: true,
            help: "Highest priority that it may ask for."
        ),
        .init(
            path: "api_keys.*.operator",
            kind: .toggle,
            fallback: "false",
            isLive: true,
            help: "Whether it may use the operator API, all of it: the same as role admin."
        ),
    ]

    static let backends: [ConfigurationKey] = [
        .init(
            path: "backends.*.url",
            kind: .url(["http", "https"]),
            fallback: "https://api.openai.com/v1",
            flag: "backend-url",
            aliases: [.init(name: "OPENAI_API_BASE"), .init(name: "OPENAI_BASE_URL")],
            help: "Base of the backend's API; with a provider, its own when not set."
        ),
        .init(
            path: "backends.*.provider",
            kind: .name,
            flag: "provider",
            help: "Provider by name (docs/providers.md); auto: by each model's name. Not set: OpenAI-compatible."
        ),
        .init(
            path: "backends.*.key",
            kind: .secret,
            aliases: [.init(name: "OPENAI_API_KEY")],
            help: "Key that is sent to the backend."
        ),
        .init(
            path: "backends.*.token",
            kind: .secret,
            help: "Sent as a bearer token, where the provider takes one beside or in place of a key."
        ),
        .init(
            path: "backends.*.aws_access_key",
            kind: .text,
            help: "For Bedrock: name of the access key; AWS_ACCESS_KEY_ID when not set."
        ),
        .init(
            path: "backends.*.aws_secret_key",
            kind: .secret,
            help: "For Bedrock: the access key's secret."
        ),
        .init(
            path: "backends.*.aws_session_token",
            kind: .secret,
            help: "For Bedrock: token of a temporary access key."
        ),
        .init(
            path: "backends.*.settings",
            kind: .table(isSecret: false),
            help: "What the provider needs beside it: api_version, region, project, location and others."
        ),
        .init(
            path: "backends.*.unsupported_params",
            kind: .choice(UnsupportedParameterPolicy.allCases.map(\.rawValue)),
            fallback: "drop",
            help: "Parameters that the provider cannot express: left out and named, refused, or sent as they are."
        ),
        .init(
            path: "backends.*.stream_usage",
            kind: .toggle,
            fallback: "false",
            help: "Ask for the tokens of streams that pass where the client does not; it does not see them."
        ),
        .init(
            path: "backends.*.headers",
            kind: .table(isSecret: true),
            help: "Headers that are added to each call."
        ),
        .init(
            path: "backends.*.aliases",
            kind: .table(isSecret: false),
            help: "Models by another name: what clients ask for, and what the backend gets."
        ),
        .init(
            path: "backends.*.breaker.consecutive_failures",
            kind: .integer(1...1_000_000),
            fallback: "5",
            help: "The breaker opens after this many failures in a row."
        ),
        .init(
            path: "backends.*.breaker.failure_ratio",
            kind: .ratio(0.01...1),
            fallback: "0.5",
            help: "It also opens when this share of the calls in the window failed."
        ),
        .init(
            path: "backends.*.breaker.min_calls",
            kind: .integer(1...1_000_000),
            fallback: "20",
            help: "Calls that the window must hold for that."
        ),
        .init(
            path: "backends.*.breaker.window",
            kind: .duration(.seconds(1) ... .seconds(3600)),
            fallback: "30s",
            help: "Length of the window."
        ),
        .init(
            path: "backends.*.breaker.open_for",
            kind: .duration(.milliseconds(100) ... .seconds(3600)),
            fallback: "30s",
            help: "How long it stays open before one call may try."
        ),
        .init(
            path: "backends.*.breaker.probes",
            kind: .integer(1...1000),
            fallback: "3",
            help: "Calls that must succeed, one after the other, to close it."
        ),
    ]

    static let pools: [ConfigurationKey] = [
        .init(
            path: "pools.*.backend",
            kind: .name,
            help: "Backend that it calls; the only one, or the one called default."
        ),
        .init(
            path: "pools.*.models",
            kind: .list,
            help:
                "Models whose requests come here if neither they nor their key name a pool; * at the end is any."
        ),
        .init(
            path: "pools.*.slots",
            kind: .integer(1...1_000_000),
            fallback: "64",
            flag: "slots",
            aliases: [.init(name: "LLM_QUEUE_MAX_BATCH_ITEMS")],
            isLive: true,
            help: "Requests that run at once."
        ),
        .init(
            path: "pools.*.max_requests",
            kind: .integer(1...10_000_000),
            fallback: "10000",
            isLive: true,
            help: "Queued and running requests together; beyond it 503."
        ),
        .init(
            path: "pools.*.max_bytes",
            kind: .size(1024...(1 << 40)),
            fallback: "256MiB",
            isLive: true,
            help: "Their payloads together; beyond it 503."
        ),
        .init(
            path: "pools.*.max_requests_per_tenant",
            kind: .integer(1...10_000_000),
            isLive: true,
            help: "One tenant's queued and running requests; beyond it 429. Off when not set."
        ),
        .init(
            path: "pools.*.lease",
            kind: .duration(.seconds(1) ... .seconds(3600)),
            fallback: "30s",
            help: "How long a claim lasts without being extended."
        ),
        .init(
            path: "pools.*.retry.mode",
            kind: .choice(["auto", "never-after-send"]),
            fallback: "auto",
            isLive: true,
            help: "Whether a call that may have reached the backend is repeated."
        ),
        .init(
            path: "pools.*.retry.attempts",
            kind: .integer(1...100),
            fallback: "3",
            isLive: true,
            help: "Backend calls for each request, the first included."
        ),
        .init(
            path: "pools.*.retry.base_delay",
            kind: .duration(.milliseconds(1) ... .seconds(3600)),
            fallback: "1s",
            isLive: true,
            help: "The first retry waits up to this; each further one up to twice as long."
        ),
        .init(
            path: "pools.*.retry.max_delay",
            kind: .duration(.milliseconds(1) ... .seconds(3600)),
            fallback: "1m",
            isLive: true,
            help: "Longest wait between attempts."
        ),
        .init(
            path: "pools.*.retry.max_retry_after",
            kind: .duration(.zero ... .seconds(86_400)),
            fallback: "5m",
            isLive: true,
            help: "Longest Retry-After of a backend that is honoured as it is."
        ),
        .init(
            path: "pools.*.retry.budget_ratio",
            kind: .ratio(0...10),
            fallback: "0.2",
            isLive: true,
            help: "Retries over starts within a minute; beyond it failures are final."
        ),
        .init(
            path: "pools.*.retry.budget_floor",
            kind: .integer(0...1_000_000),
            fallback: "10",
            isLive: true,
            help: "Retries a minute that are always allowed."
        ),
        .init(
            path: "pools.*.retry.max_throttles",
            kind: .integer(0...10_000),
            fallback: "20",
            isLive: true,
            help: "Answers 429, or 503 with Retry-After, that do not count as attempts; the next one is final."
        ),
    ]
}
