import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// A client that goes takes its request with it, wherever that is.
@Suite(.timeLimit(.minutes(3))) struct ClientGoneTests {
    private func check(_ bench: GatewayBench) {
        #expect(bench.last?.reason == .clientGone)
        #expect(bench.dispatcher.liveCount == 0)
        #expect(bench.dispatcher.checkBooks() == nil)
        #expect(bench.pool?.inFlight == 0)
    }

    @Test func `while queued it is removed at once and never sent`() async {
        let bench = GatewayBench([.hang])
        let running = Task { await bench.chat() }
        await bench.until { bench.client.requests.count == 1 }
        let waiting = Task { await bench.chat() }
        await bench.until { bench.pool?.queued == 1 }
        waiting.cancel()
        _ = await waiting.value
        #expect(bench.pool?.queued == 0)
        #expect(bench.last?.attempts.isEmpty == true)
        #expect(bench.client.requests.count == 1)
        running.cancel()
        _ = await running.value
        #expect(bench.client.requests.count == 1)
        self.check(bench)
    }

    @Test(arguments: [GatewayBench.chat, GatewayBench.streamed])
    func `while the backend works its call is cancelled, and not tried again`(body: String) async {
        let bench = GatewayBench([.hang, .answer(200, GatewayBench.answer)], maximumAttempts: 3)
        let task = Task { await bench.send(.post, "/v1/chat/completions", body) }
        await bench.until { bench.client.requests.count == 1 }
        task.cancel()
        _ = await task.value
        #expect(bench.client.abandoned.withLock { $0 } == 1)
        #expect(bench.client.requests.count == 1)
        self.check(bench)
    }

    @Test func `while a stream is held back for its first content its call is cancelled`() async {
        let bench = GatewayBench([.stream([GatewayBench.role, "hang"])], maximumAttempts: 3)
        let task = Task { await bench.stream() }
        await bench.until { bench.client.requests.count == 1 }
        task.cancel()
        _ = await task.value
        #expect(bench.client.abandoned.withLock { $0 } == 1)
        #expect(bench.client.requests.count == 1)
        self.check(bench)
    }

    @Test func `in mid-stream, when writing fails, the backend's stream is closed`() async {
        let endless = Array(repeating: GatewayBench.content, count: 1000)
        let bench = GatewayBench([.stream(endless)], maximumAttempts: 3)
        let response = await bench.respond(.post, "/v1/chat/completions", GatewayBench.streamed)
        guard case .stream(let write) = response.body else {
            Issue.record("no stream")
            return
        }
        let writer = CollectingWriter(capacity: 3)
        try? await write(writer)
        #expect(writer.chunks.count == 3)
        #expect(bench.client.abandoned.withLock { $0 } == 1)
        #expect(bench.client.requests.count == 1)
        self.check(bench)
    }

    @Test func `in mid-stream, when nothing comes, the backend's stream is closed`() async {
        let bench = GatewayBench([.stream([GatewayBench.content, "hang"])], maximumAttempts: 3)
        let writer = CollectingWriter()
        let task = Task {
            let response = await bench.respond(.post, "/v1/chat/completions", GatewayBench.streamed)
            guard case .stream(let write) = response.body else { return }
            try? await write(writer)
        }
        await bench.until { writer.chunks.count == 1 }
        task.cancel()
        await task.value
        #expect(bench.client.abandoned.withLock { $0 } == 1)
        // Nobody is there to be told of an error.
        #expect(writer.chunks == [GatewayBench.content])
        self.check(bench)
    }

    @Test func `a slot that a client gives up serves the next`() async {
        let bench = GatewayBench([.hang, .answer(200, GatewayBench.answer)])
        let first = Task { await bench.chat() }
        await bench.until { bench.client.requests.count == 1 }
        async let second = bench.chat()
        await bench.until { bench.pool?.queued == 1 }
        first.cancel()
        #expect(await second.response.status == 200)
        _ = await first.value
        #expect(bench.dispatcher.checkBooks() == nil)
    }
}
