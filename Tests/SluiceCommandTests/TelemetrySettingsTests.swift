import SluiceTelemetry
import Testing

@testable import sluice

/// What `sluice serve` makes of the configuration of telemetry.
@Suite struct TelemetrySettingsTests {
    private func load(_ yaml: String, _ environment: [String: String] = [:]) throws -> Configuration {
        try ConfigurationLoader(
            environment: environment,
            file: "c.yaml",
            readFile: { _, _ throws(FileError) in Array(yaml.utf8) }
        ).load()
    }

    @Test(
        arguments: [
            ("", [:], "sluice"), ("telemetry:\n  service_name: a\n", [:], "a"),
            ("", ["OTEL_RESOURCE_ATTRIBUTES": "team=t,service.name=b"], "b"),
            ("telemetry:\n  resource:\n    service.name: c\n", [:], "c"),
            ("telemetry:\n  service_name: a\n", ["OTEL_RESOURCE_ATTRIBUTES": "service.name=b"], "a"),
            ("", ["OTEL_RESOURCE_ATTRIBUTES": "service.name=b", "OTEL_SERVICE_NAME": "d"], "d"),
        ] as [(String, [String: String], String)]
    )
    func `the service has one name, in spans and in metrics`(
        yaml: String,
        environment: [String: String],
        expected: String
    ) throws {
        let configuration = try self.load(yaml, environment)
        let settings = TelemetrySettings(configuration)
        let metrics = MetricWiring(configuration: configuration, environment: environment).resource(settings)
        #expect(metrics.filter { $0.name == "service.name" }.map(\.value) == [expected])
        let export = ExportWiring(Wiring(configuration: configuration, role: .serve), RuntimeIdentity())
        #expect(export.spans.identity.serviceName == expected)
        let resource = SpanResource(export.spans.identity, others: settings.resource)
        #expect(resource.attributes.filter { $0.name == "service.name" }.map(\.value) == [expected])
    }

    @Test func `attributes are percent-decoded, and a pair that is none is refused by its variable's name`() throws {
        let told = ["OTEL_RESOURCE_ATTRIBUTES": "team=a%20b, region = eu%2Cwest ,service.name=x,empty=,odd=5%"]
        let resource = TelemetrySettings(try self.load("", told)).resource
        #expect(
            resource.map { "\($0.name)=\($0.value)" } == [
                "team=a b", "region=eu,west", "service.name=x", "empty=", "odd=5%",
            ]
        )
        for pairs in ["team=a%20b,service.name=x,nonsense", "=x"] {
            let refused = #expect(throws: ConfigurationProblems.self) {
                try self.load("", ["OTEL_RESOURCE_ATTRIBUTES": pairs])
            }
            #expect(
                refused?.text == "environment OTEL_RESOURCE_ATTRIBUTES: telemetry.resource: "
                    + "needs name=value pairs with commas between them"
            )
        }
    }

    @Test func `a receiver that the file names gets metrics too`() throws {
        let yaml = """
            telemetry:
              otlp:
                endpoint: http://collector:4318/
                headers:
                  api-key: "a%20b,c"
                protocol: http/json
                compression: gzip
                timeout: 3s
            """
        func endpoint(_ yaml: String, _ environment: [String: String] = [:]) throws -> OTLPEndpoint? {
            let settings = TelemetrySettings(try self.load(yaml, environment))
            return try OTLPEndpoint.read(.metrics, settings.metricVariables(environment))
        }
        let found = try #require(try endpoint(yaml))
        #expect(found.url == "http://collector:4318/v1/metrics" && found.encoding == .json && found.isCompressed)
        #expect(found.timeout == .seconds(3) && found.headers.map(\.value) == ["a b,c"])
        #expect(try endpoint("") == nil)
        #expect(try endpoint(yaml, ["OTEL_SDK_DISABLED": "true"]) == nil)
        #expect(try endpoint(yaml, ["OTEL_METRICS_EXPORTER": "none"]) == nil)
        // What is said of spans alone is of spans alone.
        let spans = [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/v1/traces", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=b",
        ]
        #expect(try endpoint("", spans) == nil)
        let other = try endpoint(yaml, ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://m/x"])
        #expect(other?.url == "http://m/x")
    }

    @Test func `history in ClickHouse is of all requests, and spans by OTLP are sampled`() throws {
        let yaml = """
            clickhouse:
              url: http://house:8123
            telemetry:
              sampler: traceidratio
              sampler_arg: 0.1
            """
        func wiring(_ more: String) throws -> ExportWiring {
            let configuration = try self.load(yaml + "\n" + more)
            return ExportWiring(Wiring(configuration: configuration, role: .serve), RuntimeIdentity())
        }
        let plain = try wiring("")
        #expect(plain.kept.sampler == plain.spans.sampler && plain.kept.includesRejected == false)
        let history = try wiring("history:\n  store: clickhouse\n")
        #expect(history.kept.sampler == SpanSampler(ratio: 1, respectsParent: false) && history.kept.includesRejected)
        #expect(history.spans.sampler.ratio == 0.1 && !history.spans.includesRejected)
    }
}
