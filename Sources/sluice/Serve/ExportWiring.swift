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
    /// Prompts and answers on their way to OTLP and to ClickHouse, if they are captured.
    private let otlpContents: ContentShelf?
    private let clickHouseContents: ContentShelf?
    /// Who has to be told of calls beside them.
    let observers: [any CompletionObserver]

    init(_ wiring: Wiring, _ identity: RuntimeIdentity) {
        self.wiring = wiring
        let settings = TelemetrySettings(wiring.configuration)
        self.settings = settings
        var identity = identity
        identity.serviceName = settings.serviceName
        identity.version = Version.text
        self.identity = identity
        guard settings.tracing != nil, let limit = settings.contentBytes else {
            (self.otlpContents, self.clickHouseContents) = (nil, nil)
            self.observers = []
            return
        }
        self.otlpContents = settings.otlp.map { _ in ContentShelf() }
        self.clickHouseContents = settings.clickHouse.map { _ in ContentShelf() }
        let shelves = [self.otlpContents, self.clickHouseContents].compactMap { $0 }
        self.observers = [ContentCapture(shelves, maximumBytes: limit)]
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
                let encoder = ProtobufSpanEncoder(resource)
                exporters.append(
                    self.exporter(self.spans, encoder, delivery, self.otlpContents, client, reactors, clock, log)
                )
            case .json:
                let encoder = JSONSpanEncoder(resource)
                exporters.append(
                    self.exporter(self.spans, encoder, delivery, self.otlpContents, client, reactors, clock, log)
                )
            }
        }
        if let address = self.settings.clickHouse {
            let delivery = self.settings.delivery(address)
            let encoder = NativeSpanEncoder(resource)
            exporters.append(
                self.exporter(self.kept, encoder, delivery, self.clickHouseContents, client, reactors, clock, log)
            )
        }
        return exporters
    }

    private func exporter<Encoder: SpanEncoder>(
        _ spans: ExecutionSpans,
        _ encoder: Encoder,
        _ delivery: any SpanDelivery,
        _ contents: ContentShelf?,
        _ client: any HTTPClient,
        _ reactors: ReactorGroup,
        _ clock: any TimeSource,
        _ log: EventLog
    ) -> any SpanExporting {
        SpanExporter(
            spans,
            encoder: encoder,
            delivery: delivery,
            limits: self.settings.limits,
            contents: contents,
            client: client,
            clock: clock,
            seed: Digest.random(),
            spawn: { reactors.spawn($0) },
            sleep: { try await reactors.sleep(for: $0) },
            log: { log.record($0) }
        )
    }

    var spans: ExecutionSpans {
        ExecutionSpans(
            identity: self.identity,
            sampler: self.settings.sampler,
            backends: self.places,
            includesRejected: self.wiring.configuration.toggle("telemetry.rejected"),
            isBeforeLists: self.wiring.role == .gateway,
            contractVersion: DispatchContract.version
        )
    }

    /// For ClickHouse. Where history is derived from them it is of all requests, whatever is sampled.
    var kept: ExecutionSpans {
        var spans = self.spans
        guard HistoryWiring.kind(self.wiring.configuration) == "clickhouse" else { return spans }
        spans.sampler = SpanSampler(ratio: 1, respectsParent: false)
        spans.includesRejected = true
        return spans
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
