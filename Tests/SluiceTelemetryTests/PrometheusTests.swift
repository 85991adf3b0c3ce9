import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import Testing

struct PrometheusTests {
    /// The grammar of the text format, 0.0.4, line by line.
    private func check(_ text: String) -> [String] {
        var faults: [String] = []
        var families: Set<String> = []
        var current = ""
        if !text.hasSuffix("\n") { faults.append("no line feed at the end") }
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# HELP ") {
                current = String(line.split(separator: " ")[2])
                if !families.insert(current).inserted { faults.append("\(current) twice") }
            } else if line.hasPrefix("# TYPE ") {
                let parts = line.split(separator: " ")
                if parts.count != 4 || String(parts[2]) != current { faults.append("\(line)") }
                if !["counter", "gauge", "histogram"].contains(parts[3]) { faults.append("\(line)") }
            } else {
                let name = line.prefix { $0 != "{" && $0 != " " }
                let isOfFamily =
                    ["", "_bucket", "_sum", "_count"].contains { current + $0 == name }
                    && (name.hasPrefix("sluice_") || name.hasPrefix("gen_ai_"))
                guard isOfFamily, let value = line.split(separator: " ").last, Double(value) != nil else {
                    faults.append("\(line)")
                    continue
                }
            }
        }
        return faults
    }

    private func telemetry() -> Telemetry {
        Telemetry(configuration: TelemetryConfiguration(), clock: ManualClock())
    }

    private func record(_ pool: String, milliseconds: Int64) -> RequestRecord {
        let submission = Submission(
            id: RequestID(high: 1, low: 1),
            pool: pool,
            tenant: "t",
            model: "m",
            operation: "o",
            isStream: true,
            deadline: .distantFuture
        )
        var record = RequestRecord(submission: submission, submittedAt: .zero)
        record.startedAt = Instant(nanoseconds: 0)
        record.firstByteAt = Instant(nanoseconds: milliseconds * 500_000)
        record.endedAt = Instant(nanoseconds: milliseconds * 1_000_000)
        record.reason = .ok
        return record
    }

    private func text(_ telemetry: Telemetry, _ format: PrometheusText.Format) -> String {
        var page = telemetry.metrics.newPage()
        telemetry.metrics.write(to: &page, pools: [])
        return String(decoding: PrometheusText.write(page, as: format), as: UTF8.self)
    }

    private func page(_ telemetry: Telemetry) -> String {
        self.text(telemetry, .prometheus)
    }

    @Test func `is the format, to the letter`() {
        let telemetry = self.telemetry()
        #expect(self.check(self.page(telemetry)) == [])
        for milliseconds: Int64 in [0, 1, 3, 700, 650_000] {
            telemetry.ended(self.record("p", milliseconds: milliseconds))
        }
        #expect(self.check(self.page(telemetry)) == [])
    }

    @Test func `buckets are cumulative, and the last is the count`() {
        let telemetry = self.telemetry()
        for milliseconds: Int64 in [1, 1, 2, 40, 700, 650_000] {
            telemetry.ended(self.record("p", milliseconds: milliseconds))
        }
        let buckets = self.page(telemetry).split(separator: "\n").filter {
            $0.hasPrefix("sluice_total_seconds_bucket")
        }
        let values = buckets.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
        #expect(values == values.sorted())
        #expect(values.last == 6)
        #expect(buckets.contains(#"sluice_total_seconds_bucket{pool="p",le="0.001"} 2"#))
        #expect(buckets.contains(#"sluice_total_seconds_bucket{pool="p",le="600"} 5"#))
        #expect(buckets.last == #"sluice_total_seconds_bucket{pool="p",le="+Inf"} 6"#)
        #expect(self.page(telemetry).contains("sluice_total_seconds_sum{pool=\"p\"} 650.744\n"))
    }

    @Test func `escapes whatever a pool is called`() {
        let telemetry = self.telemetry()
        telemetry.ended(self.record("a\"b\\c\nd\r\ne", milliseconds: 1))
        let page = self.page(telemetry)
        #expect(page.contains(#"pool="a\"b\\c\nd"# + "\r" + #"\ne""#))
        #expect(
            page.split(separator: "\n").allSatisfy {
                $0.hasPrefix("#") || $0.hasPrefix("sluice_") || $0.hasPrefix("gen_ai_")
            }
        )
    }

    @Test func `so many pools share a label that nobody can grow the page for ever`() {
        let telemetry = self.telemetry()
        for number in 0..<1_100 {
            let submission = self.record("pool-\(number)", milliseconds: 1).submission
            telemetry.rejected(submission, Rejection(.full, message: "m"), at: .zero)
        }
        let page = self.page(telemetry)
        #expect(page.contains(#"sluice_requests_ended_total{pool="other",outcome="rejected",reason="full"} 76"#))
        #expect(!page.contains(#"pool="pool-1024""#))
    }

    @Test func `writes numbers that are none as the format spells them`() {
        var page = MetricPage(clock: ManualClock())
        page.family("sluice_x", .gauge, "x")
        for value in [Double.nan, .infinity, -.infinity, 1.5, 3, 1e20] { page.sample([], value) }
        let text = PrometheusText.write(page, as: .prometheus)
        #expect(
            String(decoding: text, as: UTF8.self).split(separator: "\n").dropFirst(2).map { $0.dropFirst(9) } == [
                "NaN", "+Inf", "-Inf", "1.5", "3", "1e+20",
            ]
        )
    }
}
