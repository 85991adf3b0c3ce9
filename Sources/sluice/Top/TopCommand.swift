import SluiceBasics
import SluiceDoctor
import SluiceWire

/// `sluice top`: reads what was asked for, and looks once or keeps looking.
struct TopCommand {
    private let command: ClientCommand
    private let interval: Duration
    private let limit: Int

    init(_ command: ClientCommand) throws(ClientCommand.Failure) {
        self.command = command
        self.interval = try Self.interval(command.invocation.value("interval"))
        self.limit = try Self.limit(command.invocation.value("limit"))
        guard !command.asJSON || command.invocation.has("once") else {
            throw Self.usage("--json needs --once: a view that changes is no document")
        }
    }

    private static func usage(_ message: String) -> ClientCommand.Failure {
        ClientCommand.Failure(code: ExitCode.usage, message: message)
    }

    /// More often than once a second would cost the gateway more than a view should.
    private static func interval(_ text: String?) throws(ClientCommand.Failure) -> Duration {
        guard let text else { return .seconds(1) }
        guard let span = DurationText.parse(text), span >= .seconds(1), span <= .seconds(3600) else {
            throw Self.usage("--interval needs a span from 1s to 1h, not '\(text)'")
        }
        return span
    }

    private static func limit(_ text: String?) throws(ClientCommand.Failure) -> Int {
        guard let text else { return 100 }
        guard let limit = Int(text), (1...250).contains(limit) else {
            throw Self.usage("--limit needs a number from 1 to 250, not '\(text)'")
        }
        return limit
    }

    func run() throws -> Int32 {
        let display = DisplayText.standard(environment: self.command.environment)
        if self.command.invocation.has("once") { return try self.once(display) }
        guard TerminalScreen.isPossible(environment: self.command.environment) else {
            throw Self.usage("there is no terminal to draw on; print one frame with 'sluice top --once'")
        }
        guard let bell = Doorbell() else {
            throw ClientCommand.Failure(code: ExitCode.failure, message: "there are no file descriptors left")
        }
        defer { bell.close() }
        var session = TopSession(
            client: self.command.client,
            renderer: TopRenderer(display: display),
            hasColour: self.command.terminal.style.isEnabled,
            interval: self.interval,
            limit: self.limit,
            bell: bell
        )
        return session.run()
    }

    /// Two looks, because rates need two.
    private func once(_ display: DisplayText) throws -> Int32 {
        let client = self.command.client
        var tracker = TopTracker(url: Self.shown(client.url))
        _ = try self.look(&tracker)
        client.pause(self.interval)
        let model = try self.look(&tracker)
        if self.command.asJSON {
            self.command.printRaw(TopDocument.write(model))
            return ExitCode.success
        }
        let lines = TopRenderer(display: display).page(model, columns: self.command.terminal.width ?? 10_000)
        let painter = ScreenPainter(hasColour: self.command.terminal.style.isEnabled)
        for line in lines {
            var text = painter.encode(line)
            while text.hasSuffix(" ") { text.removeLast() }
            self.command.terminal.line(text)
        }
        return ExitCode.success
    }

    private func look(_ tracker: inout TopTracker) throws -> TopModel {
        let clock = SystemClock()
        if tracker.identity == GatewayIdentity() {
            let answers = try TopFetch.identityPaths.map {
                try self.command.client.call(.get, $0, timeout: .seconds(10))
            }
            tracker.identity = TopFetch.identity(answers, at: clock.now().seconds)
        }
        let answers = try TopFetch.paths(limit: self.limit).map {
            try self.command.client.call(.get, $0, timeout: .seconds(10))
        }
        do {
            return tracker.model(try TopFetch.observation(answers, at: clock.now().seconds))
        } catch {
            throw ClientCommand.Failure(code: ExitCode.failure, message: error.message)
        }
    }

    /// A URL without user and password.
    static func shown(_ url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return url }
        let rest = url[scheme.upperBound...]
        let authority = rest.prefix { $0 != "/" }
        guard let at = authority.lastIndex(of: "@") else { return url }
        return String(url[..<scheme.upperBound] + rest[rest.index(after: at)...])
    }
}

extension Instant {
    var seconds: Double { Double(self.nanoseconds) / 1e9 }
}
