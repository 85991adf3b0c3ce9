import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Identical requests that run at the same time.
@Suite(.timeLimit(.minutes(3))) struct SharedCallTests {
    private func state(_ answer: (response: HTTPResponse, text: String)) -> String? {
        answer.response.headers["x-sluice-cache"]
    }

    private func check(_ bench: GatewayBench) {
        #expect(bench.dispatcher.liveCount == 0)
        #expect(bench.dispatcher.checkBooks() == nil)
        #expect(bench.gateway.cache?.flights.count ?? 0 == 0)
    }

    private func passengers(_ bench: GatewayBench) -> Int {
        var count = 0
        bench.gateway.cache?.flights.forEach { count += $0.passengers }
        return count
    }

    @Test func `identical requests in flight share one call`() async {
        let proceed = Signal()
        let bench = CacheBench.make([.after(proceed, .answer(200, CacheBench.answer("1")))])
        let tasks = (0..<8).map { number in Task { number % 2 == 0 ? await bench.chat() : await bench.stream() } }
        await bench.until { self.passengers(bench) == 8 }
        proceed.set()
        var states: [String: Int] = [:]
        for task in tasks {
            let answer = await task.value
            #expect(answer.response.status == 200 && answer.text.contains("\"1\""))
            states[self.state(answer) ?? "none", default: 0] += 1
        }
        #expect(bench.client.requests.count == 1)
        #expect(states == ["miss": 1, "shared": 7])
        await bench.settle()
        #expect(bench.pool?.ended[.shared] == 7)
        self.check(bench)
    }

    @Test func `a stream is followed from its beginning`() async {
        let proceed = Signal()
        let bench = CacheBench.make([.after(proceed, .stream(CacheBench.withoutUsage))])
        let tasks = (0..<4).map { _ in Task { await bench.stream() } }
        await bench.until { self.passengers(bench) == 4 }
        proceed.set()
        for task in tasks {
            let answer = await task.value
            #expect(answer.text.replacing("|", with: "") == CacheBench.withoutUsage.joined())
        }
        #expect(bench.client.requests.count == 1)
        await bench.settle()
        self.check(bench)
    }

    @Test(arguments: [GatewayBench.chat, GatewayBench.streamed])
    func `a leader whose client leaves does not take the call along`(body: String) async {
        let proceed = Signal()
        let bench = CacheBench.make([
            .after(
                proceed,
                body == GatewayBench.chat
                    ? .answer(200, CacheBench.answer("1")) : .stream(CacheBench.whole)
            )
        ])
        let leader = Task { await bench.send(.post, "/v1/chat/completions", body) }
        await bench.until { bench.client.requests.count == 1 }
        let follower = Task { await bench.send(.post, "/v1/chat/completions", body) }
        await bench.until { self.passengers(bench) == 2 }
        leader.cancel()
        _ = await leader.value
        #expect(self.passengers(bench) == 1)
        proceed.set()
        let answer = await follower.value
        #expect(answer.response.status == 200 && self.state(answer) == "shared")
        #expect(bench.client.requests.count == 1)
        await bench.settle()
        self.check(bench)
    }

    @Test func `when all have left the call is told to stop`() async {
        let bench = CacheBench.make([.hang])
        let tasks = (0..<3).map { _ in Task { await bench.chat() } }
        await bench.until { self.passengers(bench) == 3 && bench.client.requests.count == 1 }
        for task in tasks { task.cancel() }
        for task in tasks { _ = await task.value }
        await bench.settle()
        #expect(bench.client.abandoned.withLock { $0 } == 1)
        #expect(bench.pool?.ended[.clientGone] == 3)
        self.check(bench)
    }

    @Test func `a failed leader lets all followers try themselves at once`() async {
        let proceed = Signal()
        let second = Signal()
        let bench = CacheBench.make([
            .after(proceed, .answer(500, "{}")), .after(second, .answer(500, "{}")), .answer(500, "{}"),
            .answer(500, "{}"), .answer(200, CacheBench.answer("5")),
        ])
        let leader = Task { await bench.chat() }
        await bench.until { bench.client.requests.count == 1 }
        let followers = (0..<4).map { _ in Task { await bench.chat() } }
        await bench.until { self.passengers(bench) == 5 }
        proceed.set()
        #expect(await leader.value.response.status == 502)
        // The pool has one slot. Nobody waits for anything but that.
        await bench.until { bench.client.requests.count == 2 && bench.pool?.queued == 3 }
        #expect(self.passengers(bench) == 0)
        second.set()
        var answers: [Int: Int] = [:]
        for task in followers { answers[await task.value.response.status, default: 0] += 1 }
        #expect(answers == [502: 3, 200: 1])
        #expect(bench.client.requests.count == 5)
        await bench.settle()
        self.check(bench)
    }

    @Test(arguments: [
        (400, #"{"error":{"message":"no such parameter","code":"bad"}}"#, "no such parameter"),
        (200, CacheBench.answer("half", finish: "content_filter"), "half"),
        (200, CacheBench.answer(""), "chat.completion"),
    ])
    func `what everybody would meet is passed on to all, and not kept`(
        status: Int,
        body: String,
        part: String
    ) async {
        let proceed = Signal()
        let bench = CacheBench.make([.after(proceed, .answer(status, body)), .answer(200, CacheBench.answer("2"))])
        let tasks = (0..<6).map { number in Task { number % 2 == 0 ? await bench.chat() : await bench.stream() } }
        await bench.until { self.passengers(bench) == 6 }
        proceed.set()
        var states: [String: Int] = [:]
        for task in tasks {
            let answer = await task.value
            #expect(answer.response.status == status && answer.text.contains(part))
            states[self.state(answer) ?? "none", default: 0] += 1
        }
        #expect(states["shared"] == 5)
        #expect(bench.client.requests.count == 1)
        await bench.settle()
        let next = await bench.chat()
        #expect(self.state(next) == "miss" && next.text.contains("\"2\""))
        await bench.settle()
        self.check(bench)
    }

    @Test(arguments: [401, 403])
    func `a failure that another may not meet is not passed on`(status: Int) async {
        let proceed = Signal()
        let bench = CacheBench.make([
            .after(proceed, .answer(status, #"{"error":{"message":"no"}}"#)), .answer(200, CacheBench.answer("2")),
        ])
        let leader = Task { await bench.chat() }
        await bench.until { bench.client.requests.count == 1 }
        let follower = Task { await bench.chat() }
        await bench.until { self.passengers(bench) == 2 }
        proceed.set()
        #expect(await leader.value.response.status != 200)
        #expect(await follower.value.response.status == 200)
        await bench.settle()
        self.check(bench)
    }

    @Test func `a follower's own deadline is kept`() async {
        let bench = CacheBench.make([.hang])
        let leader = Task { await bench.chat() }
        await bench.until { bench.client.requests.count == 1 }
        let follower = Task { await bench.chat([("x-sluice-timeout-ms", "50")]) }
        await bench.until { bench.sleeps.spans == [.milliseconds(50)] }
        bench.sleeps.pass()
        let answer = await follower.value
        #expect(answer.response.status == 504 && answer.text.contains("deadline_exceeded"))
        #expect(bench.last?.reason == .deadline)
        leader.cancel()
        _ = await leader.value
        await bench.settle()
        self.check(bench)
    }

    @Test func `who is more urgent, or wants a fresh answer, makes a call of his own`() async {
        let bench = CacheBench.make([.hang, .hang, .hang])
        let leader = Task { await bench.chat() }
        await bench.until { bench.client.requests.count == 1 }
        let urgent = Task { await bench.chat([("x-sluice-priority", "urgent")]) }
        let fresh = Task { await bench.chat([("cache-control", "no-cache")]) }
        let unstored = Task { await bench.chat([("cache-control", "no-store")]) }
        await bench.until { bench.pool?.queued == 3 }
        for task in [leader, urgent, fresh, unstored] {
            task.cancel()
            _ = await task.value
        }
        await bench.settle()
        self.check(bench)
    }

    @Test func `a stream that is too large to be kept reaches its client whole`() async {
        let long = [CacheBench.start] + Array(repeating: CacheBench.more, count: 200)
        let chunks = long + [CacheBench.finish, CacheBench.done]
        let bench = CacheBench.make([.stream(chunks), .stream(CacheBench.whole)]) {
            $0.cacheLimits = CacheLimits(maximumEntry: 2_000)
        }
        let answer = await bench.stream()
        #expect(answer.text.replacing("|", with: "") == chunks.joined())
        await bench.settle()
        #expect(self.state(await bench.stream()) == "miss")
        await bench.settle()
        self.check(bench)
    }

    @Test func `a client that leaves in mid-stream leaves the others theirs`() async {
        let proceed = Signal()
        let bench = CacheBench.make([.after(proceed, .stream(CacheBench.whole))])
        let leader = Task { await bench.respond(.post, "/v1/chat/completions", GatewayBench.streamed) }
        await bench.until { bench.client.requests.count == 1 }
        let follower = Task { await bench.stream() }
        await bench.until { self.passengers(bench) == 2 }
        proceed.set()
        if case .stream(let write) = await leader.value.body {
            await #expect(throws: HTTPWriteError.self) { try await write(CollectingWriter(capacity: 0)) }
        }
        #expect(await follower.value.text.hasSuffix(CacheBench.done))
        await bench.settle()
        self.check(bench)
    }
}
