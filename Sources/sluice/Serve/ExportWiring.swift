import SluiceBasics
import SluiceGateway
import SluiceProviders
import SluiceTelemetry
import SluiceTransport
import SluiceWire

/// Builds what sends spans elsewhere.
struct ExportWiring {
    private let wiring: Wiring
    private let settings: TelemetrySettings
    private let identity: RuntimeIdentity
    private let contents: ContentShelf?
    /// Who has to be told of calls beside them.
    let observers: [any CompletionObserver]

    init(_ wiring: Wiring, _ identity: RuntimeIdentity) {
        self.wiring = wiring
        let settings = TelemetrySettings(wiring.configuration)
        self.settings = settings
        var identity = identity
        identity.serviceName = wiring.configuration.text("telemetry.service_name") ?? "sluice"
        identity.version = Version.text
        self.identity = identity
        guard settings.tracing != nil, let limit = settings.contentBytes else {
            self.contents = nil
            self.observers = []
            return
        }
        let shelf = ContentShelf()
        self.contents = shelf
        self.observers = [ContentCapture(shelf, maximumBytes: limit)]
    }

    /// So long for spans that nobody has taken yet, when the process ends.
    private static let lastLimit = Duration.seconds(5)

    /// What is to be done at the end.
    func farewell(_ exporters: [any SpanExporting], _ terminal: Terminal) -> @Sendable () async -> Void {
        {
            await withTaskGroup(of: (String, Int).self) { group in
                for exporter in exporters {
                    group.addTask { (exporter.name, await exporter.close(limit: Self.lastLimit)) }
                }
                for await (name, left) in group where left > 0 {
                    terminal.errorLine("telemetry: \(left) spans were not delivered to \(name)")
                }
            }
        }
    }

    func exporters(_ reactors: ReactorGroup, _ clock: any TimeSource, _ log: EventLog) -> [any SpanExporting] {
        guard self.settings.tracing != nil else { return [] }
        let client = ReactorHTTPClient(configuration: self.wiring.clientConfiguration(), reactors: reactors)
        let resource = SpanResource(self.identity, others: self.settings.resource)
        var exporters: [any SpanExporting] = []
        if let otlp = self.settings.otlp {
            let delivery = OTLPDelivery(otlp)
            switch otlp.encoding {
            case .protobuf:
                exporters.append(
                    self.exporter(ProtobufSpanEncoder(resource), delivery, client, reactors, clock, log)
                )
            case .json:
                exporters.append(self.exporter(JSONSpanEncoder(resource), delivery, client, reactors, clock, log))
            }
        }
        if let address = self.settings.clickHouse {
            let delivery = self.settings.delivery(address)
            exporters.append(self.exporter(NativeSpanEncoder(resource), delivery, client, reactors, clock, log))
        }
        return exporters
    }

    private func exporter<Encoder: SpanEncoder>(
        _ encoder: Encoder,
        _ delivery: any SpanDelivery,
        _ client: any HTTPClient,
        _ reactors: ReactorGroup,
        _ clock: any TimeSource,
        _ log: EventLog
    ) -> any SpanExporting {
        SpanExporter(
            self.spans,
            encoder: encoder,
            delivery: delivery,
            limits: self.settings.limits,
            contents: self.contents,
            client: client,
            clock: clock,
            seed: Digest.random(),
            spawn: { reactors.spawn($0) },
            sleep: { try await reactors.sleep(for: $0) },
            log: { log.record($0) }
        )
    }

    private var spans: ExecutionSpans {
        ExecutionSpans(
            identity: self.identity,
            sampler: self.settings.sampler,
            backends: self.places,
            includesRejected: self.wiring.configuration.toggle("telemetry.rejected"),
            isBeforeLists: self.wiring.role == .gateway,
            contractVersion: DispatchContract.version
        )
    }

    /// By backend. One that goes by the model's name is in many places, and has none.
    private var places: [String: BackendIdentity] {
        var places: [String: BackendIdentity] = [:]
        for name in self.wiring.configuration.names("backends") {
            guard let backend = try? self.wiring.backend(name), case .fixed(let target) = backend.way else { continue }
            places[name] = BackendIdentity(provider: target.provider, url: backend.address)
        }
        return places
    }
}
