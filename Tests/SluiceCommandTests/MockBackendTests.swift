import SluiceBasics
import SluiceTestKit
import SluiceWire
import Testing

@testable import sluice

/// What a simulated backend answers, in process and without waiting.
@Suite struct MockBackendTests {
    /// Collects what is written; may be a client that goes away.
    private final class Client: HTTPBodyWriter {
        let written = Lock<[UInt8]>([])
        let leavesAfter: Int?
        init(leavesAfter: Int? = nil) { self.leavesAfter = leavesAfter }

        func write(_ chunk: [UInt8]) async throws {
            let size = self.written.withLock { bytes in
                bytes += chunk
                return bytes.count
            }
            if let leavesAfter, size > leavesAfter { throw HTTPWriteError.clientGone }
        }

        func writeLast(_ chunk: [UInt8]) async throws { try await self.write(chunk) }

        var text: String { String(decoding: self.written.withLock { $0 }, as: UTF8.self) }
    }

    private let slept = Lock<[Duration]>([])

    private func backend(_ behaviour: String = "{}", seed: UInt64 = 1) throws -> MockBackend {
        let slept = self.slept
        var read = MockBehaviour()
        try JSON.read(Array(behaviour.utf8)) { root throws(MockBehaviour.Problem) in try read.apply(root) }
        return MockBackend(
            read,
            seed: seed,
            clock: SystemClock(),
            sleep: { span in slept.withLock { $0.append(span) } }
        )
    }

    private func ask(
        _ backend: MockBackend,
        _ body: String,
        path: String = "/v1/chat/completions",
        method: HTTPMethod = .post,
        headers: [(String, String)] = [("x-request-id", "r1")]
    ) async -> HTTPResponse {
        await backend.respond(
            to: HTTPRequest(method: method, path: path, headers: HTTPFields(headers), body: Array(body.utf8))
        )
    }

    private func text(_ response: HTTPResponse) -> String {
        if case .bytes(let bytes) = response.body { String(decoding: bytes, as: UTF8.self) } else { "" }
    }

    /// What a client gets, and whether the connection was cut.
    private func receive(_ response: HTTPResponse, leavesAfter: Int? = nil) async -> (text: String, isCut: Bool) {
        guard case .stream(let body) = response.body else { return (self.text(response), false) }
        let client = Client(leavesAfter: leavesAfter)
        do {
            try await body(client)
            return (client.text, false)
        } catch {
            return (client.text, true)
        }
    }

    private static let plain = #"{"model":"m","messages":[{"role":"user","content":"hello there"}]}"#
    private static let stream = #"{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}"#

