/// What is said with every document of metrics.
package struct MetricOrigin: Sendable {
    /// Of the resource.
    package var attributes: [(name: String, value: String)]
    package var scopeName = "sluice"
    package var scopeVersion: String
    /// Nanoseconds since 1970 when counting began.
    package var startedAt: Int64

    package init(attributes: [(name: String, value: String)], scopeVersion: String, startedAt: Int64) {
        self.attributes = attributes
        self.scopeVersion = scopeVersion
        self.startedAt = startedAt
    }
}

/// Writes a page as OTLP's `ExportMetricsServiceRequest`: one resource, one scope, everything counted since the start.
package enum OTLPMetrics {
    /// OTLP's number for figures that are counted from the start.
    static let cumulative = 2

    package static func write(
        _ page: MetricPage,
        _ origin: MetricOrigin,
        as encoding: OTLPEndpoint.Encoding
    ) -> [UInt8] {
        switch encoding {
        case .protobuf: Self.protobuf(page, origin)
        case .json: Self.json(page, origin)
        }
    }

    /// The last of each bucket, as far as there are some.
    static func exemplars(_ histogram: Histogram) -> [Exemplar] { histogram.exemplars.compactMap { $0 } }
}
