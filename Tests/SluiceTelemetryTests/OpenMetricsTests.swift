import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import Testing

struct OpenMetricsTests {
    private let telemetry = Telemetry(configuration: TelemetryConfiguration(), clock: ManualClock())

    private var lines: [Substring] { MetricRecords.text(self.telemetry, .openMetrics).split(separator: "\n") }

    @Test func `ends with the end, tells units, and calls counters by their family's name`() {
        self.telemetry.ended(MetricRecords.record())
        let lines = self.lines
        #expect(lines.last == "# EOF")
        #expect(lines.count { $0 == "# EOF" } == 1)
        #expect(lines.contains("# TYPE sluice_requests_ended counter"))
        #expect(lines.contains(#"sluice_requests_ended_total{pool="p",outcome="done",reason="ok"} 1"#))
        #expect(lines.contains("# TYPE sluice_total_seconds histogram"))
        #expect(lines.contains("# UNIT sluice_total_seconds seconds"))
        #expect(lines.contains("# UNIT sluice_cost_dollars dollars"))
        #expect(!lines.contains { $0.hasPrefix("# UNIT sluice_queue_depth") })
        #expect(lines.contains(#"sluice_total_seconds_bucket{pool="p",le="1.0"} 1"#))
        #expect(!MetricRecords.text(self.telemetry, .prometheus).contains("# UNIT"))
    }

    @Test func `a unit is the last word of its family's name`() {
        let units = self.lines.filter { $0.hasPrefix("# UNIT ") }.map { $0.split(separator: " ") }
        #expect(units.count > 5)
        #expect(units.allSatisfy { $0[2].hasSuffix("_\($0[3])") })
    }

    @Test func `the last request of each bucket is its exemplar, with the caller's trace`() throws {
        self.telemetry.ended(MetricRecords.record(traceparent: MetricRecords.sampled, milliseconds: 110))
        self.telemetry.ended(MetricRecords.record(traceparent: MetricRecords.sampled, milliseconds: 120))
        let line = try #require(self.lines.first { $0.hasPrefix(#"sluice_total_seconds_bucket{pool="p",le="0.25"}"#) })
        #expect(line.contains(#"} 2 # {trace_id="0af7651916cd43dd8448eb211c80319c",span_id=""#))
        #expect(line.contains(#""} 0.12 "#))
        // Of the buckets only those have one into which something fell.
        #expect(self.lines.count { $0.hasPrefix("sluice_total_seconds_bucket") && $0.contains(" # {") } == 1)
        #expect(!MetricRecords.text(self.telemetry, .prometheus).contains("trace_id"))
    }

    @Test func `whatever backends count, there is a page`() {
        let most = TokenUsage(prompt: .max, completion: .max)
        for _ in 0..<3 { self.telemetry.ended(MetricRecords.record(usage: most)) }
        #expect(
            self.lines.contains { $0.hasPrefix(#"sluice_tenant_tokens_total{tenant="t",model="m",kind="prompt"}"#) }
        )
        #expect(self.lines.last == "# EOF")
    }

    @Test(arguments: [false, true])
    func `a trace that begins here is named as its span names it`(isRemote: Bool) throws {
        let origin = RemoteOrigin(requestID: "r", submittedAt: .zero)
        let record = MetricRecords.record(remote: isRemote ? origin : nil)
        self.telemetry.ended(record)
        let line = try #require(self.lines.first { $0.hasPrefix(#"sluice_total_seconds_bucket{pool="p",le="0.25"}"#) })
        let trace = TraceIdentity(record.submission)
        #expect(line.contains(#"{trace_id="\#(trace.traceText)",span_id="\#(trace.spanText)"}"#))
    }

    @Test func `what its caller does not sample is counted and is no exemplar`() {
        self.telemetry.ended(MetricRecords.record(traceparent: MetricRecords.unsampled))
        #expect(self.lines.contains(#"sluice_total_seconds_count{pool="p"} 1"#))
        #expect(!self.lines.contains { $0.contains("trace_id") })
    }

    @Test(
        arguments: [
            (nil, PrometheusText.Format.prometheus), ("*/*", .prometheus), ("text/plain", .prometheus),
            ("application/openmetrics-text", .openMetrics),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", .openMetrics),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                    + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
            ),
            ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.3", .prometheus),
            ("application/openmetrics-text;q=0", .prometheus), ("application/openmetrics-text;version=9", .prometheus),
            (";;,,q=,=;", .prometheus),
        ] as [(String?, PrometheusText.Format)]
    )
    func `writes the format that is asked for`(accept: String?, format: PrometheusText.Format) {
        #expect(PrometheusText.Format(accept: accept) == format)
    }
}
