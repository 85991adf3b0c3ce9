import SluiceBasics
import SluiceWire

// sluice history: what has ended, from the store that keeps it.
extension ClientCommand {
    /// Options that are filters of `/api/executions`, by name; those that may be given several times mean "or".
    private static let filters: [(option: String, parameter: String, value: String, help: String)] = [
        ("pool", "pool", "pool", "Of this pool; !pool: of any other."), ("model", "model", "model", "For this model."),
        ("tenant", "tenant", "tenant", "Of this tenant."), ("producer", "producer", "producer", "Of this producer."),
        ("gateway", "gateway", "gateway", "Through this gateway."),
        ("dispatcher", "dispatcher", "dispatcher", "Executed by this dispatcher."),
        ("backend", "backend", "backend", "Answered by this backend."),
        ("outcome", "outcome", "outcome", "done, failed, cancelled, expired, rejected, dropped, lost, dead."),
        ("reason", "reason", "reason", "That ended for this reason."),
        ("error-class", "error_class", "class", "With this class of error."),
        ("trace", "trace_id", "id", "Of this trace."),
    ]

    private static let bounds: [(option: String, parameter: String, help: String)] = [
        ("from", "from", "Ended since: -15m (default: -24h), 2026-01-31T08:00:00Z, or seconds since 1970."),
        ("to", "to", "Ended before."), ("over", "latency_over_ms", "That took longer than this, e.g. 30s."),
        ("under", "latency_under_ms", "That took less."), ("queued-over", "queue_over_ms", "That waited longer."),
        ("tokens-over", "tokens_over", "With more tokens."), ("attempts-over", "attempts_over", "With more attempts."),
        ("find", "q", "With this text in an id."),
    ]

    private static let figures: [(option: String, help: String)] = [
        ("by", "Figures instead of rows, by up to three of pool, model, tenant, outcome, backend, ..."),
        ("bucket", "Figures for each span of this length, e.g. 5m."),
    ]

    static let historyOptions: [OptionShape] =
        Self.filters.map { OptionShape($0.option, value: $0.value, repeats: true, $0.help) }
        + Self.bounds.map { OptionShape($0.option, value: "value", $0.help) }
        + Self.figures.map { OptionShape($0.option, value: "value", $0.help) }
        + [
            OptionShape("sort", value: "order", "ended, latency, queue, tokens or cost; -: greatest first."),
            OptionShape("limit", value: "n", "At most so many (default: 50)."),
            OptionShape("all", "All that match, up to a million, as a stream; with --csv or --jsonl."),
            OptionShape("csv", "As CSV."), OptionShape("jsonl", "As JSON, a row on each line."),
            OptionShape("follow", "Then show what ends from now on, until Ctrl-C."),
        ]

    func history() throws {
        var parameters: [(name: String, value: String)] = []
        for filter in Self.filters {
            for value in self.invocation.values(filter.option) { parameters.append((filter.parameter, value)) }
        }
        for bound in Self.bounds {
            guard let value = self.invocation.value(bound.option) else { continue }
            let isSpan = bound.parameter.hasSuffix("_ms")
            parameters.append((bound.parameter, isSpan ? try Self.milliseconds(bound.option, value) : value))
        }
        if self.invocation.value("from") == nil { parameters.append(("from", "-24h")) }
        if self.invocation.value("by") != nil || self.invocation.value("bucket") != nil {
            return try self.printFigures(parameters)
        }
        if self.invocation.has("follow") { return try self.followHistory(parameters) }
        if let sort = self.invocation.value("sort") { parameters.append(("sort", sort)) }
        if let limit = self.invocation.value("limit") { parameters.append(("limit", limit)) }
        if self.invocation.has("csv") || self.invocation.has("jsonl") { return try self.exportHistory(parameters) }
        let body = try self.get(.get, "/api/executions" + Self.query(parameters))
        if self.asJSON { return self.printRaw(body) }
        try JSON.read(body) { root in
            var rows: [[TextTable.Cell]] = []
            root["rows"]?.forEachElement { row in
                rows.append(self.historyRow(row))
                return true
            }
            self.printHistory(rows)
            if root["next_cursor"]?.string != nil { self.terminal.line(self.terminal.style.dim("There are more.")) }
        }
    }

