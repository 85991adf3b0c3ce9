import SluiceBasics
import SluiceCore
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceTelemetry

@Suite struct SpanExporterTests {
    private let ground = ExporterGround()
    private var world: VirtualWorld { self.ground.world }
    private var receiver: SpanReceiver { self.ground.receiver }
    private var said: [String] { self.ground.lines.withLock { $0 } }

    private func exporter(
        _ change: (inout ExportLimits) -> Void = { _ in }
    ) -> SpanExporter<ProtobufSpanEncoder> {
        self.ground.exporter(change)
    }

    private func record(_ count: Int, _ exporter: SpanExporter<ProtobufSpanEncoder>) {
        for number in 0..<count { exporter.record(SampleExecution.ended(.ok, UInt64(number + 1))) }
    }

    @Test func `what came within the interval goes together, at its end`() {
        let exporter = self.exporter()
        self.record(3, exporter)
        self.world.advance(by: .milliseconds(999))
        #expect(self.receiver.requests.isEmpty)
        self.world.advance(by: .milliseconds(1))
        #expect(self.receiver.requests.count == 1 && self.receiver.spans == 3)
        #expect(self.receiver.requests[0].headers["content-type"] == "application/x-protobuf")
        self.world.advance(by: .seconds(10))
        #expect(self.receiver.requests.count == 1)
        self.record(1, exporter)
        self.world.advance(by: .seconds(1))
        #expect(self.receiver.spans == 4 && exporter.figures.delivered == 4)
    }

    @Test func `a full batch goes at once, and none is larger than it may be`() {
        let exporter = self.exporter { limits in
            limits.chunk = 10
            limits.batchSpans = 50
        }
        self.record(120, exporter)
        self.world.settle()
        #expect(self.receiver.requests.map(SpanReceiver.count) == [50, 50])
        self.world.advance(by: .seconds(1))
        #expect(self.receiver.requests.map(SpanReceiver.count) == [50, 50, 20])
    }

    @Test func `a batch is full when it has so many bytes`() throws {
        let exporter = self.exporter { limits in
            limits.chunk = 1
            limits.batchBytes = 4_000
        }
        self.record(20, exporter)
        self.world.settle()
        let full = self.receiver.requests
        let most = try #require(full.map { $0.body.count / SpanReceiver.count($0) }.max()) + 1
        #expect(full.count > 2 && full.allSatisfy { (4_000 - most...4_000).contains($0.body.count) })
        self.world.advance(by: .seconds(1))
        #expect(self.receiver.requests.allSatisfy { $0.body.count <= 4_000 })
        #expect(self.receiver.requests.count == full.count + 1 && exporter.figures.delivered == 20)
    }

    @Test func `nothing is lost while nobody is there for a minute, at 500 requests a second`() {
        let exporter = self.exporter()
        self.receiver.answer(nil)
        for second in 0..<60 {
            for number in 0..<500 {
                exporter.record(SampleExecution.ended(.ok, UInt64(second * 500 + number + 1)))
            }
            self.world.advance(by: .seconds(1))
        }
        #expect(exporter.figures.waitingSpans == 30_000 && exporter.figures.failures > 5)
        #expect(exporter.figures.waitingBytes < ExportLimits().spoolBytes)
        self.receiver.answer(HTTPClientResponse(status: 200))
        self.world.advance(by: .seconds(10))
        let figures = exporter.figures
        #expect(figures.delivered == 30_000 && self.receiver.spans == 30_000)
        #expect(figures.lostInSpool == 0 && figures.lostInQueue == 0 && figures.waitingBytes == 0)
        #expect(self.said == ["spans are not taken", "spans are taken again"])
    }

