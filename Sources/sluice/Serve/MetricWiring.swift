import SluiceBasics
import SluiceGateway
import SluiceTelemetry
import SluiceTransport
import SluiceWire

/// Sends metrics to an OpenTelemetry receiver, as `OTEL_*` says it, or `telemetry.otlp`.
struct MetricWiring {
    let configuration: Configuration
    let environment: [String: String]

    /// `OTEL_METRIC_EXPORT_INTERVAL`, unless it says otherwise.
    private static let interval = Duration.seconds(60)
    /// For the last reading, when the process ends.
    private static let lastLimit = Duration.seconds(5)

    /// - Returns: `nil` where nothing is to be sent.
    /// - Throws: `OTLPEndpoint.Problem` for a variable that says what cannot be.
    func exporter(
        _ wiring: Wiring,
        _ metrics: Metrics,
        _ reactors: ReactorGroup,
        _ clock: any TimeSource,
        _ log: EventLog
    ) throws(OTLPEndpoint.Problem) -> MetricExporter? {
        let settings = TelemetrySettings(self.configuration)
        let environment = settings.metricVariables(self.environment)
        guard let endpoint = try OTLPEndpoint.read(.metrics, environment) else { return nil }
        let variables = OTELVariables(environment)
        let name = "OTEL_METRIC_EXPORT_INTERVAL"
        var interval = Self.interval
        if let text = variables.text(name) { interval = try OTELVariables.milliseconds(text, name) }
        return MetricExporter(
            endpoint: endpoint,
            origin: MetricOrigin(
                attributes: self.resource(settings),
                scopeVersion: Version.text,
                startedAt: metrics.startedAt
            ),
            interval: interval,
            client: ReactorHTTPClient(configuration: wiring.clientConfiguration(), reactors: reactors),
            clock: clock,
            sleep: { try await reactors.sleep(for: $0) },
            log: { log.record($0) }
        )
    }

    /// What is to be done at the end.
    static func farewell(_ exporter: MetricExporter?, _ gateway: Gateway) -> @Sendable () async -> Void {
        { await exporter?.end({ await gateway.metricPage() }, within: Self.lastLimit) }
    }

    /// Metrics and spans of one process say the same of it, wherever that was set.
    func resource(_ settings: TelemetrySettings) -> [(name: String, value: String)] {
        var attributes = [(name: "service.name", value: settings.serviceName)]
        func add(_ name: String, _ value: String) {
            if !attributes.contains(where: { $0.name == name }) { attributes.append((name, value)) }
        }
        for (name, value) in settings.resource { add(name, value) }
        add("service.version", Version.text)
        // Counters of two processes must not be taken for one's.
        add("service.instance.id", Self.newInstance())
        if let group = self.configuration.text("fabric.group_id") { add("sluice.fabric_group", group) }
        return attributes
    }

    /// A random UUID (version 4), as the conventions want it.
    private static func newInstance() -> String {
        let high = Digest.random() & ~0xF000 | 0x4000
        let low = Digest.random() & ~(0xC000 << 48) | 0x8000 << 48
        let text = Array(TraceIdentity.hex(high) + TraceIdentity.hex(low))
        return [text[0..<8], text[8..<12], text[12..<16], text[16..<20], text[20..<32]]
            .map { String($0) }.joined(separator: "-")
    }
}
