import SluiceBasics
import SluiceProviders
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

@Suite struct WebhookSenderTests {
    private struct Bench {
        let world = VirtualWorld()
        let receiver: Receiver
        let sender: WebhookSender
        let logged = Lock<[LogEntry]>([])

        init(_ answers: [Int], _ change: (inout WebhookConfiguration) -> Void = { _ in }) {
            self.receiver = Receiver(answers, self.world)
            var configuration = WebhookConfiguration(name: "test", url: "http://receiver/hook", secret: [1, 2, 3])
            change(&configuration)
            let world = self.world
            self.sender = WebhookSender(
                configuration,
                client: self.receiver,
                clock: self.world.clock,
                seed: 7,
                spawn: { work in Started(world.spawn { await work() }) },
                sleep: { span in
                    let signal = Signal()
                    world.clock.wake(at: world.clock.now() + span) { signal.set() }
                    await signal.waitForCancellation()
                    try Task.checkCancellation()
                },
                log: { [logged] entry in logged.withLock { $0.append(entry) } }
            )
        }
    }

    private final class Started: Cancellable {
        private let task: Task<Void, Never>
        init(_ task: Task<Void, Never>) { self.task = task }
        func cancel() { self.task.cancel() }
    }

    /// Answers what a test has written down, after a second; 0 breaks the connection.
    private final class Receiver: HTTPClient {
        private let answers: Lock<[Int]>
        private let asked = Lock<[(at: Instant, request: HTTPClientRequest)]>([])
        private let world: VirtualWorld

        init(_ answers: [Int], _ world: VirtualWorld) {
            self.answers = Lock(answers)
            self.world = world
        }

        var requests: [(at: Instant, request: HTTPClientRequest)] { self.asked.withLock { $0 } }

        func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
            let now = self.world.clock.now()
            self.asked.withLock { $0.append((now, request)) }
            let signal = Signal()
            self.world.clock.wake(at: now + .seconds(1)) { signal.set() }
            await signal.wait()
            let status = self.answers.withLock { $0.isEmpty ? 200 : $0.removeFirst() }
            guard status != 0 else { throw HTTPClientError(.reset, message: "cut", sent: true) }
            return HTTPClientResponse(status: status)
        }

