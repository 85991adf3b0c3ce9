import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

struct OTLPMetricsTests {
    private let origin = MetricOrigin(attributes: [("service.name", "s")], scopeVersion: "1", startedAt: 7)

    private func gauge() -> MetricPage {
        var page = MetricPage(clock: ManualClock())
        page.family("sluice_held_bytes", .gauge, "h")
        page.sample([("pool", "p")], 1.5)
        return page
    }

    @Test func `a gauge in protobuf, byte for byte`() throws {
        let page = self.gauge()
        let time = withUnsafeBytes(of: UInt64(bitPattern: page.takenAt).littleEndian) { Array($0) }
        func field(_ tag: UInt8, _ bytes: [UInt8]) -> [UInt8] { [tag, UInt8(bytes.count)] + bytes }
        func text(_ tag: UInt8, _ text: String) -> [UInt8] { field(tag, Array(text.utf8)) }
        func pair(_ tag: UInt8, _ name: String, _ value: String) -> [UInt8] {
            field(tag, text(0x0A, name) + field(0x12, text(0x0A, value)))
        }
        let point = [0x19] + time + [0x21, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F] + pair(0x3A, "pool", "p")
        let metric = text(0x0A, "sluice.held") + text(0x12, "h") + text(0x1A, "By") + field(0x2A, field(0x0A, point))
        let scope = field(0x0A, text(0x0A, "sluice") + text(0x12, "1")) + field(0x12, metric)
        let resource = field(0x0A, pair(0x0A, "service.name", "s")) + field(0x12, scope)
        #expect(OTLPMetrics.write(page, self.origin, as: .protobuf) == field(0x0A, resource))
    }

    @Test func `lengths over 127 take two bytes`() {
        var page = MetricPage(clock: ManualClock())
        page.family("sluice_x", .gauge, String(repeating: "h", count: 300))
        page.sample([], 1)
        let bytes = OTLPMetrics.write(page, self.origin, as: .protobuf)
        #expect(bytes.firstRange(of: [0x12, 0xAC, 0x02, 0x68]) != nil)
    }

    @Test func `a histogram in JSON has whole numbers as texts and identifiers in hexadecimal`() throws {
        let telemetry = Telemetry(configuration: TelemetryConfiguration(), clock: ManualClock())
        telemetry.ended(MetricRecords.record(traceparent: MetricRecords.sampled))
        var page = telemetry.metrics.newPage()
        telemetry.metrics.write(to: &page, pools: [])
        let text = String(decoding: OTLPMetrics.write(page, self.origin, as: .json), as: UTF8.self)
        #expect(text.contains(#""name":"gen_ai.client.operation.duration""#))
        #expect(text.contains(#""key":"gen_ai.request.model","value":{"stringValue":"m"}"#))
        #expect(text.contains(#""traceId":"0af7651916cd43dd8448eb211c80319c""#))
        #expect(text.contains(#""startTimeUnixNano":"7""#))
        #expect(text.contains(#""aggregationTemporality":2"#))
        #expect(text.contains(#""isMonotonic":true"#))
        #expect(text.contains(#""count":"1","sum":0.1,"bucketCounts":["0","0","0","0","1","0""#))
        #expect(throws: Never.self) { try JSON.read(Array(text.utf8)) { _ in () } }
    }

    @Test func `what is no number is a text in JSON`() {
        var page = MetricPage(clock: ManualClock())
        page.family("sluice_x", .gauge, "x")
        for value in [Double.nan, .infinity, -.infinity] { page.sample([], value) }
        let text = String(decoding: OTLPMetrics.write(page, self.origin, as: .json), as: UTF8.self)
        for word in ["NaN", "Infinity", "-Infinity"] { #expect(text.contains("\"asDouble\":\"\(word)\"")) }
    }

    @Test func `families without points are left out, and names keep what translation adds`() {
        var page = MetricPage(clock: ManualClock())
        page.family("sluice_empty", .gauge, "e")
        page.single("sluice_cost_dollars_total", .counter, "c", 1)
        page.single("process_cpu_seconds_total", .counter, "c", 1)
        page.single("marie_llm_dispatch_items_total", .counter, "c", 1)
        let text = String(decoding: OTLPMetrics.write(page, self.origin, as: .json), as: UTF8.self)
        #expect(!text.contains("empty"))
        #expect(
            page.families.map(\.instrument).dropFirst() == [
                "sluice.cost_dollars", "process.cpu", "marie_llm_dispatch_items",
            ]
        )
    }
}
