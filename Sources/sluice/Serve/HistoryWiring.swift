import SluiceBasics
import SluiceGateway
import SluiceStores
import SluiceTelemetry
import SluiceTransport

/// Builds what keeps executions beyond the process's memory.
struct HistoryWiring {
    /// The file cannot be used, and why.
    struct Problem: Error, CustomStringConvertible {
        var description: String
    }

    let configuration: Configuration
    let role: Role
    let identity: RuntimeIdentity

    init(_ configuration: Configuration, _ role: Role, _ fabric: FabricWiring?) {
        self.configuration = configuration
        self.role = role
        self.identity = RuntimeIdentity(configuration, role, fabric)
    }

    /// memory, sqlite or clickhouse.
    static func kind(_ configuration: Configuration) -> String {
        configuration.text("history.store") ?? (configuration.text("history.path") == nil ? "memory" : "sqlite")
    }

    /// `nil` unless history is kept in a file.
    ///
    /// - Throws: `Problem` when it cannot be.
    func file(_ clock: any TimeSource, _ log: EventLog) throws -> SQLiteExecutionStore? {
        guard Self.kind(self.configuration) == "sqlite", let path = self.configuration.text("history.path") else {
            return nil
        }
        var settings = SQLiteHistoryConfiguration(
            path: path,
            keep: self.configuration.duration("history.keep"),
            maximumBytes: self.configuration.integer("history.max_bytes") ?? 1 << 30
        )
        settings.timeout = self.configuration.duration("history.timeout")
        do throws(ExecutionStoreError) {
            return try SQLiteExecutionStore(
                settings,
                identity: self.identity,
                clock: clock,
                log: { log.record($0) }
            )
        } catch {
            throw Problem(description: error.message)
        }
    }

    /// What the gateway asks.
    func store(
        _ file: SQLiteExecutionStore?,
        _ telemetry: Telemetry,
        _ reactors: ReactorGroup,
        _ clock: any TimeSource,
        _ log: EventLog
    ) -> any ExecutionStore {
        if let file { return file }
        guard Self.kind(self.configuration) == "clickhouse", let url = self.configuration.text("clickhouse.url") else {
            return MemoryExecutionStore(telemetry.history, identity: self.identity, clock: clock)
        }
        var settings = ClickHouseHistoryConfiguration(url: url)
        settings.user = self.configuration.text("clickhouse.user") ?? settings.user
        settings.password = self.configuration.text("clickhouse.password") ?? ""
        settings.database = self.configuration.text("clickhouse.database") ?? settings.database
        settings.spans = self.configuration.text("clickhouse.table") ?? settings.spans
        settings.timeout = self.configuration.duration("history.timeout")
        settings.keep = self.configuration.duration("history.keep")
        let wiring = Wiring(configuration: self.configuration, role: self.role)
        let store = ClickHouseExecutionStore(
            settings,
            client: ReactorHTTPClient(configuration: wiring.clientConfiguration(), reactors: reactors),
            clock: clock,
            log: { log.record($0) }
        )
        reactors.spawn { await store.prepare() }
        return store
    }
}
