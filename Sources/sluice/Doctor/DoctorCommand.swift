import SluiceBasics
import SluiceDoctor
import SluiceProviders
import SluiceWire

/// `sluice doctor`: looks at a running gateway for a while and says what is wrong.
struct DoctorCommand {
    private let command: ClientCommand
    private let watchFor: Duration
    private let stuckAfter: Duration

    /// Looks while it watches, at most; fewer when that would be more than one a second.
    private static let maximumLooks = 10
    private static let callTimeout = Duration.seconds(5)

    init(_ command: ClientCommand) throws(ClientCommand.Failure) {
        self.command = command
        self.watchFor = try Self.span(command, "watch-for", .seconds(5), .seconds(1)...(.seconds(3600)))
        self.stuckAfter = try Self.span(command, "stuck-after", .seconds(30), .milliseconds(1)...(.seconds(86_400)))
    }

    private static func span(
        _ command: ClientCommand,
        _ name: String,
        _ preset: Duration,
        _ range: ClosedRange<Duration>
    ) throws(ClientCommand.Failure) -> Duration {
        guard let text = command.invocation.value(name) else { return preset }
        guard let span = DurationText.parse(text), range.contains(span) else {
            throw ClientCommand.Failure(
                code: ExitCode.usage,
                message: "--\(name) needs a span from \(DurationText.format(range.lowerBound)) to "
                    + "\(DurationText.format(range.upperBound)), not '\(text)'"
            )
        }
        return span
    }

    func run() -> Int32 {
        let seen = self.watch()
        let report = DoctorReport(
            url: TopCommand.shown(self.command.client.url),
            findings: DoctorChecks.all(seen),
            watched: (seen.samples.last?.at ?? 0) - (seen.samples.first?.at ?? 0),
            looks: seen.samples.count
        )
        if self.command.asJSON {
            self.command.printRaw(report.document)
        } else {
            let terminal = self.command.terminal
            let display = DisplayText.standard(environment: self.command.environment)
            terminal.out(report.text(style: terminal.style, display: display))
        }
        return report.findings.isEmpty ? ExitCode.success : ExitCode.failure
    }

    private func watch() -> DoctorCase {
        let gaps = max(1, min(Self.maximumLooks, Int(self.watchFor.inSeconds)))
        var seen = DoctorCase(samples: [self.look()], stuckAfter: self.stuckAfter.inSeconds)
        for _ in 0..<gaps {
            // Nothing changes about a gateway that nobody reaches or a key that is wrong.
            if seen.samples.count == 1, seen.samples[0].trouble != nil { return seen }
            self.command.client.pause(self.watchFor / gaps)
            seen.samples.append(self.look())
        }
        guard seen.last != nil else { return seen }
        seen.ended = self.requests("ended")
        seen.live = self.requests("live") ?? []
        return seen
    }

    private func requests(_ state: String) -> [DoctorRequest]? {
        guard let answer = try? self.get("/api/requests?state=\(state)&limit=200"), answer.status == 200 else {
            return nil
        }
        return try? DoctorRequest.list(answer.body)
    }

    private func get(_ path: String) throws(OperatorClient.Unreachable) -> HTTPClientResponse {
        try self.command.client.call(.get, path, timeout: Self.callTimeout)
    }

    private func look() -> DoctorSample {
        let clock = SystemClock()
        var sample = DoctorSample(at: clock.now().seconds, localTime: Double(clock.wallClockNanoseconds()) / 1e9)
        do throws(OperatorClient.Unreachable) {
            let health = try self.get("/healthz")
            sample.localTime = Double(clock.wallClockNanoseconds()) / 1e9
            sample.gatewayTime = health.headers["date"].flatMap { HTTPDate.seconds($0, now: 0) }.map { Double($0) }
            sample.health = DoctorSample.State(health.body)
            sample.readiness = DoctorSample.State(try self.get("/readyz").body)
            let pools = try self.get("/api/pools")
            guard pools.status == 200 else {
                sample.trouble = Self.trouble(pools)
                return sample
            }
            do throws(OperatorClient.Unreachable) {
                let runtime = try self.get("/api/llm-dispatch/runtime?limit=250")
                Self.read(pools, runtime, into: &sample)
            } catch {
                // It waits for Valkey; the gateway itself has answered.
                Self.read(pools, nil, into: &sample)
                sample.runtimeTrouble = error.message
                return sample
            }
            let metrics = try self.get("/metrics")
            sample.failuresByClass = metrics.status == 200 ? FailureMetrics.read(metrics.body) : nil
        } catch {
            sample.trouble = .unreachable(error.message)
        }
        return sample
    }

    private static func read(
        _ pools: HTTPClientResponse,
        _ runtime: HTTPClientResponse?,
        into sample: inout DoctorSample
    ) {
        do {
            sample.pools = try PoolReading.read(pools.body)
            if let runtime, runtime.status == 200 {
                sample.runtime = try RuntimeReading.read(runtime.body)
            } else if let runtime {
                sample.runtimeTrouble = "status \(runtime.status)"
            }
            guard sample.pools.isEmpty, sample.runtime == RuntimeReading() else { return }
            sample.trouble = .unreadable("there are neither pools nor dispatchers in the answers")
        } catch {
            sample.trouble = .unreadable("\(error)")
        }
    }

    private static func trouble(_ answer: HTTPClientResponse) -> DoctorSample.Trouble {
        let said = try? JSON.read(answer.body) { $0["error"]?["message"]?.string }
        let message = (said ?? nil) ?? "no message"
        guard [401, 403].contains(answer.status) else { return .unreadable("status \(answer.status): \(message)") }
        return .refused(status: answer.status, message)
    }
}