    private static func milliseconds(_ option: String, _ value: String) throws -> String {
        guard let span = DurationText.parse(value) else {
            throw Failure(code: ExitCode.usage, message: "--\(option) takes a span such as 500ms, 30s or 2m")
        }
        return String(span.inMilliseconds)
    }

    private static func query(_ parameters: [(name: String, value: String)]) -> String {
        "?" + parameters.map { "\($0.name)=\(Self.escaped($0.value))" }.joined(separator: "&")
    }

    // MARK: Rows

    private func printHistory(_ rows: [[TextTable.Cell]]) {
        guard !rows.isEmpty else { return self.terminal.line("Nothing that has ended matches.") }
        var table = TextTable([
            ("ENDED", .left), ("ID", .left), ("OUTCOME", .left), ("WHY", .left), ("POOL", .left), ("TENANT", .left),
            ("MODEL", .left), ("QUEUED", .right), ("FIRST", .right), ("TOTAL", .right), ("TOKENS", .right),
            ("TRIES", .right),
        ])
        for row in rows { table.add(row) }
        self.terminal.out(table.render(style: self.terminal.style))
    }

    private func historyRow(_ row: JSONValue) -> [TextTable.Cell] {
        let style = self.terminal.style
        let outcome = row["outcome"]?.string ?? ""
        let paint: (String) -> String =
            switch outcome {
            case "done": style.green
            case "failed", "dead", "expired", "lost", "dropped": style.red
            default: style.dim
            }
        let display = DisplayText.standard(environment: self.environment)
        // Clients choose these names: nothing in them may steer the terminal.
        func clean(_ value: JSONValue?) -> String { display.clean(value?.string ?? "") }
        let tokens = [row["prompt_tokens"]?.int, row["completion_tokens"]?.int].map { $0.map { String($0) } ?? "-" }
        return [
            .init(Self.time(row["ended_at"]?.double)), .init(row["id"]?.string ?? ""), .init(outcome, paint),
            .init(row["reason"]?.string ?? ""), .init(clean(row["pool"])), .init(clean(row["tenant"])),
            .init(clean(row["model"])), .init(Self.span(row["queue_ms"]?.double)),
            .init(Self.span(row["first_token_ms"]?.double)), .init(Self.span(row["total_ms"]?.double)),
            .init(tokens == ["-", "-"] ? "-" : tokens.joined(separator: "+")), .init(String(row["attempts"]?.int ?? 0)),
        ]
    }

    private static func time(_ seconds: Double?) -> String {
        guard let seconds, (0...9e9).contains(seconds) else { return "-" }
        return Timestamp.text(nanoseconds: Int64(seconds * 1e9))
    }

    /// Rows may come so long after they ended where they come as spans from elsewhere, in seconds.
    private static let latest = 10.0

    /// The last rows, and then, again and again, what has come since, oldest first.
    private func followHistory(_ parameters: [(name: String, value: String)]) throws {
        // It has no end.
        let filters = parameters.filter { !["from", "to"].contains($0.name) }
        let beginning = filters + parameters.filter { $0.name == "from" }
        let limit = self.invocation.value("limit") ?? "10"
        var page = try self.historyPage(beginning + [("sort", "-ended"), ("limit", limit)])
        (page.rows, page.next) = (page.rows.reversed(), nil)
        var last = page.rows.last?.endedAt ?? Double(SystemClock().wallClockNanoseconds() / 1_000) / 1e6
        for row in page.rows { self.terminal.line(row.text) }
        // What is there already and ended before these is not shown later either.
        let first = page.rows.first?.endedAt ?? 0
        var isFirstRound = true
        var shown = Dictionary(page.rows.map { ($0.key, $0.endedAt) }) { first, _ in first }
        while true {
            // The last moment is asked for again in any case: more may have ended in it.
            let from = page.comesLate ? max(0, last - Self.latest) : last
            shown = shown.filter { $0.value >= from }
            repeat {
                // A cursor holds the time that its list begins with.
                page = try self.historyPage(
                    filters + [("from", String(from)), ("sort", "ended"), ("limit", "1000")]
                        + (page.next.map { [("cursor", $0)] } ?? [])
                )
                for row in page.rows {
                    last = max(last, row.endedAt)
                    guard shown.updateValue(row.endedAt, forKey: row.key) == nil else { continue }
                    if !isFirstRound || row.endedAt >= first { self.terminal.line(row.text) }
                }
            } while page.next != nil
            isFirstRound = false
            self.client.pause(.seconds(1))
        }
    }

