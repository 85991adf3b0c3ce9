import SluiceBasics

@testable import SluiceTelemetry

/// Rows as they may come, drawn from a seed: names with everything that a query language might take for its own, absent
/// values, ends of the same moment, requests that ended twice.
struct RandomExecutions {
    private var random: SeededRandom
    /// Microseconds since 1970 of the first.
    let start: Int64
    private var time: Int64

    init(seed: UInt64, start: Int64 = 1_767_225_600_000_000) {
        self.random = SeededRandom(seed: seed)
        self.start = start
        self.time = start
    }

    static let pools = ["default", "small", "it's", "a%b", "x_y"]
    static let models = ["gpt-4o", "qwen\\2.5", "claude \"x\"", "模型", "m'); DROP TABLE executions; --"]
    static let tenants = (0..<12).map { "tenant-\($0)" }
    static let ends = [
        ("done", "ok"), ("done", "ok"), ("done", "ok"), ("done", "cached"), ("failed", "backend"),
        ("cancelled", "client_gone"), ("expired", "deadline"), ("rejected", "full"), ("dead", "attempts"),
    ]

    mutating func draw<Value>(_ values: [Value]) -> Value {
        values[Int(truncatingIfNeeded: self.random.next() % UInt64(values.count))]
    }

    mutating func below(_ bound: Int64) -> Int64 { Int64(self.random.next() % UInt64(bound)) }

    private mutating func maybe<Value>(_ value: Value, _ part: Double = 0.5) -> Value? {
        self.random.unit() < part ? value : nil
    }

    mutating func rows(_ count: Int) -> [ExecutionRow] {
        var rows: [ExecutionRow] = []
        for _ in 0..<count {
            var row = self.row()
            // Put back and ended again.
            if self.random.unit() < 0.02, let earlier = rows.last {
                self.time += 1
                row.id = earlier.id
                row.endedAt = self.time
                row.submittedAt = self.time - row.total
            }
            rows.append(row)
        }
        return rows
    }

    mutating func row() -> ExecutionRow {
        // A third ends in the same microsecond as the one before.
        self.time += self.draw([0, 1, 70_000_000])
        var row = ExecutionRow.empty
        let end = self.draw(Self.ends)
        row.id = "req_" + String(self.random.next(), radix: 32).uppercased()
        row.remoteID = self.maybe("remote_\(self.below(1_000))%", 0.4)
        row.pool = self.draw(Self.pools)
        row.tenant = self.draw(Self.tenants)
        row.model = self.draw(Self.models)
        row.priority = self.draw(["low", "normal", "high"])
        row.operation = "chat/completions"
        row.isStream = self.random.unit() < 0.3
        row.producer = self.maybe(self.draw(["p1", "p2"]))
        row.fabricGroup = "group"
        row.gateway = self.maybe("gw-\(self.below(3))")
        row.dispatcher = self.maybe("d-\(self.below(3))")
        row.outcome = end.0
        row.reason = end.1
        row.total = self.draw([self.below(300), self.below(100_000), self.below(60_000_000)])
        row.queued = self.below(row.total + 1)
        row.endedAt = self.time
        row.submittedAt = self.time - row.total
        row.message = end.0 == "failed" ? "status 500: \"no\"\n\\ ü" : nil
        row.payloadBytes = Int(self.below(10_000))
        row.messageCount = Int(self.below(9))
        row.traceID = TraceIdentity.hex(self.random.next()) + TraceIdentity.hex(self.random.next())
        row.spanID = TraceIdentity.hex(self.random.next())
        if end.0 != "rejected" { self.run(&row) }
        return row
    }

    private mutating func run(_ row: inout ExecutionRow) {
        let execution = row.total - row.queued
        row.execution = execution
        row.firstToken = self.maybe(row.queued + self.below(execution + 1), 0.7)
        row.backend = self.draw(["b1", "b2", "b/3"])
        row.status = self.maybe(row.outcome == "failed" ? 500 : 200, 0.9)
        row.errorClass = row.outcome == "failed" ? self.draw(["server_error", "timeout"]) : nil
        if self.random.unit() < 0.8 {
            row.promptTokens = Int(self.below(4_000))
            row.completionTokens = Int(self.below(900))
            row.cachedTokens = Int(self.below(2))
            row.reasoningTokens = self.maybe(Int(self.below(50)))
            row.cost = self.maybe(self.below(5_000_000_000))
        }
        for number in 1...Int(1 + self.below(3)) {
            row.attempts.append(
                .init(
                    number: number,
                    backend: row.backend ?? "",
                    model: self.maybe("model \"\(number)\""),
                    isHedge: number == 2,
                    startedAfter: row.queued,
                    firstByteAfter: row.firstToken,
                    endedAfter: row.total,
                    status: row.status,
                    failure: row.errorClass,
                    message: row.message,
                    retryDelay: self.maybe(self.below(1_000_000))
                )
            )
        }
        // Of many the list has only the first.
        row.attemptCount = row.attempts.count + (self.random.unit() < 0.1 ? 100 : 0)
    }

    // MARK: Questions

    mutating func query(about rows: [ExecutionRow]) -> ExecutionQuery {
        var query = ExecutionQuery()
        query.sort = self.draw(ExecutionSort.allCases)
        query.isDescending = self.random.unit() < 0.5
        query.limit = 1 + Int(self.below(60))
        self.filter(&query, rows)
        return query
    }

    private mutating func filter(_ query: inout ExecutionQuery, _ rows: [ExecutionRow]) {
        let span = max(1, self.time - self.start)
        query.from = self.maybe(self.start + self.below(span), 0.3)
        query.to = self.maybe((query.from ?? self.start) + 1 + self.below(span), 0.3)
        for _ in 0..<Int(self.below(3)) {
            let field = self.draw(ExecutionField.allCases)
            var match = ExecutionMatch()
            for _ in 0...Int(self.below(2)) {
                let value = self.random.unit() < 0.1 ? "nothing has this" : self.draw(rows).text(of: field)
                if self.random.unit() < 0.7 { match.anyOf.append(value) } else { match.noneOf.append(value) }
            }
            query.matches[field] = match
        }
        query.latencyOver = self.maybe(self.draw(rows).total, 0.15)
        query.latencyUnder = self.maybe(self.draw(rows).total, 0.1)
        query.queueOver = self.maybe(self.draw(rows).queued, 0.1)
        query.tokensOver = self.maybe(self.draw(rows).tokens, 0.1)
        query.attemptsOver = self.maybe(self.below(3), 0.1)
        if self.random.unit() < 0.2 {
            let id = self.draw([self.draw(rows).id, self.draw(rows).traceID, self.draw(rows).remoteID ?? "_%"])
            query.text = String(id.lowercased().prefix(2 + Int(self.below(9))).suffix(6))
        }
    }

    mutating func aggregation(about rows: [ExecutionRow]) -> ExecutionAggregation {
        var aggregation = ExecutionAggregation()
        self.filter(&aggregation.query, rows)
        for _ in 0..<Int(self.below(3)) {
            let field = self.draw(ExecutionField.allCases.filter(\.groups))
            if !aggregation.by.contains(field) { aggregation.by.append(field) }
        }
        aggregation.bucket = self.maybe(self.draw([1_000_000, 60_000_000, 3_600_000_000]), 0.5)
        aggregation.metrics = self.draw([ExecutionMetric.allCases, [.count, .p95], [.cost]])
        aggregation.maximumGroups = self.draw([1, 3, 50])
        return aggregation
    }
}
