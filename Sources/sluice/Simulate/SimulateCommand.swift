import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceWire

/// `sluice simulate`: compares policies on the same arrivals, or records arrivals from a running system.
struct SimulateCommand {
    private struct Failure: Error {
        var message: String
    }

    let invocation: Invocation
    let environment: [String: String]
    let terminal: Terminal

    /// Largest trace that is read.
    private static let traceLimit = 1 << 30

    func run() throws(UsageError) -> Int32 {
        if self.invocation.has("record") { return try self.record() }
        for option in ["key-file"] where self.invocation.has(option) {
            throw UsageError("--\(option) is of use with --record only.", command: self.invocation.command)
        }
        let options = try SimulateOptions(self.invocation)
        do throws(Failure) {
            let workload = try self.workload(options)
            let reports = options.policies.map { policy in
                PoolSimulation.run(
                    workload.workload,
                    PoolSimulation.Configuration(
                        policy: policy,
                        slots: options.slots,
                        limit: options.limit,
                        backend: options.backend,
                        seed: options.seed,
                        duration: options.duration
                    ),
                    name: policy.name
                )
            }
            let summary = SimulationSummary(options: options, workload: workload, reports: reports)
            if self.invocation.has("json") {
                self.terminal.line(String(decoding: summary.document, as: UTF8.self))
            } else {
                let display = DisplayText.standard(environment: self.environment)
                self.terminal.out(summary.text(style: self.terminal.style, display: display))
            }
            return ExitCode.success
        } catch {
            self.terminal.errorLine(self.terminal.errorStyle.red("error: ") + error.message)
            return ExitCode.failure
        }
    }

    // MARK: Workload

    private func workload(_ options: SimulateOptions) throws(Failure) -> PreparedWorkload {
        var prepared: PreparedWorkload
        switch options.source {
        case .named(let name): prepared = PreparedWorkload(name, options)
        case .file(let path):
            do throws(TraceProblem) {
                prepared = PreparedWorkload(try TraceReader.read(try Self.bytes(path)), path: path, options)
            } catch {
                throw Failure(message: "\(path): \(error.message)")
            }
        }
        if let only = options.only {
            guard let alone = prepared.workload.only(tenant: only) else {
                let known = prepared.workload.tenants.prefix(20).joined(separator: ", ")
                throw Failure(message: "--only: there is no tenant '\(only)'; there are \(known)")
            }
            prepared.workload = alone
        }
        return prepared
    }

    private static func bytes(_ path: String) throws(TraceProblem) -> [UInt8] {
        do throws(FileError) {
            return try Files.read(path, limit: Self.traceLimit)
        } catch {
            let names = WorkloadShape.Name.allCases.map(\.rawValue).joined(separator: ", ")
            throw TraceProblem(message: "\(error.message); a workload is a file or one of \(names)")
        }
    }

    // MARK: Recording

    private func record() throws(UsageError) -> Int32 {
        let address = self.invocation.value("record") ?? ""
        let url = address.contains("://") ? address : "http://\(address)"
        var environment = self.environment
        environment["SLUICE_URL"] = url
        let command = try ClientCommand(self.invocation, environment, self.terminal)
        do {
            let lines = try TraceRecorder.record { path in try command.get(.get, path) }
            for line in lines { self.terminal.line(line) }
            self.terminal.errorLine("Recorded \(lines.count) requests from \(url).")
            return ExitCode.success
        } catch let failure as ClientCommand.Failure {
            self.terminal.errorLine(self.terminal.errorStyle.red("error: ") + failure.message)
            return failure.code
        } catch let unreachable as OperatorClient.Unreachable {
            self.terminal.errorLine(self.terminal.errorStyle.red("error: ") + unreachable.message)
            return ExitCode.unreachable
        } catch {
            self.terminal.errorLine(self.terminal.errorStyle.red("error: ") + "\(error)")
            return ExitCode.failure
        }
    }
}

/// A workload, and what is said of it.
struct PreparedWorkload {
    var workload: Workload
    /// Its name or its file.
    var name: String
    var explanation: String
    /// Arrivals per second and share of the capacity that is asked for; `nil`: at once, or in a closed loop.
    var rate: Double?
    var load: Double?

    init(_ name: WorkloadShape.Name, _ options: SimulateOptions) {
        var shape = WorkloadShape(name, tenants: options.tenants)
        if let error = options.estimateError { shape.estimateError = error }
        if let loop = options.loop { shape.loop = loop }
        if options.hasDeadline {
            for kind in shape.kinds.indices { shape.kinds[kind].deadline = options.deadline }
        }
        let means = shape.means(options.backend)
        let capacity = Self.capacity(options, tokens: means.tokens, service: means.service)
        let rate = options.rate ?? (options.load ?? name.load) * capacity
        self.workload = shape.workload(
            rate: rate,
            requests: options.requests,
            duration: options.duration,
            seed: options.seed
        )
        self.name = name.rawValue
        self.explanation = name.explanation
        if shape.loop == nil, shape.process != .atOnce {
            self.rate = rate
            self.load = rate / capacity
        }
    }

    /// A trace keeps its pace unless a load or a rate is asked for: then time is stretched.
    init(_ recorded: Workload, path: String, _ options: SimulateOptions) {
        self.workload = recorded
        self.name = path
        self.explanation = "recorded requests"
        for number in self.workload.arrivals.indices {
            if options.ignoresRecordedService { self.workload.arrivals[number].service = nil }
            if options.hasDeadline { self.workload.arrivals[number].deadline = options.deadline }
        }
        self.workload.arrivals = Array(self.workload.arrivals.prefix(options.requests))
        let arrivals = self.workload.arrivals
        guard let last = arrivals.last, last.at > .zero, arrivals.count > 1 else { return }
        let count = Double(arrivals.count)
        let service = arrivals.reduce(0) {
            $0 + options.backend.service(of: $1, running: 1, slots: options.slots).inSeconds
        }
        let tokens = arrivals.reduce(0.0) { $0 + Double($1.tokens) }
        let capacity = Self.capacity(options, tokens: tokens / count, service: service / count)
        let pace = (count - 1) / last.at.inSeconds
        let rate = options.rate ?? options.load.map { $0 * capacity } ?? pace
        if rate != pace {
            for number in arrivals.indices {
                let at = arrivals[number].at.inSeconds * pace / rate
                self.workload.arrivals[number].at = .nanoseconds(Int64(min(9e18, at * 1e9)))
            }
        }
        self.rate = rate
        self.load = rate / capacity
    }

    /// Requests per second that slots and limits allow at best.
    private static func capacity(_ options: SimulateOptions, tokens: Double, service: Double) -> Double {
        var capacity = Double(options.slots) / max(1e-9, service)
        if let perMinute = options.limit?.tokensPerMinute {
            capacity = min(capacity, Double(perMinute) / 60 / max(1, tokens))
        }
        if let perMinute = options.limit?.requestsPerMinute { capacity = min(capacity, Double(perMinute) / 60) }
        return capacity
    }
}
