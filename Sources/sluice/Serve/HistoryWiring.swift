import SluiceBasics
import SluiceTelemetry
import SluiceTransport

/// Builds what keeps executions beyond the process's memory.
struct HistoryWiring {
    let configuration: Configuration
    let role: Role

    func sinks(_ reactors: ReactorGroup, _ clock: any TimeSource, _ log: EventLog) -> [any ExecutionSink] { [] }
}
