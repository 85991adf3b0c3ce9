import SluiceBasics
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@main
struct Main {
    static func main() {
        let environment = ProcessEnvironment.all()
        let terminal = Terminal.standard(environment: environment)
        exit(Program(environment: environment, terminal: terminal).run(Array(CommandLine.arguments.dropFirst())))
    }
}

/// From a command line to an exit code.
struct Program {
    let environment: [String: String]
    let terminal: Terminal

    func run(_ words: [String]) -> Int32 {
        do throws(UsageError) {
            switch try ArgumentParser(root: CommandTree.root).parse(words) {
            case .help(let path):
                self.terminal.out(
                    HelpPage(
                        root: CommandTree.root,
                        path: path,
                        width: min(100, self.terminal.width ?? 80),
                        style: self.terminal.style
                    ).text
                )
                return ExitCode.success
            case .version: return self.version(asJSON: false)
            case .run(let invocation): return try self.run(invocation)
            }
        } catch {
            let command = (["sluice"] + error.command).joined(separator: " ")
            self.terminal.errorLine(self.terminal.errorStyle.red("error: ") + error.message)
            self.terminal.errorLine("See '\(command) --help'.")
            return ExitCode.usage
        }
    }

    private func run(_ invocation: Invocation) throws(UsageError) -> Int32 {
        switch invocation.command.first {
        case "serve", "gateway", "dispatcher":
            return ServeCommand(
                loader: try self.loader(invocation),
                role: invocation.command.first.flatMap { Role(rawValue: $0) } ?? .serve,
                isDemo: invocation.has("demo"),
                terminal: self.terminal
            ).run()
        case "mock": return try self.mock(invocation)
        case "config":
            return ConfigCommand(
                loader: try self.loader(invocation),
                asJSON: invocation.has("json"),
                onlyCheck: invocation.has("check"),
                terminal: self.terminal
            ).run()
        case "simulate":
            return try SimulateCommand(
                invocation: invocation,
                environment: self.environment,
                terminal: self.terminal
            ).run()
        case "lab": return try self.lab(invocation)
        case "version": return self.version(asJSON: invocation.has("json"))
        default: return try ClientCommand(invocation, self.environment, self.terminal).run()
        }
    }

    private func lab(_ invocation: Invocation) throws(UsageError) -> Int32 {
        let text = invocation.value("listen") ?? self.environment["SLUICE_LAB_LISTEN"] ?? "127.0.0.1:8402"
        guard let address = ListenAddress(text) else {
            throw UsageError("'\(text)' is not an address such as 127.0.0.1:8402.", command: invocation.command)
        }
        guard address.isLoopback || invocation.has("insecure") else {
            throw UsageError(
                "Whoever reaches \(text) could use the lab, and with it this machine's processor: there are no keys. "
                    + "Listen on 127.0.0.1, or say --insecure.",
                command: invocation.command
            )
        }
        return LabCommand(
            address: address,
            scenario: invocation.value("scenario"),
            trace: invocation.value("trace"),
            opensBrowser: invocation.has("open"),
            terminal: self.terminal
        ).run()
    }

    private func version(asJSON: Bool) -> Int32 {
        var json = JSONWriter()
        json.object { $0.field("version", Version.text) }
        self.terminal.line(asJSON ? String(decoding: json.bytes, as: UTF8.self) : "sluice \(Version.text)")
        return ExitCode.success
    }

    private func loader(_ invocation: Invocation) throws(UsageError) -> ConfigurationLoader {
        var flags: [ConfigurationLoader.Flag] = []
        for key in ConfigurationSchema.keys {
            guard let flag = key.flag, invocation.has(flag) else { continue }
            let value = invocation.value(flag) ?? ""
            flags.append(.init(path: key.path(for: "default"), name: flag, value: value.isEmpty ? "true" : value))
        }
        for pair in invocation.values("set") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else {
                throw UsageError("--set needs key=value, not '\(pair)'.", command: invocation.command)
            }
            flags.append(.init(path: parts[0], name: "set", value: parts[1]))
        }
        return ConfigurationLoader(
            flags: flags,
            environment: self.environment,
            file: invocation.value("config") ?? invocation.arguments.first ?? self.environment["SLUICE_CONFIG"]
        )
    }

    private func mock(_ invocation: Invocation) throws(UsageError) -> Int32 {
        func wrong(_ message: String) -> UsageError { UsageError(message, command: invocation.command) }
        func number(_ name: String, _ range: ClosedRange<Int>) throws(UsageError) -> Int? {
            guard let text = invocation.value(name) else { return nil }
            guard let value = Int(text), range.contains(value) else {
                throw wrong("--\(name) needs a number from \(range.lowerBound) to \(range.upperBound), not '\(text)'.")
            }
            return value
        }
        let text = invocation.value("listen") ?? self.environment["SLUICE_MOCK_LISTEN"] ?? "127.0.0.1:9400"
        guard let address = ListenAddress(text) else {
            throw wrong("'\(text)' is not an address such as 127.0.0.1:9400.")
        }
        var json = JSONWriter()
        json.object { json in
            if let value = invocation.value("latency") { json.field("latency", value) }
            if let value = invocation.value("first-token") { json.field("first_token", value) }
            for name in ["tokens-per-second", "tokens"] {
                guard let value = invocation.value(name) else { continue }
                json.field(name == "tokens" ? "tokens" : "tokens_per_second", Double(value) ?? -1)
            }
        }
        var behaviour = MockBehaviour()
        for source in [json.bytes, Array((invocation.value("behaviour") ?? "{}").utf8)] {
            do {
                try JSON.read(source) { root throws(MockBehaviour.Problem) in try behaviour.apply(root) }
            } catch let problem as MockBehaviour.Problem {
                throw wrong("\(problem.message).")
            } catch {
                throw wrong("--behaviour: \(error)")
            }
        }
        return MockCommand(
            address: address,
            behaviour: behaviour,
            seed: UInt64(try number("seed", 0...Int.max) ?? 1),
            threads: try number("threads", 1...256) ?? 1,
            terminal: self.terminal
        ).run()
    }
}
