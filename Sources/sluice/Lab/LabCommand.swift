import CLibUV
import SluiceBasics
import SluiceGateway
import SluiceSimulator
import SluiceTransport
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `sluice lab`: the lab by itself.
struct LabCommand {
    let address: ListenAddress
    let scenario: String?
    let trace: String?
    let opensBrowser: Bool
    let terminal: Terminal

    private static let scenarioLimit = 1 << 20
    private static let traceLimit = 1 << 28
    /// Traces larger than this come with `--trace`.
    private static let bodyLimit = 64 << 20
    private static let mostConnections = 64

    private struct Failure: Error {
        var message: String
    }

    /// What a page begins with.
    private struct Start {
        var scenario = LabPreset.all[0].scenario
        var workload: Workload?
        var document: [UInt8]?
    }

    func run() -> Int32 {
        do {
            let start = try self.start()
            let clock = SystemClock()
            var configuration = LabConfiguration()
            if let workload = start.workload {
                // It is always kept, however large.
                configuration.maximumTraceBytes += 2 * workload.arrivals.count * MemoryLayout<Arrival>.stride + 1 << 20
            }
            let wiring = try LabWiring(configuration, start: start.document, clock: clock)
            if let workload = start.workload, let name = start.scenario.trace {
                guard wiring.laboratory.keep(workload, named: name) else {
                    throw Failure(message: "the trace is too large")
                }
            }
            let reactors = try ReactorGroup(count: 1)
            try reactors.start()
            let done = Countdown(1)
            let server = try self.listen(wiring.laboratory, reactors)
            for number in [SIGTERM, SIGINT] {
                reactors.onSignal(number) {
                    reactors.spawn {
                        await server.stop(grace: .zero)
                        done.signal()
                    }
                }
            }
            self.announce(server.port)
            done.wait()
            reactors.stop()
            wiring.stop()
            return ExitCode.success
        } catch let failure as Failure {
            self.terminal.errorLine(self.terminal.errorStyle.red("error: ") + failure.message)
        } catch {
            self.terminal.errorLine(self.terminal.errorStyle.red("error: ") + "\(error)")
        }
        return ExitCode.failure
    }

    private func listen(_ laboratory: Laboratory, _ reactors: ReactorGroup) throws -> HTTPServer {
        var server = HTTPServerConfiguration(host: self.address.host, port: self.address.port)
        server.maximumBodyBytes = Self.bodyLimit
        server.maximumConnectionsPerReactor = Self.mostConnections
        let face = LabFace(laboratory, version: Version.text, isLocal: self.address.isLoopback)
        return try HTTPServer(configuration: server, reactors: reactors, handler: face)
    }

    private func announce(_ port: Int) {
        let url = "http://\(ListenAddress(host: self.address.host, port: port).reachable)/"
        self.terminal.errorLine("\(self.terminal.errorStyle.bold("sluice lab")) is at \(url)#/lab; Ctrl-C ends it")
        if !self.address.isLoopback {
            self.terminal.errorLine(
                self.terminal.errorStyle.yellow("warning: ") + "everybody who reaches this address may use it"
            )
        }
        if self.opensBrowser, !Self.open("\(url)#/lab") {
            self.terminal.errorLine(self.terminal.errorStyle.yellow("warning: ") + "no browser could be started")
        }
    }

    // MARK: What it begins with

    private func start() throws(Failure) -> Start {
        var start = Start()
        guard self.scenario != nil || self.trace != nil else { return start }
        if let path = self.scenario {
            let bytes = try Self.bytes(path, Self.scenarioLimit)
            do {
                try JSON.read(bytes) { root throws(LabFault) in
                    // As the page's share button and the API have it, or by itself.
                    try start.scenario.apply(root["scenario"] ?? root)
                }
            } catch let fault as LabFault {
                throw Failure(message: "\(path): \(fault.message)")
            } catch {
                throw Failure(message: "\(path): \(error)")
            }
        }
        var summary: [UInt8]?
        if let path = self.trace {
            let bytes = try Self.bytes(path, Self.traceLimit)
            do throws(TraceProblem) {
                let workload = try TraceReader.read(bytes)
                guard LabSimulation.mayReplay(workload) else {
                    throw TraceProblem(message: "it has more tenants than the lab follows")
                }
                start.workload = workload
                start.scenario.trace = Laboratory.traceName(bytes)
                summary = Laboratory.traceSummary(bytes, workload)
            } catch {
                throw Failure(message: "\(path): \(error.message)")
            }
        }
        var json = JSONWriter()
        let scenario = start.scenario
        json.object { json in
            json.object("scenario") { scenario.write(to: &$0) }
            if let summary { json.rawField("trace", summary) }
        }
        start.document = json.bytes
        return start
    }

    private static func bytes(_ path: String, _ limit: Int) throws(Failure) -> [UInt8] {
        do throws(FileError) { return try Files.read(path, limit: limit) } catch {
            throw Failure(message: error.message)
        }
    }

    /// Hands the address to whatever the desktop opens addresses with.
    private static func open(_ url: String) -> Bool {
        #if os(Linux)
            let program = "xdg-open"
        #else
            let program = "open"
        #endif
        var process = pid_t()
        var words: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup(url), nil]
        defer { for word in words { free(word) } }
        return posix_spawnp(&process, program, nil, nil, &words, environ) == 0
    }
}
