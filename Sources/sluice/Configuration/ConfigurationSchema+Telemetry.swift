import SluiceTelemetry

// Where spans go, and how they are put together. Names that OpenTelemetry has for it are aliases.
extension ConfigurationSchema {
    static let telemetry: [ConfigurationKey] = spans + otlp + clickHouse + batches

    private static let spans: [ConfigurationKey] = [
        .init(
            path: "telemetry.disabled",
            kind: .toggle,
            fallback: "false",
            aliases: [.init(name: "OTEL_SDK_DISABLED")],
            help: "Whether nothing is exported, whatever else is set."
        ),
        .init(
            path: "telemetry.service_name",
            kind: .text,
            fallback: "sluice",
            aliases: [.init(name: "OTEL_SERVICE_NAME")],
            help: "What this service is called in spans."
        ),
        .init(
            path: "telemetry.resource",
            kind: .table(isSecret: false),
            aliases: [.init(name: "OTEL_RESOURCE_ATTRIBUTES")],
            help: "What else is said of it in every span, e.g. deployment.environment.name=production."
        ),
        .init(
            path: "telemetry.sampler",
            kind: .choice([
                "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off",
                "parentbased_traceidratio",
            ]),
            fallback: "parentbased_always_on",
            aliases: [.init(name: "OTEL_TRACES_SAMPLER")],
            help: "Which requests have spans; parentbased: where a caller has decided, that stands."
        ),
        .init(
            path: "telemetry.sampler_arg",
            kind: .ratio(0...1),
            fallback: "1",
            aliases: [.init(name: "OTEL_TRACES_SAMPLER_ARG")],
            help: "Share that traceidratio takes."
        ),
        .init(
            path: "telemetry.rejected",
            kind: .toggle,
            fallback: "false",
            help: "Whether requests that were not accepted have spans too."
        ),
        .init(
            path: "telemetry.content",
            kind: .choice(["false", "true", "NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT"]),
            fallback: "false",
            aliases: [.init(name: "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT")],
            help: "Whether spans hold prompts and answers (true, SPAN_ONLY, SPAN_AND_EVENT); never data: URLs."
        ),
        .init(
            path: "telemetry.max_content",
            kind: .size(1024...(16 << 20)),
            fallback: "64KiB",
            help: "Largest prompt, and largest answer, of a span; what is longer is cut."
        ),
    ]

    private static let otlp: [ConfigurationKey] = [
        .init(
            path: "telemetry.traces_exporter",
            kind: .list,
            fallback: "otlp",
            aliases: [.init(name: "OTEL_TRACES_EXPORTER")],
            help: "otlp, or none: then spans go to ClickHouse alone."
        ),
        .init(
            path: "telemetry.otlp.endpoint",
            kind: .url(["http", "https"]),
            aliases: [.init(name: "OTEL_EXPORTER_OTLP_ENDPOINT")],
            help: "Base of an OTLP receiver, e.g. http://collector:4318; off when not set."
        ),
        .init(
            path: "telemetry.otlp.traces_endpoint",
            kind: .url(["http", "https"]),
            aliases: [.init(name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")],
            help: "Where spans go exactly; the endpoint and /v1/traces when not set."
        ),
        .init(
            path: "telemetry.otlp.headers",
            kind: .table(isSecret: true),
            aliases: [.init(name: "OTEL_EXPORTER_OTLP_TRACES_HEADERS"), .init(name: "OTEL_EXPORTER_OTLP_HEADERS")],
            help: "Headers that are sent with them."
        ),
        .init(
            path: "telemetry.otlp.protocol",
            kind: .choice(OTLPSettings.Encoding.allCases.map(\.rawValue)),
            fallback: OTLPSettings.Encoding.protobuf.rawValue,
            aliases: [.init(name: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), .init(name: "OTEL_EXPORTER_OTLP_PROTOCOL")],
            help: "In which form."
        ),
        .init(
            path: "telemetry.otlp.compression",
            kind: .choice(["none", "gzip"]),
            fallback: "none",
            aliases: [
                .init(name: "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"), .init(name: "OTEL_EXPORTER_OTLP_COMPRESSION"),
            ],
            help: "Whether they are compressed."
        ),
        .init(
            path: "telemetry.otlp.timeout",
            kind: .duration(.milliseconds(10) ... .seconds(600)),
            fallback: "10s",
            aliases: [
                .init(name: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", unit: "ms"),
                .init(name: "OTEL_EXPORTER_OTLP_TIMEOUT", unit: "ms"),
            ],
            help: "Time for one request to the receiver."
        ),
    ]

    private static let clickHouse: [ConfigurationKey] = [
        .init(path: "clickhouse.table", kind: .name, fallback: "otel_traces", help: "The table."),
        .init(
            path: "clickhouse.create",
            kind: .toggle,
            fallback: "true",
            help: "Whether database and table are made when they are not there."
        ),
        .init(
            path: "clickhouse.ttl",
            kind: .duration(.zero ... .seconds(10 * 365 * 86_400)),
            fallback: "30d",
            help: "How long a table that is made keeps spans; 0: for ever."
        ),
        .init(
            path: "clickhouse.compression",
            kind: .choice(["auto", "none", "gzip"]),
            fallback: "auto",
            help: "Whether spans are compressed; auto: unless ClickHouse is on this machine."
        ),
        .init(
            path: "clickhouse.timeout",
            kind: .duration(.milliseconds(10) ... .seconds(600)),
            fallback: "10s",
            help: "Time for one insert."
        ),
    ]

    private static let batches: [ConfigurationKey] = [
        .init(
            path: "telemetry.queue",
            kind: .integer(1...10_000_000),
            fallback: "32768",
            help: "Ended requests that wait to become spans; beyond it they have none, which is counted."
        ),
        .init(
            path: "telemetry.batch_spans",
            kind: .integer(1...1_000_000),
            fallback: "8192",
            help: "Spans that are sent at once."
        ),
        .init(
            path: "telemetry.batch_bytes",
            kind: .size(1024...(256 << 20)),
            fallback: "4MiB",
            help: "What they may take together."
        ),
        .init(
            path: "telemetry.interval",
            kind: .duration(.milliseconds(10) ... .seconds(300)),
            fallback: "1s",
            help: "Longest time before a span is sent."
        ),
        .init(
            path: "telemetry.spool",
            kind: .size((64 << 10)...(16 << 30)),
            fallback: "64MiB",
            help: "What waits in memory while nobody takes it; beyond it the oldest spans go, which is counted."
        ),
    ]
}
