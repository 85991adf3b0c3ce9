import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Driving again: what is kept for it, who has taken what, and at which pace.
@Suite(.timeLimit(.minutes(3))) struct DeadAgainTests {
    private final class Lines: AuditSink {
        private let lines = Lock<[String]>([])
        var all: [String] { self.lines.withLock { $0 } }
        func append(_ line: [UInt8]) { self.lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
    }

    private static let refusal = ScriptedClient.Line.answer(400, #"{"error":{"message":"no"}}"#)
    private static let answer = ScriptedClient.Line.answer(200, GatewayBench.answer)

    private func ids(_ bench: GatewayBench, redriven: Bool = false) -> [RequestID] {
        var filter = DeadBox.Filter()
        filter.includesRedriven = redriven
        return bench.gateway.dead.query(filter, limit: 1_000).rows.map(\.record.submission.id)
    }

    /// A bench with requests that failed.
    private func bench(_ failed: Int, _ more: [ScriptedClient.Line] = [], sink: Lines? = nil) async -> GatewayBench {
        let bench = GatewayBench(
            Array(repeating: Self.refusal, count: failed) + more,
            maximumRequests: 1_000,
            auditSink: sink
        )
        for _ in 0..<failed { _ = await bench.chat() }
        return bench
    }

    // MARK: From lists

    private func remote(_ number: UInt64, _ reason: OutcomeReason) -> RequestRecord {
        let submission = Submission(
            id: RequestID(high: 1, low: number),
            pool: "default",
            tenant: "t",
            model: "m",
            operation: "chat/completions",
            deadline: .zero,
            remote: RemoteOrigin(requestID: "r\(number)", submittedAt: .zero)
        )
        var record = RequestRecord(submission: submission, submittedAt: .zero)
        record.state = .ended
        record.endedAt = .zero
        record.reason = reason
        return record
    }

    private func call(_ record: RequestRecord, _ bench: GatewayBench, bytes: Int) throws -> Call {
        var local = record.submission
        local.remote = nil
        local.deadline = .distantFuture
        let ticket = try bench.dispatcher.submit(local, cancellation: nil)
        return Call(
            ticket: ticket,
            idText: "r",
            submission: record.submission,
            operation: .chatCompletions,
            headers: HTTPFields(),
            body: [UInt8](repeating: 0x20, count: bytes),
            backend: .fabric(),
            allowsSilentResend: false,
            maximumResponseBytes: 0
        )
    }

    @Test func `what came from a list is kept until its end is recorded, which is later`() throws {
        var limits = DeadLimits()
        limits.maximumBytes = 100
        let bench = GatewayBench(maximumRequests: 10_000)
        let box = DeadBox(limits: limits, clock: bench.clock)
        let dead = self.remote(1, .backend)
        box.keep(try self.call(dead, bench, bytes: 60), of: dead)
        #expect(box.find(dead.submission.id) == nil)
        box.record(Execution(record: dead, submittedAt: 0))
        #expect(box.find(dead.submission.id)?.call?.body.count == 60)
        // Ended, put back, and ended again.
        box.record(Execution(record: dead, submittedAt: 0))
        #expect(box.find(dead.submission.id)?.call?.body.count == 60)
        // One whose end never comes counts too, and goes when there is no room.
        let lost = self.remote(2, .backend)
        box.keep(try self.call(lost, bench, bytes: 60), of: lost)
        #expect(box.find(dead.submission.id) == nil)
        let next = self.remote(3, .backend)
        box.keep(try self.call(next, bench, bytes: 60), of: next)
        box.record(Execution(record: lost, submittedAt: 0))
        box.record(Execution(record: next, submittedAt: 0))
        #expect(box.find(lost.submission.id)?.call == nil)
        #expect(box.find(next.submission.id)?.call?.body.count == 60)
        #expect(box.keptEarly == 0)
    }

    @Test func `not more than so many wait for their ends`() throws {
        let bench = GatewayBench(maximumRequests: 10_000)
        let box = DeadBox(clock: bench.clock)
        for number in 0..<1_100 as Range<UInt64> {
            let record = self.remote(number, .backend)
            box.keep(try self.call(record, bench, bytes: 1), of: record)
        }
        #expect(box.keptEarly == 1_024)
        bench.clock.advance(by: .seconds(8 * 86_400))
        let last = self.remote(9_999, .backend)
        box.keep(try self.call(last, bench, bytes: 1), of: last)
        #expect(box.keptEarly == 1)
    }

    // MARK: Who has taken what

    @Test func `what did the work again and ended without doing it gives it back`() async {
        let bench = await self.bench(1, [Self.answer])
        let id = self.ids(bench)[0]
        _ = bench.dispatcher.setMode(.paused, pool: "default")
        _ = await bench.send(.post, "/api/dead/redrive", "{\"ids\":[\"\(id)\"]}")
        #expect(self.ids(bench).isEmpty)
        guard let second = bench.gateway.dead.find(id)?.redrivenTo else { return #expect(Bool(false), "not redriven") }
        _ = bench.dispatcher.cancel(second, cause: .operatorRequest)
        await bench.until { bench.dispatcher.liveCount == 0 }
        #expect(self.ids(bench) == [id])
        _ = bench.dispatcher.setMode(.running, pool: "default")
        _ = await bench.send(.post, "/api/dead/redrive", "{\"ids\":[\"\(id)\"]}")
        await bench.until { bench.last?.reason == .ok }
        #expect(self.ids(bench).isEmpty)
    }

    @Test func `a retry of a dead request as it was takes it, one with edits does not`() async {
        let bench = await self.bench(1, [Self.answer, Self.answer])
        let id = self.ids(bench)[0]
        let edited = await bench.send(.post, "/api/requests/\(id)/retry", #"{"edits":{"model":"n"}}"#)
        #expect(edited.response.status == 202 && !edited.text.contains("redriven_to"))
        await bench.until { bench.dispatcher.liveCount == 0 }
        #expect(self.ids(bench) == [id])
        #expect(await bench.respond(.post, "/api/requests/\(id)/retry").status == 202)
        await bench.until { bench.dispatcher.liveCount == 0 }
        #expect(self.ids(bench).isEmpty)
        let new = bench.gateway.dead.find(id)?.redrivenTo?.description ?? "none"
        let all = await bench.send(.post, "/api/dead/redrive", "{\"ids\":[\"\(id)\"]}").text
        #expect(all.contains("\"count\":0") && all.contains(new))
        let again = await bench.send(.post, "/api/requests/\(id)/retry")
        #expect(again.response.status == 409 && again.text.contains("already_redriven") && again.text.contains(new))
        let told = await bench.send(.post, "/api/requests/\(id)/retry", #"{"edits":{"model":"n"}}"#)
        #expect(told.response.status == 202 && told.text.contains("\"redriven_to\":\"\(new)\""))
    }

    @Test func `a retry that is refused lets go of what it took`() async {
        let bench = await self.bench(1)
        let id = self.ids(bench)[0]
        _ = bench.dispatcher.setMode(.draining, pool: "default")
        #expect(await bench.respond(.post, "/api/requests/\(id)/retry").status == 503)
        #expect(self.ids(bench) == [id])
    }

    // MARK: Pace

    @Test func `what is purged while it waits is not sent, and others do not wait for it`() async {
        let bench = await self.bench(45, Array(repeating: Self.answer, count: 45))
        let answer = await bench.send(.post, "/api/dead/redrive", #"{"filter":{}}"#).text
        #expect(answer.contains(#""waiting":25,"rate":20"#))
        await bench.until { bench.client.requests.count == 65 && bench.dispatcher.liveCount == 0 }
        // The newest are driven first: the oldest wait.
        let waiting = self.ids(bench, redriven: true).suffix(25)
        let purged = waiting.prefix(24).map { "\"\($0)\"" }.joined(separator: ",")
        let purge = await bench.send(.post, "/api/dead/purge", "{\"ids\":[\(purged)]}").text
        #expect(purge.contains(#""count":24"#))
        await bench.until { bench.sleeps.spans == [.seconds(1)] }
        bench.sleeps.pass()
        await bench.settle()
        await bench.until { bench.dispatcher.liveCount == 0 }
        #expect(bench.client.requests.count == 66)
    }

    @Test func `several calls share one pace`() async {
        let bench = await self.bench(50, Array(repeating: Self.answer, count: 50))
        let ids = self.ids(bench)
        var waiting = 0
        for part in [ids[..<15], ids[15..<30], ids[30...]] {
            let list = part.map { "\"\($0)\"" }.joined(separator: ",")
            let text = await bench.send(.post, "/api/dead/redrive", "{\"ids\":[\(list)]}").text
            waiting += (try? JSON.read(Array(text.utf8)) { $0["waiting"]?.int ?? 0 }) ?? 0
        }
        #expect(waiting == 30)
        await bench.until { bench.client.requests.count == 70 }
        for count in [90, 100] {
            await bench.until { bench.sleeps.spans == [.seconds(1)] }
            bench.sleeps.pass()
            await bench.until { bench.client.requests.count == count && bench.dispatcher.liveCount == 0 }
        }
        await bench.settle()
        #expect(self.ids(bench).isEmpty)
    }

    @Test func `what waits for its turn is sent although its entry has been pushed out`() throws {
        var limits = DeadLimits()
        limits.maximumBytes = 100
        let bench = GatewayBench(maximumRequests: 10_000)
        let box = DeadBox(limits: limits, clock: bench.clock)
        func die(_ number: UInt64) throws -> RequestID {
            let dead = self.remote(number, .backend)
            box.keep(try self.call(dead, bench, bytes: 60), of: dead)
            box.record(Execution(record: dead, submittedAt: 0))
            return dead.submission.id
        }
        let (first, new) = (try die(1), RequestID(high: 9, low: 9))
        guard case .call(let call) = box.claim(first, as: new) else {
            Issue.record("It is not there.")
            return
        }
        #expect(box.hold(call, as: new))
        // No more than may be kept of the dead is held for them.
        #expect(!box.hold(call, as: RequestID(high: 9, low: 10)))
        _ = try die(2)
        #expect(box.find(first) == nil)
        #expect(box.claimed(as: new)?.body.count == 60)
        #expect(box.claimed(as: new) == nil)
    }

    @Test(arguments: [#"{"tenant":[]}"#, #"{"tenant":""}"#, #"{"tenant":7}"#, #"{"pool":[null]}"#])
    func `a filter that says nothing selects nothing`(filter: String) async {
        let bench = await self.bench(2)
        for action in ["redrive", "purge"] {
            let answer = await bench.send(.post, "/api/dead/\(action)", "{\"filter\":\(filter)}")
            #expect(answer.response.status == 400)
        }
        #expect(self.ids(bench).count == 2)
    }

    // MARK: Audit

    @Test func `the audit names those that were redriven and purged, the file all of them`() async {
        let lines = Lines()
        let bench = await self.bench(110, [Self.answer], sink: lines)
        let ids = self.ids(bench)
        // The second is not there; one that is named twice is meant once.
        let body = "{\"ids\":[\"\(ids[0])\",\"\(RequestID(high: 9, low: 9))\",\"\(ids[0])\"]}"
        _ = await bench.send(.post, "/api/dead/redrive", body)
        let to = bench.gateway.dead.find(ids[0])?.redrivenTo?.description ?? ""
        let redrive = "\"after\":{\"redriven\":[{\"from\":\"\(ids[0])\",\"to\":\"\(to)\"}],\"skipped\":1}"
        #expect(await bench.send(.get, "/api/audit").text.contains(redrive))
        await bench.until { bench.dispatcher.liveCount == 0 }
        _ = await bench.send(.post, "/api/dead/purge", #"{"filter":{}}"#)
        let shown = await bench.send(.get, "/api/audit", query: [("action", "dead.purge")]).text
        #expect(shown.contains("\"before\":{\"ids\":[\"\(ids[1])\"") && shown.contains("\"more\":9}"))
        #expect(!shown.contains(ids[109].description))
        #expect(lines.all.count == 2)
        #expect(lines.all[1].contains(ids[109].description) && !lines.all[1].contains("\"more\""))
    }
}
