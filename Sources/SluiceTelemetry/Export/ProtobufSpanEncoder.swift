/// OTLP's `ExportTraceServiceRequest` in protobuf. Documents can be put together byte for byte: repeated fields add up.
package struct ProtobufSpanEncoder: SpanEncoder {
    /// Tag, length and bytes of each key, as a `KeyValue` begins.
    private static let keys: [[UInt8]] = SpanKey.allCases.map { key in
        var bytes = ByteWriter()
        bytes.byte(0x0A)
        bytes.sized(key.name)
        return bytes.bytes
    }

    private let resource: [UInt8]
    private let scope: [UInt8]
    private var spans = ByteWriter()
    private var span = ByteWriter()
    private var event = ByteWriter()
    private var isInEvent = false
    private var status = ByteWriter()

    package init(_ resource: SpanResource) {
        var attributes = ByteWriter()
        for (name, value) in resource.attributes {
            var pair = ByteWriter()
            pair.byte(0x0A)
            pair.sized(name)
            pair.byte(0x12)
            var text = ByteWriter()
            text.byte(0x0A)
            text.sized(value)
            pair.sized(text.bytes)
            attributes.byte(0x0A)
            attributes.sized(pair.bytes)
        }
        var document = ByteWriter()
        document.byte(0x0A)
        document.sized(attributes.bytes)
        self.resource = document.bytes
        var scope = ByteWriter()
        scope.byte(0x0A)
        scope.sized(resource.scopeName)
        if !resource.scopeVersion.isEmpty {
            scope.byte(0x12)
            scope.sized(resource.scopeVersion)
        }
        var field = ByteWriter()
        field.byte(0x0A)
        field.sized(scope.bytes)
        self.scope = field.bytes
    }

    package var byteCount: Int { self.spans.count }

    package mutating func seal() -> [UInt8] {
        let scopeSpans = self.scope.count + self.spans.count
        var inner = ByteWriter()
        inner.byte(0x12)
        inner.varint(UInt64(scopeSpans))
        var document = ByteWriter(reserving: scopeSpans + self.resource.count + 32)
        document.byte(0x0A)
        document.varint(UInt64(self.resource.count + inner.count + scopeSpans))
        document.append(self.resource)
        document.append(inner)
        document.append(self.scope)
        document.append(self.spans)
        self.spans.clear()
        return document.bytes
    }

    // MARK: One span

    package mutating func begin(_ head: SpanHead) {
        self.span.clear()
        self.span.byte(0x0A)
        self.span.byte(16)
        self.span.big(head.traceHigh)
        self.span.big(head.traceLow)
        self.span.byte(0x12)
        self.span.byte(8)
        self.span.big(head.span)
        if let state = head.traceState {
            self.span.byte(0x1A)
            self.span.sized(state)
        }
        if let parent = head.parent {
            self.span.byte(0x22)
            self.span.byte(8)
            self.span.big(parent)
        }
        self.span.byte(0x2A)
        self.span.sized(head.name.name)
        self.span.byte(0x30)
        self.span.byte(head.name.kind.rawValue)
        self.span.byte(0x39)
        self.span.little(UInt64(bitPattern: head.start))
        self.span.byte(0x41)
        self.span.little(UInt64(bitPattern: head.end))
        self.status.clear()
        if let message = head.statusMessage, head.isError {
            self.status.byte(0x12)
            self.status.sized(message)
        }
        self.status.byte(0x18)
        self.status.byte(head.isError ? 2 : 1)
    }

    package mutating func end() {
        self.span.byte(0x7A)
        self.span.varint(UInt64(self.status.count))
        self.span.append(self.status)
        // Sampled, and it is known whether the parent is of another process: it always is, or ours.
        self.span.byte(0x85)
        self.span.byte(0x01)
        self.span.little(1 as UInt32)
        self.spans.byte(0x12)
        self.spans.varint(UInt64(self.span.count))
        self.spans.append(self.span)
    }

    package mutating func beginEvent(_ name: SpanEventName, at nanoseconds: Int64) {
        self.isInEvent = true
        self.event.clear()
        self.event.byte(0x09)
        self.event.little(UInt64(bitPattern: nanoseconds))
        self.event.byte(0x12)
        self.event.sized(name.name)
    }

    package mutating func endEvent() {
        self.isInEvent = false
        self.span.byte(0x5A)
        self.span.varint(UInt64(self.event.count))
        self.span.append(self.event)
    }

    // MARK: Attributes

    package mutating func attribute(_ key: SpanKey, _ value: String) {
        let count = value.utf8.count
        let inner = 1 + Self.varintSize(count) + count
        self.open(key, valueSize: inner) { writer in
            writer.byte(0x0A)
            writer.sized(value)
        }
    }

    package mutating func attribute(_ key: SpanKey, bytes: [UInt8]) {
        let inner = 1 + Self.varintSize(bytes.count) + bytes.count
        self.open(key, valueSize: inner) { writer in
            writer.byte(0x0A)
            writer.sized(bytes)
        }
    }

    package mutating func attribute(_ key: SpanKey, _ value: Int64) {
        let bits = UInt64(bitPattern: value)
        let size = value < 0 ? 10 : Self.varintSize(Int(value))
        self.open(key, valueSize: 1 + size) { writer in
            writer.byte(0x18)
            writer.varint(bits)
        }
    }

    package mutating func attribute(_ key: SpanKey, _ value: Bool) {
        self.open(key, valueSize: 2) { writer in
            writer.byte(0x10)
            writer.byte(value ? 1 : 0)
        }
    }

    package mutating func attribute(_ key: SpanKey, microseconds: Int64) {
        self.open(key, valueSize: 9) { writer in
            writer.byte(0x21)
            writer.little((Double(microseconds) / 1_000).bitPattern)
        }
    }

    @inline(__always)
    private mutating func open(_ key: SpanKey, valueSize: Int, _ value: (inout ByteWriter) -> Void) {
        let name = Self.keys[Int(key.rawValue)]
        let size = name.count + 1 + Self.varintSize(valueSize) + valueSize
        if self.isInEvent {
            self.event.byte(0x1A)
            Self.pair(&self.event, name, size, valueSize, value)
        } else {
            self.span.byte(0x4A)
            Self.pair(&self.span, name, size, valueSize, value)
        }
    }

    @inline(__always)
    private static func pair(
        _ writer: inout ByteWriter,
        _ name: [UInt8],
        _ size: Int,
        _ valueSize: Int,
        _ value: (inout ByteWriter) -> Void
    ) {
        writer.varint(UInt64(size))
        writer.append(name)
        writer.byte(0x12)
        writer.varint(UInt64(valueSize))
        value(&writer)
    }

    @inline(__always)
    private static func varintSize(_ value: Int) -> Int {
        value < 0x80 ? 1 : value < 0x4000 ? 2 : (UInt64(value).bitWidth - value.leadingZeroBitCount + 6) / 7
    }
}
