import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

@Suite(.timeLimit(.minutes(3))) struct LaboratoryTests {
    /// Tasks of the lab run as they come; its clock stands still unless it is moved.
    private final class Bench: Sendable {
        let clock = ManualClock()
        let laboratory: Laboratory
        /// Pauses that have begun.
        let sleeping = Lock(0)

        init(
            _ change: (inout LabConfiguration) -> Void = { _ in },
            sleep: @escaping @Sendable (Duration) async -> Void = { _ in await Task.yield() }
        ) {
            var configuration = LabConfiguration()
            change(&configuration)
            let clock = self.clock
            let sleeping = self.sleeping
            self.laboratory = Laboratory(
                configuration,
                clock: clock,
                spawn: { work in Running(Task { await work() }) },
                sleep: { span in
                    // The sweep of idle sessions waits too, for longer.
                    if span < .seconds(1) { sleeping.withLock { $0 += 1 } }
                    await sleep(span)
                }
            )
        }

        func send(
            _ method: HTTPMethod,
            _ path: String,
            _ body: String = "",
            _ headers: [(String, String)] = []
        ) async -> (status: Int, text: String) {
            let request = HTTPRequest(
                method: method,
                path: path,
                headers: HTTPFields(headers),
                body: Array(body.utf8),
                remoteAddress: "127.0.0.1",
                receivedAt: self.clock.now()
            )
            do throws(GatewayError) {
                let response = try await self.laboratory.answer(request)
                guard case .bytes(let bytes) = response.body else { return (response.status, "") }
                return (response.status, String(decoding: bytes, as: UTF8.self))
            } catch {
                return (error.status, String(decoding: error.body, as: UTF8.self))
            }
        }

        func open(_ body: String = #"{"paused":true}"#) async throws -> String {
            let (status, text) = await self.send(.post, "/api/lab/sessions", body)
            #expect(status == 201, "\(text)")
            return try JSON.read(Array(text.utf8)) { $0["id"]?.string ?? "" }
        }
    }

    private final class Running: Cancellable {
        private let task: Task<Void, Never>

        init(_ task: Task<Void, Never>) { self.task = task }

        func cancel() { self.task.cancel() }
    }

    private static func number(_ text: String, _ path: String...) throws -> Double? {
        try JSON.read(Array(text.utf8)) { root in
            var value: JSONValue? = root
            for name in path { value = value?[named: name] }
            return value?.double
        }
    }

    @Test func `a session goes step by step, and the same steps give the same frame`() async throws {
        var frames: [String] = []
        for _ in 0..<2 {
            let bench = Bench()
            let id = try await bench.open(#"{"scenario":{"seed":7,"arrivals":{"rate":5}},"paused":true}"#)
            let path = "/api/lab/sessions/\(id)"
            _ = await bench.send(.post, path + "/step", #"{"seconds":30}"#)
            let change = #"{"scenario":{"slots":2,"requests_per_minute":60}}"#
            #expect(await bench.send(.patch, path, change).status == 200)
            let (status, text) = await bench.send(.post, path + "/step", #"{"seconds":30}"#)
            #expect(status == 200)
            #expect(try Self.number(text, "now_s") == 60)
            #expect(try Self.number(text, "counts", "arrived") ?? 0 > 200)
            let processing = try #require(try Self.number(text, "counts", "processing"))
            #expect(processing <= 2)
            frames.append(text)
        }
        #expect(frames[0] == frames[1])
    }

    @Test func `a message tells what its score is made of and what holds it`() async throws {
        let bench = Bench()
        let id = try await bench.open(#"{"scenario":{"slots":1,"arrivals":{"pattern":"none"}},"paused":true}"#)
        let path = "/api/lab/sessions/\(id)"
        let added = await bench.send(.post, path + "/add", #"{"count":3,"priority":"high","tokens":900}"#)
        #expect(added.text == #"{"first":1,"last":3}"#)
        let (status, text) = await bench.send(.get, path + "/messages/3")
        #expect(status == 200)
        #expect(text.contains(#""held_by":"slots""#))
        #expect(text.contains(#""name":"wait_time""#))
        #expect(await bench.send(.get, path + "/messages/77").status == 404)
        #expect(await bench.send(.post, path + "/add", #"{"tenant":"nobody"}"#).status == 400)
    }

    @Test func `what is wrong is refused by its name`() async throws {
        let bench = Bench()
        let id = try await bench.open()
        let path = "/api/lab/sessions/\(id)"
        for (body, field) in [
            (#"{"scenario":{"slots":0}}"#, "slots"), (#"{"speed":-1}"#, "speed"), (#"{"paused":1}"#, "paused"),
            (#"{"level":9}"#, "level"), ("[]", "body"),
        ] {
            let (status, text) = await bench.send(.patch, path, body)
            #expect(status == 400)
            #expect(text.contains("\"param\":\"\(field)\""), "\(text)")
        }
        #expect(await bench.send(.patch, path, "{").status == 400)
        let unknown = await bench.send(.patch, path, #"{"scenario":{"arrivals":{"trace":"tr_1"}}}"#)
        #expect(unknown.status == 404 && unknown.text.contains("lab_trace_not_found"))
        #expect(await bench.send(.get, "/api/lab/sessions/lab_nothing").status == 404)
        #expect(await bench.send(.post, "/api/lab/traces", "nonsense").status == 400)
        #expect(await bench.send(.post, "/api/lab/runs", #"{"policies":["best"]}"#).status == 400)
        #expect(await bench.send(.post, "/api/lab/runs", "").status == 400)
        // No list, though it has members.
        let object = await bench.send(.post, "/api/lab/runs", #"{"policies":{"a":"fifo"}}"#)
        #expect(object.status == 400 && object.text.contains("\"param\":\"policies\""))
        let tooMany = #"{"policies":["fifo","fair"],"requests":100001}"#
        #expect(await bench.send(.post, "/api/lab/runs", tooMany).status == 400)
    }

    @Test func `sessions are bounded: who is not watched makes room`() async throws {
        let bench = Bench { $0.maximumSessions = 2 }
        let first = try await bench.open()
        bench.clock.advance(by: .seconds(1))
        let second = try await bench.open()
        bench.clock.advance(by: .seconds(1))
        _ = try await bench.open()
        #expect(bench.laboratory.sessionCount == 2)
        #expect(await bench.send(.get, "/api/lab/sessions/\(first)").status == 404)
        #expect(await bench.send(.get, "/api/lab/sessions/\(second)").status == 200)
        #expect(await bench.send(.delete, "/api/lab/sessions/\(second)").status == 204)
        #expect(bench.laboratory.sessionCount == 1)
    }

    @Test func `idle sessions go`() async throws {
        let bench = Bench()
        _ = try await bench.open()
        bench.clock.advance(by: .seconds(601))
        for _ in 0..<1_000 where bench.laboratory.sessionCount > 0 { await Task.yield() }
        #expect(bench.laboratory.sessionCount == 0)
    }

    @Test func `who watches is shown what is new, and nothing piles up`() async throws {
        let bench = Bench()
        let id = try await bench.open(#"{"scenario":{"arrivals":{"rate":5}}}"#)
        let session = try bench.laboratory.find(id)
        let watcher = try bench.laboratory.watch(session)
        var text = ""
        for _ in 0..<20 {
            bench.clock.advance(by: .milliseconds(110))
            let bytes = await watcher.next()
            text += String(decoding: bytes ?? [], as: UTF8.self)
        }
        #expect(text.contains("event: session\n"))
        #expect(text.contains("event: series\n"))
        #expect(text.components(of: "event: frame\n") > 5)
        let path = "/api/lab/sessions/\(id)"
        #expect(await bench.send(.patch, path, #"{"paused":true}"#).status == 200)
        _ = await watcher.next()
        // Each of these is shown at once, and nobody looks.
        for slots in 1...20 {
            #expect(await bench.send(.patch, path, #"{"scenario":{"slots":\#(slots)}}"#).status == 200)
        }
        let sequence = session.state.withLock { $0.sequence }
        let next = try #require(await watcher.next())
        let late = String(decoding: next, as: UTF8.self)
        #expect(late.components(of: "event: frame\n") == 1 && late.components(of: "event: series\n") == 1)
        #expect(late.contains(#""sequence":\#(sequence),"#), "the newest")
        // None of what was set is lost.
        #expect(late.components(of: "event: session\n") == 20)
        bench.laboratory.unwatch(watcher, session)
        for _ in 0..<1_000 where !session.state.withLock({ $0.watchers.isEmpty }) { await Task.yield() }
        for _ in 0..<1_000 where session.state.withLock({ $0.isDriven }) { await Task.yield() }
        #expect(session.state.withLock { $0.isDriven } == false)
    }

    @Test func `policies are compared on the same arrivals, drawn or recorded`() async throws {
        let bench = Bench()
        let mine = ##"{"name":"mine","policy":"custom","weights":{"priority":2}}"##
        let body = #"{"scenario":{"arrivals":{"rate":3}},"policies":["fifo",\#(mine)],"requests":500}"#
        let (status, text) = await bench.send(.post, "/api/lab/runs", body)
        #expect(status == 200)
        #expect(text.contains(#""requests":500"#) && text.contains(#""name":"mine""#))
        #expect(text.components(of: #""books":"balanced""#) == 2)
        let lines = (0..<100).map { #"{"arrival_ms":\#($0 * 50),"tenant":"t","completion_tokens":50}"# }
        let trace = await bench.send(.post, "/api/lab/traces", lines.joined(separator: "\n"))
        #expect(trace.status == 201)
        let name = try JSON.read(Array(trace.text.utf8)) { $0["trace"]?.string ?? "" }
        let replay = #"{"scenario":{"arrivals":{"trace":"\#(name)"}},"policies":["fifo","fair"]}"#
        let (replayed, answer) = await bench.send(.post, "/api/lab/runs", replay)
        #expect(replayed == 200)
        #expect(try Self.number(answer, "requests") == 100)
        let id = try await bench.open(#"{"scenario":{"arrivals":{"trace":"\#(name)"}},"paused":true}"#)
        let frame = await bench.send(.post, "/api/lab/sessions/\(id)/step", #"{"seconds":10}"#)
        #expect(try Self.number(frame.text, "counts", "arrived") == 100)
    }

    /// Two requests, so long apart that nothing happens in between but the end of steps.
    private func emptiness(_ bench: Bench) async throws -> String {
        let lines = [0, 1_000_000_000].map { #"{"arrival_ms":\#($0),"tenant":"t","completion_tokens":50}"# }
        let trace = await bench.send(.post, "/api/lab/traces", lines.joined(separator: "\n"))
        let name = try JSON.read(Array(trace.text.utf8)) { $0["trace"]?.string ?? "" }
        return try await bench.open(#"{"scenario":{"arrivals":{"trace":"\#(name)"}},"paused":true}"#)
    }

    @Test func `a step looks for so long for things that happen, however many are wanted`() async throws {
        let bench = Bench()
        let path = "/api/lab/sessions/\(try await self.emptiness(bench))/step"
        let frame = await bench.send(.post, path, #"{"events":1000}"#)
        #expect(frame.status == 200)
        #expect(try Self.number(frame.text, "counts", "arrived") == 1)
        #expect(try Self.number(frame.text, "now_s") ?? 0 < 90_000)
        #expect(try Self.number(frame.text, "now_s") ?? 0 > 80_000)
    }

    @Test func `steps pause between slices, end with their clients, and are so many at once`() async throws {
        let gate = Signal()
        let bench = Bench(sleep: { _ in await gate.waitForCancellation() })
        let path = "/api/lab/sessions/\(try await self.emptiness(bench))/step"
        let steps = (0..<4).map { _ in Task { await bench.send(.post, path, #"{"events":1000}"#) } }
        while bench.sleeping.withLock({ $0 }) < 4 { await Task.yield() }
        let fifth = await bench.send(.post, path, #"{"events":1}"#)
        #expect(fifth.status == 503 && fifth.text.contains("lab_busy"))
        for step in steps { step.cancel() }
        gate.set()
        for step in steps { #expect(await step.value.text.contains("client_gone")) }
        #expect(await bench.send(.post, path, #"{"events":1}"#).status == 200)
    }

    @Test func `pages of other sites may not use it`() async {
        let bench = Bench()
        let foreign = [("sec-fetch-site", "cross-site")]
        #expect(await bench.send(.post, "/api/lab/sessions", "", foreign).status == 403)
        #expect(bench.laboratory.sessionCount == 0)
    }
}

extension String {
    /// How often a part occurs.
    fileprivate func components(of part: String) -> Int {
        self.split(separator: part, omittingEmptySubsequences: false).count - 1
    }
}
