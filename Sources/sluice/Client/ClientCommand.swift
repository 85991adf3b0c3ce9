import SluiceDoctor
import SluiceWire

/// The commands that talk to a running gateway.
struct ClientCommand {
    struct Failure: Error {
        var code: Int32
        var message: String
    }

    let invocation: Invocation
    let client: OperatorClient
    let environment: [String: String]
    let terminal: Terminal

    init(_ invocation: Invocation, _ environment: [String: String], _ terminal: Terminal) throws(UsageError) {
        self.invocation = invocation
        self.environment = environment
        self.terminal = terminal
        let url = invocation.value("url") ?? environment["SLUICE_URL"] ?? "http://127.0.0.1:8400"
        do {
            var key = environment["SLUICE_API_KEY"]
            if let path = invocation.value("key-file") ?? environment["SLUICE_API_KEY_FILE"] {
                key = String(decoding: try Files.read(path, limit: 64 << 10), as: UTF8.self)
                    .split(whereSeparator: \.isNewline).first.map(String.init)
            }
            self.client = try OperatorClient(url: url, key: key)
        } catch let error as FileError {
            throw UsageError(error.message, command: invocation.command)
        } catch {
            throw UsageError("\(error)", command: invocation.command)
        }
    }

    var asJSON: Bool { self.invocation.has("json") }

    func run() -> Int32 {
        do {
            switch self.invocation.command.first {
            case "ls": try self.list()
            case "show": try self.show()
            case "history": try self.history()
            case "explain": try self.explain()
            case "cancel": try self.cancel()
            case "pools": try self.pools()
            case "top": return try TopCommand(self).run()
            case "doctor": return try DoctorCommand(self).run()
            default: try self.attempt()
            }
            return ExitCode.success
        } catch let failure as Failure {
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

    /// The body of a good answer; else the server's own message.
    func get(_ method: HTTPMethod, _ path: String, body: [UInt8] = []) throws -> [UInt8] {
        try Self.good(try self.client.call(method, path, body: body))
    }

    static func good(_ response: HTTPClientResponse) throws -> [UInt8] {
        guard (200..<300).contains(response.status) else {
            let message = try? JSON.read(response.body) { $0["error"]?["message"]?.string }
            throw Failure(
                code: response.status == 404 ? ExitCode.notFound : ExitCode.failure,
                message: (message ?? nil) ?? "the server answered with status \(response.status)"
            )
        }
        return response.body
    }

    func printRaw(_ bytes: [UInt8]) { self.terminal.line(String(decoding: bytes, as: UTF8.self)) }

    // MARK: ls

    private func list() throws {
        guard self.invocation.has("watch") else { return try self.listOnce() }
        while true {
            if self.terminal.width != nil { self.terminal.out("\u{1B}[H\u{1B}[2J") }
            try self.listOnce()
            self.client.pause(.seconds(1))
        }
    }

    private func listOnce() throws {
        var parameters: [String] = []
        for name in ["state", "pool", "tenant", "model", "reason", "limit"] {
            if let value = self.invocation.value(name) { parameters.append("\(name)=\(Self.escaped(value))") }
        }
        let query = parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&")
        let body = try self.get(.get, "/api/requests\(query)")
        if self.asJSON { return self.printRaw(body) }
        var table = TextTable([
            ("ID", .left), ("STATE", .left), ("WHY", .left), ("POOL", .left), ("TENANT", .left), ("MODEL", .left),
            ("AGE", .right), ("TRIES", .right),
        ])
        var count = 0
        try JSON.read(body) { root in
            root["requests"]?.forEachElement { row in
                table.add(self.row(row))
                count += 1
                return true
            }
        }
        if count == 0 { return self.terminal.line("No requests match.") }
        self.terminal.out(table.render(style: self.terminal.style))
    }

    static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.map { byte in
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: String(UnicodeScalar(byte))
            default: "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }.joined()
    }

    private func row(_ row: JSONValue) -> [TextTable.Cell] {
        let style = self.terminal.style
        let outcome = row["outcome"]?.string
        let state = outcome ?? row["state"]?.string ?? ""
        let paint: (String) -> String =
            switch state {
            case "done": style.green
            case "failed", "dead", "expired", "lost", "dropped": style.red
            case "queued": style.yellow
            case "cancelled": style.dim
            default: style.cyan
            }
        var why = row["reason"]?.string ?? ""
        if let waiting = row["waiting"], let reason = waiting["reason"]?.string {
            why = reason + (waiting["position"]?.int.map { " #\($0)" } ?? "")
        }
        return [
            .init(row["id"]?.string ?? ""), .init(state, paint), .init(why), .init(row["pool"]?.string ?? ""),
            .init(row["tenant"]?.string ?? ""), .init(row["model"]?.string ?? ""),
            .init(Self.span(row["age_ms"]?.double)), .init(String(row["attempts"]?.count ?? 0)),
        ]
    }

    /// Milliseconds for people.
    static func span(_ milliseconds: Double?) -> String { SpanText.format(milliseconds) }

    // MARK: show

    private func show() throws {
        let id = self.invocation.arguments.first ?? ""
        let body = try self.get(.get, "/api/requests/\(Self.escaped(id))")
        if self.asJSON { return self.printRaw(body) }
        try JSON.read(body) { root in self.terminal.out(RequestReport(style: self.terminal.style).text(root)) }
    }
}