    @Test func `a full spool lets the oldest go and counts them`() {
        let exporter = self.exporter { limits in
            limits.chunk = 10
            limits.spoolBytes = 100_000
        }
        self.receiver.answer(nil)
        for _ in 0..<100 {
            self.record(10, exporter)
            self.world.advance(by: .seconds(1))
            #expect(exporter.figures.waitingBytes <= 100_000)
        }
        let lost = exporter.figures.lostInSpool
        #expect(lost > 0 && lost + exporter.figures.waitingSpans == 1_000)
        self.receiver.answer(HTTPClientResponse(status: 200))
        self.world.advance(by: .seconds(10))
        #expect(exporter.figures.delivered == 1_000 - lost)
    }

    @Test func `a full queue counts what it cannot take, and never waits`() {
        let exporter = self.exporter { $0.queue = 100 }
        self.record(150, exporter)
        #expect(exporter.figures.lostInQueue == 50)
        self.world.advance(by: .seconds(1))
        #expect(exporter.figures.delivered == 100)
    }

    @Test(arguments: [429, 502, 503, 504])
    func `what may be tried again is, not before the receiver wants it`(status: Int) {
        let exporter = self.exporter()
        self.receiver.once(HTTPClientResponse(status: status, headers: HTTPFields([("Retry-After", "7")])))
        self.record(1, exporter)
        self.world.advance(by: .seconds(1))
        #expect(self.receiver.requests.count == 1)
        self.world.advance(by: .milliseconds(6_900))
        #expect(self.receiver.requests.count == 1)
        self.world.advance(by: .milliseconds(200))
        #expect(self.receiver.requests.count == 2 && exporter.figures.delivered == 1)
        #expect(self.receiver.requests[0].body == self.receiver.requests[1].body)
    }

    @Test(arguments: [400, 401, 500])
    func `what is refused is not tried again, and counted`(status: Int) {
        let exporter = self.exporter()
        self.receiver.once(HTTPClientResponse(status: status))
        self.record(2, exporter)
        self.world.advance(by: .seconds(60))
        #expect(self.receiver.requests.count == 1 && exporter.figures.refused == 2)
        #expect(exporter.figures.waitingSpans == 0)
    }

    @Test func `spans that a receiver did not take are counted as refused`() {
        let exporter = self.exporter()
        // ExportTraceServiceResponse { partial_success { rejected_spans: 2, error_message: "no" } }
        let body: [UInt8] = [0x0A, 6, 0x08, 2, 0x12, 2, 0x6E, 0x6F]
        self.receiver.once(HTTPClientResponse(status: 200, body: body))
        self.record(5, exporter)
        self.world.advance(by: .seconds(1))
        #expect(exporter.figures.delivered == 3 && exporter.figures.refused == 2)
        let json = HTTPClientResponse(
            status: 200,
            headers: HTTPFields([("Content-Type", "application/json")]),
            body: Array(#"{"partialSuccess":{"rejectedSpans":"4","errorMessage":"no"}}"#.utf8)
        )
        #expect(PartialSuccess(json, isJSON: false).rejected == 4)
        #expect(PartialSuccess(json, isJSON: false).message == "no")
        #expect(PartialSuccess(HTTPClientResponse(status: 200, body: [0xFF, 0xFF]), isJSON: false).rejected == 0)
    }

    @Test func `the end sends what waits, and does not wait longer than it may`() {
        let exporter = self.exporter()
        self.record(3, exporter)
        let left = Lock<Int?>(nil)
        self.world.spawn {
            let count = await exporter.close(limit: .seconds(2))
            left.withLock { $0 = count }
        }
        self.world.advance(by: .milliseconds(100))
        #expect(left.withLock { $0 } == 0 && self.receiver.spans == 3)
        let other = self.exporter()
        self.receiver.answer(nil)
        self.record(3, other)
        let late = Lock<Int?>(nil)
        self.world.spawn {
            let count = await other.close(limit: .seconds(2))
            late.withLock { $0 = count }
        }
        self.world.advance(by: .milliseconds(1_900))
        #expect(late.withLock { $0 } == nil)
        self.world.advance(by: .milliseconds(200))
        #expect(late.withLock { $0 } == 3)
    }
}
