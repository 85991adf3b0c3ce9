import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

enum CacheBench {
    static func make(
        _ script: [ScriptedClient.Line],
        _ configure: (inout GatewayConfiguration) -> Void = { _ in }
    ) -> GatewayBench {
        GatewayBench(script) { configuration in
            configuration.caches = ["default": CachePolicy(timeToLive: .seconds(60), backend: [1])]
            configure(&configuration)
        }
    }

    static func answer(_ text: String, finish: String = "stop") -> String {
        #"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":"#
            + #"{"role":"assistant","content":"\#(text)"},"finish_reason":"\#(finish)"}],"#
            + #""usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#
    }

    private static func chunk(_ delta: String, finish: String = "null") -> String {
        #"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":"#
            + #"\#(delta),"finish_reason":\#(finish)}]}"# + "\n\n"
    }

    /// Of `GatewayBench.chat`.
    static let scope = CacheScope(
        tenant: "default",
        pool: "default",
        backend: [1],
        operation: OpenAIOperation.chatCompletions.rawValue,
        headers: Array(repeating: nil, count: 5)
    )

    static let usage =
        #"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"#
        + #""usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"# + "\n\n"
    static let start = Self.chunk(#"{"role":"assistant","content":"a"}"#)
    static let more = Self.chunk(#"{"content":"b"}"#)
    static let finish = Self.chunk("{}", finish: "\"stop\"")
    static let done = "data: [DONE]\n\n"
    static let whole = [Self.start, Self.more, Self.finish, Self.usage, Self.done]
    static let withoutUsage = [Self.start, Self.more, Self.finish, Self.done]
    static let withUsage =
        #"{"model":"m","stream":true,"stream_options":{"include_usage":true},"#
        + #""messages":[{"role":"user","content":"hi"}]}"#
}

@Suite(.timeLimit(.minutes(3))) struct GatewayCacheTests {
    private func state(_ answer: (response: HTTPResponse, text: String)) -> String? {
        answer.response.headers["x-sluice-cache"]
    }

    private func check(_ bench: GatewayBench) {
        #expect(bench.dispatcher.liveCount == 0)
        #expect(bench.dispatcher.checkBooks() == nil)
        #expect(bench.gateway.cache?.flights.count ?? 0 == 0)
    }

    @Test func `without being switched on nothing is kept`() async {
        let bench = GatewayBench([.answer(200, CacheBench.answer("1")), .answer(200, CacheBench.answer("2"))])
        #expect(await bench.chat().text.contains("\"1\""))
        let second = await bench.chat()
        #expect(second.text.contains("\"2\"") && self.state(second) == nil)
    }

    @Test func `the same request is answered again without a call, a slot or an attempt`() async {
        let bench = CacheBench.make([.answer(200, CacheBench.answer("1"))])
        let first = await bench.chat()
        #expect(self.state(first) == "miss" && first.response.headers["age"] == nil)
        bench.clock.advance(by: .seconds(5))
        #expect(bench.dispatcher.setMode(.paused, pool: "default"))
        let second = await bench.chat()
        #expect(self.state(second) == "hit" && second.response.headers["age"] == "5")
        #expect(second.text == first.text)
        #expect(bench.client.requests.count == 1)
        #expect(bench.last?.reason == .cached && bench.last?.attempts.isEmpty == true)
        #expect(second.response.headers["x-sluice-request-id"] == bench.last?.submission.id.description)
        self.check(bench)
    }

    @Test func `after its time an answer is made anew`() async {
        let bench = CacheBench.make([.answer(200, CacheBench.answer("1")), .answer(200, CacheBench.answer("2"))])
        _ = await bench.chat()
        bench.clock.advance(by: .seconds(61))
        #expect(self.state(await bench.chat()) == "miss")
        #expect(bench.client.requests.count == 2)
    }

    @Test func `a whole answer answers a stream, and a stream a whole answer`() async throws {
        let bench = CacheBench.make([.answer(200, CacheBench.answer("ab"))])
        _ = await bench.chat()
        let replayed = await bench.stream()
        #expect(self.state(replayed) == "hit")
        #expect(replayed.response.headers["content-type"] == "text/event-stream")
        #expect(replayed.text.hasSuffix("data: [DONE]\n\n") && replayed.text.contains("\"content\":\"ab\""))
        #expect(!replayed.text.contains("usage"))
        let counted = await bench.send(.post, "/v1/chat/completions", CacheBench.withUsage)
        #expect(self.state(counted) == "hit" && counted.text.contains("\"completion_tokens\":2"))
        let other = CacheBench.make([.stream(CacheBench.whole)])
        let streamed = await other.send(.post, "/v1/chat/completions", CacheBench.withUsage)
        #expect(streamed.text.replacing("|", with: "") == CacheBench.whole.joined())
        #expect(self.state(streamed) == "miss")
        await other.settle()
        let whole = await other.chat()
        #expect(self.state(whole) == "hit")
        let content = try JSON.read(Array(whole.text.utf8)) { root -> String? in
            var content: String?
            root["choices"]?.forEachElement { choice in
                content = choice["message"]?["content"]?.string
                return false
            }
            return content
        }
        #expect(content == "ab" && whole.text.contains("\"prompt_tokens\":1"))
        for bench in [bench, other] { self.check(bench) }
    }

    @Test func `a stream that nobody counted does not answer who wants the count`() async {
        let bench = CacheBench.make([.stream(CacheBench.withoutUsage), .answer(200, CacheBench.answer("ab"))])
        _ = await bench.stream()
        await bench.settle()
        #expect(self.state(await bench.stream()) == "hit")
        #expect(self.state(await bench.chat()) == "miss")
        #expect(self.state(await bench.chat()) == "hit")
        self.check(bench)
    }

    @Test(arguments: [
        ScriptedClient.Line.answer(400, #"{"error":{"message":"no"}}"#), .answer(500, "{}"),
        .answer(200, CacheBench.answer("")), .answer(200, CacheBench.answer("1", finish: "content_filter")),
        .answer(200, CacheBench.answer("1", finish: "error")), .answer(200, #"{"id":"c","choices":[]}"#),
        .answer(200, GatewayBench.answer),
    ])
    func `errors, empty answers and those that ended by accident are not kept`(line: ScriptedClient.Line) async {
        let bench = CacheBench.make([line, .answer(200, CacheBench.answer("2"))])
        _ = await bench.chat()
        #expect(self.state(await bench.chat()) == "miss")
        #expect(bench.client.requests.count == 2)
        self.check(bench)
    }

    @Test(arguments: [
        [CacheBench.start, CacheBench.more], [CacheBench.start, "cut"],
        [CacheBench.start, GatewayBench.failure, CacheBench.done],
    ])
    func `a stream that was cut off or failed is not kept`(chunks: [String]) async {
        let bench = CacheBench.make([.stream(chunks), .stream(CacheBench.whole)])
        #expect(await bench.stream().text.contains("error"))
        await bench.settle()
        #expect(self.state(await bench.stream()) == "miss")
        await bench.settle()
        self.check(bench)
    }

    @Test func `another tenant, another credential, another parameter: another answer`() async {
        let bench = CacheBench.make((1...3).map { .answer(200, CacheBench.answer("\($0)")) })
        _ = await bench.chat()
        #expect(self.state(await bench.chat([("x-sluice-tenant", "other")])) == "miss")
        let body = #"{"model":"m","messages":[{"role":"user","content":"hi"}],"extra":1}"#
        #expect(self.state(await bench.send(.post, "/v1/chat/completions", body)) == "miss")
        let reordered = #"{"extra":1.0,"user":"u","messages":[{"content":"hi","role":"user"}],"model":"m"}"#
        #expect(self.state(await bench.send(.post, "/v1/chat/completions", reordered)) == "hit")
        #expect(bench.client.requests.count == 3)
    }

    @Test func `no-cache makes a new answer and keeps it, no-store keeps none`() async {
        let bench = CacheBench.make((1...3).map { .answer(200, CacheBench.answer("\($0)")) })
        #expect(self.state(await bench.chat([("cache-control", "no-store")])) == "miss")
        #expect(self.state(await bench.chat()) == "miss")
        #expect(self.state(await bench.chat([("cache-control", "no-store")])) == "hit")
        #expect(self.state(await bench.chat([("cache-control", "no-cache")])) == "miss")
        let last = await bench.chat()
        #expect(self.state(last) == "hit" && last.text.contains("\"3\""))
        #expect(bench.client.requests.count == 3)
    }

    @Test func `an older answer than allowed will not do, and only-if-cached makes none`() async {
        let bench = CacheBench.make((1...2).map { .answer(200, CacheBench.answer("\($0)")) })
        let none = await bench.chat([("cache-control", "only-if-cached")])
        #expect(none.response.status == 504 && none.text.contains("not_cached"))
        #expect(bench.client.requests.isEmpty)
        #expect(bench.last?.reason == .notCached && bench.pool?.ended[.notCached] == 1)
        #expect(bench.last?.submission.id.description == none.response.headers["x-sluice-request-id"])
        _ = await bench.chat()
        bench.clock.advance(by: .seconds(10))
        #expect(self.state(await bench.chat([("cache-control", "max-age=20, s-maxage=10")])) == "hit")
        #expect(self.state(await bench.chat([("cache-control", "s-maxage=9")])) == "miss")
    }

    @Test func `a kept answer that cannot be told as a stream is made anew as one`() async throws {
        let bench = CacheBench.make([.answer(200, CacheBench.answer("1")), .stream(CacheBench.whole)])
        _ = await bench.chat()
        let cache = try #require(bench.gateway.cache)
        let request = HTTPRequest(method: .post, path: "/v1/chat/completions", body: Array(GatewayBench.chat.utf8))
        let key = try CacheKey(body: request.body, scope: CacheBench.scope)
        let kept = try #require(await cache.store.find(key))
        var broken = kept
        broken.body = Array("[]".utf8)
        await cache.store.keep(broken, for: key, timeToLive: .seconds(60))
        let answer = await bench.stream()
        #expect(answer.response.status == 200 && self.state(answer) == "miss")
        #expect(answer.text.hasSuffix(CacheBench.done))
        await bench.settle()
        self.check(bench)
    }

    @Test func `what cannot be cached says so`() async {
        let bench = CacheBench.make((1...3).map { .answer(200, CacheBench.answer("\($0)")) })
        #expect(self.state(await bench.chat([("cache-control", "no-store, no-cache")])) == "bypass")
        let responses = await bench.send(.post, "/v1/responses", #"{"model":"m","input":"hi"}"#)
        #expect(self.state(responses) == "bypass")
        let later = await bench.chat([("prefer", "respond-async")])
        #expect(later.response.status == 202 && self.state(later) == "bypass")
        await bench.settle()
        self.check(bench)
    }

    @Test func `embeddings and completions are kept too`() async {
        let vector = #"{"object":"list","data":[{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":1}}"#
        let text = #"{"id":"c","choices":[{"index":0,"text":"a","finish_reason":"length"}]}"#
        let bench = CacheBench.make([.answer(200, vector), .answer(200, text)])
        for (path, body) in [
            ("/v1/embeddings", #"{"model":"m","input":"hi"}"#), ("/v1/completions", #"{"model":"m","prompt":"hi"}"#),
        ] {
            #expect(self.state(await bench.send(.post, path, body)) == "miss")
            #expect(self.state(await bench.send(.post, path, body)) == "hit")
        }
    }

    @Test func `a refused call is told like any other`() async {
        let bench = CacheBench.make([])
        #expect(bench.dispatcher.setMode(.draining, pool: "default"))
        #expect(await bench.chat().response.status == 503)
        #expect(await bench.stream().response.status == 503)
        self.check(bench)
    }

    @Test func `what the cache did can be counted`() async {
        let bench = CacheBench.make([.answer(200, CacheBench.answer("1"))])
        _ = await bench.chat()
        _ = await bench.chat()
        let text = await bench.send(.get, "/metrics").text
        #expect(text.contains(#"sluice_cache_requests_total{pool="default",state="hit"} 1"#))
        #expect(text.contains(#"sluice_cache_requests_total{pool="default",state="miss"} 1"#))
        #expect(text.contains("sluice_cache_stored_total 1"))
        #expect(text.contains("sluice_cache_entries 1"))
        #expect(text.contains(#"sluice_requests_ended_total{pool="default",outcome="done",reason="cached"} 1"#))
    }
}
