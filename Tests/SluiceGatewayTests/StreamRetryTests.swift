import SluiceCore
import SluiceEngine
import SluiceWire
import Testing

@testable import SluiceGateway

/// Until its first content a stream is an attempt like any other; afterwards it is an answer that has begun.
@Suite struct StreamRetryTests {
    private typealias Bench = GatewayBench

    private func check(_ bench: Bench) {
        #expect(bench.dispatcher.liveCount == 0)
        #expect(bench.dispatcher.checkBooks() == nil)
    }

    private static var whole: ScriptedClient.Line { .stream([Bench.role, Bench.content, Bench.done]) }

    @Test(arguments: [
        ScriptedClient.Line.stream(["cut"]),
        .stream([Bench.role, "cut"]),
        .stream([Bench.failure]),
        .stream([Bench.role, Bench.failure]),
        .stream([": waiting\n\n", Bench.role]),
        .stream([]),
        .answer(500, "{}"),
        .broken(HTTPClientError(.reset, message: "cut", sent: true)),
    ])
    func `what goes wrong before the first content is tried again and leaves no trace`(
        line: ScriptedClient.Line
    ) async {
        let bench = Bench([line, Self.whole], maximumAttempts: 2)
        let (response, text) = await bench.stream()
        #expect(response.status == 200)
        #expect(text.hasPrefix(Bench.role) && text.hasSuffix(Bench.done))
        #expect(!text.contains("error"))
        #expect(response.headers["x-sluice-attempts"] == "2")
        #expect(bench.client.requests.count == 2)
        #expect(bench.last?.reason == .ok)
        #expect(bench.last?.attempts.count == 2)
        #expect(bench.last?.attempts.first?.failure != nil)
        self.check(bench)
    }

    @Test(arguments: [["cut"], [Bench.content, "cut"], [], ["data: {\"choices\":[]}\n\n"]])
    func `what goes wrong after it is told in the stream and never tried again`(rest: [String]) async {
        let bench = Bench([.stream([Bench.role, Bench.content] + rest), Self.whole], maximumAttempts: 3)
        let (response, text) = await bench.stream()
        #expect(response.status == 200)
        #expect(bench.client.requests.count == 1)
        #expect(text.contains(Bench.content))
        // An event of its own, in the shape that clients read, and the stream's proper end.
        let events = text.split(separator: "|").last?.split(separator: "\n").map(String.init) ?? []
        #expect(events.count == 2)
        #expect(events.first?.hasPrefix("data: {\"error\":{\"message\":") == true)
        #expect(events.last == "data: [DONE]")
        #expect(bench.last?.reason?.outcome == .failed)
        #expect(bench.last?.attempts.count == 1)
        self.check(bench)
    }

    @Test func `the backend's own error event after content passes, and is not told twice`() async {
        let bench = Bench([.stream([Bench.content, Bench.failure]), Self.whole], maximumAttempts: 3)
        let text = await bench.stream().text
        #expect(text == Bench.content + "|" + Bench.failure)
        #expect(bench.client.requests.count == 1)
        #expect(bench.last?.reason?.outcome == .failed)
        self.check(bench)
    }

    @Test func `attempts that are used up end in a status, not in a stream`() async {
        let bench = Bench([.stream([Bench.failure]), .stream([Bench.role, "cut"])], maximumAttempts: 2)
        let (response, text) = await bench.stream()
        #expect(response.status == 502)
        #expect(response.headers["content-type"] == "application/json")
        #expect(text.contains("after 2 attempts"))
        self.check(bench)
    }
}
