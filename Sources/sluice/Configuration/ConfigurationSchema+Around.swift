import SluiceGateway

// What happens around calls: answers that are kept, who is told, what is logged.
extension ConfigurationSchema {
    static let around: [ConfigurationKey] = logging + cache + callbacks

    private static let logging: [ConfigurationKey] = [
        .init(
            path: "log.requests",
            kind: .choice(CallLogging.allCases.map(\.rawValue)),
            fallback: CallLogging.all.rawValue,
            help: "Which requests get a line when they end."
        ),
        .init(
            path: "log.prompts",
            kind: .toggle,
            fallback: "false",
            help: "Whether those lines show the beginning of prompts and answers. For tests."
        ),
    ]

    private static let cache: [ConfigurationKey] = [
        .init(
            path: "cache.store",
            kind: .choice(["memory", "valkey"]),
            fallback: "memory",
            help: "Where answers are kept: in this process, or in the Valkey at fabric.url, for all that use it."
        ),
        .init(
            path: "cache.max_bytes",
            kind: .size(1024...(1 << 40)),
            fallback: "256MiB",
            help: "What kept answers may take in memory; what was not asked for the longest makes room."
        ),
        .init(
            path: "cache.max_entry",
            kind: .size(1024...(1 << 30)),
            fallback: "4MiB",
            help: "Largest answer that is kept."
        ),
        .init(
            path: "cache.timeout",
            kind: .duration(.milliseconds(1) ... .seconds(10)),
            fallback: "100ms",
            help: "Time for a question to Valkey; without an answer by then it is a miss."
        ),
        .init(
            path: "pools.*.cache",
            kind: .toggle,
            fallback: "false",
            help: "Whether answers are kept for identical requests, and identical requests in flight share one call."
        ),
        .init(
            path: "pools.*.cache_ttl",
            kind: .duration(.seconds(1) ... .seconds(30 * 86_400)),
            fallback: "10m",
            help: "How long an answer is kept."
        ),
    ]

    private static let callbacks: [ConfigurationKey] = [
        .init(
            path: "callbacks.*.url",
            kind: .url(["http", "https"]),
            help: "Where a webhook is sent; off when not set."
        ),
        .init(
            path: "callbacks.*.secret",
            kind: .secret,
            help: "Key of its signatures (Standard Webhooks): whsec_ and base64, or any text. Not signed when not set."
        ),
        .init(
            path: "callbacks.*.events",
            kind: .list,
            fallback: "success,failure",
            help: "What it is told of: \(WebhookEvent.allCases.map(\.rawValue).joined(separator: ", "))."
        ),
        .init(
            path: "callbacks.*.content",
            kind: .toggle,
            fallback: "false",
            help: "Whether it gets prompts and answers too."
        ),
        .init(
            path: "callbacks.*.headers",
            kind: .table(isSecret: true),
            help: "Headers that are added to each delivery."
        ),
        .init(
            path: "callbacks.*.timeout",
            kind: .duration(.milliseconds(10) ... .seconds(600)),
            fallback: "10s",
            help: "Time for one delivery."
        ),
        .init(
            path: "callbacks.*.attempts",
            kind: .integer(1...100),
            fallback: "6",
            help: "Deliveries of one event, the first included; pauses double from 1s to 1m."
        ),
        .init(
            path: "callbacks.*.max_events",
            kind: .integer(1...1_000_000),
            fallback: "10000",
            help: "Events that wait; beyond it the oldest are dropped."
        ),
        .init(
            path: "callbacks.*.max_bytes",
            kind: .size(1024...(1 << 40)),
            fallback: "32MiB",
            help: "What they may take together."
        ),
    ]
}
