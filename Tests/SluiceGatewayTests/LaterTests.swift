import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Answers that are fetched later.
@Suite(.timeLimit(.minutes(3))) struct LaterTests {
    private static let later = [("prefer", "respond-async")]

    private struct Row: Equatable {
        var state: String?
        var reason: String?
        var status: Int?
        var hasResult = false
        var content: String?
    }

    private func row(_ bench: GatewayBench, _ path: String) async throws -> Row {
        let text = await bench.send(.get, path).text
        return try JSON.read(Array(text.utf8)) { root in
            let result = root["result"]
            return Row(
                state: root["state"]?.string,
                reason: root["reason"]?.string,
                status: result?["status"]?.int,
                hasResult: result != nil && result?.isNull == false,
                content: result?["body"]?["id"]?.string ?? result?["body"]?["error"]?["code"]?.string
            )
        }
    }

    private func accepted(_ bench: GatewayBench) async throws -> String {
        let (response, text) = await bench.chat(Self.later)
        #expect(response.status == 202)
        #expect(response.headers["preference-applied"] == "respond-async")
        let location = try #require(response.headers["location"])
        let id = try JSON.read(Array(text.utf8)) { $0["id"]?.string }
        #expect(location == "/api/requests/\(id ?? "")")
        return location
    }

    @Test func `it is accepted at once, and its answer is kept`() async throws {
        let proceed = Signal()
        let bench = GatewayBench([.after(proceed, .answer(200, GatewayBench.answer))])
        let location = try await self.accepted(bench)
        let before = try await self.row(bench, location)
        #expect(before.state != "ended" && !before.hasResult)
        proceed.set()
        await bench.settle()
        let after = Row(state: "ended", reason: "ok", status: 200, hasResult: true, content: "c")
        #expect(try await self.row(bench, location) == after)
        // Reading takes nothing away.
        #expect(try await self.row(bench, location) == after)
    }

    @Test func `a failure is kept as what the client would have got`() async throws {
        let bench = GatewayBench([.answer(400, #"{"error":{"code":"bad"}}"#), .answer(500, "{}")])
        let refused = try await self.accepted(bench)
        await bench.settle()
        let row = try await self.row(bench, refused)
        #expect(row == Row(state: "ended", reason: "backend", status: 400, hasResult: true, content: "bad"))
        let failed = try await self.accepted(bench)
        await bench.settle()
        #expect(try await self.row(bench, failed).status == 502)
    }

    @Test(arguments: [true, false])
    func `cancelled, its answer says so`(isRunning: Bool) async throws {
        let bench = GatewayBench([.hang])
        let first = try await self.accepted(bench)
        await bench.until { bench.client.requests.count == 1 }
        let location = isRunning ? first : try await self.accepted(bench)
        let answer = await bench.send(.post, location + "/cancel")
        #expect(answer.response.status == (isRunning ? 202 : 200))
        if !isRunning {
            #expect(await bench.send(.post, first + "/cancel").response.status == 202)
        }
        await bench.settle()
        let row = try await self.row(bench, location)
        #expect(row.state == "ended" && row.reason == "operator_request" && row.status == 503)
        #expect(bench.client.requests.count == 1)
    }

    @Test func `the end is never told without the result`() async throws {
        let bench = GatewayBench([], maximumAttempts: 1)
        // The end is known, the answer is on its way: exactly the moment between the two.
        let id = bench.gateway.newID()
        bench.gateway.results.announce(id)
        var submission = Submission.sample(1, deadline: bench.clock.now() + .seconds(10))
        submission.id = id
        submission.respondsLater = true
        var record = RequestRecord(submission: submission, submittedAt: bench.clock.now())
        record.state = .ended
        record.reason = .ok
        bench.telemetry.ended(record)
        let answered = Lock(false)
        let reader = Task {
            let row = try await self.row(bench, "/api/requests/\(id)")
            answered.withLock { $0 = true }
            return row
        }
        for _ in 0..<100 { await Task.yield() }
        #expect(answered.withLock { !$0 })
        let response = HTTPResponse(body: .bytes(Array(GatewayBench.answer.utf8)))
        bench.gateway.results.keep(response, for: id, tenant: "acme", at: bench.clock.now())
        #expect(try await reader.value.content == "c")
    }

    @Test func `whoever watches many of them never sees an end without a result`() async throws {
        let count = 50
        let bench = GatewayBench(
            Array(repeating: .answer(200, GatewayBench.answer), count: count),
            maximumRequests: count
        )
        for _ in 0..<count {
            let location = try await self.accepted(bench)
            var row = try await self.row(bench, location)
            while row.state != "ended" {
                await Task.yield()
                row = try await self.row(bench, location)
            }
            #expect(row.hasResult)
        }
        await bench.settle()
    }

    @Test func `results leave by age`() async throws {
        let bench = GatewayBench([.answer(200, GatewayBench.answer)]) { $0.resultAge = .seconds(60) }
        let location = try await self.accepted(bench)
        await bench.settle()
        bench.clock.advance(by: .seconds(60))
        #expect(try await self.row(bench, location).hasResult)
        bench.clock.advance(by: .milliseconds(1))
        let row = try await self.row(bench, location)
        #expect(row.state == "ended" && !row.hasResult)
    }

    @Test func `results leave by bytes and by number, the oldest first`() async throws {
        let size = GatewayBench.answer.utf8.count
        let lines = Array(repeating: ScriptedClient.Line.answer(200, GatewayBench.answer), count: 4)
        for bench in [
            GatewayBench(lines) { $0.maximumResultBytes = size * 3 }, GatewayBench(lines) { $0.maximumResults = 3 },
        ] {
            var locations: [String] = []
            for _ in 0..<4 {
                locations.append(try await self.accepted(bench))
                await bench.settle()
            }
            var kept: [Bool] = []
            for location in locations { kept.append(try await self.row(bench, location).hasResult) }
            #expect(kept == [false, true, true, true])
        }
    }

    @Test func `a result that is larger than the room for all pushes nothing out`() async throws {
        let large = "{\"id\":\"large\",\"pad\":\"\(String(repeating: "x", count: 1000))\"}"
        let bench = GatewayBench([.answer(200, GatewayBench.answer), .answer(200, large)]) {
            $0.maximumResultBytes = 500
        }
        let first = try await self.accepted(bench)
        await bench.settle()
        let second = try await self.accepted(bench)
        await bench.settle()
        #expect(try await self.row(bench, first).content == "c")
        let row = try await self.row(bench, second)
        #expect(row.status == 500 && row.content == "result_too_large")
    }

    @Test func `who is not accepted leaves nothing that anybody waits for`() async throws {
        let bench = GatewayBench()
        _ = await bench.send(.post, "/api/pools/default/drain")
        #expect(await bench.chat(Self.later).response.status == 503)
        #expect(bench.gateway.results.awaitedCount == 0)
    }
}
