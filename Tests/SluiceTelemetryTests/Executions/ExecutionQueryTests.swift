import SluiceBasics
import Testing

@testable import SluiceTelemetry

@Suite struct ExecutionQueryTests {
    /// 2026-01-31T08:00:00Z
    private static let now: Int64 = 1_769_846_400_000_000

    private func read(_ parameters: [(String, String)]) throws -> ExecutionQuery {
        try ExecutionQuery.read(parameters.map { (name: $0.0, value: $0.1) }, now: Self.now)
    }

    @Test func `every parameter is read`() throws {
        let query = try self.read([
            ("from", "-15m"), ("to", "2026-01-31T09:00:00+01:00"), ("pool", "a"), ("pool", "b"), ("model", "!m"),
            ("error_class", "timeout"), ("latency_over_ms", "1.5"), ("latency_under_ms", "3000"),
            ("queue_over_ms", "0"), ("tokens_over", "100"), ("attempts_over", "1"), ("q", "ABC"), ("sort", "-cost"),
            ("limit", "7"),
        ])
        #expect(query.from == Self.now - 900_000_000)
        #expect(query.to == Self.now)
        #expect(query.matches[.pool] == ExecutionMatch(anyOf: ["a", "b"]))
        #expect(query.matches[.model] == ExecutionMatch(noneOf: ["m"]))
        #expect(query.matches[.errorClass] == ExecutionMatch(anyOf: ["timeout"]))
        #expect(query.latencyOver == 1_500 && query.latencyUnder == 3_000_000 && query.queueOver == 0)
        #expect(query.tokensOver == 100 && query.attemptsOver == 1 && query.text == "ABC" && query.limit == 7)
        #expect(query.sort == .cost && query.isDescending)
    }

    @Test(arguments: [
        ("from", "yesterday"), ("to", "-5x"), ("from", "2026-02-31"), ("latency_over_ms", "-1"),
        ("latency_under_ms", "nan"), ("tokens_over", "1.5"), ("attempts_over", "-1"), ("sort", "age"), ("limit", "0"),
        ("limit", "1001"), ("cursor", "1~2~3"), ("colour", "red"), ("pool", String(repeating: "x", count: 513)),
        ("q", String(repeating: "x", count: 129)),
    ])
    func `what cannot be read is named`(name: String, value: String) {
        let error = #expect(throws: ExecutionQueryError.self) { try self.read([(name, value)]) }
        #expect(error?.parameter == name)
        #expect(error?.message.contains("'\(name)'") == true)
    }

