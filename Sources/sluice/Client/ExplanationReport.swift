import SluiceWire

/// `sluice explain`: why a request waits, the sentence first.
struct ExplanationReport {
    let style: TextStyle

    func text(_ root: JSONValue) -> String {
        var text = self.style.bold(root["summary"]?.string ?? "") + "\n"
        text += self.style.dim(self.head(root)) + "\n"
        if let gates = root["gates"], gates.count > 0 { text += "\n" + self.gates(gates) }
        if let score = root["score"], score.kind == .object { text += "\n" + self.scores(score, root["winner"]) }
        if let share = root["tenant_share"], share.kind == .object { text += "\n" + self.share(share, root) + "\n" }
        return text
    }

    private func head(_ root: JSONValue) -> String {
        var parts = [root["id"]?.string ?? "", root["outcome"]?.string ?? root["state"]?.string ?? ""]
        parts.append("pool \(root["pool"]?.string ?? "")")
        if let position = root["position"]?.int { parts.append("place \(position) of \(root["queued"]?.int ?? 0)") }
        parts.append("waited \(ClientCommand.span(root["waited_ms"]?.double))")
        if root["outcome"]?.string == nil, let deadline = root["deadline_in_ms"]?.double {
            parts.append("deadline in \(ClientCommand.span(deadline))")
        }
        return parts.joined(separator: ", ")
    }

    private func gates(_ gates: JSONValue) -> String {
        var table = TextTable([
            ("GATE", .left), ("STATE", .left), ("MEASURED", .right), ("THRESHOLD", .right), ("UNIT", .left),
            ("OPENS IN", .right), ("", .left),
        ])
        gates.forEachElement { gate in
            let state = gate["state"]?.string ?? ""
            let paint: (String) -> String = { state == "open" ? self.style.green($0) : self.style.yellow($0) }
            let isTime = gate["unit"]?.string == "milliseconds"
            func measure(_ value: Double?) -> String {
                guard let value else { return "-" }
                return isTime ? ClientCommand.span(value) : Self.number(value)
            }
            let opensIn = gate["reopens_in_ms"]?.double
            table.add([
                .init(gate["gate"]?.string ?? ""), .init(state, paint), .init(measure(gate["value"]?.double)),
                .init(measure(gate["threshold"]?.double)),
                .init(isTime ? "" : Self.words(gate["unit"]?.string ?? "")),
                .init(opensIn == nil ? "" : ClientCommand.span(opensIn)), .init(gate["detail"]?.string ?? ""),
            ])
            return true
        }
        return table.render(style: self.style)
    }

    private func scores(_ score: JSONValue, _ winner: JSONValue?) -> String {
        let other = winner.flatMap { $0["score"] }.flatMap { $0.kind == .object ? $0 : nil }
        let name = winner?["id"]?.string ?? "OF ANOTHER TENANT"
        var table = TextTable([("SCORE", .left), ("IT", .right), (other == nil ? "" : "NEXT: \(name)", .right)])
        for part in [
            "priority", "efficiency", "wait_time", "retry", "token_fit", "processing_time", "total",
        ] {
            let paint: (String) -> String = { part == "total" ? self.style.bold($0) : $0 }
            table.add([
                .init(Self.words(part), paint), .init(Self.decimal(score[named: part]?.double), paint),
                .init(other.map { Self.decimal($0[named: part]?.double) } ?? "", paint),
            ])
        }
        return table.render(style: self.style)
    }

    private func share(_ share: JSONValue, _ root: JSONValue) -> String {
        let name = root["tenant"]?.string ?? ""
        var text = "tenant \(name): \(share["in_flight"]?.int ?? 0) running"
        if let maximum = share["max_in_flight"]?.int { text += " of at most \(maximum)" }
        text += ", \(share["queued"]?.int ?? 0) waiting, weight \(Self.number(share["weight"]?.double ?? 1))"
        guard let counter = share["counter"]?.double else { return text }
        text += "; served \(Self.number(counter)) weighted tokens"
        if let least = share["least_counter"]?.double {
            let who = share["least_tenant"]?.string.map { " (\($0))" } ?? ""
            text += ", the least served \(Self.number(least))\(who)"
        }
        return text
    }

    private static func words(_ name: String) -> String {
        name.split(separator: "_").joined(separator: " ")
    }

    private static func number(_ value: Double) -> String {
        guard abs(value) < 1e15 else { return "\(value)" }
        let tenths = (value * 10).rounded() / 10
        return tenths == tenths.rounded() ? String(Int(tenths)) : String(tenths)
    }

    /// With three decimals.
    private static func decimal(_ value: Double?) -> String {
        guard let value, abs(value) < 1e12 else { return "-" }
        let thousandths = Int((abs(value) * 1000).rounded())
        let fraction = String(1000 + thousandths % 1000).dropFirst()
        return (value < 0 ? "-" : "") + "\(thousandths / 1000).\(fraction)"
    }
}

extension ClientCommand {
    func explain() throws {
        let id = self.invocation.arguments.first ?? ""
        let body = try self.get(.get, "/api/requests/\(Self.escaped(id))/explain")
        if self.asJSON { return self.printRaw(body) }
        try JSON.read(body) { root in self.terminal.out(ExplanationReport(style: self.terminal.style).text(root)) }
    }
}
