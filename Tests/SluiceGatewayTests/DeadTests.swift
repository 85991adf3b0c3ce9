import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Requests that failed, and what can be done with them.
@Suite(.timeLimit(.minutes(3))) struct DeadTests {
    private static let secret = "the-secret-of-the-prompt"
    private static let body =
        #"{"model":"m","temperature":0.5,"messages":[{"role":"user","content":"\#(Self.secret)"}]}"#

    private func failed(_ bench: GatewayBench, _ count: Int = 1) async {
        for _ in 0..<count {
            let answer = await bench.send(.post, "/v1/chat/completions", Self.body).response
            #expect(answer.status >= 500)
        }
    }

    private func bench(
        _ failures: Int,
        then script: [ScriptedClient.Line] = [],
        _ configure: (inout GatewayConfiguration) -> Void = { _ in }
    ) -> GatewayBench {
        let broken = ScriptedClient.Line.broken(HTTPClientError(.reset, message: "cut", sent: true))
        return GatewayBench(Array(repeating: broken, count: failures) + script, configure)
    }

    private func ids(_ bench: GatewayBench) -> [RequestID] {
        bench.gateway.dead.query(DeadBox.Filter(), limit: 1_000).rows.map(\.record.submission.id)
    }

    @Test func `what failed is listed, without what it asked`() async {
        let bench = self.bench(2)
        await self.failed(bench, 2)
        let text = await bench.send(.get, "/api/dead").text
        #expect(text.contains(#"{"total":2,"rows":[{"id":"req_"#))
        #expect(text.contains(#""redrivable":true,"redriven_to":null"#))
        #expect(!text.contains(Self.secret))
        #expect(await bench.send(.get, "/api/dead", query: [("outcome", "lost")]).text.contains(#""total":0"#))
        #expect(await bench.send(.get, "/api/dead", query: [("q", "NOTHING")]).text.contains(#""total":0"#))
        #expect(
            await bench.send(.get, "/api/dead", query: [("pool", "default"), ("model", "m")]).text.contains(
                #""total":2"#
            )
        )
        #expect(await bench.respond(.get, "/api/dead", query: [("outcome", "done")]).status == 400)
        #expect(await bench.respond(.get, "/api/dead", query: [("colour", "red")]).status == 400)
        let page = await bench.send(.get, "/api/dead", query: [("limit", "1")]).text
        #expect(page.contains(#""next_cursor":"1""#))
        let rest = await bench.send(.get, "/api/dead", query: [("limit", "1"), ("cursor", "1")]).text
        #expect(rest.contains(#""next_cursor":null"#) && rest.contains("req_"))
    }

    @Test func `one is driven again as a request of its own, once`() async {
        let bench = self.bench(1, then: [.answer(200, GatewayBench.answer)])
        await self.failed(bench)
        let id = self.ids(bench)[0]
        let answer = await bench.send(.post, "/api/dead/redrive", "{\"ids\":[\"\(id)\"]}")
        #expect(answer.response.status == 200)
        #expect(answer.text.contains("\"count\":1,\"redriven\":[{\"from\":\"\(id)\",\"to\":\"req_"))
        await bench.until { bench.last?.reason == .ok }
        #expect(bench.client.requests.last?.body == Array(Self.body.utf8))
        let new = bench.last?.submission.id.description ?? ""
        let shown = await bench.send(.get, "/api/requests/\(new)").text
        #expect(shown.contains("\"redriven_from\":\"\(id)\"") && shown.contains("\"result\":{\"status\":200"))
        // It is done with, and nobody does it twice.
        #expect(await bench.send(.get, "/api/dead").text.contains(#""total":0"#))
        #expect(
            await bench.send(.get, "/api/dead", query: [("redriven", "1")]).text.contains("\"redriven_to\":\"\(new)\"")
        )
        let again = await bench.send(.post, "/api/dead/redrive", "{\"ids\":[\"\(id)\"]}").text
        #expect(again.contains("\"count\":0") && again.contains("redriven already"))
        #expect(bench.dispatcher.checkBooks() == nil)
    }

    @Test func `a filter counts first, and then drives at a rate`() async {
        // Refusals, which leave the breaker closed.
        let refused = Array(repeating: ScriptedClient.Line.answer(400, #"{"error":{"message":"no"}}"#), count: 30)
        let bench = GatewayBench(refused + Array(repeating: .answer(200, GatewayBench.answer), count: 30))
        for _ in 0..<30 { _ = await bench.send(.post, "/v1/chat/completions", Self.body) }
        let filter = #""filter":{"pool":"default","outcome":"failed"}"#
        let dry = await bench.send(.post, "/api/dead/redrive", "{\(filter),\"dry_run\":true}").text
        #expect(dry.contains(#""count":30,"dry_run":true"#))
        #expect(bench.client.requests.count == 30)
        _ = await bench.send(.patch, "/api/pools/default", #"{"maximum_requests":100}"#)
        let answer = await bench.send(.post, "/api/dead/redrive", "{\(filter)}")
        #expect(answer.response.status == 202)
        #expect(answer.text.contains(#""waiting":10,"rate":20"#))
        await bench.until { bench.client.requests.count == 50 && bench.sleeps.spans == [.seconds(1)] }
        bench.sleeps.pass()
        await bench.until { bench.client.requests.count == 60 && bench.dispatcher.liveCount == 0 }
        #expect(self.ids(bench).isEmpty)
    }

    @Test func `a name given several times means one of them, and ! none of them`() async {
        let bench = self.bench(3)
        for model in ["a", "b", "c"] {
            let body = #"{"model":"\#(model)","messages":[{"role":"user","content":"x"}]}"#
            _ = await bench.send(.post, "/v1/chat/completions", body)
        }
        let total = { (query: [(String, String)]) in await bench.send(.get, "/api/dead", query: query).text }
        #expect(await total([("model", "a"), ("model", "b")]).contains(#""total":2"#))
        #expect(await total([("model", "!a")]).contains(#""total":2"#))
        #expect(await total([("outcome", "dead"), ("outcome", "lost")]).contains(#""total":0"#))
        let body = #"{"filter":{"model":["a","c"]},"dry_run":true}"#
        #expect(
            await bench.send(.post, "/api/dead/purge", body).text.contains(#""count":2,"dry_run":true,"matched":2"#)
        )
    }

    @Test func `a dry run names those that would be taken and passes by the others`() async {
        let bench = self.bench(2, then: [.answer(200, GatewayBench.answer)])
        await self.failed(bench, 2)
        let ids = self.ids(bench)
        let body = "{\"ids\":[\"\(ids[0])\",\"\(ids[1])\"],\"dry_run\":true}"
        _ = await bench.send(.post, "/api/dead/redrive", "{\"ids\":[\"\(ids[0])\"]}")
        let dry = await bench.send(.post, "/api/dead/redrive", body).text
        #expect(dry.contains("\"count\":1,\"dry_run\":true,\"matched\":2,\"ids\":[\"\(ids[1])\"]"))
        #expect(dry.contains("\"skipped\":[{\"id\":\"\(ids[0])\",\"why\":\"it has been redriven already"))
    }

    @Test func `what cannot be sent stays among the dead`() async {
        let bench = self.bench(1)
        await self.failed(bench)
        _ = bench.dispatcher.setMode(.draining, pool: "default")
        let id = self.ids(bench)[0]
        let answer = await bench.send(.post, "/api/dead/redrive", "{\"ids\":[\"\(id)\"]}").text
        #expect(answer.contains("\"count\":0") && answer.contains("\"skipped\":[{\"id\":\"\(id)\""))
        #expect(self.ids(bench) == [id])
        let box = DeadBox(limits: DeadLimits(), clock: bench.clock)
        if case .refused = box.claim(id, as: id) {} else { Issue.record("Nobody knows it there.") }
    }

    @Test func `a purge takes them away, for good`() async {
        let bench = self.bench(3)
        await self.failed(bench, 3)
        #expect(
            await bench.send(.post, "/api/dead/purge", #"{"filter":{},"dry_run":true}"#).text.contains(#""count":3"#)
        )
        #expect(self.ids(bench).count == 3)
        let one = self.ids(bench)[0]
        #expect(await bench.send(.post, "/api/dead/purge", "{\"ids\":[\"\(one)\"]}").text.contains(#""count":1"#))
        #expect(await bench.send(.post, "/api/dead/purge", #"{"filter":{}}"#).text.contains(#""count":2"#))
        #expect(self.ids(bench).isEmpty)
        for body in ["", "[]", "{}", #"{"ids":["odd"]}"#, #"{"filter":{"colour":"red"}}"#] {
            #expect(await bench.respond(.post, "/api/dead/purge", body).status == 400, "\(body)")
        }
        #expect(await bench.send(.get, "/api/audit").text.contains(#""action":"dead.purge","object":"all""#))
    }

    @Test func `what they asked is bounded, the oldest go first`() {
        var limits = DeadLimits()
        limits.maximumRequests = 3
        let clock = ManualClock()
        let box = DeadBox(limits: limits, clock: clock)
        for number in 0..<10 {
            let submission = Submission(
                id: RequestID(high: UInt64(number), low: UInt64(number)),
                pool: "p",
                tenant: "t",
                model: "m",
                operation: "o",
                deadline: .zero
            )
            var record = RequestRecord(submission: submission, submittedAt: clock.now())
            record.endedAt = clock.now()
            record.reason = .backend
            box.record(Execution(record: record, submittedAt: 0))
        }
        #expect(box.query(DeadBox.Filter(), limit: 100).rows.map(\.record.submission.id.low) == [9, 8, 7])
        clock.advance(by: .seconds(8 * 86_400))
        #expect(box.query(DeadBox.Filter(), limit: 100).total == 0)
    }

    // MARK: Retry and reveal

    @Test func `a retry with edits asks for something else`() async {
        let bench = self.bench(1, then: [.answer(200, GatewayBench.answer)])
        await self.failed(bench)
        let id = self.ids(bench)[0]
        let edits = #"{"edits":{"model":"n","temperature":null,"top_p":0.9,"stream":true}}"#
        let answer = await bench.send(.post, "/api/requests/\(id)/retry", edits)
        #expect(answer.response.status == 202)
        #expect(answer.response.headers["location"]?.hasPrefix("/api/requests/req_") == true)
        await bench.until { bench.last?.reason == .ok }
        let sent = String(decoding: bench.client.requests.last?.body ?? [], as: UTF8.self)
        #expect(sent == #"{"model":"n","messages":[{"role":"user","content":"\#(Self.secret)"}],"top_p":0.9}"#)
        #expect(bench.last?.submission.model == "n")
        for bad in ["[]", #"{"edits":[]}"#, "{"] {
            #expect(await bench.respond(.post, "/api/requests/\(id)/retry", bad).status == 400, "\(bad)")
        }
        // What results is checked like any request.
        let wrong = await bench.send(.post, "/api/requests/\(id)/retry", #"{"edits":{"messages":null}}"#)
        #expect(wrong.response.status == 400)
    }

    @Test func `nothing is kept of what went well unless that is switched on`() async {
        let off = GatewayBench([.answer(200, GatewayBench.answer)])
        _ = await off.chat()
        let id = off.last?.submission.id.description ?? ""
        for path in ["reveal", "retry"] {
            let answer = await off.send(.post, "/api/requests/\(id)/\(path)", #"{"part":"request"}"#)
            #expect(answer.response.status == 404 && answer.text.contains("payload_not_kept"))
            #expect(answer.text.contains("payloads.max_bytes"))
        }
        #expect(await off.send(.get, "/api/me").text.contains(#""payloads_kept":false"#))
    }

    @Test func `a reveal shows what is kept, and is written down without it`() async {
        let bench = GatewayBench(
            [.answer(200, GatewayBench.answer), .stream([GatewayBench.content, GatewayBench.done])]
        ) { $0.console.payloadBytes = 1 << 20 }
        _ = await bench.chat()
        let id = bench.last?.submission.id.description ?? ""
        let request = await bench.send(.post, "/api/requests/\(id)/reveal", #"{"part":"request"}"#)
        #expect(request.response.status == 200)
        #expect(request.text.contains(#""content_type":"application/json","body":"{\"model\":\"m\""#))
        let answer = await bench.send(.post, "/api/requests/\(id)/reveal", #"{"part":"answer"}"#).text
        #expect(answer.contains("completion_tokens") && answer.contains(#""truncated":false"#))
        _ = await bench.stream()
        let streamed = bench.last?.submission.id.description ?? ""
        let events = await bench.send(.post, "/api/requests/\(streamed)/reveal", #"{"part":"answer"}"#)
        #expect(events.response.status == 200 && events.text.contains("body"))
        let audit = await bench.send(.get, "/api/audit").text
        #expect(audit.ranges(of: "request.reveal").count == 3)
        #expect(!audit.contains("messages"))
        #expect(await bench.respond(.post, "/api/requests/\(id)/reveal", #"{"part":"key"}"#).status == 400)
        for entry in bench.log { #expect(!entry.fields.contains { $0.value.contains("messages") }) }
    }

    @Test func `the shelf holds so many bytes for so long`() async {
        let bench = GatewayBench(Array(repeating: .answer(200, GatewayBench.answer), count: 9)) { configuration in
            configuration.console.payloadBytes = 5_000
            configuration.console.payloadAge = .seconds(60)
        }
        var ids: [RequestID] = []
        for _ in 0..<9 {
            _ = await bench.chat()
            if let id = bench.last?.submission.id { ids.append(id) }
        }
        #expect(bench.gateway.shelf.find(ids[0]) == nil)
        #expect(bench.gateway.shelf.find(ids[8])?.answer != nil)
        bench.clock.advance(by: .seconds(61))
        #expect(bench.gateway.shelf.find(ids[8]) == nil)
    }
}
