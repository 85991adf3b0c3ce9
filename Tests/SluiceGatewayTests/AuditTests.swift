import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

@Suite struct AuditTests {
    private final class Lines: AuditSink {
        private let lines = Lock<[String]>([])
        var all: [String] { self.lines.withLock { $0 } }
        func append(_ line: [UInt8]) { self.lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
    }

    private let keys = [
        APIKey(name: "fixer", secret: "sk-3", tenant: "ops", role: .operator),
        APIKey(name: "boss", secret: "sk-4", tenant: "ops", role: .admin),
    ]
    private let fixer = [("authorization", "Bearer sk-3")]

    private func audit(_ bench: GatewayBench, _ query: [(String, String)] = []) async -> String {
        await bench.send(.get, "/api/audit", "", self.fixer, query: query).text
    }

    @Test func `a change says who did what, how it was before and is after, and goes to the file`() async {
        let lines = Lines()
        let bench = GatewayBench(keys: self.keys, auditSink: lines)
        let change = await bench.send(.patch, "/api/pools/default", #"{"slots":5}"#, self.fixer)
        let id = change.response.headers["x-sluice-audit-id"] ?? ""
        #expect(id.hasPrefix("aud_"))
        let text = await self.audit(bench)
        #expect(text.contains(#""who":"fixer","role":"operator","client":"127.0.0.1","action":"pool.change""#))
        #expect(text.contains(#""object":"default","before":{"slots":1},"after":{"slots":5}"#))
        #expect(text.contains(#""undoable":true,"undone":false"#))
        #expect(lines.all.count == 1 && lines.all[0].hasSuffix("}\n") && lines.all[0].contains(id))
        #expect(!text.contains("sk-3") && !lines.all[0].contains("sk-3"))
    }

    @Test func `an undo restores exactly what was, and can itself be undone`() async {
        let bench = GatewayBench(keys: self.keys)
        let was = bench.pool?.configuration
        let body =
            #"{"slots":5,"policy":{"preset":"fifo"},"limits":{"requests_per_minute":60},"tenants":{"weights":{"a":2}}}"#
        let change = await bench.send(.patch, "/api/pools/default", body, self.fixer)
        #expect(change.response.status == 200, "\(change.text)")
        let changed = bench.pool?.configuration
        #expect(changed != was)
        let id = change.response.headers["x-sluice-audit-id"] ?? ""
        let undo = await bench.send(.post, "/api/audit/\(id)/undo", "", self.fixer)
        #expect(undo.response.status == 200)
        #expect(bench.pool?.configuration == was)
        let again = await bench.send(.post, "/api/audit/\(id)/undo", "", self.fixer)
        #expect(again.response.status == 409 && again.text.contains("already_undone"))
        let redo = undo.response.headers["x-sluice-audit-id"] ?? ""
        #expect(await bench.send(.post, "/api/audit/\(redo)/undo", "", self.fixer).response.status == 200)
        #expect(bench.pool?.configuration == changed)
    }

    @Test func `what has been changed since is not undone`() async {
        let bench = GatewayBench(keys: self.keys)
        let first = await bench.send(.patch, "/api/pools/default", #"{"slots":5}"#, self.fixer)
        _ = await bench.send(.patch, "/api/pools/default", #"{"slots":9}"#, self.fixer)
        let id = first.response.headers["x-sluice-audit-id"] ?? ""
        let undo = await bench.send(.post, "/api/audit/\(id)/undo", "", self.fixer)
        #expect(undo.response.status == 409 && undo.text.contains("changed_since"))
        #expect(bench.pool?.configuration.slots == 9)
    }

    @Test func `pause, resume and drain go back to what was`() async {
        let bench = GatewayBench(keys: self.keys)
        for (verb, mode) in [("pause", PoolMode.paused), ("drain", .draining)] {
            let answer = await bench.send(.post, "/api/pools/default/\(verb)", "", self.fixer)
            #expect(bench.pool?.mode == mode)
            let id = answer.response.headers["x-sluice-audit-id"] ?? ""
            #expect(await bench.send(.post, "/api/audit/\(id)/undo", "", self.fixer).response.status == 200)
            #expect(bench.pool?.mode == .running)
        }
        let paused = await bench.send(.post, "/api/pools/default/pause", "", self.fixer)
        _ = await bench.send(.post, "/api/pools/default/drain", "", self.fixer)
        let id = paused.response.headers["x-sluice-audit-id"] ?? ""
        #expect(await bench.send(.post, "/api/audit/\(id)/undo", "", self.fixer).response.status == 409)
        #expect(bench.pool?.mode == .draining)
        // Nothing was changed, so there is nothing to take back.
        let same = await bench.send(.post, "/api/pools/default/drain", "", self.fixer)
        let none = same.response.headers["x-sluice-audit-id"] ?? ""
        let refused = await bench.send(.post, "/api/audit/\(none)/undo", "", self.fixer)
        #expect(refused.response.status == 409 && refused.text.contains("not_undoable"))
        #expect(await bench.send(.post, "/api/audit/aud_none/undo", "", self.fixer).response.status == 404)
    }

    @Test func `the list filters, and goes on where it ended`() async {
        let bench = GatewayBench(keys: self.keys)
        for slots in 1...5 { _ = await bench.send(.patch, "/api/pools/default", "{\"slots\":\(slots)}", self.fixer) }
        _ = await bench.send(.post, "/api/pools/default/pause", "", [("authorization", "Bearer sk-4")])
        #expect(await self.audit(bench, [("who", "boss")]).ranges(of: "\"id\":").count == 1)
        #expect(await self.audit(bench, [("action", "pool.change")]).ranges(of: "\"id\":").count == 5)
        #expect(await self.audit(bench, [("action", "pool")]).ranges(of: "\"id\":").count == 6)
        #expect(await self.audit(bench, [("since", "99999999999")]).contains("\"rows\":[]"))
        let (rows, next) = bench.gateway.audit.query(AuditLog.Filter(), limit: 4, before: nil) ?? ([], nil)
        #expect(rows.count == 4 && next == rows.last?.id)
        let rest = bench.gateway.audit.query(AuditLog.Filter(), limit: 4, before: next)
        #expect(rest?.rows.count == 2 && rest?.next == nil)
        #expect(await bench.send(.get, "/api/audit", "", self.fixer, query: [("cursor", "odd")]).response.status == 400)
    }

    @Test func `memory holds so many, the oldest go first`() {
        let log = AuditLog(maximum: 8, sink: nil)
        for number in 0..<100 {
            log.add(
                AuditEntry(
                    id: "aud_\(number)",
                    at: Int64(number),
                    who: nil,
                    role: nil,
                    client: "",
                    action: "pool.pause",
                    object: "default"
                )
            )
        }
        let rows = log.query(AuditLog.Filter(), limit: 1_000, before: nil)?.rows ?? []
        #expect((8...10).contains(rows.count))
        #expect(rows.first?.id == "aud_99")
        #expect(log.find("aud_99") != nil && log.find("aud_0") == nil)
        #expect(log.query(AuditLog.Filter(), limit: 1, before: "aud_0") == nil)
    }

    private struct FakeLog: LogSteering {
        let current = Lock("info")
        var level: String { self.current.withLock { $0 } }
        var format: String { "text" }
        var dropped: Int { 0 }
        func setLevel(_ level: String) -> Bool {
            self.current.withLock { $0 = level }
            return true
        }
    }

    @Test func `a level of the log is written down before it hides that, and can be undone`() async {
        let bench = GatewayBench(keys: self.keys)
        let log = FakeLog()
        bench.gateway.attach(log)
        let change = await bench.send(.patch, "/api/log", #"{"level":"error"}"#, self.fixer)
        #expect(change.response.status == 200 && log.level == "error")
        let id = change.response.headers["x-sluice-audit-id"] ?? ""
        let text = await self.audit(bench)
        #expect(
            text.contains(#""action":"log.level","object":"log","before":{"level":"info"},"after":{"level":"error"}"#)
        )
        #expect(bench.log.first?.message == "operator action")
        #expect(await bench.respond(.post, "/api/audit/\(id)/undo", "", self.fixer).status == 200)
        #expect(log.level == "info")
        #expect(await bench.respond(.patch, "/api/log", #"{"level":"loud"}"#, self.fixer).status == 400)
        let second = await bench.respond(.patch, "/api/log", #"{"level":"debug"}"#, self.fixer)
        _ = log.setLevel("warning")
        let late = await bench.send(
            .post,
            "/api/audit/\(second.headers["x-sluice-audit-id"] ?? "")/undo",
            "",
            self.fixer
        )
        #expect(late.response.status == 409 && late.text.contains("The log's level has been changed since"))
    }

    @Test func `attempts at what one may not do are written down, at a pace`() async {
        let bench = GatewayBench(keys: self.keys)
        for _ in 0..<5 { #expect(await bench.respond(.post, "/api/dead/purge", "{}", self.fixer).status == 403) }
        let text = await self.audit(bench, [("action", "refused")])
        #expect(text.ranges(of: "\"id\":").count == 1)
        #expect(text.contains(#""who":"fixer","role":"operator""#))
        #expect(
            text.contains(#""object":"POST /api/dead/purge","before":null,"after":{"code":"role_too_low"},"count":1"#)
        )
        bench.clock.advance(by: .seconds(61))
        _ = await bench.respond(.post, "/api/dead/purge", "{}", self.fixer)
        #expect(await self.audit(bench, [("action", "refused")]).contains("\"count\":5"))
        // However many different ones there are, they do not push out what was done.
        let pace = RefusalPace()
        let now = bench.clock.now()
        #expect((0..<1_000).compactMap { pace.tell("attempt \($0)", at: now) }.count == 20)
    }

    @Test func `the mode that was is told by whoever changed it`() {
        let bench = GatewayBench()
        #expect(bench.dispatcher.exchangeMode(.paused, pool: "default") == .running)
        #expect(bench.dispatcher.exchangeMode(.draining, pool: "default") == .paused)
        #expect(bench.dispatcher.exchangeMode(.draining, pool: "nothing") == nil)
        #expect(bench.pool?.mode == .draining)
    }

    @Test func `an operator's cancel is written down, an owner's is not`() async {
        let owner = APIKey(name: "owner", secret: "sk-o", tenant: "acme")
        let bench = GatewayBench(keys: self.keys + [owner])
        _ = bench.dispatcher.setMode(.paused, pool: "default")
        for headers in [[("authorization", "Bearer sk-o")], self.fixer] {
            let sent = await bench.chat([("authorization", "Bearer sk-o"), ("prefer", "respond-async")])
            let path = (sent.response.headers["location"] ?? "") + "/cancel"
            #expect(await bench.respond(.post, path, "", headers).status == 200)
        }
        let text = await self.audit(bench)
        #expect(text.ranges(of: "request.cancel").count == 1)
        await bench.until { bench.dispatcher.liveCount == 0 }
    }
}
