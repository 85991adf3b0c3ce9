import SluiceWire

// Whole numbers of 64 bits are texts in protobuf's JSON, and identifiers are hexadecimal in OTLP's.
extension OTLPMetrics {
    static func json(_ page: MetricPage, _ origin: MetricOrigin) -> [UInt8] {
        var json = JSONWriter(reserving: 64 << 10)
        json.object { document in
            document.array("resourceMetrics") { all in
                all.object { metrics in
                    metrics.object("resource") { Self.attributes(origin.attributes, to: &$0) }
                    metrics.array("scopeMetrics") { scopes in
                        scopes.object { scopeMetrics in
                            scopeMetrics.object("scope") { scope in
                                scope.field("name", origin.scopeName)
                                scope.field("version", origin.scopeVersion)
                            }
                            scopeMetrics.array("metrics") { list in
                                for family in page.families where !family.points.isEmpty {
                                    list.object { Self.write(family, page, origin, to: &$0) }
                                }
                            }
                        }
                    }
                }
            }
        }
        return json.bytes
    }

    private static func attributes(_ pairs: [(name: String, value: String)], to json: inout JSONWriter) {
        json.array("attributes") { attributes in
            for (name, value) in pairs {
                attributes.object { pair in
                    pair.field("key", name)
                    pair.object("value") { $0.field("stringValue", value) }
                }
            }
        }
    }

    private static func write(
        _ family: MetricPage.Family,
        _ page: MetricPage,
        _ origin: MetricOrigin,
        to json: inout JSONWriter
    ) {
        json.field("name", family.instrument)
        json.field("description", family.help)
        if let unit = family.unit { json.field("unit", unit.code) }
        json.object(family.kind == .counter ? "sum" : family.kind.rawValue) { data in
            data.array("dataPoints") { points in
                for point in family.points {
                    points.object { Self.write(point, family.kind, page, origin, to: &$0) }
                }
            }
            if family.kind != .gauge { data.field("aggregationTemporality", Self.cumulative) }
            if family.kind == .counter { data.field("isMonotonic", true) }
        }
    }

    private static func write(
        _ point: MetricPage.Point,
        _ kind: MetricPage.Kind,
        _ page: MetricPage,
        _ origin: MetricOrigin,
        to json: inout JSONWriter
    ) {
        Self.attributes(point.labels, to: &json)
        if kind != .gauge { json.field("startTimeUnixNano", String(origin.startedAt)) }
        json.field("timeUnixNano", String(page.takenAt))
        switch point.value {
        case .number(let value): Self.number("asDouble", value, to: &json)
        case .histogram(let histogram):
            json.field("count", String(histogram.count))
            Self.number("sum", histogram.sum, to: &json)
            json.array("bucketCounts") { counts in
                for count in histogram.counts { counts.value(String(count)) }
            }
            json.array("explicitBounds") { bounds in
                for bound in histogram.bounds.upper { bounds.value(bound) }
            }
            json.array("exemplars") { exemplars in
                for exemplar in Self.exemplars(histogram) {
                    exemplars.object { object in
                        object.field("timeUnixNano", String(page.unixNanoseconds(exemplar.at)))
                        Self.number("asDouble", histogram.told(exemplar), to: &object)
                        object.field("spanId", exemplar.trace.spanText)
                        object.field("traceId", exemplar.trace.traceText)
                    }
                }
            }
        }
    }

    /// JSON has no words for what is no number; protobuf's has texts.
    private static func number(_ name: String, _ value: Double, to json: inout JSONWriter) {
        if value.isFinite { return json.field(name, value) }
        json.field(name, value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
    }
}
