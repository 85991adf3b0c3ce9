import CLibUV
import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceGateway
import SluiceProviders
import SluiceStores
import SluiceTelemetry
import SluiceTransport
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `sluice serve`, `sluice gateway`, `sluice dispatcher`: the runtime, whole or a part of it.
struct ServeCommand {
    let loader: ConfigurationLoader
    let role: Role
    let isDemo: Bool
    let terminal: Terminal

    func run() -> Int32 {
        do {
            return try self.serve()
        } catch {
            self.terminal.errorLine(self.terminal.errorStyle.red("error: ") + "\(error)")
            return ExitCode.failure
        }
    }

    private struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private func serve() throws -> Int32 {
        let (configuration, keys) = try self.load()
        let (openFiles, clock) = (sluice_raise_open_files(), SystemClock())
        let reactors = try Self.reactors(configuration)
        var wiring = Wiring(configuration: configuration, role: self.role, environment: self.loader.environment)
        if self.isDemo { wiring.backendOverride = try self.startDemo(reactors, clock) }
        let (log, outlet) = try self.log(configuration, clock)
        let fabric = try self.fabric(wiring, reactors, clock, log)
        let producer = self.role == .gateway ? fabric?.producer(wiring) : nil
        let spending = try Self.spending(wiring, clock)
        let export = ExportWiring(wiring, RuntimeIdentity(configuration, self.role, fabric))
        let exporters = export.exporters(reactors, clock, log)
        let history = HistoryWiring(configuration, self.role, fabric)
        let (file, dead) = (try history.file(clock, log), OperatorWiring(configuration: configuration).dead(clock))
        let sinks: [any ExecutionSink] = [dead] + exporters.map { $0 } + (file.map { [$0] } ?? [])
        let telemetry = wiring.telemetry(clock, spending, sinks)
        let metricExporter = try MetricWiring(configuration: configuration, environment: self.loader.environment)
            .exporter(wiring, telemetry.metrics, reactors, clock, log)
        let dispatcher = wiring.dispatcher(reactors, telemetry, clock)
        let server = Lock<HTTPServer?>(nil)
        let around = AroundWiring(configuration: configuration, role: self.role)
        let webhooks = around.webhooks(reactors, clock, log)
        let lab = try LabWiring.make(configuration, clock)
        let gateway = Gateway(
            configuration: try Self.gatewayConfiguration(wiring, keys),
            dispatcher: dispatcher,
            client: producer.map { FabricClient($0) }
                ?? ReactorHTTPClient(configuration: wiring.clientConfiguration(), reactors: reactors),
            telemetry: telemetry,
            clock: clock,
            spawn: { reactors.spawn($0) },
            sleep: { try await reactors.sleep(for: $0) },
            log: { log.record($0) },
            spending: spending,
            cacheStore: try around.cacheStore(reactors, clock),
            observers: webhooks + export.observers,
            auditSink: OperatorWiring(configuration: configuration).auditSink(log),
            dead: dead,
            laboratory: lab?.laboratory,
            metricSources: ProcessMetrics.sources(server, telemetry.metrics, sinks, metricExporter)
                + [ExportMetrics(exporters)]
        )
        gateway.attach(history.store(file, telemetry, reactors, clock, log))
        let served = self.role == .gateway ? nil : fabric?.dispatcher(wiring, dispatcher, gateway)
        Self.attach(gateway, log, outlet, fabric, served, producer)
        let stops = Self.stops(reactors)
        self.reload(on: SIGHUP, reactors, wiring, gateway, dispatcher, log)
        let listening = try Self.listen(wiring, reactors, gateway, server)
        Self.run(gateway, producer, served, on: reactors)
        if let metricExporter { reactors.spawn { await metricExporter.run { await gateway.metricPage() } } }
        self.announce(configuration, wiring, port: listening.port, openFiles: openFiles, keys: keys.count)
        self.announce(fabric, served, producer)
        let shutdown = Shutdown(
            gateway: gateway,
            dispatcher: dispatcher,
            fabricDispatcher: served,
            producer: producer,
            server: listening,
            webhooks: webhooks,
            farewells: [MetricWiring.farewell(metricExporter, gateway), export.farewell(exporters, self.terminal)],
            reactors: reactors,
            clock: clock,
            limit: configuration.duration("drain"),
            terminal: self.terminal
        )
        self.end(stops, shutdown, reactors, outlet, clock) { self.close(file) }
        lab?.stop()
        return ExitCode.success
    }

