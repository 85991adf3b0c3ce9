import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Work that is turned away is counted, listed and found by its id, wherever it was turned away.
@Suite(.timeLimit(.minutes(3))) struct RejectionTests {
    private func rejected(_ bench: GatewayBench) -> [RequestRecord] {
        bench.telemetry.history.query(HistoryFilter(outcome: .rejected), limit: 1000).records
    }

    private func metric(_ bench: GatewayBench, _ reason: OutcomeReason) async -> String? {
        let text = await bench.send(.get, "/metrics").text
        let line = text.split(separator: "\n").first {
            $0.hasPrefix("sluice_requests_ended_total{") && $0.contains("reason=\"\(reason.rawValue)\"")
        }
        return line?.split(separator: " ").last.map(String.init)
    }

    @Test(arguments: [
        ("{", [("x", "y")]),
        (#"{"model":"m","messages":[]}"#, []),
        (GatewayBench.chat, [("x-sluice-pool", "other")]),
        (GatewayBench.chat, [("x-sluice-timeout-ms", "soon")]),
        (GatewayBench.chat, [("x-sluice-priority", "best")]),
        (GatewayBench.chat, [("x-sluice-tenant", "a b")]),
        (GatewayBench.streamed, [("prefer", "respond-async")]),
    ])
    func `what is wrong with a request is booked`(body: String, headers: [(String, String)]) async throws {
        let bench = GatewayBench()
        let response = await bench.respond(.post, "/v1/chat/completions", body, headers)
        #expect([400, 404].contains(response.status))
        #expect(bench.pool?.ended == [.malformed: 1])
        #expect(await self.metric(bench, .malformed) == "1")
        let id = try #require(response.headers["x-sluice-request-id"])
        let row = await bench.send(.get, "/api/requests/\(id)").text
        #expect(row.contains(#""outcome":"rejected","reason":"malformed""#))
        #expect(row.contains(#""pool":"default""#) && row.contains(#""operation":"chat/completions""#))
        #expect(bench.log.count == 1)
        #expect(bench.dispatcher.checkBooks() == nil)
        #expect(bench.client.requests.isEmpty)
    }

    @Test func `a client cannot make a label by naming a pool`() async {
        let bench = GatewayBench()
        _ = await bench.chat([("x-sluice-pool", "of-my-choice")])
        #expect(await !bench.send(.get, "/metrics").text.contains("of-my-choice"))
        #expect(self.rejected(bench).map(\.submission.pool) == ["default"])
    }

    @Test func `who may not ask has submitted nothing`() async {
        let key = APIKey(name: "k", secret: "sk-k", tenant: "t", allowedPools: ["x"], highestPriority: .normal)
        let bench = GatewayBench(keys: [key])
        #expect(await bench.chat().response.status == 401)
        #expect(await bench.chat([("authorization", "Bearer sk-k")]).response.status == 403)
        #expect(self.rejected(bench).isEmpty)
        #expect(bench.pool?.ended == [:])
        #expect(bench.log.count == 2)
    }

    @Test func `what a full or draining pool turns away is listed with its tenant`() async throws {
        let key = APIKey(name: "k", secret: "sk-k", tenant: "acme", role: .admin)
        let bench = GatewayBench(keys: [key])
        let headers = [("authorization", "Bearer sk-k"), ("prefer", "respond-async")]
        _ = await bench.send(.post, "/api/pools/default/drain", "", headers)
        let response = await bench.chat(headers).response
        let id = try #require(response.headers["x-sluice-request-id"])
        let row = await bench.send(.get, "/api/requests/\(id)", "", headers).text
        #expect(row.contains(#""reason":"paused""#) && row.contains(#""tenant":"acme""#))
        // There is no answer to be fetched, and nobody waits for one.
        #expect(!row.contains("result"))
    }

    @Test(arguments: [(413, OutcomeReason.oversize), (408, .malformed), (431, .malformed), (400, .malformed)])
    func `what the server refuses by itself is logged and booked`(status: Int, reason: OutcomeReason) async {
        let key = APIKey(name: "k", secret: "sk-k", tenant: "acme")
        let bench = GatewayBench(keys: [key])
        func refuse(_ path: String, _ method: HTTPMethod, _ secret: String) {
            let headers = HTTPFields([("authorization", "Bearer \(secret)"), ("content-length", "20000000")])
            let request = HTTPRequest(method: method, path: path, headers: headers, body: [])
            bench.gateway.refused(
                HTTPRefusal(status: status, code: "why", message: "Why.", request: request, remoteAddress: "1.2.3.4")
            )
        }
        refuse("/v1/embeddings", .post, "sk-k")
        #expect(bench.pool?.ended == [reason: 1])
        let record = self.rejected(bench).first
        #expect(record?.submission.tenant == "acme" && record?.submission.operation == "embeddings")
        #expect(record?.submission.payloadBytes == 20_000_000 && record?.message == "Why.")
        // None of these is work of somebody who may ask.
        refuse("/v1/embeddings", .post, "sk-wrong")
        refuse("/v1/embeddings", .get, "sk-k")
        refuse("/api/pools", .post, "sk-k")
        bench.gateway.refused(
            HTTPRefusal(status: status, code: "why", message: "Why.", request: nil, remoteAddress: "1.2.3.4")
        )
        #expect(bench.pool?.ended == [reason: 1])
        #expect(bench.log.map(\.message) == Array(repeating: "request refused", count: 5))
    }

    @Test func `a flood of rejections is counted, and leaves the history to the work`() async {
        let bench = GatewayBench([.answer(200, GatewayBench.answer)])
        _ = await bench.chat()
        for _ in 0..<100 { _ = await bench.send(.post, "/v1/chat/completions", "{") }
        #expect(bench.pool?.ended[.malformed] == 100)
        #expect(self.rejected(bench).count == 20)
        bench.clock.advance(by: .seconds(1))
        _ = await bench.send(.post, "/v1/chat/completions", "{")
        #expect(self.rejected(bench).count == 21)
    }
}
