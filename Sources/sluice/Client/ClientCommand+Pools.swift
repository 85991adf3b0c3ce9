import SluiceBasics
import SluiceWire

// `sluice pools`: what pools are and how they are changed.
extension ClientCommand {
    func pools() throws {
        let words = self.invocation.arguments
        guard let action = words.first else {
            let body = try self.get(.get, "/api/pools")
            if self.asJSON { return self.printRaw(body) }
            return try self.printPools(body)
        }
        guard words.count == 2 else {
            throw Failure(code: ExitCode.usage, message: "say which pool: sluice pools \(action) POOL")
        }
        let path = "/api/pools/\(Self.escaped(words[1]))"
        let body: [UInt8]
        switch action {
        case "pause", "resume", "drain": body = try self.get(.post, "\(path)/\(action)")
        case "set":
            guard let change = try PoolSettings.body(self.invocation) else {
                let some = PoolSettings.options.prefix(5).map { "--\($0.name)" }.joined(separator: ", ")
                throw Failure(code: ExitCode.usage, message: "say what to set: \(some), ...")
            }
            body = try self.get(.patch, path, body: change)
        default:
            throw Failure(code: ExitCode.usage, message: "'\(action)' is not known; known: pause, resume, drain, set")
        }
        if self.asJSON { return self.printRaw(body) }
        var whole = Array(#"{"pools":["#.utf8) + body
        whole += Array("]}".utf8)
        try self.printPools(whole)
    }

    private func printPools(_ body: [UInt8]) throws {
        var table = TextTable([
            ("POOL", .left), ("MODE", .left), ("QUEUED", .right), ("RUNNING", .right), ("SLOTS", .right),
            ("OLDEST", .right), ("BREAKER", .left), ("WAITING FOR", .left), ("BACKEND", .left),
        ])
        try JSON.read(body) { root in
            root["pools"]?.forEachElement { pool in
                table.add(self.poolRow(pool))
                pool["targets"]?.forEachElement { target in
                    table.add(self.targetRow(target))
                    return true
                }
                return true
            }
        }
        self.terminal.out(table.render(style: self.terminal.style))
    }

    /// A target of a routed pool, below its pool: whether it is asked, what runs there, and why it is left alone.
    private func targetRow(_ target: JSONValue) -> [TextTable.Cell] {
        let style = self.terminal.style
        let isReady = target["state"]?.string == "ready"
        let paint: (String) -> String = { isReady ? style.green($0) : style.yellow($0) }
        let none = TextTable.Cell("")
        var waits = target["cause"]?.string ?? "-"
        if let left = target["cools_for_ms"]?.double { waits += " \(Self.span(left))" }
        var figures = "\(target["attempts"]?.int ?? 0) calls, \(target["failures"]?.int ?? 0) failed"
        if let first = target["first_token_ms"]?.double { figures += ", first token \(Self.span(first))" }
        return [
            TextTable.Cell("  \(target["target"]?.string ?? "")"), TextTable.Cell(target["state"]?.string ?? "", paint),
            none, TextTable.Cell("\(target["in_flight"]?.int ?? 0)"), none, none, none, TextTable.Cell(waits),
            TextTable.Cell(figures),
        ]
    }

    /// `12/64`: of 64 slots the backend's latency allows 12.
    private static func slots(_ pool: JSONValue) -> TextTable.Cell {
        let slots = "\(pool["slots"]?.int ?? 0)"
        return TextTable.Cell(pool["concurrency_limit"]?.int.map { "\($0)/\(slots)" } ?? slots)
    }

    private func poolRow(_ pool: JSONValue) -> [TextTable.Cell] {
        let style = self.terminal.style
        let mode = pool["mode"]?.string ?? ""
        let breaker = pool["breaker"]?["state"]?.string ?? ""
        let modePaint: (String) -> String = { mode == "running" ? style.green($0) : style.yellow($0) }
        let breakerPaint: (String) -> String = { breaker == "closed" ? style.green($0) : style.red($0) }
        func count(_ name: StaticString) -> TextTable.Cell { TextTable.Cell("\(pool[name]?.int ?? 0)") }
        return [
            TextTable.Cell(pool["id"]?.string ?? "", style.bold),
            TextTable.Cell(mode, modePaint),
            count("queued"), count("in_flight"), Self.slots(pool),
            TextTable.Cell(Self.span(pool["oldest_queued_ms"]?.double)),
            TextTable.Cell(breaker, breakerPaint),
            TextTable.Cell(pool["waiting_reason"]?.string ?? "-"),
            TextTable.Cell(pool["backend_address"]?.string ?? ""),
        ]
    }
}