    private static func run(
        _ gateway: Gateway,
        _ producer: Producer?,
        _ served: FabricDispatcher?,
        on reactors: ReactorGroup
    ) {
        reactors.spawn { await gateway.observe() }
        if let producer { reactors.spawn { await producer.run() } }
        if let served { reactors.spawn { await served.run() } }
    }

    private static func reactors(_ configuration: Configuration) throws -> ReactorGroup {
        let threads = configuration.integer("threads") ?? 0
        let reactors = try ReactorGroup(count: threads > 0 ? threads : Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        try reactors.start()
        return reactors
    }

    private static func listen(
        _ wiring: Wiring,
        _ reactors: ReactorGroup,
        _ gateway: Gateway,
        _ server: Lock<HTTPServer?>
    ) throws -> HTTPServer {
        let listening = try HTTPServer(
            configuration: wiring.serverConfiguration(),
            reactors: reactors,
            handler: gateway
        )
        server.withLock { $0 = listening }
        return listening
    }

    /// What the gateway shows and steers besides.
    private static func attach(
        _ gateway: Gateway,
        _ log: EventLog,
        _ outlet: LogOutlet,
        _ fabric: FabricWiring?,
        _ served: FabricDispatcher?,
        _ producer: Producer?
    ) {
        gateway.attach(SteeredLog(log: log, outlet: outlet))
        if let fabric { gateway.attach(FabricAccess(view: fabric.view(), dispatcher: served, producer: producer)) }
    }

    private static func spending(_ wiring: Wiring, _ clock: any TimeSource) throws -> SpendingBook {
        do {
            return try wiring.spending(clock)
        } catch {
            throw Failure(description: error.message)
        }
    }

    private static func gatewayConfiguration(_ wiring: Wiring, _ keys: [APIKey]) throws -> GatewayConfiguration {
        do {
            return try wiring.gatewayConfiguration(keys: keys)
        } catch {
            throw Failure(description: error.message)
        }
    }

    private func reload(
        on signal: Int32,
        _ reactors: ReactorGroup,
        _ wiring: Wiring,
        _ gateway: Gateway,
        _ dispatcher: Dispatcher,
        _ log: EventLog
    ) {
        let reload = Reload(
            loader: self.loader,
            wiring: wiring,
            gateway: gateway,
            dispatcher: dispatcher,
            log: log
        )
        reactors.onSignal(signal) { reload.run() }
    }

    /// What waits for a standard error that is held up.
    private static let maximumLogBytes = 4 << 20
    /// So long for it at the end.
    private static let logLimit = Duration.seconds(2)

    private func log(
        _ configuration: Configuration,
        _ clock: any TimeSource
    ) throws(ReactorError) -> (EventLog, LogOutlet) {
        let isTerminal = isatty(STDERR_FILENO) == 1
        let format =
            configuration.text("log.format").flatMap { EventLog.Format(rawValue: $0) }
            ?? (isTerminal ? .text : .json)
        let level = configuration.text("log.level") ?? "info"
        // A thread of its own, which nobody waits for: it may be held up.
        let writers = try ReactorGroup(count: 1)
        try writers.start()
        let lines = EventLog(format: format, level: level, clock: clock) { _ in }
        let outlet = LogOutlet(
            maximumBytes: Self.maximumLogBytes,
            run: { writers.spawn($0) },
            write: self.terminal.error,
            notice: { lines.line(LogEntry(.warning, "log lines dropped", [("lines", String($0))])) }
        )
        return (EventLog(format: format, level: level, clock: clock) { outlet.add($0) }, outlet)
    }

    /// - Parameter last: what has to be done when nothing runs any more.
    private func close(_ history: SQLiteExecutionStore?) {
        guard let lost = history?.close(), lost > 0 else { return }
        self.terminal.errorLine("history: \(lost) ended requests could not be written")
    }

    private func end(
        _ stops: StopRequests,
        _ shutdown: Shutdown,
        _ reactors: ReactorGroup,
        _ outlet: LogOutlet,
        _ clock: any TimeSource,
        last: () -> Void
    ) {
        stops.serve(shutdown)
        shutdown.wait()
        last()
        reactors.stop()
        let end = clock.now() + Self.logLimit
        while !outlet.isEmpty, clock.now() < end { usleep(1_000) }
    }

    /// Before anybody can know of this process: a signal must not meet the system's default, which is death.
    private static func stops(_ reactors: ReactorGroup) -> StopRequests {
        let stops = StopRequests()
        for number in [SIGTERM, SIGINT] { reactors.onSignal(number) { stops.request() } }
        return stops
    }

    private func load() throws -> (Configuration, [APIKey]) {
        do {
            let configuration = try self.loader.load()
            return (configuration, try KeysFile.keys(configuration))
        } catch let problems as ConfigurationProblems {
            throw Failure(description: problems.text)
        } catch let problem as KeysFile.Problem {
            throw Failure(description: problem.message)
        }
    }

    private func fabric(
        _ wiring: Wiring,
        _ reactors: ReactorGroup,
        _ clock: any TimeSource,
        _ log: EventLog
    ) throws -> FabricWiring? {
        guard var fabric = try FabricWiring.make(wiring, reactors, clock, log) else { return nil }
        fabric.warnings = try fabric.probe()
        return fabric
    }

    private func announce(_ fabric: FabricWiring?, _ dispatcher: FabricDispatcher?, _ producer: Producer?) {
        guard let fabric else { return }
        let warning = self.terminal.errorStyle.yellow("warning: ")
        let lines =
            ["  fabric \(fabric.place)\(Self.roles(dispatcher, producer))"]
            + fabric.warnings.map { "  \(warning)\($0)" }
        self.terminal.error(lines.joined(separator: "\n") + "\n")
    }

    private static func roles(_ dispatcher: FabricDispatcher?, _ producer: Producer?) -> String {
        if let dispatcher { return ": dispatcher \(dispatcher.configuration.dispatcherID)" }
        return producer.map { ": producer \($0.configuration.producerID)" } ?? ""
    }

    /// A simulated backend in this process, on a port of its own.
    private func startDemo(_ reactors: ReactorGroup, _ clock: any TimeSource) throws -> String {
        var behaviour = MockBehaviour()
        behaviour.latency = .lognormal(median: 60, sigma: 0.5)
        behaviour.firstToken = .lognormal(median: 120, sigma: 0.4)
        behaviour.tokensPerSecond = 60
        behaviour.tokens = 24
        let backend = MockBackend(behaviour, seed: 1, clock: clock, sleep: { try await reactors.sleep(for: $0) })
        let server = try HTTPServer(
            configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0),
            reactors: reactors,
            handler: backend
        )
        return "http://127.0.0.1:\(server.port)/v1"
    }