        func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
            throw HTTPClientError(.malformed, message: "not asked for", sent: false)
        }
    }

    private func report(_ id: String = "req_1") -> CompletionReport {
        var report = CompletionReport(id: id, model: "m", operation: "chat/completions", startedAt: 5)
        report.request = Array(#"{"prompt":"secret words"}"#.utf8)
        report.answer = Array("data: secret words\n\n".utf8)
        report.errorClass = "rate_limited"
        report.promptTokens = 3
        report.cache = .miss
        return report
    }

    @Test func `a document is signed so that its receiver can check it, and holds no content`() throws {
        let bench = Bench([])
        bench.sender.didSucceed(self.report())
        bench.world.advance(by: .seconds(2))
        let request = try #require(bench.receiver.requests.first?.request)
        #expect(request.url == "http://receiver/hook")
        let id = try #require(request.headers["webhook-id"])
        let time = try #require(request.headers["webhook-timestamp"].flatMap { Int($0) })
        let expected = WebhookSignature.make(id: id, timestamp: time, body: request.body, key: [1, 2, 3])
        #expect(request.headers["webhook-signature"] == expected)
        let text = String(decoding: request.body, as: UTF8.self)
        #expect(!text.contains("secret"))
        #expect(text.contains(#""type":"completion.success""#) && text.contains(#""cache":"miss""#))
        #expect(text.contains(#""error":{"class":"rate_limited","message":null}"#))
        #expect(bench.sender.waiting == 0)
    }

    @Test func `content is there where it was asked for`() throws {
        let bench = Bench([]) { $0.showsContent = true }
        #expect(bench.sender.wantsContent)
        bench.sender.didSucceed(self.report())
        bench.world.advance(by: .seconds(2))
        let text = String(decoding: try #require(bench.receiver.requests.first?.request.body), as: UTF8.self)
        #expect(text.contains(#""request":{"prompt":"secret words"}"#))
        #expect(text.contains(#""answer":"data: secret words\n\n""#))
    }

    @Test func `only the events that were asked for are sent`() {
        let bench = Bench([]) { $0.events = [.before, .end] }
        let report = self.report()
        #expect(!bench.sender.wantsChunks)
        bench.sender.willCall(report)
        bench.sender.didReceive(CompletionChunk(index: 0, byteCount: 3), report)
        bench.sender.didFail(report)
        bench.sender.didEnd(report)
        bench.world.advance(by: .seconds(2))
        let types = bench.receiver.requests.map { String(decoding: $0.request.body.prefix(26), as: UTF8.self) }
        #expect(types == [#"{"type":"completion.before"#, #"{"type":"completion.end","t"#.prefix(26).description])
    }

    @Test func `a receiver that fails is tried again under the same id, with a new time`() {
        let bench = Bench([500, 0, 204])
        bench.sender.didSucceed(self.report())
        bench.world.advance(by: .seconds(60))
        let requests = bench.receiver.requests
        #expect(requests.count == 3)
        #expect(Set(requests.compactMap { $0.request.headers["webhook-id"] }).count == 1)
        #expect(Set(requests.compactMap { $0.request.headers["webhook-timestamp"] }).count == 3)
        #expect(bench.sender.figures == .init(delivered: 1, failures: 2, dropped: 0, givenUp: 0))
        // One warning, not one for each.
        #expect(bench.logged.withLock { $0.count } == 1)
    }

    @Test func `what became of messages is in the metrics, by receiver`() {
        var page = MetricPage(clock: ManualClock())
        WebhookMetrics.write([], to: &page)
        #expect(page.families.isEmpty)
        let bench = Bench([500, 204])
        bench.sender.didSucceed(self.report())
        bench.world.advance(by: .seconds(60))
        bench.sender.didSucceed(self.report())
        WebhookMetrics.write([bench.sender], to: &page)
        let text = String(decoding: PrometheusText.write(page, as: .prometheus), as: UTF8.self)
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
        #expect(
            lines == [
                #"sluice_webhook_delivered_total{callback="test"} 1"#,
                #"sluice_webhook_failures_total{callback="test"} 1"#,
                #"sluice_webhook_dropped_total{callback="test"} 0"#,
                #"sluice_webhook_given_up_total{callback="test"} 0"#,
                #"sluice_webhook_waiting{callback="test"} 1"#,
            ]
        )
        bench.world.advance(by: .seconds(60))
    }

    @Test func `a receiver that has gone for good is not tried again`() {
        let bench = Bench([410])
        bench.sender.didSucceed(self.report())
        bench.world.advance(by: .seconds(600))
        #expect(bench.receiver.requests.count == 1)
        #expect(bench.sender.waiting == 0)
    }

    @Test func `reporting never waits, however slow the receiver is`() {
        let bench = Bench([]) {
            $0.maximumEvents = 100; $0.maximumInFlight = 2
        }
        for number in 0..<1_000 { bench.sender.didSucceed(self.report("req_\(number)")) }
        #expect(bench.receiver.requests.isEmpty)
        #expect(bench.sender.waiting == 100)
        bench.world.advance(by: .seconds(1))
        #expect(bench.sender.figures.dropped == 900)
        bench.world.advance(by: .seconds(100))
        #expect(bench.sender.waiting == 0)
        #expect(bench.sender.figures.delivered == 100)
    }

    @Test func `a stop sends what waits, and gives up in time`() async {
        let good = Bench([500, 200])
        good.sender.didSucceed(self.report())
        good.world.advance(by: .seconds(1))
        let sent = good.world.spawn { await good.sender.drain(limit: .seconds(5)) }
        good.world.advance(by: .seconds(3))
        #expect(await sent.value == 0)
        #expect(good.sender.figures.delivered == 1)
        let bad = Bench(Array(repeating: 500, count: 100)) { $0.maximumInFlight = 1 }
        for number in 0..<50 { bad.sender.didSucceed(self.report("req_\(number)")) }
        let began = bad.world.clock.now()
        let left = bad.world.spawn { await bad.sender.drain(limit: .seconds(5)) }
        bad.world.advance(by: .seconds(6))
        #expect(await left.value > 40)
        #expect(bad.world.clock.now() - began == .seconds(6))
    }
}
