import SluiceBasics
import SluiceCore
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// What a client is told, where the obvious answer would mislead it.
@Suite(.timeLimit(.minutes(3))) struct AnswerTests {
    private typealias Bench = GatewayBench

    @Test func `a backend that refuses our key is our trouble, and its words stay here`() async {
        let body = #"{"error":{"message":"Incorrect API key provided: sk-ours","code":"invalid_api_key"}}"#
        let bench = Bench([.answer(401, body), .answer(401, body)])
        let (response, text) = await bench.chat()
        #expect(response.status == 502)
        #expect(!text.contains("sk-ours") && text.contains("gateway's own API key"))
        let models = await bench.send(.get, "/v1/models")
        #expect(models.response.status == 502)
        #expect(!models.text.contains("sk-ours"))
    }

    @Test(arguments: [400, 403, 500, 503])
    func `a key that a backend repeats goes no further`(status: Int) async {
        let body = #"{"error":{"message":"no access for sk-ours-1234567890abcdef, ask us","code":"denied"}}"#
        let bench = Bench(Array(repeating: .answer(status, body), count: 8))
        let (response, text) = await bench.chat()
        #expect(response.status >= 400 && text.contains("no access for") && text.contains("ask us"))
        #expect(!text.contains("sk-ours"))
    }

    @Test func `a connection that breaks after the last event takes nothing away from the answer`() async {
        let bench = Bench([.stream([Bench.role, Bench.content, Bench.done, "cut"])])
        let (response, text) = await bench.stream()
        #expect(response.status == 200)
        #expect(text.hasSuffix(Bench.done) && !text.contains("error"))
        #expect(bench.last?.reason == .ok)
    }

    @Test func `a stream that ends with [DONE] without a reason is not taken for a whole answer`() async {
        let end = "data: [DONE]\n\n"
        for last in [[Bench.content + end], [Bench.content, end]] {
            let late = Bench([.stream([Bench.role, Bench.content] + last)])
            let text = await late.stream().text
            // The client reads nothing behind the end: the error has to come before it.
            #expect(text.split(separator: end, omittingEmptySubsequences: false).count == 2, "\(text)")
            #expect(text.hasSuffix(end))
            #expect(text.contains("\"error\""))
            #expect(late.last?.reason?.outcome == .failed)
        }
        // What has not begun can be asked for again.
        let whole = [Bench.role, Bench.content, Bench.done]
        let early = Bench([.stream([Bench.role, end]), .stream(whole)], maximumAttempts: 2)
        #expect(await early.stream().text.hasSuffix(Bench.done))
        #expect(early.client.requests.count == 2)
        #expect(early.last?.reason == .ok)
    }

    @Test func `usage with every chunk does not make a cut stream whole`() async {
        let chunk = #"data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#
        let bench = Bench([.stream([Bench.role, chunk + "\n\n"])])
        let text = await bench.stream().text
        #expect(text.contains("error"))
        #expect(bench.last?.reason?.outcome == .failed)
        let closing = #"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#
        let whole = Bench([.stream([Bench.role, chunk + "\n\n", closing + "\n\n"])])
        #expect(await !whole.stream().text.contains("error"))
        #expect(whole.last?.reason == .ok)
    }

    @Test func `a kept answer outlives the history of its request`() async throws {
        let bench = Bench(Array(repeating: .answer(200, Bench.answer), count: 4), history: 1)
        let location = try #require(await bench.chat([("prefer", "respond-async")]).response.headers["location"])
        await bench.settle()
        for _ in 0..<3 { _ = await bench.chat() }
        let (response, text) = await bench.send(.get, location)
        #expect(response.status == 200)
        let row = try JSON.read(Array(text.utf8)) { ($0["state"]?.string, $0["result"]?["body"]?["id"]?.string) }
        #expect(row == ("ended", "c"))
    }

    @Test func `a time to come back is never too soon`() {
        let error = GatewayError(Rejection(.full, message: "full", retryAfter: .milliseconds(1900)))
        #expect(error.headers.first { $0.0 == "Retry-After" }?.1 == "2")
    }

    @Test func `a key that is taken away watches no longer`() async throws {
        let key = APIKey(name: "k", secret: "sk-k", tenant: "t", role: .admin)
        let bench = Bench(keys: [key]) { $0.heartbeat = .milliseconds(100) }
        let headers = HTTPFields([("authorization", "Bearer sk-k")])
        let feed = await bench.gateway.respond(to: HTTPRequest(method: .get, path: "/api/events", headers: headers))
        guard case .stream(let produce) = feed.body else { return #expect(Bool(false), "no feed") }
        let writer = CollectingWriter()
        let ended = Signal()
        let task = Task {
            try? await produce(writer)
            ended.set()
        }
        await bench.until { writer.chunks.count == 1 && bench.sleeps.spans.count == 1 }
        bench.gateway.keys.replace([APIKey(name: "other", secret: "sk-o", tenant: "t")])
        bench.sleeps.pass()
        await ended.wait()
        #expect(writer.chunks.count == 1)
        task.cancel()
    }
}