    private func announce(
        _ configuration: Configuration,
        _ wiring: Wiring,
        port: Int,
        openFiles: Int,
        keys: Int
    ) {
        let style = self.terminal.errorStyle
        let address = ListenAddress(host: wiring.listen.host, port: port)
        let scheme = configuration.text("tls.certificate_file") == nil ? "http" : "https"
        var lines = ["\(style.bold("sluice")) \(Version.text) listens on \(style.cyan("\(scheme)://\(address.text)"))"]
        for pool in wiring.pools() {
            let backend = wiring.address(of: pool.backend)
            lines.append("  pool \(pool.name): \(pool.slots) slots → \(backend)\(self.isDemo ? " (simulated)" : "")")
        }
        lines.append("  console \(scheme)://\(address.reachable)/")
        if keys == 0 {
            let warning = address.isLoopback ? "" : style.yellow("warning: ")
            lines.append("  \(warning)no API keys are configured: everybody who reaches this address may use it")
        }
        if openFiles > 0 && openFiles < 4096 {
            lines.append(
                "  " + style.yellow("warning: ")
                    + "only \(openFiles) open files are allowed, which bounds connections; raise it with ulimit -n"
            )
        }
        for warning in configuration.warnings { lines.append("  " + style.yellow("warning: ") + warning) }
        self.terminal.error(lines.joined(separator: "\n") + "\n")
    }
}
