import SluiceBasics
import SluiceTelemetry

/// What the configuration says of spans.
struct TelemetrySettings {
    let configuration: Configuration

    init(_ configuration: Configuration) { self.configuration = configuration }

    /// `nil`: no OTLP.
    var otlp: OTLPSettings? {
        let exporters = self.configuration.list("telemetry.traces_exporter") ?? ["otlp"]
        guard !self.isDisabled, exporters.contains("otlp"), let url = self.tracesEndpoint else { return nil }
        return OTLPSettings(
            url: url,
            headers: self.configuration.table("telemetry.otlp.headers").map { ($0.name, Self.decoded($0.value)) },
            encoding: self.configuration.text("telemetry.otlp.protocol")
                .flatMap { OTLPSettings.Encoding(rawValue: $0) } ?? .protobuf,
            isCompressed: self.configuration.text("telemetry.otlp.compression") == "gzip",
            timeout: self.configuration.duration("telemetry.otlp.timeout")
        )
    }

    private var isDisabled: Bool { self.configuration.toggle("telemetry.disabled") }

    private var tracesEndpoint: String? {
        if let exact = self.configuration.text("telemetry.otlp.traces_endpoint") { return exact }
        guard var base = self.configuration.text("telemetry.otlp.endpoint") else { return nil }
        while base.hasSuffix("/") { base.removeLast() }
        return base + "/v1/traces"
    }

    /// `nil`: no ClickHouse.
    var clickHouse: ClickHouseAddress? {
        guard !self.isDisabled, let url = self.configuration.text("clickhouse.url") else { return nil }
        return ClickHouseAddress(
            url: url,
            user: self.configuration.text("clickhouse.user") ?? "default",
            password: self.configuration.text("clickhouse.password") ?? "",
            database: self.configuration.text("clickhouse.database") ?? "otel"
        )
    }

    func delivery(_ address: ClickHouseAddress) -> ClickHouseDelivery {
        let age = self.configuration.duration("clickhouse.ttl")
        let compression: SpanCompression =
            switch self.configuration.text("clickhouse.compression") {
            case "none": .none
            case "gzip": .gzip
            default: address.isLoopback ? .outage : .gzip
            }
        return ClickHouseDelivery(
            address,
            table: self.configuration.text("clickhouse.table") ?? "otel_traces",
            timeToLive: age > .zero ? age : nil,
            creates: self.configuration.toggle("clickhouse.create"),
            compression: compression,
            timeout: self.configuration.duration("clickhouse.timeout")
        )
    }

    var sampler: SpanSampler {
        let argument = "\(self.configuration.ratio("telemetry.sampler_arg"))"
        return self.configuration.text("telemetry.sampler").flatMap { SpanSampler(name: $0, argument: argument) }
            ?? SpanSampler()
    }

    /// `nil`: requests have no spans, and calls of backends none to name.
    var tracing: SpanSampler? { self.otlp == nil && self.clickHouse == nil ? nil : self.sampler }

    var limits: ExportLimits {
        var limits = ExportLimits()
        limits.queue = self.configuration.integer("telemetry.queue") ?? limits.queue
        limits.batchSpans = self.configuration.integer("telemetry.batch_spans") ?? limits.batchSpans
        limits.batchBytes = self.configuration.integer("telemetry.batch_bytes") ?? limits.batchBytes
        limits.interval = self.configuration.duration("telemetry.interval")
        limits.spoolBytes = self.configuration.integer("telemetry.spool") ?? limits.spoolBytes
        return limits
    }

    /// Largest prompt and answer in a span; `nil`: none are captured.
    var contentBytes: Int? {
        switch self.configuration.text("telemetry.content") {
        case "true", "SPAN_ONLY", "SPAN_AND_EVENT": self.configuration.integer("telemetry.max_content")
        default: nil
        }
    }

    /// `service.name` of everything that is exported: what it is called, or what is said of it besides.
    var serviceName: String {
        let setting = self.configuration.setting("telemetry.service_name")
        let named = setting.flatMap { $0.source == .standard ? nil : self.configuration.text($0.path) }
        let besides = self.resource.first { $0.name == "service.name" && !$0.value.isEmpty }?.value
        return named ?? besides ?? self.configuration.text("telemetry.service_name") ?? "sluice"
    }

    /// OpenTelemetry's variables for metrics, with what the file or a flag says where there is none.
    func metricVariables(_ environment: [String: String]) -> [String: String] {
        var variables = environment
        func fill(_ name: String, _ path: String, _ text: (ConfigurationValue) -> String?) {
            guard variables[name]?.isEmpty ?? true, let setting = self.configuration.setting(path) else { return }
            switch setting.source {
            // A variable of spans alone says nothing of metrics; one of both is there already.
            case .environment(let name) where name.hasPrefix("OTEL_"): return
            case .standard: return
            default: variables[name] = text(setting.value)
            }
        }
        fill("OTEL_SDK_DISABLED", "telemetry.disabled") { $0 == .toggle(true) ? "true" : nil }
        for (name, path) in [
            ("ENDPOINT", "endpoint"), ("PROTOCOL", "protocol"), ("COMPRESSION", "compression"),
        ] {
            fill("OTEL_EXPORTER_OTLP_\(name)", "telemetry.otlp.\(path)") { _ in
                self.configuration.text("telemetry.otlp.\(path)")
            }
        }
        fill("OTEL_EXPORTER_OTLP_TIMEOUT", "telemetry.otlp.timeout") { _ in
            String(Int(self.configuration.duration("telemetry.otlp.timeout").inMilliseconds))
        }
        fill("OTEL_EXPORTER_OTLP_HEADERS", "telemetry.otlp.headers") { _ in
            let headers = self.configuration.table("telemetry.otlp.headers")
            return headers.map { "\($0.name)=\(Self.encoded(Self.decoded($0.value)))" }.joined(separator: ",")
        }
        return variables
    }

    var resource: [(name: String, value: String)] {
        self.configuration.table("telemetry.resource").map { ($0.name, Self.decoded($0.value)) }
    }

    /// What would end a value in a variable.
    private static func encoded(_ text: String) -> String {
        text.replacing("%", with: "%25").replacing(",", with: "%2C").replacing(" ", with: "%20")
    }

    /// Values in OpenTelemetry's variables are percent-encoded.
    private static func decoded(_ text: String) -> String {
        guard text.contains("%") else { return text }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            else {
                bytes.append(byte)
                continue
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
