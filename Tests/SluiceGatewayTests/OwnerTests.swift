import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Whose a request is, and what that allows.
@Suite(.timeLimit(.minutes(3))) struct OwnerTests {
    private static let keys: [APIKey] = [
        APIKey(name: "worker", secret: "sk-1", tenant: "acme"),
        APIKey(name: "looker", secret: "sk-2", tenant: "ops", role: .viewer),
        APIKey(name: "fixer", secret: "sk-3", tenant: "ops", role: .operator),
        APIKey(name: "boss", secret: "sk-4", tenant: "ops", role: .admin),
        APIKey(name: "insider", secret: "sk-5", tenant: "acme", role: .viewer),
        APIKey(name: "chief", secret: "sk-6", tenant: "acme", role: .operator),
    ]
    private static let secret = "what-the-model-said"
    private static let answer = #"{"id":"c","choices":[{"message":{"content":"\#(Self.secret)"}}]}"#

    private func key(_ number: Int) -> [(String, String)] { [("authorization", "Bearer sk-\(number)")] }

    private func later(_ bench: GatewayBench, _ headers: [(String, String)]) async -> String {
        let path = await bench.chat(headers + [("prefer", "respond-async")]).response.headers["location"] ?? ""
        await bench.until { bench.dispatcher.liveCount == 0 }
        return path
    }

    @Test func `an answer is shown to its tenant, and to operators only when they reveal it`() async {
        let bench = GatewayBench([.answer(200, Self.answer)], keys: Self.keys)
        let path = await self.later(bench, self.key(1))
        #expect(await bench.send(.get, path, "", self.key(1)).text.contains(Self.secret))
        for number in 2...4 {
            let text = await bench.send(.get, path, "", self.key(number)).text
            #expect(text.contains(#""result":{"status":200,"withheld":true}"#), "\(text)")
            #expect(!text.contains(Self.secret))
        }
        let reveal = await bench.send(.post, path + "/reveal", #"{"part":"answer"}"#, self.key(4))
        #expect(reveal.response.status == 200 && reveal.text.contains(Self.secret))
        #expect(await bench.send(.get, "/api/audit", "", self.key(2)).text.contains("request.reveal"))
    }

    @Test func `an answer that outlives what is known of its request is withheld alike`() async {
        let bench = GatewayBench([.answer(200, Self.answer), .answer(200, "{}")], keys: Self.keys, history: 1)
        let path = await self.later(bench, self.key(1))
        _ = await bench.chat(self.key(1))
        #expect(await bench.send(.get, path, "", self.key(1)).text.contains(Self.secret))
        let text = await bench.send(.get, path, "", self.key(2)).text
        #expect(text.contains(#""withheld":true"#) && !text.contains(Self.secret))
        let reveal = await bench.send(.post, path + "/reveal", #"{"part":"answer"}"#, self.key(4))
        #expect(reveal.response.status == 200 && reveal.text.contains(Self.secret))
    }

    @Test(arguments: [false, true])
    func `without keys answers are shown, unless everything is kept from view`(isReadOnly: Bool) async {
        let bench = GatewayBench([.answer(200, Self.answer)]) { $0.console.isReadOnly = isReadOnly }
        let path = await self.later(bench, [])
        #expect(await bench.send(.get, path).text.contains(Self.secret) == !isReadOnly)
    }

    @Test func `what dead requests and the shelf still keep is found after history has forgotten it`() async {
        let broken = ScriptedClient.Line.broken(HTTPClientError(.reset, message: "cut", sent: true))
        let bench = GatewayBench(
            [broken, .answer(200, Self.answer), .answer(200, "{}"), .answer(200, "{}"), .answer(200, "{}")],
            history: 1
        ) { $0.console.payloadBytes = 1 << 20 }
        _ = await bench.chat()
        let dead = bench.last?.submission.id.description ?? ""
        _ = await bench.chat()
        let done = bench.last?.submission.id.description ?? ""
        _ = await bench.chat()
        for (id, outcome) in [(dead, "failed"), (done, "done")] {
            let shown = await bench.send(.get, "/api/requests/\(id)")
            #expect(shown.response.status == 200 && shown.text.contains("\"outcome\":\"\(outcome)\""), "\(shown.text)")
            let reveal = await bench.send(.post, "/api/requests/\(id)/reveal", #"{"part":"request"}"#)
            #expect(reveal.response.status == 200)
            #expect(await bench.send(.post, "/api/requests/\(id)/retry", "").response.status == 202)
            await bench.until { bench.dispatcher.liveCount == 0 }
        }
    }

    @Test func `a key with a role takes back what it sent itself; all that such keys cancel is written down`() async {
        let bench = GatewayBench(keys: Self.keys)
        _ = bench.dispatcher.setMode(.paused, pool: "default")
        func sent(by number: Int) async -> String {
            let answer = await bench.chat(self.key(number) + [("prefer", "respond-async")]).response
            return (answer.headers["location"] ?? "") + "/cancel"
        }
        // Of the same tenant, but only to look.
        let worker = await sent(by: 1)
        #expect(await bench.respond(.post, worker, "", self.key(5)).status == 403)
        let own = await sent(by: 5)
        #expect(await bench.respond(.post, own, "", self.key(5)).status == 200)
        #expect(await bench.respond(.post, worker, "", self.key(6)).status == 200)
        let text = await bench.send(.get, "/api/audit", "", self.key(2), query: [("action", "request.cancel")]).text
        #expect(text.contains(#""who":"insider""#) && text.contains(#""who":"chief""#))
        await bench.until { bench.dispatcher.liveCount == 0 }
    }
}
