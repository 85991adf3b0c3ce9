extension OTLPMetrics {
    static func protobuf(_ page: MetricPage, _ origin: MetricOrigin) -> [UInt8] {
        var document = ProtobufMessage()
        document.message(1) { resourceMetrics in
            resourceMetrics.message(1) { resource in
                for (name, value) in origin.attributes { resource.attribute(1, name, value) }
            }
            resourceMetrics.message(2) { scopeMetrics in
                scopeMetrics.message(1) { scope in
                    scope.text(1, origin.scopeName)
                    scope.text(2, origin.scopeVersion)
                }
                for family in page.families where !family.points.isEmpty {
                    scopeMetrics.message(2) { Self.write(family, page, origin, to: &$0) }
                }
            }
        }
        return document.bytes
    }

    private static func write(
        _ family: MetricPage.Family,
        _ page: MetricPage,
        _ origin: MetricOrigin,
        to metric: inout ProtobufMessage
    ) {
        metric.text(1, family.instrument)
        metric.text(2, family.help)
        if let unit = family.unit { metric.text(3, unit.code) }
        let field =
            switch family.kind {
            case .gauge: 5
            case .counter: 7
            case .histogram: 9
            }
        metric.message(field) { data in
            for point in family.points {
                data.message(1) { Self.write(point, family.kind, page, origin, to: &$0) }
            }
            if family.kind != .gauge { data.varint(2, UInt64(Self.cumulative)) }
            if family.kind == .counter { data.varint(3, 1) }
        }
    }

    private static func write(
        _ point: MetricPage.Point,
        _ kind: MetricPage.Kind,
        _ page: MetricPage,
        _ origin: MetricOrigin,
        to data: inout ProtobufMessage
    ) {
        if kind != .gauge { data.fixed(2, UInt64(bitPattern: origin.startedAt)) }
        data.fixed(3, UInt64(bitPattern: page.takenAt))
        let attributes: Int
        switch point.value {
        case .number(let value):
            attributes = 7
            data.fixed(4, value.bitPattern)
        case .histogram(let histogram):
            attributes = 9
            data.fixed(4, histogram.count)
            data.fixed(5, histogram.sum.bitPattern)
            data.fixed(6, packed: histogram.counts)
            data.fixed(7, packed: histogram.bounds.upper.map(\.bitPattern))
            for exemplar in Self.exemplars(histogram) {
                data.message(8) { message in
                    let trace = exemplar.trace
                    message.fixed(2, UInt64(bitPattern: page.unixNanoseconds(exemplar.at)))
                    message.fixed(3, histogram.told(exemplar).bitPattern)
                    message.bigEndian(4, [trace.span])
                    message.bigEndian(5, [trace.traceHigh, trace.traceLow])
                }
            }
        }
        for (name, value) in point.labels { data.attribute(attributes, name, value) }
    }
}

/// A message of protobuf that is being written, field by field.
struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

    mutating func text(_ field: Int, _ value: String) {
        self.tag(field, 2)
        self.number(UInt64(value.utf8.count))
        self.bytes.append(contentsOf: value.utf8)
    }

    mutating func varint(_ field: Int, _ value: UInt64) {
        self.tag(field, 0)
        self.number(value)
    }

    mutating func fixed(_ field: Int, _ value: UInt64) {
        self.tag(field, 1)
        self.littleEndian(value)
    }

    mutating func fixed(_ field: Int, packed values: [UInt64]) {
        self.tag(field, 2)
        self.number(UInt64(values.count * 8))
        for value in values { self.littleEndian(value) }
    }

    /// Bytes, as identifiers are written.
    mutating func bigEndian(_ field: Int, _ words: [UInt64]) {
        self.tag(field, 2)
        self.number(UInt64(words.count * 8))
        for word in words {
            for shift in stride(from: 56 as UInt64, through: 0, by: -8) {
                self.bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
    }

    mutating func message(_ field: Int, _ body: (inout ProtobufMessage) -> Void) {
        var inner = ProtobufMessage()
        body(&inner)
        self.tag(field, 2)
        self.number(UInt64(inner.bytes.count))
        self.bytes.append(contentsOf: inner.bytes)
    }

    /// OTLP's `KeyValue` with a text.
    mutating func attribute(_ field: Int, _ name: String, _ value: String) {
        self.message(field) { pair in
            pair.text(1, name)
            pair.message(2) { $0.text(1, value) }
        }
    }

    private mutating func tag(_ field: Int, _ kind: UInt64) { self.number(UInt64(field) << 3 | kind) }

    private mutating func number(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            self.bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private mutating func littleEndian(_ value: UInt64) {
        for shift in stride(from: 0 as UInt64, to: 64, by: 8) {
            self.bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
