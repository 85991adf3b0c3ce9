import SluiceBasics
import SluiceTelemetry
import SluiceWire
import Testing

@testable import SluiceGateway

/// A store that is a list.
private struct ListStore: ExecutionStore {
    let kind = "list"
    let rows: ExecutionRows
    var failure: ExecutionStoreError?

    private func checked() throws(ExecutionStoreError) -> ExecutionRows {
        if let failure { throw failure }
        return self.rows
    }

    func page(_ query: ExecutionQuery) async throws(ExecutionStoreError) -> ExecutionPage {
        try self.checked().page(query)
    }

    func find(_ id: String) async throws(ExecutionStoreError) -> ExecutionRow? { try self.checked().find(id) }

    func aggregate(
        _ aggregation: ExecutionAggregation
    ) async throws(ExecutionStoreError) -> ExecutionAggregate { try self.checked().aggregate(aggregation) }

    func statistics() async throws(ExecutionStoreError) -> ExecutionStatistics {
        ExecutionStatistics(rows: try self.checked().rows.count, bytes: nil, oldest: nil, lost: 2)
    }
}

@Suite struct ExecutionRoutesTests {
    private static let ended: Int64 = 1_767_225_600_250_000

    private static func rows(_ count: Int) -> [ExecutionRow] {
        (0..<count).map { number in
            var row = ExecutionRow.empty
            row.id = "req_\(number)"
            row.pool = "default"
            row.model = "=1+1,\"x\"\n<b>"
            row.outcome = number.isMultiple(of: 4) ? "failed" : "done"
            row.endedAt = Self.ended + Int64(number)
            row.total = 1_500
            row.spanID = "00000000000000ff"
            row.promptTokens = 10
            return row
        }
    }

    private func bench(_ count: Int = 10, failure: ExecutionStoreError? = nil) -> GatewayBench {
        let bench = GatewayBench()
        bench.gateway.attach(ListStore(rows: ExecutionRows(Self.rows(count)), failure: failure))
        return bench
    }

    private func get(_ bench: GatewayBench, _ path: String, _ query: [(String, String)] = []) async -> HTTPResponse {
        await bench.gateway.respond(
            to: HTTPRequest(
                method: .get,
                path: path,
                query: query.map { (name: $0.0, value: $0.1) },
                headers: HTTPFields([("Host", "localhost")])
            )
        )
    }

