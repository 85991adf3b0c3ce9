import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Streams that say how long they have to wait, and the same in the headers of a 202.
@Suite(.timeLimit(.minutes(3))) struct QueueUpdatesTests {
    private typealias Bench = GatewayBench
    private static let updates = [("x-sluice-queue-updates", "1")]
    private static var whole: ScriptedClient.Line { .stream([Bench.role, Bench.content, Bench.done]) }

    /// A stream that has to wait behind a call which ends when the signal is given, and what its client reads.
    private func waiting(_ bench: Bench) async throws -> (response: HTTPResponse, writer: CollectingWriter) {
        let response = await bench.respond(.post, "/v1/chat/completions", Bench.streamed, Self.updates)
        guard case .stream(let write) = response.body else { throw NoStream() }
        let writer = CollectingWriter()
        bench.spawned.withLock { $0.append(Task { try? await write(writer) }) }
        return (response, writer)
    }

    private struct NoStream: Error {}

    /// Takes the only slot until the signal is given.
    private func occupy(_ bench: Bench) async -> Task<String, Never> {
        let task = Task { await bench.chat().text }
        await bench.until { bench.pool?.inFlight == 1 }
        return task
    }

    @Test func `it tells its place at once and then every second, and the answer follows`() async throws {
        let proceed = Signal()
        let bench = Bench([.after(proceed, .answer(200, Bench.answer)), Self.whole])
        let first = await self.occupy(bench)
        let (response, writer) = try await self.waiting(bench)
        #expect(response.status == 200)
        #expect(response.headers["content-type"]?.hasPrefix("text/event-stream") == true)
        #expect(response.headers["x-sluice-queue-position"] == "1")
        #expect(response.headers["x-sluice-request-id"] != nil)
        await bench.until { bench.sleeps.count == 1 }
        #expect(writer.chunks == [": queued position=1\n\n"])
        #expect(bench.sleeps.spans == [.seconds(1)])
        bench.sleeps.pass()
        await bench.until { bench.sleeps.count == 2 }
        #expect(writer.chunks == [": queued position=1\n\n", ": queued position=1\n\n"])
        proceed.set()
        _ = await first.value
        await bench.settle()
        #expect(writer.chunks.dropFirst(2).joined() == Bench.role + Bench.content + Bench.done)
        #expect(bench.last?.reason == .ok && bench.dispatcher.checkBooks() == nil)
    }

    @Test func `a stream that had to wait tells its provider's limits as any other`() async throws {
        let proceed = Signal()
        let limits = [
            ("x-ratelimit-limit-requests", "100"), ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "60s"),
        ]
        let bench = Bench([
            .after(proceed, .answer(200, Bench.answer)), .headed(limits, [Bench.role, Bench.content, Bench.done]),
        ])
        let first = await self.occupy(bench)
        let (_, writer) = try await self.waiting(bench)
        await bench.until { bench.pool?.queued == 1 }
        proceed.set()
        _ = await first.value
        await bench.until { writer.chunks.last?.hasSuffix(Bench.done) == true && bench.pool?.inFlight == 0 }
        #expect(bench.client.requests.count == 2)
        let location = await bench.chat([("prefer", "respond-async")]).response.headers["location"] ?? ""
        let said = await bench.send(.get, location + "/explain").text
        #expect(said.contains(#""reason":"rate_limited""#), "\(said)")
        _ = await bench.send(.post, location + "/cancel")
        await bench.settle()
    }

    @Test func `what need not wait is answered as if nobody had asked`() async throws {
        let bench = Bench([Self.whole, .stream([Bench.failure])])
        let (response, text) = await bench.stream(Self.updates)
        #expect(response.headers["x-sluice-attempts"] == "1" && !text.contains(": queued"))
        // Its failure still has a status.
        #expect(await bench.stream(Self.updates).response.status == 502)
    }

    @Test func `who does not ask gets a status, as ever`() async throws {
        let proceed = Signal()
        let bench = Bench([.after(proceed, .answer(200, Bench.answer)), .stream([Bench.failure])])
        let first = await self.occupy(bench)
        let second = Task { await bench.stream([("x-sluice-queue-updates", "0")]) }
        await bench.until { bench.pool?.queued == 1 }
        proceed.set()
        _ = await first.value
        #expect(await second.value.response.status == 502)
    }

    @Test func `before its first content it is tried again without a trace`() async throws {
        let proceed = Signal()
        let bench = Bench(
            [.after(proceed, .answer(200, Bench.answer)), .stream([Bench.role, "cut"]), Self.whole],
            maximumAttempts: 2
        )
        let first = await self.occupy(bench)
        let writer = try await self.waiting(bench).writer
        await bench.until { bench.sleeps.count == 1 }
        proceed.set()
        _ = await first.value
        await bench.settle()
        let said = writer.chunks.filter { !$0.hasPrefix(": queued") }.joined()
        #expect(said == Bench.role + Bench.content + Bench.done)
        #expect(bench.last?.attempts.count == 2 && bench.last?.reason == .ok)
    }

    @Test(arguments: [
        (ScriptedClient.Line.stream([GatewayBench.failure]), 502, "server_error"),
        (.answer(500, "no JSON"), 502, "server_error"),
        (.answer(400, #"{"error":{"message":"too long","type":"invalid_request_error"}}"#), 400, "too long"),
        (.answer(404, "<html>"), 404, "refused the request with status 404"),
    ])
    func `a failure is told as an event in the shape that clients read, with its status in a comment`(
        line: ScriptedClient.Line,
        status: Int,
        part: String
    ) async throws {
        let proceed = Signal()
        let bench = Bench([.after(proceed, .answer(200, Bench.answer)), line])
        let first = await self.occupy(bench)
        let writer = try await self.waiting(bench).writer
        await bench.until { bench.sleeps.count == 1 }
        proceed.set()
        _ = await first.value
        await bench.settle()
        let rest = writer.chunks.last ?? ""
        #expect(rest.hasPrefix(": failed status=\(status)\n\ndata: {\"error\":{"), "\(rest)")
        #expect(rest.contains(part) && rest.hasSuffix("\n\ndata: [DONE]\n\n"), "\(rest)")
        #expect(bench.dispatcher.liveCount == 0 && bench.dispatcher.checkBooks() == nil)
    }

    @Test func `a whole answer where a stream was asked for comes as events`() async throws {
        let proceed = Signal()
        let bench = Bench([.after(proceed, .answer(200, Bench.answer)), .answer(200, Bench.answer)])
        let first = await self.occupy(bench)
        let writer = try await self.waiting(bench).writer
        await bench.until { bench.sleeps.count == 1 }
        proceed.set()
        _ = await first.value
        await bench.settle()
        let rest = writer.chunks.last ?? ""
        #expect(rest.contains(#""delta":{"content":"ok"}"#) && rest.hasSuffix("data: [DONE]\n\n"), "\(rest)")
    }

    @Test func `cancelled while it waits, it says so and ends properly`() async throws {
        let proceed = Signal()
        let bench = Bench([.after(proceed, .answer(200, Bench.answer))])
        let first = await self.occupy(bench)
        let (response, writer) = try await self.waiting(bench)
        await bench.until { bench.sleeps.count == 1 }
        let id = response.headers["x-sluice-request-id"] ?? ""
        #expect(await bench.send(.post, "/api/requests/\(id)/cancel").response.status == 200)
        await bench.until { writer.chunks.count == 2 }
        #expect(writer.chunks.last?.contains("\"code\":\"operator_request\"") == true)
        proceed.set()
        _ = await first.value
        await bench.settle()
    }

    @Test func `a client that goes while it waits takes its request with it`() async throws {
        let proceed = Signal()
        let bench = Bench([.after(proceed, .answer(200, Bench.answer)), Self.whole])
        let first = await self.occupy(bench)
        let response = await bench.respond(.post, "/v1/chat/completions", Bench.streamed, Self.updates)
        guard case .stream(let write) = response.body else { throw NoStream() }
        let writer = CollectingWriter(capacity: 1)
        bench.spawned.withLock { $0.append(Task { try? await write(writer) }) }
        await bench.until { bench.sleeps.count == 1 }
        bench.sleeps.pass()
        await bench.until { bench.pool?.queued == 0 }
        proceed.set()
        _ = await first.value
        await bench.settle()
        #expect(bench.client.requests.count == 1)
        #expect(bench.telemetry.history.query(.init(), limit: 9).records.contains { $0.reason == .clientGone })
        #expect(bench.dispatcher.liveCount == 0 && bench.dispatcher.checkBooks() == nil)
    }

    @Test func `a 202 says the place and, once it is known, the wait`() async throws {
        let proceed = Signal()
        let bench = Bench([.after(proceed, .answer(200, Bench.answer))])
        let first = await self.occupy(bench)
        let later = [("prefer", "respond-async")]
        for place in 1...3 {
            let headers = await bench.chat(later).response.headers
            #expect(headers["x-sluice-queue-position"] == "\(place)")
            #expect(headers["x-sluice-estimated-wait-ms"] == nil)
        }
        bench.dispatcher.cancelAll(cause: .operatorRequest)
        proceed.set()
        _ = await first.value
        await bench.settle()
        let free = Bench([.answer(200, Bench.answer)])
        let headers = await free.chat(later).response.headers
        #expect(headers["x-sluice-queue-position"] == "0" && headers["x-sluice-estimated-wait-ms"] == "0")
        await free.settle()
    }
}
