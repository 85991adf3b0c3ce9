/// Everything that can be configured, in the order in which it is printed.
enum ConfigurationSchema {
    static let keys: [ConfigurationKey] =
        general + fabric + http + client + records + access + backends + pools + scheduling + routing + spending
        + around + operators + history + telemetry + lab

    private static let day = Duration.seconds(86_400)

    private static let general: [ConfigurationKey] = [
        .init(
            path: "listen",
            kind: .address,
            fallback: "127.0.0.1:8400",
            flag: "listen",
            help: "Address of the gateway, the operator API and the console."
        ),
        .init(
            path: "insecure",
            kind: .toggle,
            fallback: "false",
            flag: "insecure",
            help: "Allow an address that is not loopback without API keys."
        ),
        .init(
            path: "threads",
            kind: .integer(0...256),
            fallback: "0",
            flag: "threads",
            help: "Reactor threads; 0 is one for each core."
        ),
        .init(
            path: "drain",
            kind: .duration(.zero ... .seconds(3600)),
            fallback: "30s",
            flag: "drain",
            help: "How long a stop waits for running requests."
        ),
        .init(
            path: "log.level",
            kind: .choice(["debug", "info", "warning", "error"]),
            fallback: "info",
            flag: "log-level",
            isLive: true,
            help: "Least level that is logged."
        ),
        .init(
            path: "log.format",
            kind: .choice(["auto", "text", "json"]),
            fallback: "auto",
            flag: "log-format",
            help: "Form of the log lines on standard error; auto: text on a terminal, JSON elsewhere."
        ),
        .init(
            path: "default_pool",
            kind: .name,
            fallback: "default",
            flag: "default-pool",
            aliases: [.init(name: "LLM_QUEUE_POOL_ID")],
            help: "Pool of requests that name none and whose key names none."
        ),
        .init(
            path: "request_timeout",
            kind: .duration(.milliseconds(1)...day),
            fallback: "10m",
            flag: "request-timeout",
            aliases: [.init(name: "LLM_HTTP_READ_TIMEOUT_S", unit: "s")],
            help: "Deadline of a request that asks for none; waiting counts."
        ),
        .init(
            path: "max_request_timeout",
            kind: .duration(.milliseconds(1) ... .seconds(7 * 86_400)),
            fallback: "1h",
            help: "Longest deadline that a client may ask for."
        ),
        .init(
            path: "max_payload",
            kind: .size(1024...(1 << 30)),
            fallback: "16MiB",
            flag: "max-payload",
            aliases: [.init(name: "LLM_QUEUE_MAX_INLINE_PAYLOAD_BYTES")],
            help: "Largest request payload. The HTTP body may be 64 KiB larger."
        ),
    ]

    private static let http: [ConfigurationKey] = [
        .init(
            path: "http.max_head",
            kind: .size(1024...(1 << 20)),
            fallback: "32KiB",
            help: "Largest header block of a request; larger ones get 431."
        ),
        .init(
            path: "http.head_timeout",
            kind: .duration(.milliseconds(100) ... .seconds(600)),
            fallback: "10s",
            help: "Time in which the header block must have arrived."
        ),
        .init(
            path: "http.min_body_rate",
            kind: .size(1...(1 << 30)),
            fallback: "16KiB",
            help: "Bytes a second below which an arriving body is given up with 408."
        ),
        .init(
            path: "http.idle_timeout",
            kind: .duration(.milliseconds(100) ... .seconds(3600)),
            fallback: "75s",
            help: "How long an idle connection is kept."
        ),
        .init(
            path: "http.max_connections",
            kind: .integer(1...1_000_000),
            fallback: "8192",
            help: "Connections for each reactor thread."
        ),
        .init(
            path: "http.max_connections_per_address",
            kind: .integer(1...1_000_000),
            help: "Connections from one address, for each reactor thread; off when not set."
        ),
        .init(
            path: "tls.certificate_file",
            kind: .path,
            flag: "tls-certificate",
            help: "PEM file with the server's certificate chain; HTTPS when set."
        ),
        .init(
            path: "tls.key_file",
            kind: .path,
            flag: "tls-key",
            help: "PEM file with the certificate's private key."
        ),
    ]

    private static let client: [ConfigurationKey] = [
        .init(
            path: "client.connect_timeout",
            kind: .duration(.milliseconds(1) ... .seconds(600)),
            fallback: "10s",
            help: "Time in which a connection to a backend must stand."
        ),
        .init(
            path: "client.verify_tls",
            kind: .toggle,
            fallback: "true",
            help: "Check the certificates of backends. Turning it off is for tests."
        ),
        .init(path: "client.ca_file", kind: .path, help: "PEM file of authorities instead of the system's."),
        .init(
            path: "client.proxy",
            kind: .url(["http", "https", "socks5"]),
            help: "Proxy for backend calls; the environment's proxy variables are ignored."
        ),
        .init(
            path: "client.stream_buffer",
            kind: .size(4096...(64 << 20)),
            fallback: "256KiB",
            help: "Unread bytes of one stream after which the backend is not read further."
        ),
        .init(
            path: "client.max_response",
            kind: .size(1024...(1 << 30)),
            fallback: "64MiB",
            help: "Largest answer that is collected."
        ),
        .init(
            path: "client.max_transfers",
            kind: .integer(1...1_000_000),
            fallback: "65536",
            help: "Calls at once, over all backends."
        ),
    ]

    private static let records: [ConfigurationKey] = [
        .init(
            path: "results.keep",
            kind: .duration(.seconds(1)...day),
            fallback: "10m",
            help: "How long the answer to a `Prefer: respond-async` request can be fetched."
        ),
        .init(
            path: "results.max_bytes",
            kind: .size(1024...(64 << 30)),
            fallback: "256MiB",
            help: "Bytes of such answers together; the oldest go first."
        ),
        .init(
            path: "history.max_requests",
            kind: .integer(0...10_000_000),
            fallback: "10000",
            help: "Ended requests that are remembered."
        ),
        .init(
            path: "history.max_age",
            kind: .duration(.seconds(1) ... .seconds(30 * 86_400)),
            fallback: "24h",
            help: "How long ended requests are remembered."
        ),
        .init(
            path: "events.pools_interval",
            kind: .duration(.milliseconds(10) ... .seconds(10)),
            fallback: "250ms",
            help: "Watchers see changed pools at most this often."
        ),
        .init(
            path: "events.heartbeat",
            kind: .duration(.seconds(1) ... .seconds(30)),
            fallback: "15s",
            help: "Watchers get a comment when there has been nothing to tell for this long."
        ),
    ]

    /// Variables of the first dispatchers that mean nothing here.
    static let withoutEffect: [(name: String, why: String)] = [
        ("LLM_QUEUE_MAX_BATCH_WAIT_MS", "each request runs by itself, there are no batches"),
        ("LLM_QUEUE_MAX_BUFFERED_REQUESTS_PER_POOL", "there are no batches"),
    ]

    /// Variables that other parts of the command read.
    static let otherVariables: Set<String> = [
        "SLUICE_CONFIG", "SLUICE_URL", "SLUICE_API_KEY", "SLUICE_API_KEY_FILE", "SLUICE_MOCK_LISTEN",
        "SLUICE_LAB_LISTEN",
    ]
}
