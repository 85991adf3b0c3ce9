import SluiceTelemetry
import SluiceWire
import Testing

struct OTLPEndpointTests {
    private func read(_ environment: [String: String]) throws -> OTLPEndpoint? {
        try OTLPEndpoint.read(.metrics, environment)
    }

    @Test func `nothing is sent unless somebody names an endpoint or the exporter`() throws {
        #expect(try self.read([:]) == nil)
        #expect(try self.read(["OTEL_METRICS_EXPORTER": "otlp"])?.url == "http://localhost:4318/v1/metrics")
        let base = ["OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:4318/x/"]
        #expect(try self.read(base)?.url == "https://c:4318/x/v1/metrics")
        #expect(try self.read(base.merging(["OTEL_METRICS_EXPORTER": "none"]) { $1 }) == nil)
        #expect(try self.read(base.merging(["OTEL_METRICS_EXPORTER": "prometheus"]) { $1 }) == nil)
        #expect(try self.read(base.merging(["OTEL_METRICS_EXPORTER": "prometheus, otlp"]) { $1 }) != nil)
        #expect(try self.read(base.merging(["OTEL_SDK_DISABLED": "True"]) { $1 }) == nil)
        #expect(try self.read(["OTEL_EXPORTER_OTLP_ENDPOINT": " "]) == nil)
    }

    @Test func `what is said of metrics comes before what is said of all`() throws {
        let endpoint = try #require(
            try self.read([
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://own/path",
                "OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_METRICS_HEADERS": " api-key = s%3Dcret ,b=2",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
            ])
        )
        #expect(endpoint.url == "http://own/path")
        #expect(endpoint.headers.map(\.name) == ["api-key", "b"])
        #expect(endpoint.headers.map(\.value) == ["s=cret", "2"])
        #expect(endpoint.encoding == .json)
        #expect(endpoint.isCompressed)
        #expect(endpoint.timeout == .milliseconds(2_500))
        let request = endpoint.request(Array(repeating: 0x20, count: 1_000))
        #expect(request.headers["content-encoding"] == "gzip")
        #expect(request.headers["content-type"] == "application/json")
        #expect(request.headers["api-key"] == "s=cret")
        #expect(request.body.count < 100)
        #expect(request.body.starts(with: [0x1F, 0x8B]))
    }

    @Test(
        arguments: [
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"), ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "c:4318"), ("OTEL_EXPORTER_OTLP_HEADERS", "a=x%0d%0ay"),
        ]
    )
    func `a variable that says what cannot be is named`(name: String, value: String) {
        let environment = ["OTEL_METRICS_EXPORTER": "otlp", name: value]
        let problem = #expect(throws: OTLPEndpoint.Problem.self) {
            try OTLPEndpoint.read(.metrics, environment)
        }
        #expect(problem?.variable == name)
    }
}
