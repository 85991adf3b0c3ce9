import SluiceBasics
import SluiceGateway

/// The operator's surface as the configuration has it.
struct OperatorWiring {
    let configuration: Configuration

    func configure(_ gateway: inout GatewayConfiguration) {
        var console = ConsoleConfiguration()
        console.isReadOnly = self.configuration.toggle("console.read_only")
        console.pathPrefix = self.configuration.text("http.path_prefix") ?? ""
        console.traceURL = self.configuration.text("console.trace_url")
        console.fabrics = self.configuration.table("console.fabrics").map { ($0.name, $0.value) }
        console.history = HistoryWiring.kind(self.configuration)
        console.payloadBytes = self.configuration.integer("payloads.max_bytes") ?? 0
        console.payloadAge = self.configuration.duration("payloads.max_age")
        gateway.console = console
    }

    func dead(_ clock: any TimeSource) -> DeadBox {
        var limits = DeadLimits()
        limits.maximumRequests = self.configuration.integer("dead.max_requests") ?? limits.maximumRequests
        limits.maximumBytes = self.configuration.integer("dead.max_bytes") ?? limits.maximumBytes
        limits.age = self.configuration.duration("dead.max_age")
        limits.redriveRate = self.configuration.integer("dead.redrive_rate") ?? limits.redriveRate
        return DeadBox(limits: limits, clock: clock)
    }

    /// `nil`: the audit is kept in memory only.
    func auditSink(_ log: EventLog) -> (any AuditSink)? {
        self.configuration.text("audit.path").map { AuditFile(path: $0) { log.record($0) } }
    }
}
