import SluiceCore
import SluiceEngine
import SluiceWire
import Testing

@testable import SluiceGateway

private let answer = GatewayBench.answer
private let content = GatewayBench.content

@Suite struct GatewayTests {
    @Test func `an answer passes as it is, with its way in headers`() async {
        let bench = GatewayBench([.answer(200, answer)])
        let (response, text) = await bench.chat()
        #expect(response.status == 200)
        #expect(text == answer)
        #expect(response.headers["x-sluice-attempts"] == "1")
        #expect(response.headers["x-sluice-backend"] == "mock")
        #expect(bench.client.requests.first?.body == Array(GatewayBench.chat.utf8))
        #expect(bench.dispatcher.checkBooks() == nil)
    }

    @Test func `what is wrong with a request is said before it is accepted`() async {
        let bench = GatewayBench()
        #expect(await bench.send(.post, "/v1/chat/completions", "{").response.status == 400)
        #expect(await bench.send(.get, "/nowhere").response.status == 404)
        let method = await bench.send(.get, "/v1/chat/completions").response
        #expect(method.status == 405)
        #expect(method.headers["allow"] == "POST")
        let pool = await bench.chat([("x-sluice-pool", "other")])
        #expect(pool.response.status == 404)
        #expect(pool.text.contains("Known pools: default"))
        for header in [("x-sluice-timeout-ms", "0"), ("x-sluice-priority", "best"), ("x-sluice-tenant", "a b")] {
            let (response, text) = await bench.chat([header])
            #expect(response.status == 400)
            #expect(text.contains(header.0))
        }
        #expect(bench.client.requests.isEmpty)
    }

    @Test func `keys decide who may do what`() async {
        let user = APIKey(
            name: "user",
            secret: "sk-user",
            tenant: "acme",
            allowedPools: ["x"],
            highestPriority: .normal
        )
        let boss = APIKey(name: "boss", secret: "sk-boss", tenant: "ops", role: .admin)
        let bench = GatewayBench([.answer(200, answer)], keys: [user, boss])
        let missing = await bench.chat().response
        #expect(missing.status == 401)
        #expect(missing.headers["www-authenticate"] == "Bearer")
        #expect(await bench.chat([("authorization", "Bearer wrong")]).response.status == 401)
        #expect(await bench.chat([("authorization", "Bearer sk-user")]).response.status == 403)
        #expect(await bench.send(.get, "/api/pools", "", [("authorization", "Bearer sk-user")]).response.status == 403)
        #expect(await bench.send(.get, "/metrics").response.status == 401)
        #expect(await bench.send(.get, "/healthz").response.status == 200)
        #expect(await bench.chat([("authorization", "Bearer sk-boss")]).response.status == 200)
    }

    @Test func `the backend's refusal passes byte for byte, its own troubles get our words`() async {
        let refused = GatewayBench([.answer(400, #"{"error":{"message":"no"}}"#)])
        let (response, text) = await refused.chat()
        #expect(response.status == 400)
        #expect(text == #"{"error":{"message":"no"}}"#)
        let broken = GatewayBench([.broken(HTTPClientError(.reset, message: "cut", sent: true))])
        #expect(await broken.chat().response.status == 502)
        let garbage = GatewayBench([.answer(200, "<html>")])
        #expect(await garbage.chat().response.status == 502)
        for bench in [refused, broken, garbage] { #expect(bench.dispatcher.checkBooks() == nil) }
    }

    @Test func `a stream is relayed chunk for chunk, and broken off with an error event`() async {
        let whole = GatewayBench([.stream([content, content, GatewayBench.done])])
        let relayed = await whole.send(.post, "/v1/chat/completions", GatewayBench.streamed)
        #expect(relayed.text == [content, content, GatewayBench.done].joined(separator: "|"))
        let cut = GatewayBench([.stream([content, "cut"])])
        let text = await cut.send(.post, "/v1/chat/completions", GatewayBench.streamed).text
        #expect(text.contains("\"error\""))
        #expect(text.hasSuffix("data: [DONE]\n\n"))
        for bench in [whole, cut] {
            #expect(bench.dispatcher.liveCount == 0)
            #expect(bench.dispatcher.checkBooks() == nil)
        }
    }

    @Test func `a stream that ends without saying so is not taken for a whole answer`() async {
        let late = GatewayBench([.stream([content, content])])
        let text = await late.send(.post, "/v1/chat/completions", GatewayBench.streamed).text
        #expect(text.contains("\"error\"") && text.contains("not whole"))
        #expect(late.client.requests.count == 1)
        let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
        // Before any content it is an ordinary failure: nothing has been said to the client yet.
        let early = GatewayBench([.stream([role])])
        let answer = await early.send(.post, "/v1/chat/completions", GatewayBench.streamed)
        #expect(answer.response.status == 502 && answer.text.contains("malformed_response"))
        for bench in [late, early] {
            #expect(bench.dispatcher.liveCount == 0)
            #expect(bench.dispatcher.checkBooks() == nil)
        }
    }

    @Test func `a draining pool refuses and a stream cannot be answered later`() async {
        let bench = GatewayBench()
        #expect(await bench.send(.post, "/api/pools/default/drain").response.status == 200)
        let (response, _) = await bench.chat()
        #expect(response.status == 503)
        let later = await bench.send(
            .post,
            "/v1/chat/completions",
            GatewayBench.streamed,
            [("prefer", "respond-async")]
        )
        #expect(later.response.status == 400)
    }

    @Test func `the operator's interface names what it does not know`() async {
        let bench = GatewayBench()
        let patch = await bench.send(.patch, "/api/pools/default", #"{"slotz":1}"#)
        #expect(patch.response.status == 400)
        #expect(patch.text.contains("maximum_requests"))
        #expect(await bench.send(.patch, "/api/pools/default", #"{"slots":3}"#).text.contains("\"slots\":3"))
        #expect(await bench.send(.get, "/api/requests", query: [("state", "odd")]).response.status == 400)
        #expect(await bench.send(.get, "/api/requests/nothing").response.status == 404)
        #expect(await bench.send(.get, "/api/llm-dispatch/runtime").text.contains("\"contract_version\":\"v2\""))
    }

    @Test func `the console is served with a strict policy and a tag`() async {
        let bench = GatewayBench()
        for path in ["/", "/shell.js", "/dom.js", "/format.js", "/style.css"] {
            let (response, _) = await bench.send(.get, path)
            #expect(response.status == 200)
            #expect(response.headers["content-security-policy"]?.contains("default-src 'none'") == true)
            let again = await bench.send(.get, path, "", [("if-none-match", response.headers["etag"] ?? "")])
            #expect(again.response.status == 304)
        }
    }
}
