import Glibc
import SluiceBasics
import SluiceTelemetry
import SluiceTransport
import SluiceWire
import Testing

@testable import SluiceStores

/// Against a real engine: `Tests/EndToEnd/clickhouse.py --port 8123 --path FOLDER`, named by SLUICE_TEST_CLICKHOUSE.
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
                number("sluice.attempts", row.attempts.count)
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

    @Test(.enabled(if: Self.url != nil), arguments: [1, 2] as [UInt64])
    func `it answers as a look at all rows does`(seed: UInt64) async throws {
        let reactors = try ReactorGroup(count: 1)
        try reactors.start()
        defer { reactors.stop() }
        var configuration = ClickHouseHistoryConfiguration(url: Self.url ?? "")
        configuration.keep = .seconds(3650 * 86_400)
        configuration.timeout = .seconds(60)
        let http = ReactorHTTPClient(configuration: HTTPClientConfiguration(), reactors: reactors)
        let client = ClickHouseClient(configuration: configuration, client: http)
        for statement in ["DROP DATABASE IF EXISTS otel", "CREATE DATABASE otel", Self.spans] {
            try await client.run(statement, timeout: .seconds(60))
        }
        let log = Lock<[String]>([])
        let store = ClickHouseExecutionStore(
            configuration,
            client: http,
            clock: SystemClock(),
            log: { line in log.withLock { $0.append("\(line)") } }
        )
        try await ExecutionStoreConformance(seed: seed, rows: 400, questions: 80).check { rows in
            // Some are there before the view, some come after it.
            for (index, part) in [rows.prefix(100), rows.dropFirst(100)].enumerated() {
                let lines = part.map { Self.span($0) }.joined(separator: [UInt8(ascii: "\n")])
                let insert = Array("INSERT INTO otel.otel_traces FORMAT JSONEachRow\n".utf8) + lines
                try await client.run(String(decoding: insert, as: UTF8.self), timeout: .seconds(60))
                if index == 0 { await store.prepare() }
            }
            return store
        }
        #expect(log.withLock { $0.count } == 1, "\(log.withLock { $0 })")
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

    @Test func `text that others say never becomes part of a statement`() async throws {
        let hostile = "a'); DROP TABLE x; -- \\ \t\n{p0:String}"
        let seen = Lock<[HTTPClientRequest]>([])
        let store = self.store { request in
            seen.withLock { $0.append(request) }
            return HTTPClientResponse(status: 200, body: Array("{\"name\":\"v\"}\n".utf8))
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