    @Test(
        arguments: [
            ("0", 0), ("1769846400.25", Self.now + 250_000), ("2026-01-31T08:00:00Z", Self.now),
            ("2026-01-31T08:00:00.000001Z", Self.now + 1), ("2026-01-31t03:00:00-05:00", Self.now),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000_000), ("-2h", Self.now - 7_200_000_000),
            ("-1.5d", Self.now - 129_600_000_000), ("-1w", Self.now - 604_800_000_000), ("-0s", Self.now),
        ] as [(String, Int64)]
    )
    func `times are read as people write them`(text: String, expected: Int64) {
        #expect(WallTime.read(text, now: Self.now) == expected)
    }

    @Test(arguments: [
        "", "-", "-m", "-1y", "--1s", "2026-13-01T00:00:00Z", "2026-01-31T08:00:00", "2026-01-31T08:00:00.Z",
        "2026-01-31T08:00:00+1:00", "2026-01-31T08:00:00Zz", "1e300", "inf", "-infs", "-1e300d",
    ])
    func `what is no time is refused`(text: String) {
        #expect(WallTime.read(text, now: Self.now) == nil)
    }

    @Test func `a cursor goes on with the same list, and with no other`() throws {
        let first = try self.read([("from", "-15m"), ("pool", "a"), ("sort", "latency")])
        let place = ExecutionPosition(value: -5, endedAt: Self.now, id: "req_1 \"~\\ü")
        let text = ExecutionCursor(place, of: first).text
        #expect(text.utf8.allSatisfy { ($0 | 0x20) &- 97 < 26 || $0 &- 48 < 10 || [0x2D, 0x5F, 0x7E].contains($0) })
        // A minute later `-15m` would mean another time.
        let later = Self.now + 60_000_000
        let parameters = [("from", "-15m"), ("pool", "a"), ("sort", "latency"), ("cursor", text), ("limit", "9")]
        let next = try ExecutionQuery.read(parameters.map { (name: $0.0, value: $0.1) }, now: later)
        #expect(next.after == place && next.from == first.from && next.limit == 9)
        #expect(throws: ExecutionQueryError.self) {
            try self.read([("pool", "b"), ("sort", "latency"), ("cursor", text)])
        }
        #expect(throws: ExecutionQueryError.self) { try self.read([("pool", "a"), ("cursor", text)]) }
    }

    @Test func `a cursor of times that no list has is refused`() throws {
        for (from, to, endedAt) in [
            (nil, nil, Int64.max), (nil, nil, -1), (nil, nil, .min), (.max, nil, 0), (.min, nil, 0), (nil, .max, 0),
            (nil, 1 << 53 + 1, 0),
        ] as [(Int64?, Int64?, Int64)] {
            var query = ExecutionQuery()
            (query.from, query.to) = (from, to)
            let place = ExecutionPosition(value: 0, endedAt: endedAt, id: "x")
            let forged = ExecutionCursor(place, of: query).text
            #expect(ExecutionCursor(forged) == nil)
            let error = #expect(throws: ExecutionQueryError.self) { try self.read([("cursor", forged)]) }
            #expect(error?.parameter == "cursor")
        }
    }

    @Test func `a rate is over the time that is asked about`() throws {
        func read(_ parameters: [(String, String)]) throws -> ExecutionAggregation {
            try ExecutionAggregation.read(parameters.map { (name: $0.0, value: $0.1) }, now: Self.now)
        }
        let whole = try read([("from", "-10m")])
        #expect(whole.query.to == Self.now && whole.seconds == 600 && whole.seconds(of: 0) == 600)
        #expect(try read([]).seconds == nil)
        // 07:58:30 to 08:00:00, in minutes: half of the first, the second; and 08:00 has not begun.
        let minutes = try read([("from", "-90s"), ("bucket_s", "60")])
        let first = minutes.start(of: Self.now - 90_000_000)
        #expect(minutes.seconds(of: first) == 30 && minutes.seconds(of: first + 60_000_000) == 60)
        #expect(minutes.seconds(of: first + 120_000_000) == 0)
        var rows: [ExecutionRow] = []
        for offset in [-80, -40, -20] as [Int64] {
            var row = ExecutionRow.empty
            row.endedAt = Self.now + offset * 1_000_000
            rows.append(row)
        }
        let cells = try ExecutionRows(rows).aggregate(minutes).groups[0].buckets.map(\.cell)
        #expect(cells.map { $0.value(of: .rate, seconds: minutes.seconds) } == [1.0 / 30, 2.0 / 60])
    }

    @Test func `figures are asked within bounds`() throws {
        func read(_ parameters: [(String, String)]) throws -> ExecutionAggregation {
            try ExecutionAggregation.read(parameters.map { (name: $0.0, value: $0.1) }, now: Self.now)
        }
        let aggregation = try read([
            ("by", "pool,model"), ("bucket_s", "60"), ("from", "-1h"), ("metrics", "count,p95"), ("groups", "5"),
            ("outcome", "failed"),
        ])
        #expect(aggregation.by == [.pool, .model] && aggregation.bucket == 60_000_000)
        #expect(aggregation.metrics == [.count, .p95] && aggregation.maximumGroups == 5)
        #expect(aggregation.query.matches[.outcome] == ExecutionMatch(anyOf: ["failed"]))
        for (parameters, name) in [
            ([("by", "id")], "by"), ([("by", "trace_id")], "by"), ([("by", "pool,model,tenant,reason")], "by"),
            ([("bucket_s", "60")], "from"), ([("bucket_s", "1"), ("from", "-1d")], "bucket_s"),
            ([("bucket_s", "0")], "bucket_s"), ([("metrics", "mean")], "metrics"), ([("groups", "501")], "groups"),
            ([("by", "pool"), ("groups", "500"), ("bucket_s", "1"), ("from", "-10m")], "groups"),
            ([("sort", "ended")], "sort"), ([("limit", "5")], "limit"),
        ] {
            let error = #expect(throws: ExecutionQueryError.self) { try read(parameters) }
            #expect(error?.parameter == name)
        }
    }

    @Test func `a percentile is at most half a percent off`() {
        var random = SeededRandom(seed: 3)
        for bits in 1...50 as ClosedRange<UInt64> {
            for _ in 0..<200 {
                let value = Int64(random.next() % (1 << bits))
                let rounded = ExecutionHistogram.rounded(value)
                #expect(value < 256 ? rounded == value : abs(Double(rounded - value)) <= Double(value) / 256)
                #expect(ExecutionHistogram.rounded(rounded) == rounded)
            }
        }
        var histogram = ExecutionHistogram()
        for value in 1...200 as ClosedRange<Int64> { _ = histogram.add(value) }
        #expect(histogram.percentiles([0, 0.5, 0.95, 0.99, 1]) == [1, 100, 190, 198, 200])
        #expect(ExecutionHistogram().percentiles([0.5]) == [])
    }

    @Test func `the attempts that are written are those that are read`() {
        var row = ExecutionRow.empty
        row.attempts = [
            .init(
                number: 1,
                backend: "b \"1\"",
                model: nil,
                isHedge: false,
                startedAfter: 5,
                failure: "timeout",
                message: "too\nlate",
                retryDelay: 7
            ),
            .init(
                number: 2,
                backend: "b2",
                model: "m",
                isHedge: true,
                startedAfter: 9,
                firstByteAfter: 10,
                endedAfter: 11,
                status: 200
            ),
        ]
        #expect(ExecutionRow.attempts(json: row.attemptListJSON()) == row.attempts)
        #expect(ExecutionRow.attempts(json: Array("{\"number\":1".utf8)) == [])
        #expect(ExecutionRow.attempts(json: Array("[1,{}]".utf8)) == [])
        // Of numbers that no attempt has the sum with another would be none.
        let far = ExecutionRow.attempts(
            json: Array(
                """
                [{"number":1,"started_us":9223372036854775807},{"number":-9223372036854775808,"started_us":0},
                {"number":2,"started_us":5,"ended_us":-9223372036854775808,"first_byte_us":9223372036854775807}]
                """.utf8
            )
        )
        #expect(far.map(\.number) == [2] && far[0].endedAfter == nil && far[0].firstByteAfter == nil)
    }
}