    @Test func `a completion has text, choices and usage`() async throws {
        let response = await self.ask(try self.backend(), #"{"model":"m","n":2,"max_tokens":3,"messages":[]}"#)
        #expect(response.status == 200)
        let text = self.text(response)
        #expect(text.contains(#""model":"m""#) && text.contains(#""index":1"#))
        #expect(text.contains(#""content":"lorem ipsum dolor""#))
        #expect(text.contains(#""completion_tokens":6"#))
        #expect(self.slept.withLock { $0.isEmpty })
    }

    @Test func `tools are called when that is demanded, and JSON is JSON`() async throws {
        let backend = try self.backend()
        let tools = #""tools":[{"type":"function","function":{"name":"look"}}]"#
        let forced = await self.ask(backend, #"{"messages":[],"tool_choice":"required",\#(tools)}"#)
        #expect(self.text(forced).contains(#""name":"look""#))
        #expect(self.text(forced).contains(#""finish_reason":"tool_calls""#))
        let free = await self.ask(backend, #"{"messages":[],\#(tools)}"#)
        #expect(!self.text(free).contains("tool_calls"))
        let json = await self.ask(backend, #"{"messages":[],"response_format":{"type":"json_object"}}"#)
        #expect(self.text(json).contains(#""content":"{\"answer\": 42}""#))
    }

    @Test func `embeddings have the usual dimensions, also in base64`() async throws {
        let backend = try self.backend()
        let plain = await self.ask(backend, #"{"model":"e","input":["a","b"],"dimensions":2}"#, path: "/v1/embeddings")
        #expect(self.text(plain).contains(#""embedding":[0.5,1]"#) && self.text(plain).contains(#""index":1"#))
        let base64 = await self.ask(
            backend,
            #"{"model":"text-embedding-3-small","input":"a","encoding_format":"base64"}"#,
            path: "/v1/embeddings"
        )
        let encoded = try JSON.read(Array(self.text(base64).utf8)) { root in
            var text: String?
            root["data"]?.forEachElement { entry in
                text = entry["embedding"]?.string
                return false
            }
            return text
        }
        #expect(encoded?.count == 8192)
        #expect(Base64.text([1, 2, 3, 4]) == "AQIDBA==")
        #expect(Base64.text([1, 2]) == "AQI=")
        #expect(Base64.text([]).isEmpty)
    }

    @Test func `a stream has its role, its tokens, usage when asked for, and an end`() async throws {
        let body = #"{"stream":true,"max_tokens":3,"stream_options":{"include_usage":true},"messages":[]}"#
        let (text, isCut) = await self.receive(await self.ask(try self.backend(), body))
        #expect(!isCut)
        #expect(text.contains(#""role":"assistant""#) && text.contains(#""content":"lorem""#))
        #expect(text.contains(#""total_tokens":4"#))
        #expect(text.hasSuffix("data: [DONE]\n\n"))
    }

    @Test func `a stream of responses ends with the whole response`() async throws {
        let (text, _) = await self.receive(
            await self.ask(try self.backend(), #"{"stream":true,"input":"hello"}"#, path: "/v1/responses")
        )
        #expect(text.hasPrefix("event: response.created\n"))
        #expect(text.contains("event: response.output_text.delta\n"))
        #expect(text.contains(#""type":"response.completed""#) && text.contains(#""status":"completed""#))
    }

    @Test func `behaviour comes from the configuration, headers or the last message`() async throws {
        let backend = try self.backend(#"{"latency":5}"#)
        _ = await self.ask(backend, Self.plain)
        _ = await self.ask(backend, Self.plain, headers: [("X-Mock-Latency", "uniform(7,7)")])
        let message = #"{"messages":[{"role":"user","content":"mock:{\"latency\":9}"}]}"#
        _ = await self.ask(backend, message)
        #expect(self.slept.withLock { $0 } == [.milliseconds(5), .milliseconds(7), .milliseconds(9)])
        let wrong = await self.ask(backend, Self.plain, headers: [("x-mock-latncy", "1")])
        #expect(wrong.status == 400)
        #expect(self.text(wrong).contains("'latncy' is not known"))
    }

    @Test func `errors by status say when to come back`() async throws {
        let backend = try self.backend()
        let limited = await self.ask(
            backend,
            Self.plain,
            headers: [("x-mock-status", "429"), ("x-mock-retry-after", "7")]
        )
        #expect(limited.status == 429)
        #expect(limited.headers["retry-after"] == "7")
        #expect(await self.ask(backend, Self.stream, headers: [("x-mock-status", "500")]).status == 500)
    }

    @Test func `a request limit is kept`() async throws {
        let backend = try self.backend(#"{"requests_per_minute":2}"#)
        var statuses: [Int] = []
        for _ in 0..<3 { statuses.append(await self.ask(backend, Self.plain).status) }
        #expect(statuses == [200, 200, 429])
    }

    @Test func `limits are told in the provider's words`() async throws {
        let limits = #""requests_per_minute":60,"tokens_per_minute":6000,"limit_mode":"bucket""#
        let openAI = await self.ask(try self.backend("{\(limits),\"limit_headers\":\"openai\"}"), Self.plain)
        #expect(openAI.headers["x-ratelimit-limit-requests"] == "60")
        #expect(openAI.headers["x-ratelimit-remaining-requests"] == "59")
        #expect(openAI.headers["x-ratelimit-reset-requests"]?.hasSuffix("ms") == true)
        #expect(openAI.headers["x-ratelimit-limit-tokens"] == "6000")
        let backend = try self.backend("{\(limits),\"limit_headers\":\"anthropic\"}")
        let anthropic = await self.ask(backend, Self.plain)
        #expect(anthropic.headers["anthropic-ratelimit-requests-remaining"] == "59")
        let reset = anthropic.headers["anthropic-ratelimit-requests-reset"] ?? ""
        #expect(reset.count == 24 && reset.hasPrefix("20") && reset.hasSuffix("Z"))
        #expect(
            await self.ask(try self.backend("{\(limits)}"), Self.plain).headers["x-ratelimit-limit-requests"] == nil
        )
    }

    @Test func `beyond the knee all share the speed`() async throws {
        let backend = try self.backend(#"{"latency":100,"knee":1}"#)
        _ = await self.ask(backend, Self.plain)
        let alone = self.slept.withLock { $0.reduce(Duration.zero, +) }
        #expect(alone >= .milliseconds(99) && alone <= .milliseconds(101))
        self.slept.withLock { $0 = [] }
        // One that never ends is in flight as well.
        _ = backend.executions.began("other", at: .zero)
        _ = await self.ask(backend, Self.plain)
        let shared = self.slept.withLock { $0.reduce(Duration.zero, +) }
        #expect(shared >= .milliseconds(199) && shared <= .milliseconds(201))
    }

    @Test(arguments: ["garbage", "wrong_type", "half_body", "disconnect", "disconnect_mid_body"])
    func `broken answers are broken`(fault: String) async throws {
        let response = await self.ask(try self.backend("{\"\(fault)\":1}"), Self.plain)
        let (text, isCut) = await self.receive(response)
        switch fault {
        case "garbage": #expect(text.contains("garbage") && response.headers["content-type"] == "application/json")
        case "wrong_type": #expect(response.headers["content-type"] == "text/html")
        case "disconnect": #expect(response.status == HTTPResponse.disconnect.status)
        default:
            #expect(isCut)
            #expect(Int(response.headers["content-length"] ?? "") ?? 0 > text.utf8.count)
        }
    }

    @Test(arguments: ["error_in_stream", "error_mid_stream", "hang_mid_stream", "disconnect_mid_body"])
    func `broken streams are broken`(fault: String) async throws {
        let (text, isCut) = await self.receive(await self.ask(try self.backend("{\"\(fault)\":true}"), Self.stream))
        switch fault {
        case "error_in_stream": #expect(text.contains("simulated") && !text.contains("lorem"))
        case "error_mid_stream": #expect(text.contains("lorem") && text.contains("simulated"))
        case "hang_mid_stream": #expect(self.slept.withLock { $0 } == [.seconds(3600)])
        default: #expect(isCut && text.contains("lorem") && !text.contains("[DONE]"))
        }
    }

    @Test func `the first executions fail and later ones do not`() async throws {
        let backend = try self.backend(#"{"status":500,"times":2}"#)
        var statuses: [Int] = []
        for _ in 0..<3 { statuses.append(await self.ask(backend, Self.plain).status) }
        #expect(statuses == [500, 500, 200])
    }

    @Test func `executions are counted by id, and clients that went away are noticed`() async throws {
        let backend = try self.backend()
        _ = await self.ask(backend, Self.plain)
        _ = await self.ask(backend, Self.plain)
        let stream = await self.ask(backend, Self.stream, headers: [("x-request-id", "r2")])
        #expect(await self.receive(stream, leavesAfter: 100).isCut)
        let report = self.text(await self.ask(backend, "", path: "/mock/executions", method: .get))
        #expect(report.contains(#""total":3,"completed":2,"abandoned":1,"running":0,"distinct":2,"repeated":1"#))
        #expect(report.contains(#""r1":{"count":2"#))
        _ = await self.ask(backend, "", path: "/mock/reset")
        let after = self.text(await self.ask(backend, "", path: "/mock/executions", method: .get))
        #expect(after.contains(#""total":0"#))
    }

    @Test func `the configuration can be changed and read back`() async throws {
        let backend = try self.backend()
        let changed = await self.ask(
            backend,
            #"{"latency":"normal(5,1)","errors":{"500":0.25}}"#,
            path: "/mock/config",
            method: .put
        )
        #expect(changed.status == 200)
        #expect(self.text(changed).contains(#""latency":"normal(5.0,1.0)""#))
        #expect(self.text(changed).contains(#""errors":{"500":0.25}"#))
        for wrong in ["{]", "[]", #"{"errors":{"500":2}}"#, #"{"latency":"often"}"#, #"{"tokens":-1}"#, #"{"hang":7}"#]
        {
            #expect(await self.ask(backend, wrong, path: "/mock/config", method: .put).status == 400, "\(wrong)")
        }
    }

    @Test func `the same seed draws the same faults`() async throws {
        var runs: [[Int]] = []
        for seed in [7, 7, 8] as [UInt64] {
            let backend = try self.backend(#"{"errors":{"500":0.3,"503":0.2}}"#, seed: seed)
            var statuses: [Int] = []
            for _ in 0..<64 { statuses.append(await self.ask(backend, Self.plain).status) }
            runs.append(statuses)
        }
        #expect(runs[0] == runs[1])
        #expect(runs[0] != runs[2])
        #expect(Set(runs[0]) == [200, 500, 503])
    }

    @Test(arguments: ["5", "uniform(1,2)", "normal(5,1)", "lognormal(50,0.5)"])
    func `a distribution is read and drawn from`(text: String) throws {
        var random = SeededRandom(seed: 1)
        let distribution = try #require(Distribution(text))
        for _ in 0..<100 { #expect(distribution.sample(&random) >= .zero) }
    }

    @Test(arguments: ["", "-1", "uniform(2,1)", "uniform(1)", "gauss(1,2)", "nan", "inf", "normal(1,2"])
    func `what is no distribution is refused`(text: String) {
        #expect(Distribution(text) == nil)
    }
}
