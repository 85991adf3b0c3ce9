import SluiceBasics
import SluiceTestKit
import SluiceWire
import Testing

@testable import sluice

/// What a simulated backend does in the dialects of other providers; the official clients try the rest.
@Suite struct MockProviderTests {
    private func backend(_ behaviour: String = "{}") throws -> MockBackend {
        var read = MockBehaviour()
        try JSON.read(Array(behaviour.utf8)) { root throws(MockBehaviour.Problem) in try read.apply(root) }
        return MockBackend(read, seed: 1, clock: SystemClock(), sleep: { _ in })
    }

    private func ask(
        _ backend: MockBackend,
        _ path: String,
        _ body: String = "",
        _ headers: [(String, String)] = []
    ) async -> (status: Int, text: String) {
        let method: HTTPMethod = body.isEmpty ? .get : .post
        let request = HTTPRequest(method: method, path: path, headers: HTTPFields(headers), body: Array(body.utf8))
        let response = await backend.respond(to: request)
        guard case .bytes(let bytes) = response.body else { return (response.status, "") }
        return (response.status, String(decoding: bytes, as: UTF8.self))
    }

    private static let anthropic = [
        ("x-api-key", "sk-secret"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"),
    ]

    @Test func `what arrived is told, and keys only by their prints`() async throws {
        let backend = try self.backend()
        let body = #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}"#
        #expect(await self.ask(backend, "/v1/messages", body, Self.anthropic).status == 200)
        let report = await self.ask(backend, "/mock/requests").text
        #expect(report.contains(#""path":"/v1/messages""#) && report.contains(#""max_tokens":5"#))
        #expect(report.contains(MockRecorder.fingerprint("sk-secret")) && !report.contains("sk-secret"))
    }

    @Test func `of many requests the newest are kept`() {
        let recorder = MockRecorder()
        for _ in 0..<(MockRecorder.maximumEntries + 3) {
            _ = recorder.record(HTTPRequest(method: .post, path: "/v2/chat"))
        }
        let all = (try? MockJSON(bytes: recorder.report(last: nil)))?["requests"]?.elements ?? []
        #expect(all.count == MockRecorder.maximumEntries)
        #expect(all.first?["number"] == 4)
        let large = [UInt8](repeating: 32, count: MockRecorder.maximumBytes - 1)
        for _ in 0..<3 { _ = recorder.record(HTTPRequest(method: .post, path: "/v2/chat", body: large)) }
        #expect((try? MockJSON(bytes: recorder.report(last: nil)))?["requests"]?.elements.count == 1)
    }

    @Test func `event streams carry the checksum of zlib`() {
        #expect(MockEventStream.checksum(Array("123456789".utf8)) == 0xCBF4_3926)
        let message = MockEventStream.message([("a", "b")], [1, 2])
        #expect(message.prefix(8) == [0, 0, 0, 24, 0, 0, 0, 6])
        #expect(message.count == 24)
    }

    @Test func `a signature's time is read, and nothing else is`() {
        #expect(MockSignatureCheck.seconds("19700101T000000Z") == 0)
        #expect(MockSignatureCheck.seconds("20260131T120000Z") == 1_769_860_800)
        #expect(MockSignatureCheck.seconds("20260131") == nil)
        #expect(MockSignatureCheck.seconds("") == nil)
    }

    @Test func `values are invented for a schema`() throws {
        let text = #"""
            {"type":"object","properties":{"name":{"type":"string"},"age":{"type":["integer","null"],"maximum":30},
            "kind":{"enum":["b","c"]},"tags":{"type":"array","minItems":2,"items":{"$ref":"#/$defs/tag"}},
            "deep":{"anyOf":[{"type":"null"},{"type":"boolean"}]}},"$defs":{"tag":{"type":"string","format":"date"}}}
            """#
        let sample = MockSample(try MockJSON(bytes: Array(text.utf8)), hint: "'Ada' is 36")
        #expect(
            sample.value.text
                == #"{"name":"Ada","age":30,"kind":"b","tags":["2026-01-31","2026-01-31"],"deep":true}"#
        )
        #expect(MockSample(["$ref": "#"], hint: "").value == .null)
    }

    @Test(arguments: [
        ("/v1/messages", "{]"), ("/v1/messages", "[]"), ("/v2/chat", "{]"), ("/v2/chat", "7"),
        ("/v1beta/models/m:generateContent", "{]"), ("/model/m/converse", "\"x\""),
        ("/openai/v1/chat/completions", "null"), ("/v1beta/models/m:embedContent", "[]"), ("/v2/embed", "[]"),
    ])
    func `what is no request is refused in the provider's shape`(path: String, body: String) async throws {
        let headers = Self.anthropic + [("authorization", "Bearer k"), ("x-goog-api-key", "k")]
        let (status, text) = await self.ask(try self.backend(), path, body, headers)
        #expect(status == 400)
        #expect(text.contains("message"))
    }

    @Test(arguments: ["-1", "\"x\"", "1.5"])
    func `a behaviour of the wrong type is refused`(value: String) async throws {
        for name in ["reasoning", "calls", "split_bytes"] {
            #expect(throws: MockBehaviour.Problem.self) { try self.backend("{\"\(name)\":\(value)}") }
        }
    }
}
