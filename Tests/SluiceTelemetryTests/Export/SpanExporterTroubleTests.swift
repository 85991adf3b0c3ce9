import SluiceBasics
import SluiceCore
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceTelemetry

/// Bursts and their ends, outages, and receivers that refuse.
@Suite struct SpanExporterTroubleTests {
    private let ground = ExporterGround()
    private var world: VirtualWorld { self.ground.world }
    private var receiver: SpanReceiver { self.ground.receiver }

    private func record(_ count: Int, _ exporter: some ExecutionSink, from first: Int = 0) {
        for number in 0..<count { exporter.record(SampleExecution.ended(.ok, UInt64(first + number + 1))) }
    }

    private static func answer(_ status: Int, code: String) -> HTTPClientResponse {
        HTTPClientResponse(status: status, headers: HTTPFields([("X-ClickHouse-Exception-Code", code)]))
    }

    private func clickHouse(
        creates: Bool = true,
        compression: SpanCompression = .none,
        _ change: (inout ExportLimits) -> Void = { _ in }
    ) -> SpanExporter<NativeSpanEncoder> {
        let delivery = ClickHouseDelivery(
            ClickHouseAddress(url: "http://house:8123"),
            timeToLive: .seconds(86_400),
            creates: creates,
            compression: compression,
            timeout: .seconds(10)
        )
        return self.ground.exporter(NativeSpanEncoder(ExporterGround.resource), delivery, change)
    }

    private func statements() -> [String] {
        self.receiver.requests.map { request in
            request.url.contains("INSERT") ? "INSERT" : String(decoding: request.body.prefix(12), as: UTF8.self)
        }
    }

    // MARK: The end of a burst

    @Test func `what ends while a batch is on its way is sent without another request`() {
        let exporter = self.ground.exporter()
        self.receiver.delay(.milliseconds(1_500))
        self.record(1, exporter)
        self.world.advance(by: .milliseconds(1_100))
        self.record(1, exporter, from: 1)
        self.world.advance(by: .seconds(60))
        #expect(exporter.figures.delivered == 2 && exporter.figures.waitingSpans == 0)
    }

    @Test func `what ends while a batch that fails is on its way is sent without another request`() {
        let exporter = self.ground.exporter()
        self.receiver.delay(.milliseconds(1_500))
        self.receiver.once(HTTPClientResponse(status: 503))
        self.record(1, exporter)
        self.world.advance(by: .milliseconds(1_100))
        self.record(1, exporter, from: 1)
        self.world.advance(by: .seconds(60))
        #expect(exporter.figures.delivered == 2)
    }

    @Test func `a burst of any size is delivered to its last span`() {
        for count in [1, 127, 128, 129, 255, 256, 1_000] {
            let exporter = self.ground.exporter()
            self.receiver.delay(.milliseconds(700))
            for part in 0..<7 {
                self.record(count, exporter, from: part * count)
                self.world.advance(by: .milliseconds(330))
            }
            self.world.advance(by: .seconds(60))
            #expect(exporter.figures.delivered == 7 * count)
        }
    }

    // MARK: Outages

    @Test(arguments: [nil, 429, 502, 503, 504])
    func `an hour without anybody loses nothing that there is room for`(status: Int?) {
        let exporter = self.ground.exporter()
        self.receiver.answer(status.map { HTTPClientResponse(status: $0) })
        for minute in 0..<60 {
            self.record(10, exporter, from: minute * 10)
            self.world.advance(by: .seconds(60))
        }
        #expect(exporter.figures.waitingSpans == 600 && exporter.figures.failures > 500)
        self.receiver.answer(HTTPClientResponse(status: 200))
        self.world.advance(by: .seconds(10))
        #expect(exporter.figures.delivered == 600 && exporter.figures.refused == 0)
    }

    @Test(arguments: [(401, "516"), (403, "497"), (500, "252"), (500, "241"), (503, "")])
    func `a ClickHouse that can take nothing now is waited for`(status: Int, code: String) {
        let exporter = self.clickHouse()
        self.receiver.answer(Self.answer(status, code: code))
        self.record(10, exporter)
        self.world.advance(by: .seconds(3_600))
        self.receiver.answer(HTTPClientResponse(status: 200))
        self.world.advance(by: .seconds(10))
        #expect(exporter.figures.delivered == 10 && exporter.figures.refused == 0)
    }

    @Test func `a batch that ClickHouse fails at again and again goes in the end, and the next is taken`() {
        let exporter = self.clickHouse()
        self.receiver.answer(Self.answer(500, code: "1001"))
        self.record(10, exporter)
        self.world.advance(by: .seconds(600))
        #expect(exporter.figures.refused == 10 && self.receiver.requests.count == 33)
        self.receiver.answer(HTTPClientResponse(status: 200))
        self.record(1, exporter, from: 10)
        self.world.advance(by: .seconds(1))
        #expect(exporter.figures.delivered == 1)
    }

    // MARK: What ClickHouse lacks

    @Test func `an account that may only insert delivers, where the table is there`() {
        let exporter = self.clickHouse()
        self.record(1, exporter)
        self.world.advance(by: .seconds(1))
        #expect(self.statements() == ["INSERT"] && exporter.figures.delivered == 1)
    }

    @Test func `a table that is not there is made, and the insert is made again at once`() {
        let exporter = self.clickHouse()
        self.receiver.once(Self.answer(404, code: "81"))
        self.record(1, exporter)
        self.world.advance(by: .seconds(1))
        let statements = self.statements()
        #expect(statements.first == "INSERT" && statements.last == "INSERT" && statements.count == 6)
        #expect(statements[1...4].allSatisfy { $0.hasPrefix("CREATE ") })
        #expect(String(decoding: self.receiver.requests[2].body, as: UTF8.self).contains("toIntervalSecond(86400)"))
        #expect(exporter.figures.delivered == 1 && exporter.figures.failures == 0)
        #expect(self.ground.lines.withLock { $0.isEmpty })
    }

