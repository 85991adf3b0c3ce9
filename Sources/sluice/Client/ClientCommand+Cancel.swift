import SluiceWire

// `sluice cancel`: by name, or all that have something in common.
extension ClientCommand {
    static let cancelOptions: [OptionShape] =
        Self.cancelFilters.map { OptionShape($0.option, value: $0.value, repeats: $0.option != "find", $0.help) } + [
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
        case (true, false): try self.cancelMatching(try Self.filter(wanted))
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

    private static func filter(_ wanted: [(name: String, values: [String])]) throws -> [UInt8] {
        var json = JSONWriter()
        try wanted.forEach { name, values in
            // `--find "$ID"` with nothing in it must not mean everything.
            guard values.allSatisfy({ !$0.isEmpty }) else {
                throw Failure(code: ExitCode.usage, message: "an option's value is empty, which would mean everything")
            }
            guard name != "q" || values.count == 1 else {
                throw Failure(code: ExitCode.usage, message: "--find can be given once")
            }
        }
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

    /// A dry run names all of them, and these are taken part by part as long as they match: none that come meanwhile.
    private func cancelMatching(_ filter: [UInt8]) throws {
        let meant = try self.count(filter)
        guard self.invocation.has("yes") else {
            if self.asJSON { return self.printRaw(meant.body) }
            for id in meant.ids.prefix(5) { self.terminal.line(id) }
            if meant.ids.count > 5 { self.terminal.line("...") }
            return self.terminal.line("\(meant.ids.count) would be cancelled by --yes\(meant.rest).")
        }
        var cancelled = 0
        for start in stride(from: 0, to: meant.ids.count, by: Self.cancelledAtOnce) {
            let end = min(meant.ids.count, start + Self.cancelledAtOnce)
            cancelled += try self.cancel(meant.ids[start..<end], filter)
        }
        if self.asJSON {
            var json = JSONWriter()
            json.object { json in
                json.field("count", cancelled)
                json.field("matched", meant.matched)
                json.field("elsewhere", meant.elsewhere)
            }
            return self.printRaw(json.bytes)
        }
        self.terminal.line("\(cancelled) of \(meant.ids.count) cancelled or told to stop\(meant.rest).")
    }

    private static let cancelledAtOnce = 1_000

    private struct Meant {
        var body: [UInt8]
        var ids: [String] = []
        var matched = 0
        var elsewhere = 0
        var complaint: String?

        /// What is not among the ids, in words.
        var rest: String {
            var words = self.elsewhere > 0 ? "; \(self.elsewhere) more that another process has" : ""
            let others = self.matched - self.elsewhere - self.ids.count
            if others > 0 { words += "; \(others) more for another time" }
            if let complaint { words += "; what other processes have is not known (\(complaint))" }
            return words
        }
    }

    private func count(_ filter: [UInt8]) throws -> Meant {
        var json = JSONWriter()
        json.object { json in
            json.rawField("filter", filter)
            json.field("dry_run", true)
        }
        let body = try self.get(.post, "/api/live/cancel", body: json.bytes)
        var meant = Meant(body: body)
        try JSON.read(body) { root in
            root["ids"]?.forEachElement { id in
                if let id = id.string { meant.ids.append(id) }
                return true
            }
            meant.matched = root["matched"]?.int ?? 0
            meant.elsewhere = root["elsewhere"]?.int ?? 0
            meant.complaint = root["fabric_error"]?.string
        }
        return meant
    }

    private func cancel(_ ids: ArraySlice<String>, _ filter: [UInt8]) throws -> Int {
        var json = JSONWriter()
        json.object { json in
            json.array("ids") { json in for id in ids { json.value(id) } }
            json.rawField("filter", filter)
        }
        let body = try self.get(.post, "/api/live/cancel", body: json.bytes)
        return try JSON.read(body) { $0["count"]?.int ?? 0 }
    }
}
