import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import Testing

struct GenAIMetricsTests {
    private let telemetry = {
        let clock = ManualClock()
        let metrics = Metrics(clock: clock) { backend, _ in backend == "b" ? GenAI.provider("bedrock") : nil }
        return Telemetry(configuration: TelemetryConfiguration(), clock: clock, metrics: metrics)
    }()

    private var text: String { MetricRecords.text(self.telemetry, .prometheus) }
    private let labels =
        #"gen_ai_operation_name="chat",gen_ai_provider_name="aws.bedrock",gen_ai_request_model="m""#

    @Test func `a call is measured with the conventions' names and labels`() {
        self.telemetry.ended(MetricRecords.record(usage: TokenUsage(prompt: 20, completion: 11)))
        let text = self.text
        #expect(text.contains("gen_ai_client_operation_duration_seconds_bucket{\(self.labels),le=\"0.16\"} 1\n"))
        #expect(text.contains("gen_ai_client_operation_duration_seconds_bucket{\(self.labels),le=\"0.08\"} 0\n"))
        #expect(text.contains("gen_ai_client_token_usage_sum{\(self.labels),gen_ai_token_type=\"input\"} 20\n"))
        #expect(
            text.contains("gen_ai_client_token_usage_bucket{\(self.labels),gen_ai_token_type=\"output\",le=\"16\"} 1")
        )
        #expect(text.contains("gen_ai_server_time_to_first_token_seconds_sum{\(self.labels)} 0.05\n"))
        // 50 ms for the ten tokens after the first.
        #expect(text.contains("gen_ai_server_time_per_output_token_seconds_sum{\(self.labels)} 0.005\n"))
    }

    @Test func `each attempt is a call, and its error is a label`() {
        self.telemetry.ended(MetricRecords.record())
        self.telemetry.ended(MetricRecords.record(failures: [.rateLimited, nil]))
        let name = "gen_ai_client_operation_duration_seconds_count"
        #expect(self.text.contains("\(name){\(self.labels)} 2\n"))
        #expect(self.text.contains("\(name){\(self.labels),error_type=\"rate_limited\"} 1\n"))
    }

    @Test func `the fabric's lists are no server of models`() {
        var record = MetricRecords.record()
        record.attempts[0].backend = "fabric"
        self.telemetry.ended(record)
        #expect(!self.text.contains("gen_ai_client_operation_duration_seconds_count"))
    }

    @Test func `names of models that nobody answers for get no series of their own`() {
        for number in 0..<500 {
            self.telemetry.ended(MetricRecords.record(model: "invented-\(number)", failures: [.routeOrModel]))
        }
        self.telemetry.ended(MetricRecords.record(model: "real"))
        let text = self.text
        #expect(!text.contains("invented"))
        #expect(text.contains(#"gen_ai_request_model="other",error_type="route_or_model"} 500"#))
        #expect(text.contains(#"gen_ai_request_model="real""#))
        #expect(text.contains(#"sluice_tenant_requests_total{tenant="t",model="other",outcome="failed"} 500"#))
        #expect(text.contains(#"sluice_tenant_requests_total{tenant="t",model="real",outcome="done"} 1"#))
    }

    @Test func `so many models are told apart, and the others are counted together`() {
        for number in 0..<2_000 { self.telemetry.ended(MetricRecords.record(model: "model-\(number)")) }
        let text = self.text
        let series = text.split(separator: "\n").filter {
            $0.hasPrefix("gen_ai_client_operation_duration_seconds_count")
        }
        #expect(series.count == 201)
        let counts = series.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
        #expect(counts.reduce(0, +) == 2_000)
        let tenants = text.split(separator: "\n").filter { $0.hasPrefix("sluice_tenant_requests_total") }
        #expect(tenants.count == 1_001)
    }

    @Test(arguments: [
        ("chat/completions", "chat"), ("messages", "chat"), ("embeddings", "embeddings"), ("x", "_OTHER"),
    ])
    func `operations have the conventions' names`(path: String, name: String) {
        #expect(GenAI.Operation(path: path).rawValue == name)
    }
}
