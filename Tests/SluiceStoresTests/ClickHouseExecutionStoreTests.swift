import Glibc
import SluiceBasics
import SluiceTelemetry
import SluiceTransport
import SluiceWire
import Testing

@testable import SluiceStores

/// Against a real engine, which SLUICE_TEST_CLICKHOUSE names. `scripts/test-swift` starts one; by hand it is
/// `Tests/EndToEnd/clickhouse.py --port 8123 --path FOLDER`.
@Suite(.serialized) struct ClickHouseExecutionStoreTests {
    private static var url: String? { getenv("SLUICE_TEST_CLICKHOUSE").map { String(cString: $0) } }

    /// The span that a row is derived from.
    private static func span(_ row: ExecutionRow) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.field("Timestamp", String(row.submittedAt) + "000")
            json.field("Duration", Int(row.endedAt - row.submittedAt) * 1_000 + 999)
            json.field("SpanName", "LLMDispatch.completion")
            json.field("TraceId", row.traceID)
            json.field("SpanId", row.spanID)
            json.object("SpanAttributes") { json in
                func field(_ name: String, _ value: String?) { if let value { json.field(name, value) } }
                func number(_ name: String, _ value: Int?) { if let value { json.field(name, String(value)) } }
                field("sluice.request.id", row.id)
                field("sluice.request.remote_id", row.remoteID)
                field("sluice.pool", row.pool)
                field("sluice.tenant", row.tenant)
                field("sluice.priority", row.priority)
                field("gen_ai.request.model", row.model)
                field("sluice.operation", row.operation)
                field("sluice.stream", row.isStream ? "true" : "false")
                field("sluice.producer", row.producer)
                field("sluice.fabric_group", row.fabricGroup)
                field("sluice.gateway", row.gateway)
                field("sluice.dispatcher", row.dispatcher)
                field("sluice.backend", row.backend)
                number("http.response.status_code", row.status)
                field("sluice.error_class", row.errorClass)
                field("sluice.outcome", row.outcome)
                field("sluice.reason", row.reason)
                field("sluice.message", row.message)
                number("sluice.queue_us", Int(row.queued))
                number("sluice.first_token_us", row.firstToken.map { Int($0) })
                number("sluice.execution_us", row.execution.map { Int($0) })
                number("gen_ai.usage.input_tokens", row.promptTokens)
                number("gen_ai.usage.output_tokens", row.completionTokens)
                number("gen_ai.usage.cache_read.input_tokens", row.cachedTokens)
                number("gen_ai.usage.reasoning.output_tokens", row.reasoningTokens)
                number("sluice.cost_nanodollars", row.cost.map { Int($0) })
                number("sluice.payload_bytes", row.payloadBytes)
                number("sluice.message_count", row.messageCount)
                number("sluice.attempts", row.attemptCount)
                if !row.attempts.isEmpty {
                    field("sluice.attempt_list", String(decoding: row.attemptListJSON(), as: UTF8.self))
                }
            }
        }
        return json.bytes
    }

    private static let spans = """
        CREATE TABLE otel.otel_traces (Timestamp DateTime64(9), TraceId String, SpanId String,
        SpanName LowCardinality(String), SpanAttributes Map(LowCardinality(String), String), Duration UInt64)
        ENGINE = MergeTree ORDER BY Timestamp
        """

    /// A store and a client of an engine whose database is as a collector leaves it.
    private struct House {
        var client: ClickHouseClient
        var store: ClickHouseExecutionStore
        var log: Lock<[String]>
        var reactors: ReactorGroup

        init(spans: String = "otel_traces") async throws {
            self.reactors = try ReactorGroup(count: 1)
            try self.reactors.start()
            var configuration = ClickHouseHistoryConfiguration(url: ClickHouseExecutionStoreTests.url ?? "")
            configuration.keep = .seconds(3650 * 86_400)
            configuration.timeout = .seconds(60)
            configuration.spans = spans
            let http = ReactorHTTPClient(configuration: HTTPClientConfiguration(), reactors: self.reactors)
            self.client = ClickHouseClient(configuration: configuration, client: http)
            let log = Lock<[String]>([])
            self.log = log
            self.store = ClickHouseExecutionStore(
                configuration,
                client: http,
                clock: SystemClock(),
                log: { line in log.withLock { $0.append("\(line)") } }
            )
            let table = ClickHouseExecutionStoreTests.spans.replacing("otel_traces", with: "`\(spans)`")
            for statement in ["DROP DATABASE IF EXISTS otel", "CREATE DATABASE otel", table] {
                try await self.client.run(statement, timeout: .seconds(60))
            }
        }

        func insert(_ rows: some Collection<ExecutionRow>) async throws {
            let lines = rows.map { ClickHouseExecutionStoreTests.span($0) }.joined(separator: [UInt8(ascii: "\n")])
            let table = self.client.configuration.spans
            let insert = Array("INSERT INTO otel.`\(table)` FORMAT JSONEachRow\n".utf8) + lines
            try await self.client.run(String(decoding: insert, as: UTF8.self), timeout: .seconds(60))
        }

        func run(_ statement: String) async throws { try await self.client.run(statement, timeout: .seconds(60)) }
    }

    @Test(.enabled(if: Self.url != nil), arguments: [1, 2] as [UInt64])
    func `it answers as a look at all rows does`(seed: UInt64) async throws {
        let house = try await House(spans: seed == 1 ? "otel_traces" : "spans-of.others")
        defer { house.reactors.stop() }
        try await ExecutionStoreConformance(seed: seed, rows: 400, questions: 25, copies: 50).check { rows in
            // Some are there before the view, some come after it; and some come twice.
            try await house.insert(rows.prefix(100))
            await house.store.prepare()
            try await house.insert(rows.dropFirst(100))
            try await house.insert(stride(from: 0, to: rows.count, by: 8).map { rows[$0] })
            return house.store
        }
        #expect(house.log.withLock { $0.count } == 1, "\(house.log.withLock { $0 })")
    }

    @Test(.enabled(if: Self.url != nil))
    func `a table that was taken away is made anew, with what the spans say`() async throws {
        let house = try await House()
        defer { house.reactors.stop() }
        var random = RandomExecutions(seed: 5)
        let rows = random.rows(50)
        try await house.insert(rows)
        await house.store.prepare()
        #expect(try await house.store.statistics().rows == 50)
        // The view stays.
        try await house.run("DROP TABLE otel.sluice_executions SYNC")
        await #expect(throws: ExecutionStoreError.self) { try await house.store.statistics() }
        #expect(try await house.store.statistics().rows == 50)
        try await house.run("DROP VIEW otel.sluice_executions_from_spans SYNC")
        try await house.run("DROP TABLE otel.sluice_executions SYNC")
        await #expect(throws: ExecutionStoreError.self) { try await house.store.statistics() }
        #expect(try await house.store.statistics().rows == 50)
    }

    @Test(.enabled(if: Self.url != nil))
    func `spans of many days are read, and none that would go at once`() async throws {
        let house = try await House()
        defer { house.reactors.stop() }
        var random = RandomExecutions(seed: 6)
        var rows = random.rows(201)
        // The first is older than what is kept: 3650 days; the others ended on a day each.
        for index in rows.indices {
            let days = index == 0 ? 3_700 : Int64(index)
            rows[index].endedAt = SystemClock().wallClockNanoseconds() / 1_000 - days * 86_400_000_000
            rows[index].submittedAt = rows[index].endedAt - rows[index].total
        }
        try await house.insert(rows)
        #expect(try await house.store.statistics().rows == 200)
    }

    @Test(.enabled(if: Self.url != nil))
    func `spans that could not be read at first are read later`() async throws {
        let house = try await House()
        defer { house.reactors.stop() }
        var random = RandomExecutions(seed: 7)
        try await house.insert(random.rows(50))
        // The first attempt ends with the reading of what is there; its view goes with it.
        let fails = Lock(true)
        let real = house.client.client
        let failing = ClickHouseExecutionStore(
            house.client.configuration,
            client: Relayed { request async throws(HTTPClientError) in
                let statement = String(decoding: request.body, as: UTF8.self)
                if statement.hasPrefix("INSERT"), fails.withLock({ $0 }) {
                    return HTTPClientResponse(status: 500, body: Array("Code: 159. Timeout exceeded".utf8))
                }
                return try await real.execute(request)
            },
            clock: SystemClock(),
            log: { _ in }
        )
        await #expect(throws: ExecutionStoreError.self) { try await failing.statistics() }
        // Another process finds that it is not done.
        #expect(try await house.store.statistics().rows == 50)
    }

    private struct Relayed: HTTPClient {
        let answer: @Sendable (HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse
        func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
            try await self.answer(request)
        }
        func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
            throw HTTPClientError(.reset, message: "not here", sent: false)
        }
    }

    /// A server of which a test says what it answers.
    private struct Scripted: HTTPClient {
        let answer: @Sendable (HTTPClientRequest) throws(HTTPClientError) -> HTTPClientResponse
        func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
            try self.answer(request)
        }
        func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
            throw HTTPClientError(.reset, message: "not here", sent: false)
        }
    }

    private func store(
        _ answer: @escaping @Sendable (HTTPClientRequest) throws(HTTPClientError) -> HTTPClientResponse
    ) -> ClickHouseExecutionStore {
        var configuration = ClickHouseHistoryConfiguration(url: "http://me:secret@ch:8123/")
        configuration.password = "pa55"
        return ClickHouseExecutionStore(
            configuration,
            client: Scripted(answer: answer),
            clock: SystemClock(),
            log: { _ in }
        )
    }

    @Test func `what to check is said, and no secret`() async throws {
        let away = self.store { _ throws(HTTPClientError) in
            throw HTTPClientError(.connectRefused, message: "connection refused", sent: false)
        }
        let refused = await #expect(throws: ExecutionStoreError.self) { try await away.find("x") }
        #expect(refused?.message.contains("check clickhouse.url") == true)
        #expect(refused?.message.contains("secret") == false && refused?.message.contains("pa55") == false)
        for (code, words) in [
            ("516", "clickhouse.password"), ("81", "clickhouse.database"), ("497", "rights of clickhouse.user"),
        ] {
            let store = self.store { _ in
                HTTPClientResponse(
                    status: 500,
                    headers: HTTPFields([("X-ClickHouse-Exception-Code", code)]),
                    body: Array("Code: \(code). No.".utf8)
                )
            }
            let error = await #expect(throws: ExecutionStoreError.self) { try await store.find("x") }
            #expect(error?.message.contains(words) == true)
        }
    }

    /// Table and view are there; nothing else is.
    private static func found(_ request: HTTPClientRequest) -> [UInt8] {
        let isAboutTables = String(decoding: request.body, as: UTF8.self).contains("system.tables")
        return isAboutTables ? Array("{\"name\":\"t\"}\n{\"name\":\"v\"}\n".utf8) : []
    }

    @Test(arguments: [
        "{\"ended_at_us\":1,\"submitted_at_us\":1}\n{\"ended_at_us\":1,\"subm",
        "{\"ended_at_us\":1}\n", "Code: 241. DB::Exception: Memory limit exceeded\n",
        "{\"ended_at_us\":1,\"submitted_at_us\":1}\nCode: 159. DB::Exception: Timeout exceeded\n",
    ])
    func `an answer that broke off is none`(body: String) async throws {
        let seen = Lock<[String]>([])
        let store = self.store { request in
            seen.withLock { $0.append(request.url) }
            let found = Self.found(request)
            return HTTPClientResponse(status: 200, body: found.isEmpty ? Array(body.utf8) : found)
        }
        await #expect(throws: ExecutionStoreError.self) { try await store.page(ExecutionQuery()) }
        await #expect(throws: ExecutionStoreError.self) { try await store.find("x") }
        // Once whether the table is there, and both questions.
        #expect(seen.withLock { $0.count } == 3)
        #expect(seen.withLock { $0.allSatisfy { $0.contains("wait_end_of_query=1") } })
    }

    @Test func `text that others say never becomes part of a statement`() async throws {
        let hostile = "a'); DROP TABLE x; -- \\ \t\n{p0:String}"
        let seen = Lock<[HTTPClientRequest]>([])
        let store = self.store { request in
            seen.withLock { $0.append(request) }
            return HTTPClientResponse(status: 200, body: Self.found(request))
        }
        var query = ExecutionQuery()
        for field in ExecutionField.allCases { query.matches[field] = ExecutionMatch(anyOf: [hostile]) }
        query.text = hostile
        query.after = ExecutionPosition(value: 1, endedAt: 2, id: hostile)
        _ = try await store.page(query)
        let request = try #require(seen.withLock { $0.last })
        #expect(!String(decoding: request.body, as: UTF8.self).contains("DROP"))
        #expect(request.url.contains("=a%27%29%3B%20DROP%20TABLE%20x%3B%20--%20%5C%5C%20%5Ct%5Cn%7Bp0%3AString%7D"))
        #expect(request.headers["X-ClickHouse-Key"] == "pa55" && !request.url.contains("pa55"))
    }
}
