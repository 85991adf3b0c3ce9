import SluiceBasics
import SluiceTelemetry
import SluiceTransport

/// Builds what sends spans and metrics elsewhere.
struct ExportWiring {
    let configuration: Configuration
    let role: Role
    /// Where `OTEL_*` names are looked for.
    var environment: [String: String] = [:]

    func sinks(_ reactors: ReactorGroup, _ clock: any TimeSource, _ log: EventLog) -> [any ExecutionSink] { [] }
}