    private struct Row {
        var id: String
        var endedAt: Double
        var text: String

        /// A request that was put back ends again.
        var key: String { "\(self.id) \(self.endedAt)" }
    }

    private struct Page {
        var rows: [Row] = []
        var next: String?
        var comesLate = false
    }

    private func historyPage(_ parameters: [(name: String, value: String)]) throws -> Page {
        let body = try self.get(.get, "/api/executions" + Self.query(parameters))
        return try JSON.read(body) { root in
            var page = Page(next: root["next_cursor"]?.string, comesLate: root["store"]?.string == "clickhouse")
            root["rows"]?.forEachElement { row in
                let text =
                    self.asJSON
                    ? String(decoding: row.compactBytes, as: UTF8.self)
                    : self.historyRow(row).map { $0.paint($0.text) }.joined(separator: "  ")
                page.rows.append(Row(id: row["id"]?.string ?? "", endedAt: row["ended_at"]?.double ?? 0, text: text))
                return true
            }
            return page
        }
    }

    private func exportHistory(_ parameters: [(name: String, value: String)]) throws {
        let format = self.invocation.has("csv") ? "csv" : "jsonl"
        var asked = parameters + [("format", format)]
        if self.invocation.value("limit") == nil {
            asked.append(("limit", self.invocation.has("all") ? "1000000" : "50"))
        }
        let path = "/api/executions/export" + Self.query(asked)
        let terminal = self.terminal
        let refusal = try self.client.download(path) { chunk in
            terminal.out(String(decoding: chunk, as: UTF8.self))
        }
        if let refusal { _ = try Self.good(refusal) }
    }

    // MARK: Figures

    private func printFigures(_ parameters: [(name: String, value: String)]) throws {
        let metrics = "count,failed_ratio,p50,p95,p99,queue_p95,first_token_p95,tokens,cost"
        var asked = parameters + [("metrics", metrics)]
        let by = self.invocation.value("by") ?? ""
        if !by.isEmpty { asked.append(("by", by)) }
        if let bucket = self.invocation.value("bucket") {
            guard let span = DurationText.parse(bucket) else {
                throw Failure(code: ExitCode.usage, message: "--bucket takes a span such as 1m or 1h")
            }
            asked.append(("bucket_s", String(span.inSeconds)))
        }
        let body = try self.get(.get, "/api/executions/aggregate" + Self.query(asked))
        if self.asJSON { return self.printRaw(body) }
        let fields = by.split(separator: ",").map(String.init)
        var table = TextTable(
            fields.map { ($0.uppercased(), .left) } + [
                ("FROM", .left), ("COUNT", .right), ("FAILED", .right), ("P50", .right), ("P95", .right),
                ("P99", .right), ("QUEUED P95", .right), ("FIRST P95", .right), ("TOKENS", .right), ("COST $", .right),
            ]
        )
        var count = 0
        let display = DisplayText.standard(environment: self.environment)
        try JSON.read(body) { root in
            root["groups"]?.forEachElement { group in
                group["buckets"]?.forEachElement { bucket in
                    table.add(
                        fields.map { .init(display.clean(group["key"]?[named: $0]?.string ?? "-")) }
                            + Self.figureCells(bucket)
                    )
                    count += 1
                    return true
                }
                return true
            }
        }
        if count == 0 { return self.terminal.line("Nothing that has ended matches.") }
        self.terminal.out(table.render(style: self.terminal.style))
    }

    private static func figureCells(_ bucket: JSONValue) -> [TextTable.Cell] {
        let failed = bucket["failed_ratio"]?.double.map { "\(($0 * 1_000).rounded() / 10) %" } ?? "-"
        let cost = bucket["cost"]?.double.map { String(($0 * 1e6).rounded() / 1e6) } ?? "-"
        let spans = ["p50", "p95", "p99", "queue_p95", "first_token_p95"]
        return [
            .init(Self.time(bucket["at"]?.double)), .init(String(bucket["count"]?.int ?? 0)), .init(failed),
        ] + spans.map { .init(Self.span(bucket[named: $0]?.double)) } + [
            .init(String(bucket["tokens"]?.int ?? 0)), .init(cost),
        ]
    }
}
