import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

struct MetricExporterTests {
    /// Answers as it is told, then with 200; time passes only where somebody sleeps.
    private final class Bench: HTTPClient {
        struct State {
            var answers: [Int]
            var requests: [HTTPClientRequest] = []
            var slept: [Duration] = []
            var logged: [String] = []
        }

        let state: Lock<State>
        let clock = ManualClock()
        let telemetry: Telemetry
        var answerBody: [UInt8] { [0x0A, 0x02, 0x08, 0x05] }
        var greatestBody: [UInt8] { [0x0A, 0x0A, 0x08] + [UInt8](repeating: 0xFF, count: 8) + [0x7F] }

        init(_ answers: [Int]) {
            self.state = Lock(State(answers: answers))
            self.telemetry = Telemetry(configuration: TelemetryConfiguration(), clock: self.clock)
        }

        func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
            let status = self.state.withLock { state in
                state.requests.append(request)
                return state.answers.isEmpty ? 200 : state.answers.removeFirst()
            }
            guard status > 0 else { throw HTTPClientError(.connectRefused, message: "refused", sent: false) }
            let body = status == 206 ? self.answerBody : status == 207 ? self.greatestBody : []
            return HTTPClientResponse(status: status, body: body)
        }

        func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
            throw HTTPClientError(.malformed, message: "not asked for", sent: false)
        }

        func page() -> MetricPage {
            var page = self.telemetry.metrics.newPage()
            self.telemetry.metrics.write(to: &page, pools: [])
            return page
        }

        /// - Parameter sleeps: how many before the task is cancelled.
        func exporter(interval: Duration = .seconds(60), sleeps: Int = .max) -> MetricExporter {
            MetricExporter(
                endpoint: OTLPEndpoint(url: "http://c/v1/metrics"),
                origin: MetricOrigin(attributes: [("service.name", "s")], scopeVersion: "1", startedAt: 7),
                interval: interval,
                client: self,
                clock: self.clock,
                sleep: { span in
                    let count = self.state.withLock { state in
                        state.slept.append(span)
                        return state.slept.count
                    }
                    if count > sleeps { throw CancellationError() }
                    self.clock.advance(by: span)
                },
                log: { entry in self.state.withLock { $0.logged.append(entry.message) } }
            )
        }
    }

    @Test func `sends a reading each interval, and says nothing while that works`() async {
        let bench = Bench([])
        let exporter = bench.exporter(sleeps: 3)
        await exporter.run { bench.page() }
        #expect(exporter.figures == .init(delivered: 3))
        #expect(bench.state.withLock { $0.slept } == Array(repeating: .seconds(60), count: 4))
        #expect(bench.state.withLock { $0.logged }.isEmpty)
    }

    @Test func `what may be tried again is, with longer and longer pauses, within the interval`() async {
        let bench = Bench([503, 0, 429])
        let exporter = bench.exporter(sleeps: 4)
        await exporter.run { bench.page() }
        #expect(exporter.figures == .init(delivered: 1))
        let slept = bench.state.withLock { $0.slept }
        #expect(slept == [.seconds(60), .seconds(1), .seconds(2), .seconds(4), .seconds(53)])
        // The same reading, not a new one each time.
        #expect(Set(bench.state.withLock { $0.requests.map(\.body) }).count == 1)
    }

    @Test func `what is refused for good is not sent again, and is said once`() async {
        let bench = Bench([400, 401, 200])
        let exporter = bench.exporter(sleeps: 3)
        await exporter.run { bench.page() }
        #expect(exporter.figures == .init(delivered: 1, lost: 2))
        #expect(bench.state.withLock { $0.requests.count } == 3)
        #expect(
            bench.state.withLock { $0.logged } == ["metrics are not delivered", "metrics are delivered again"]
        )
    }

    @Test func `gives up before the next reading is due`() async {
        let bench = Bench(Array(repeating: 503, count: 100))
        let exporter = bench.exporter(interval: .seconds(2), sleeps: 4)
        await exporter.run { bench.page() }
        #expect(exporter.figures.lost == 2)
        #expect(bench.state.withLock { $0.requests.count } == 4)
    }

    @Test func `counts points that a receiver did not want`() async {
        let bench = Bench([206])
        let exporter = bench.exporter(sleeps: 1)
        await exporter.run { bench.page() }
        #expect(exporter.figures == .init(delivered: 1, lost: 0, rejectedPoints: 5))
        var page = bench.telemetry.metrics.newPage()
        exporter.write(to: &page)
        let text = String(decoding: PrometheusText.write(page, as: .prometheus), as: UTF8.self)
        #expect(text.contains("sluice_telemetry_metric_points_rejected_total 5\n"))
        #expect(text.contains("sluice_telemetry_metric_exports_total{result=\"delivered\"} 1\n"))
    }

    @Test func `a receiver that wants nothing at all is counted too`() async {
        let bench = Bench([207, 207, 207])
        let exporter = bench.exporter(sleeps: 3)
        await exporter.run { bench.page() }
        #expect(exporter.figures == .init(delivered: 3, lost: 0, rejectedPoints: 3 << 40))
    }

    @Test func `the last reading goes out at the end, once`() async {
        let bench = Bench([])
        let exporter = bench.exporter()
        await exporter.end({ bench.page() }, within: .seconds(5))
        await exporter.end({ bench.page() }, within: .seconds(5))
        await exporter.run { bench.page() }
        #expect(exporter.figures == .init(delivered: 1))
        #expect(bench.state.withLock { $0.requests.first?.timeout } == .seconds(5))
    }
}