    @Test func `where nobody makes the table it is waited for`() {
        for creates in [true, false] {
            let exporter = self.clickHouse(creates: creates)
            // The account may not make it, or it is for others to make.
            self.receiver.answer(Self.answer(404, code: "60"))
            self.record(5, exporter)
            self.world.advance(by: .seconds(3_600))
            #expect(exporter.figures.refused == 0 && exporter.figures.waitingSpans == 5)
            self.receiver.answer(HTTPClientResponse(status: 200))
            self.world.advance(by: .seconds(10))
            #expect(exporter.figures.delivered == 5)
        }
    }

    // MARK: What a request carries

    @Test func `nothing is compressed twice, and compressed and plain pieces do not mix`() throws {
        let exporter = self.clickHouse(compression: .outage) { $0.chunk = 10 }
        self.receiver.answer(nil)
        for part in 0..<8 {
            self.record(25, exporter, from: part * 25)
            self.world.advance(by: .seconds(1))
        }
        self.receiver.answer(HTTPClientResponse(status: 200))
        let before = self.receiver.requests.count
        self.world.advance(by: .seconds(10))
        #expect(exporter.figures.delivered == 200)
        let taken = self.receiver.requests.dropFirst(before)
        #expect(Set(taken.map { $0.headers["content-encoding"] }) == [nil, "gzip"])
        for request in taken {
            // Every gzip member begins with these; a block of ClickHouse's begins with the number of its columns.
            let isGzip = request.body.starts(with: [0x1F, 0x8B])
            #expect(isGzip == (request.headers["content-encoding"] == "gzip"))
        }
        var spool = SpanSpool(maximumBytes: 1_000)
        for (byte, isCompressed) in [(1, false), (2, false), (3, true), (4, true), (5, false)] as [(UInt8, Bool)] {
            _ = spool.add(SpanChunk(bytes: [byte], spans: 1, isCompressed: isCompressed))
        }
        var batches: [[UInt8]] = []
        while spool.count > 0 {
            batches.append(spool.take(spans: 100, bytes: 100, joins: true).flatMap(\.bytes))
        }
        #expect(batches == [[1, 2], [3, 4], [5]])
    }

    @Test func `a request ends with the execution that fills it, whatever a slice of work is`() {
        // Each has a completion and two attempts.
        let exporter = self.ground.exporter { $0.batchSpans = 30 }
        for number in 0..<100 { exporter.record(SampleExecution.retried(UInt64(number + 1))) }
        self.world.advance(by: .seconds(10))
        #expect(exporter.figures.delivered == 300 && self.receiver.requests.count == 10)
        let one = self.receiver.requests[0].body.count / 10
        let byBytes = self.ground.exporter { $0.batchBytes = 5 * one }
        let before = self.receiver.requests.count
        for number in 0..<100 { byBytes.record(SampleExecution.retried(UInt64(number + 1))) }
        self.world.advance(by: .seconds(10))
        #expect(byBytes.figures.delivered == 300)
        #expect(self.receiver.requests.dropFirst(before).allSatisfy { $0.body.count <= 6 * one + 500 })
    }

    @Test func `documents of JSON are as full as a batch may be`() {
        let settings = OTLPSettings(url: "http://collector:4318/v1/traces", encoding: .json)
        let encoder = JSONSpanEncoder(ExporterGround.resource)
        let exporter = self.ground.exporter(encoder, OTLPDelivery(settings)) { $0.batchSpans = 200 }
        self.record(500, exporter)
        self.world.advance(by: .milliseconds(999))
        #expect(self.receiver.requests.count == 2)
        self.world.advance(by: .milliseconds(1))
        #expect(self.receiver.requests.count == 3 && exporter.figures.delivered == 500)
        self.record(3, exporter)
        self.world.advance(by: .seconds(1))
        #expect(self.receiver.requests.count == 4 && exporter.figures.delivered == 503)
    }

    // MARK: Prompts and answers

    private func ending(_ number: UInt64) -> Execution {
        var record = SampleExecution.ended(.ok, number).record
        record.endedAt = self.world.clock.now()
        return Execution(record: record, submittedAt: SampleExecution.submittedAt)
    }

    @Test func `a prompt that comes a moment after the end is in its span`() {
        let shelf = ContentShelf()
        let exporter = self.ground.exporter(contents: shelf) { $0.chunk = 2 }
        let executions = (1...4).map { self.ending($0) }
        for execution in executions { exporter.record(execution) }
        self.world.advance(by: .milliseconds(50))
        for execution in executions {
            let id = execution.record.submission.id.description
            shelf.put(id, CapturedContent(input: Array("asked".utf8), output: Array("answered".utf8)))
        }
        self.world.advance(by: .seconds(2))
        #expect(exporter.figures.delivered == 4)
        let sent = self.receiver.requests.map { String(decoding: $0.body, as: UTF8.self) }.joined()
        #expect(sent.split(separator: "answered").count == 5)
    }

    @Test func `what ended at the last moment is sent after all`() {
        let exporter = self.ground.exporter(contents: ContentShelf())
        exporter.record(self.ending(1))
        self.world.advance(by: .milliseconds(950))
        exporter.record(self.ending(2))
        // The timer fires 50 ms after this end: too early for its prompt.
        self.world.advance(by: .milliseconds(50))
        #expect(exporter.figures.delivered == 1)
        self.world.advance(by: .seconds(1))
        #expect(exporter.figures.delivered == 2)
    }
}
