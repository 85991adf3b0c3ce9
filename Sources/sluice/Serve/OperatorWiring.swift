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
        gateway.console = console
    }
}
