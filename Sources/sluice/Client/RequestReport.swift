import SluiceWire

/// One request for people.
struct RequestReport {
    let style: TextStyle

    func text(_ root: JSONValue) -> String {
        var lines = [self.style.bold(root["id"]?.string ?? "")]
        let state = root["outcome"]?.string ?? root["state"]?.string ?? ""
        let reason = root["reason"]?.string.map { " (\($0))" } ?? ""
        self.add("state", state + reason, to: &lines)
        self.add("message", root["message"]?.string, to: &lines)
        if let waiting = root["waiting"], let why = waiting["reason"]?.string {
            let estimate = waiting["estimated_start_ms"]?.double.map { ", about \(ClientCommand.span($0)) to go" } ?? ""
            let position = waiting["position"]?.int.map { ", position \($0)" } ?? ""
            self.add("waits", "\(why)\(position)\(estimate)", to: &lines)
        }
        for name in ["pool", "tenant", "priority", "model", "operation"] {
            self.add(name, root[named: name]?.string, to: &lines)
        }
        self.add("age", ClientCommand.span(root["age_ms"]?.double), to: &lines)
        if let usage = root["usage"], usage.kind == .object {
            let prompt = usage["prompt_tokens"]?.int ?? 0
            let completion = usage["completion_tokens"]?.int ?? 0
            self.add("tokens", "\(prompt) in, \(completion) out", to: &lines)
        }
        self.add("timeline", Self.timeline(root), to: &lines)
        root["attempts"]?.forEachElement { attempt in
            lines.append("  " + self.attempt(attempt))
            return true
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func add(_ name: String, _ value: String?, to lines: inout [String]) {
        guard let value, !value.isEmpty else { return }
        lines.append("  " + self.style.dim(name + String(repeating: " ", count: max(1, 10 - name.count))) + value)
    }

    /// `claimed 0.1 ms → started 0.1 ms → ...`
    static func timeline(_ root: JSONValue) -> String {
        var parts = ["queued 0 ms"]
        for (name, word) in [
            ("claimed", "claimed"), ("started", "started"), ("first_byte", "first byte"), ("ended", "done"),
        ] {
            guard let time = root["timings_ms"]?[named: name]?.double else { continue }
            parts.append("\(word) \(ClientCommand.span(time))")
        }
        return parts.joined(separator: " → ")
    }

    private func attempt(_ attempt: JSONValue) -> String {
        let number = attempt["number"]?.int ?? 0
        let status = attempt["status"]?.int.map { " status \($0)" } ?? ""
        let start = ClientCommand.span(attempt["started_ms"]?.double)
        let end = ClientCommand.span(attempt["ended_ms"]?.double)
        let head = "attempt \(number) at \(attempt["backend"]?.string ?? ""): \(start) to \(end)\(status)"
        guard let failure = attempt["class"]?.string else { return head }
        let retry = attempt["retry_delay_ms"]?.double.map { ", again after \(ClientCommand.span($0))" } ?? ""
        let detail = attempt["message"]?.string.map { ": \($0)" } ?? ""
        return head + " " + self.style.red(failure) + detail + retry
    }
}
