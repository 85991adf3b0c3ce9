import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// `/api/live/cancel`: many at once.
@Suite(.timeLimit(.minutes(3))) struct LiveCancelTests {
    /// The first runs, the others wait; one a second.
    private func bench(_ count: Int, keys: [APIKey] = []) -> GatewayBench {
        let bench = GatewayBench(keys: keys, maximumRequests: 10_000)
        for number in 1...count {
            let submission = Submission(
                id: Self.id(number),
                pool: "default",
                tenant: number % 2 == 0 ? "even" : "odd",
                model: "m",
                operation: "chat/completions",
                deadline: bench.clock.now() + .seconds(60_000)
            )
            _ = try? bench.dispatcher.submit(submission, cancellation: nil)
            bench.clock.advance(by: .seconds(1))
        }
        return bench
    }

    private static func id(_ number: Int) -> RequestID { RequestID(high: UInt64(number) << 16, low: UInt64(number)) }

    private func isLive(_ bench: GatewayBench, _ number: Int) -> Bool {
        bench.dispatcher.find(Self.id(number)).map { $0.record.state != .ended } ?? false
    }

    @Test func `a dry run names exactly those that match and touches none`() async {
        let bench = self.bench(5)
        let body = #"{"filter":{"tenant":"even","state":["queued"]},"dry_run":true}"#
        let (response, text) = await bench.send(.post, "/api/live/cancel", body)
        #expect(response.status == 200)
        let ids = [2, 4].map { "\"\(Self.id($0))\"" }.joined(separator: ",")
        #expect(text == #"{"count":2,"dry_run":true,"ids":[\#(ids)],"matched":2,"elsewhere":0,"skipped":[]}"#)
        #expect((1...5).allSatisfy { self.isLive(bench, $0) })
        #expect(await bench.send(.get, "/api/audit").text.contains(#""rows":[]"#))
    }

    @Test func `those that match are cancelled, and no others`() async {
        let bench = self.bench(6)
        // The newest two are younger than that.
        let body = #"{"filter":{"tenant":"even","age_over_ms":2500}}"#
        let (response, text) = await bench.send(.post, "/api/live/cancel", body)
        #expect(response.status == 200)
        #expect(text == #"{"count":2,"cancelling":0,"matched":2,"elsewhere":0,"skipped":[]}"#)
        #expect((1...6).filter { self.isLive(bench, $0) } == [1, 3, 5, 6])
        #expect(bench.last?.reason == .operatorRequest)
        #expect(bench.dispatcher.checkBooks() == nil)
    }

    @Test func `those named are cancelled; one that has ended is passed by`() async {
        let bench = self.bench(4)
        _ = bench.dispatcher.cancel(Self.id(3), cause: .operatorRequest)
        // Named twice is meant once.
        let body = #"{"ids":["\#(Self.id(2))","\#(Self.id(3))","\#(Self.id(2))"]}"#
        let (response, text) = await bench.send(.post, "/api/live/cancel", body)
        #expect(response.status == 200)
        #expect(text.hasPrefix(#"{"count":1,"cancelling":0,"matched":2,"elsewhere":0,"#))
        #expect(text.hasSuffix(#""skipped":[{"id":"\#(Self.id(3))","why":"it is not live here"}]}"#))
        #expect((1...4).filter { self.isLive(bench, $0) } == [1, 4])
    }

    @Test func `at most a thousand at once, and how many match is said`() async {
        let bench = self.bench(1_203)
        let whole = await bench.send(.post, "/api/live/cancel", #"{"filter":{"state":"pending"},"dry_run":true}"#).text
        #expect(whole.hasPrefix(#"{"count":1202,"#) && whole.ranges(of: "req_").count == 1_202)
        let text = await bench.send(.post, "/api/live/cancel", #"{"filter":{"state":"pending"}}"#).text
        #expect(text.contains(#""count":1000,"#) && text.contains(#""matched":1202"#))
        let rest = await bench.send(.post, "/api/live/cancel", #"{"filter":{"state":"pending"}}"#).text
        #expect(rest.contains(#""count":202,"#) && rest.contains(#""matched":202"#))
        #expect(self.isLive(bench, 1))
    }

    @Test func `one that runs is told to stop, after those that wait`() async {
        let bench = self.bench(4)
        let (response, text) = await bench.send(.post, "/api/live/cancel", #"{"filter":{"tenant":["odd","even"]}}"#)
        #expect(response.status == 202)
        #expect(text.hasPrefix(#"{"count":4,"cancelling":1,"matched":4,"#))
        // The slot has not come free for one that is to go as well.
        let states = (1...4).map { bench.dispatcher.find(Self.id($0))?.record.state }
        #expect(states[0] == .claimed && states.dropFirst().allSatisfy { $0 == .ended || $0 == nil })
        #expect(bench.dispatcher.checkBooks() == nil)
    }

    @Test func `a filter beside ids spares those that do not match any more`() async {
        let bench = self.bench(3)
        // The first has begun to run since somebody counted.
        let body = #"{"ids":["\#(Self.id(1))","\#(Self.id(2))"],"filter":{"state":"queued"}}"#
        let text = await bench.send(.post, "/api/live/cancel", body).text
        #expect(text.hasPrefix(#"{"count":1,"cancelling":0,"matched":2,"#))
        #expect(text.contains(#"{"id":"\#(Self.id(1))","why":"it does not match any more"}"#))
        #expect((1...3).filter { self.isLive(bench, $0) } == [1, 3])
    }

    @Test func `it is written down once, with who, what was meant and which they were`() async {
        let bench = self.bench(3, keys: [APIKey(name: "fixer", secret: "sk-3", tenant: "ops", role: .operator)])
        let key = [("authorization", "Bearer sk-3")]
        let answer = await bench.send(.post, "/api/live/cancel", #"{"filter":{"state":"queued"}}"#, key)
        let audit = await bench.send(.get, "/api/audit", "", key).text
        #expect(audit.ranges(of: #""action":"request.cancel""#).count == 1)
        #expect(audit.contains(#""who":"fixer""#) && audit.contains(#""object":"state=queued""#))
        #expect(audit.contains(#""before":{"ids":["\#(Self.id(2))","\#(Self.id(3))"]}"#))
        #expect(audit.contains(#""count":2"#))
        let id = answer.response.headers["x-sluice-audit-id"] ?? "none"
        #expect(audit.contains(#""id":"\#(id)""#))
    }

    @Test(arguments: [
        ("{}", "filter"), (#"{"filter":{"colour":"red"}}"#, "colour"), (#"{"filter":{"state":"ended"}}"#, "state"),
        (#"{"filter":{"limit":"5"}}"#, "limit"), (#"{"filter":{"pool":[]}}"#, "filter"), (#"{"ids":["x"]}"#, "ids"),
        (#"{"filter":{"pool":""}}"#, "filter"), (#"{"filter":{}}"#, "filter"), (#"{"filter":{"pool":null}}"#, "filter"),
        (#"{"filter":{"q":""}}"#, "filter"), (#"{"filter":{"pool":"default"},"dry_run":"true"}"#, "dry_run"),
        (#"{"filter":{"pool":"default"},"dryRun":true}"#, "dryRun"), (#"{"filter":"all"}"#, "filter"),
        (#"{"filter":{"pool":"default"},"ids":"req_1"}"#, "ids"),
    ])
    func `what does not say which is refused and cancels nothing`(body: String, parameter: String) async {
        let bench = self.bench(2)
        let (response, text) = await bench.send(.post, "/api/live/cancel", body)
        #expect(response.status == 400)
        #expect(text.contains("\"param\":\"\(parameter)\""))
        #expect(self.isLive(bench, 1) && self.isLive(bench, 2))
    }

    @Test func `viewers may not`() async {
        let bench = self.bench(2, keys: [APIKey(name: "looker", secret: "sk-2", tenant: "ops", role: .viewer)])
        let key = [("authorization", "Bearer sk-2")]
        #expect(await bench.respond(.post, "/api/live/cancel", #"{"filter":{}}"#, key).status == 403)
        #expect(self.isLive(bench, 1) && self.isLive(bench, 2))
    }
}
