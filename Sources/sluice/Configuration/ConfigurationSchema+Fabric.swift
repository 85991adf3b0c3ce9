// Several processes that share a Valkey.
extension ConfigurationSchema {
    static let fabric: [ConfigurationKey] = [
        .init(
            path: "fabric.enabled",
            kind: .toggle,
            fallback: "false",
            aliases: [.init(name: "LLM_QUEUE_ENABLED")],
            help: "Whether sluice serve also serves the lists. The commands gateway and dispatcher do in any case."
        ),
        .init(
            path: "fabric.url",
            kind: .secret,
            flag: "valkey-url",
            aliases: [.init(name: "LLM_QUEUE_VALKEY_URL"), .init(name: "LLM_QUEUE_URL")],
            help: "Where Valkey is: redis://, rediss://, valkey://, valkeys:// or unix://. May hold a password."
        ),
        .init(
            path: "fabric.group_id",
            kind: .text,
            aliases: [.init(name: "LLM_QUEUE_FABRIC_GROUP_ID")],
            help: "Fabric that this gateway belongs to; a label on records and spans."
        ),
        .init(
            path: "fabric.gateway_id",
            kind: .text,
            aliases: [.init(name: "LLM_QUEUE_GATEWAY_ID")],
            help: "Name of this gateway within its fabric; a label on records and spans."
        ),
        .init(
            path: "fabric.pools",
            kind: .list,
            flag: "pools",
            help: "Pools whose lists a dispatcher serves; all that are configured when not set."
        ),
        .init(
            path: "fabric.pop",
            kind: .choice(["blmove", "blpop"]),
            fallback: "blmove",
            aliases: [.init(name: "LLM_QUEUE_POP")],
            help: "How a dispatcher takes work: into a private list, or, as the first ones did, out of Valkey."
        ),
        .init(
            path: "fabric.orphans",
            kind: .choice(["drop", "requeue"]),
            fallback: "drop",
            aliases: [.init(name: "LLM_QUEUE_ORPHANS")],
            help: "What becomes of the work of a dispatcher that died: booked as lost, or queued again."
        ),
        .init(
            path: "fabric.dispatcher_ttl",
            kind: .duration(.seconds(1) ... .seconds(3600)),
            fallback: "15s",
            help: "How long others believe in a dispatcher without a word of it; it beats three times as often."
        ),
        .init(
            path: "fabric.dispatch_pop_timeout",
            kind: .duration(.milliseconds(1) ... .seconds(60)),
            fallback: "1s",
            aliases: [.init(name: "LLM_QUEUE_DISPATCH_POP_TIMEOUT_SECONDS", unit: "s")],
            help: "How long a pop of requests waits at Valkey, rounded up to seconds."
        ),
        .init(
            path: "fabric.reply_pop_timeout",
            kind: .duration(.milliseconds(1) ... .seconds(60)),
            fallback: "1s",
            aliases: [.init(name: "LLM_QUEUE_REPLY_POP_TIMEOUT_SECONDS", unit: "s")],
            help: "How long a pop of replies waits at Valkey, rounded up to seconds."
        ),
        .init(
            path: "fabric.reply_ttl",
            kind: .duration(.seconds(1) ... .seconds(86_400)),
            fallback: "5m",
            aliases: [.init(name: "LLM_QUEUE_REPLY_QUEUE_TTL_SECONDS", unit: "s")],
            help:
                "How long a list of replies lives after its last, and how long a reply is held while Valkey is away."
        ),
        .init(
            path: "fabric.producer_id",
            kind: .text,
            aliases: [.init(name: "LLM_QUEUE_PRODUCER_ID")],
            help: "Name of this gateway as a producer; host, process and a random number when not set."
        ),
        .init(
            path: "fabric.producer_ttl",
            kind: .duration(.seconds(1) ... .seconds(3600)),
            fallback: "30s",
            aliases: [.init(name: "LLM_QUEUE_PRODUCER_TTL_SECONDS", unit: "s")],
            help: "How long dispatchers believe in this gateway without a word of it."
        ),
        .init(
            path: "fabric.producer_refresh",
            kind: .duration(.milliseconds(100) ... .seconds(3600)),
            aliases: [.init(name: "LLM_QUEUE_PRODUCER_REFRESH_INTERVAL_SECONDS", unit: "s")],
            help: "How often it says so; a third of that when not set."
        ),
        .init(
            path: "fabric.max_waiting",
            kind: .integer(1...1_000_000),
            fallback: "20000",
            help: "Requests of one gateway that wait for a reply; each pool of it has as many slots."
        ),
        .init(
            path: "fabric.max_queued",
            kind: .integer(1...100_000_000),
            fallback: "10000",
            help: "Elements of a list beyond which this gateway adds none; 503."
        ),
        .init(
            path: "fabric.max_queued_bytes",
            kind: .size(0...(1 << 42)),
            fallback: "4GiB",
            help: "The same in bytes, roughly; 0 is without bound."
        ),
        .init(
            path: "fabric.ca_file",
            kind: .path,
            help: "PEM file of authorities for rediss:// instead of the system's."
        ),
        .init(
            path: "fabric.certificate_file",
            kind: .path,
            help: "PEM file with our own certificate for rediss://, if Valkey asks for one."
        ),
        .init(
            path: "fabric.key_file",
            kind: .path,
            help: "PEM file with its private key."
        ),
        .init(
            path: "fabric.verify_tls",
            kind: .toggle,
            fallback: "true",
            help: "Check Valkey's certificate. Turning it off is for tests."
        ),
    ]
}
