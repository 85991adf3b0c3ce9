import SluiceWire

// `sluice cancel`: by name, or all that have something in common.
extension ClientCommand {
    static let cancelOptions: [OptionShape] =
        Self.cancelFilters.map { OptionShape($0.option, value: $0.value, repeats: true, $0.help) } + [
            OptionShape("yes", "Cancel what matches; else it is only counted.")
        ]

    /// Options, and what they are called in the filter.
    private static let cancelFilters: [(option: String, parameter: String, value: String, help: String)] = [
        ("state", "state", "state", "queued, claimed, started, streaming, pending, in_flight."),
        ("pool", "pool", "pool", "Of this pool."),
        ("tenant", "tenant", "tenant", "Of this tenant."),
        ("model", "model", "model", "For this model."),
        ("producer", "producer", "producer", "From this producer."),
        ("reason", "waiting", "reason", "That wait for this reason."),
        ("find", "q", "text", "With this text in an id, model, tenant, producer or pool."),
    ]

    func cancel() throws {
        let given = Self.cancelFilters.map { ($0.parameter, self.invocation.values($0.option)) }
        let wanted = given.filter { !$0.1.isEmpty }
        switch (self.invocation.arguments.isEmpty, wanted.isEmpty) {
        case (true, true):
            throw Failure(
                code: ExitCode.usage,
                message: "name the requests to cancel, or say which by --pool, --state and others; see 'sluice ls'"
            )
        case (false, false):
            throw Failure(code: ExitCode.usage, message: "ids or a filter say which requests are meant, not both")
        case (false, true): try self.cancelNamed()
        case (true, false): try self.cancelMatching(Self.filter(wanted))
        }
    }

    private func cancelNamed() throws {
        for id in self.invocation.arguments {
            let body = try self.get(.post, "/api/requests/\(Self.escaped(id))/cancel")
            if self.asJSON {
                self.printRaw(body)
                continue
            }
            let answer = try JSON.read(body) { $0["answer"]?.string ?? "" }
            self.terminal.line("\(id) \(answer)")
        }
    }

    private static func filter(_ wanted: [(name: String, values: [String])]) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            for (name, values) in wanted {
                if name == "q" {
                    json.field(name, values.last)
                } else {
                    json.array(name) { json in for value in values { json.value(value) } }
                }
            }
        }
        return json.bytes
    }

    /// Part by part, each named exactly by a dry run, until as many have been looked at as matched at the beginning:
    /// those that come meanwhile are not hunted.
    private func cancelMatching(_ filter: [UInt8]) throws {
        let first = try self.count(filter)
        guard self.invocation.has("yes") else {
            if self.asJSON { return self.printRaw(first.body) }
            for id in first.ids.prefix(5) { self.terminal.line(id) }
            if first.ids.count > 5 { self.terminal.line("...") }
            let skipped = first.skipped > 0 ? ", and \(first.skipped) that another process has" : ""
            return self.terminal.line("\(first.matched - first.skipped) would be cancelled by --yes\(skipped).")
        }
        var (part, cancelled, looked) = (first, 0, 0)
        while !part.ids.isEmpty {
            cancelled += try self.cancel(part.ids)
            looked += part.ids.count
            guard looked < first.matched else { break }
            part = try self.count(filter)
        }
        if self.asJSON {
            var json = JSONWriter()
            json.object { json in
                json.field("count", cancelled)
                json.field("matched", first.matched)
            }
            return self.printRaw(json.bytes)
        }
        self.terminal.line("\(cancelled) of \(first.matched) cancelled or told to stop.")
    }

    private struct Part {
        var body: [UInt8]
        var ids: [String] = []
        var matched = 0
        var skipped = 0
    }

    private func count(_ filter: [UInt8]) throws -> Part {
        var json = JSONWriter()
        json.object { json in
            json.rawField("filter", filter)
            json.field("dry_run", true)
        }
        let body = try self.get(.post, "/api/live/cancel", body: json.bytes)
        var part = Part(body: body)
        try JSON.read(body) { root in
            root["ids"]?.forEachElement { id in
                if let id = id.string { part.ids.append(id) }
                return true
            }
            part.matched = root["matched"]?.int ?? 0
            part.skipped = root["skipped"]?.count ?? 0
        }
        return part
    }

    private func cancel(_ ids: [String]) throws -> Int {
        var json = JSONWriter()
        json.object { json in json.array("ids") { json in for id in ids { json.value(id) } } }
        let body = try self.get(.post, "/api/live/cancel", body: json.bytes)
        return try JSON.read(body) { $0["count"]?.int ?? 0 }
    }
}