    private func text(_ response: HTTPResponse) -> String {
        guard case .bytes(let bytes) = response.body else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// All that a stream writes.
    private struct Collector: HTTPBodyWriter {
        let chunks = Lock<[[UInt8]]>([])
        var goesAfter = Int.max
        func write(_ chunk: [UInt8]) async throws {
            let count = self.chunks.withLock { chunks -> Int in
                chunks.append(chunk)
                return chunks.count
            }
            if count >= self.goesAfter { throw HTTPWriteError.clientGone }
        }
        func writeLast(_ chunk: [UInt8]) async throws { try await self.write(chunk) }
        var text: String { String(decoding: self.chunks.withLock { $0.flatMap(\.self) }, as: UTF8.self) }
    }

    @Test func `a list goes on where its page ended`() async throws {
        let bench = self.bench()
        var ids: [String] = []
        var cursor: String?
        repeat {
            let more = cursor.map { [("cursor", $0)] } ?? []
            let answer = await self.get(bench, "/api/executions", [("limit", "4")] + more)
            #expect(answer.status == 200)
            cursor = try JSON.read(Array(self.text(answer).utf8)) { root in
                #expect(root["store"]?.string == "list")
                root["rows"]?.forEachElement { row in
                    ids.append(row["id"]?.string ?? "")
                    return true
                }
                return root["next_cursor"]?.string
            }
        } while cursor != nil
        #expect(ids == (0..<10).reversed().map { "req_\($0)" })
    }

    @Test func `a wrong parameter is refused by its name`() async {
        let answer = await self.get(self.bench(), "/api/executions", [("sort", "age")])
        #expect(answer.status == 400 && self.text(answer).contains("\"param\":\"sort\""))
        let figures = await self.get(self.bench(), "/api/executions/aggregate", [("by", "id")])
        #expect(figures.status == 400 && self.text(figures).contains("\"param\":\"by\""))
        let export = await self.get(self.bench(), "/api/executions/export", [("format", "xml")])
        #expect(export.status == 400 && self.text(export).contains("\"param\":\"format\""))
    }

    @Test func `a store that is away is 503 and says so`() async {
        let bench = self.bench(failure: .unavailable("check clickhouse.url"))
        for path in ["", "/aggregate", "/export", "/statistics", "/req_1"] {
            let answer = await self.get(bench, "/api/executions" + path)
            #expect(answer.status == 503, "\(path)")
            #expect(self.text(answer).contains("history_unavailable"))
            #expect(self.text(answer).contains("check clickhouse.url"))
        }
        #expect(await self.get(GatewayBench(), "/api/executions").status == 503)
        let tooMuch = await self.get(self.bench(failure: .tooMuch("less")), "/api/executions")
        #expect(tooMuch.status == 400 && self.text(tooMuch).contains("history_too_much"))
    }

    @Test func `figures are answered by group`() async throws {
        let query = [("by", "outcome"), ("metrics", "count,p50,failed_ratio,tokens"), ("groups", "2")]
        let answer = await self.get(self.bench(), "/api/executions/aggregate", query)
        let expected =
            #"{"bucket_s":null,"groups":[{"key":{"outcome":"done"},"buckets":[{"at":null,"count":7,"p50":1.5,"#
            + #""failed_ratio":0,"tokens":70}]},{"key":{"outcome":"failed"},"buckets":[{"at":null,"count":3,"#
            + #""p50":1.5,"failed_ratio":1,"tokens":30}]}],"truncated":false,"store":"list"}"#
        #expect(self.text(answer) == expected)
    }

    @Test func `one is shown with its calls and spans, an unknown one is 404`() async {
        let answer = await self.get(self.bench(), "/api/executions/req_3")
        #expect(self.text(answer).contains(#""id":"req_3""#) && self.text(answer).contains(#""attempt_list":[]"#))
        #expect(self.text(answer).contains(#""spans":[{"name":"LLMDispatch.completion","span_id":"00000000000000ff""#))
        #expect(await self.get(self.bench(), "/api/executions/req_99").status == 404)
    }

    @Test func `an export comes in pieces and stops when the client has gone`() async throws {
        let answer = await self.get(self.bench(2_500), "/api/executions/export", [("sort", "ended")])
        guard case .stream(let body) = answer.body else { return #expect(Bool(false), "no stream") }
        let whole = Collector()
        try await body(whole)
        #expect(whole.chunks.withLock { $0.count } == 3)
        let lines = whole.text.split(separator: "\n")
        #expect(lines.count == 2_500)
        #expect(lines[7].contains(#""id":"req_7""#) && lines[7].contains(#""ended_at":1767225600.250007"#))
        var gone = Collector()
        gone.goesAfter = 1
        await #expect(throws: HTTPWriteError.self) { try await body(gone) }
        #expect(gone.chunks.withLock { $0.count } == 1)
    }

    @Test func `so many exports run at once, and their places come free`() async throws {
        let bench = self.bench(3)
        let answers = [await self.get(bench, "/api/executions/export")]
        var bodies: [HTTPResponse] = answers
        for _ in 0..<3 { bodies.append(await self.get(bench, "/api/executions/export")) }
        let fifth = await self.get(bench, "/api/executions/export")
        #expect(fifth.status == 503 && self.text(fifth).contains("too_many_exports"))
        #expect(fifth.headers["retry-after"] == "5")
        for answer in bodies {
            guard case .stream(let body) = answer.body else { return #expect(Bool(false), "no stream") }
            try await body(Collector())
        }
        // Neither a HEAD nor a store that fails keeps one.
        for _ in 0..<9 { #expect(await bench.respond(.head, "/api/executions/export").status == 200) }
        #expect(await self.get(bench, "/api/executions/export").status == 200)
        let broken = self.bench(failure: .unavailable("away"))
        for _ in 0..<9 {
            #expect(self.text(await self.get(broken, "/api/executions/export")).contains("history_unavailable"))
        }
    }

    @Test func `an export ends when its key is taken away`() async throws {
        let key = APIKey(name: "looker", secret: "sk-1", tenant: "t", role: .viewer)
        let bench = GatewayBench(keys: [key])
        bench.gateway.attach(ListStore(rows: ExecutionRows(Self.rows(2_500))))
        let headers = [("authorization", "Bearer sk-1")]
        let answer = await bench.respond(.get, "/api/executions/export", "", headers)
        guard case .stream(let body) = answer.body else { return #expect(Bool(false), "no stream") }
        bench.gateway.keys.replace([APIKey(name: "other", secret: "sk-2", tenant: "t", role: .viewer)])
        let collector = Collector()
        await #expect(throws: GatewayError.self) { try await body(collector) }
        #expect(collector.text.isEmpty)
    }

    @Test func `CSV is quoted, and is no formula`() async throws {
        let query = [("format", "csv"), ("limit", "1")]
        let answer = await self.get(self.bench(3), "/api/executions/export", query)
        guard case .stream(let body) = answer.body else { return #expect(Bool(false), "no stream") }
        let collector = Collector()
        try await body(collector)
        #expect(collector.text.hasPrefix("id,request_id,pool,"))
        #expect(collector.text.contains("req_2,,default,,,\"'=1+1,\"\"x\"\"\n<b>\",,false,"))
        #expect(collector.text.hasSuffix("\r\n"))
    }

    @Test func `a request that only history remembers is told as a request`() async throws {
        let bench = GatewayBench()
        var row = Self.rows(1)[0]
        row.id = "req_01M7ZTDRKKSVZE79EQ4TEVZBXV"
        row.tenant = "acme"
        row.execution = 1_000
        row.queued = 500
        bench.gateway.attach(ListStore(rows: ExecutionRows([row])))
        let (response, text) = await bench.send(.get, "/api/requests/\(row.id)")
        #expect(response.status == 200)
        for part in [
            #""state":"ended""#, #""source":"history""#, #""tenant":"acme""#, #""timings_ms":{"started":0.5"#,
            #""trace":{"trace_id":"#,
        ] { #expect(text.contains(part), "\(part) in \(text)") }
        let other = await bench.send(.get, "/api/requests/req_01M7ZTDRKKSVZE79EQ4TEVZBXX").response
        #expect(other.status == 404)
        // Whether it is there is not known then.
        bench.gateway.attach(ListStore(rows: ExecutionRows([row]), failure: .unavailable("away")))
        let away = await bench.send(.get, "/api/requests/\(row.id)")
        #expect(away.response.status == 503 && away.text.contains("history_unavailable"))
    }
}
