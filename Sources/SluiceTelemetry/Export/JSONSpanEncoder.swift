import SluiceWire

/// OTLP's `ExportTraceServiceRequest` in JSON: ids in hexadecimal, 64-bit numbers as text.
package struct JSONSpanEncoder: SpanEncoder {
    private let resource: SpanResource
    private var spans: [[UInt8]] = []
    package private(set) var byteCount = 0
    private var head: SpanHead?
    private var attributes: [[UInt8]] = []
    private var events: [[UInt8]] = []
    private var event: (name: SpanEventName, at: Int64, attributes: [[UInt8]])?

    package init(_ resource: SpanResource) { self.resource = resource }

    package mutating func seal() -> [UInt8] {
        var json = JSONWriter(reserving: self.byteCount + 512)
        let spans = self.spans
        let resource = self.resource
        json.object { json in
            json.array("resourceSpans") { json in
                json.object { json in
                    json.object("resource") { json in
                        json.array("attributes") { json in
                            for (name, value) in resource.attributes {
                                json.rawValue(Self.pair(name) { $0.field("stringValue", value) })
                            }
                        }
                    }
                    json.array("scopeSpans") { json in
                        json.object { json in
                            json.object("scope") { json in
                                json.field("name", resource.scopeName)
                                json.field("version", resource.scopeVersion)
                            }
                            json.array("spans") { json in for span in spans { json.rawValue(span) } }
                        }
                    }
                }
            }
        }
        self.spans = []
        self.byteCount = 0
        return json.bytes
    }

    // MARK: One span

    package mutating func begin(_ head: SpanHead) {
        self.head = head
        self.attributes.removeAll(keepingCapacity: true)
        self.events.removeAll(keepingCapacity: true)
    }

    package mutating func end() {
        guard let head = self.head else { return }
        var json = JSONWriter(reserving: 2_048)
        json.object { json in
            json.field("traceId", TraceIdentity.hex(head.traceHigh) + TraceIdentity.hex(head.traceLow))
            json.field("spanId", TraceIdentity.hex(head.span))
            if let parent = head.parent { json.field("parentSpanId", TraceIdentity.hex(parent)) }
            if let state = head.traceState { json.field("traceState", state) }
            json.field("name", head.name.name)
            json.field("kind", Int(head.name.kind.rawValue))
            json.field("flags", 1)
            json.field("startTimeUnixNano", String(head.start))
            json.field("endTimeUnixNano", String(head.end))
            json.array("attributes") { json in for pair in self.attributes { json.rawValue(pair) } }
            json.array("events") { json in for event in self.events { json.rawValue(event) } }
            json.object("status") { json in
                json.field("code", head.isError ? 2 : 1)
                if head.isError, let message = head.statusMessage { json.field("message", message) }
            }
        }
        self.byteCount += json.bytes.count
        self.spans.append(json.bytes)
        self.head = nil
    }

    package mutating func beginEvent(_ name: SpanEventName, at nanoseconds: Int64) {
        self.event = (name, nanoseconds, [])
    }

    package mutating func endEvent() {
        guard let event = self.event else { return }
        self.event = nil
        var json = JSONWriter()
        json.object { json in
            json.field("timeUnixNano", String(event.at))
            json.field("name", event.name.name)
            json.array("attributes") { json in for pair in event.attributes { json.rawValue(pair) } }
        }
        self.events.append(json.bytes)
    }

    // MARK: Attributes

    package mutating func attribute(_ key: SpanKey, _ value: String) {
        self.add(key) { $0.field("stringValue", value) }
    }

    package mutating func attribute(_ key: SpanKey, bytes: [UInt8]) {
        self.add(key) { $0.field("stringValue", String(decoding: bytes, as: UTF8.self)) }
    }

    package mutating func attribute(_ key: SpanKey, _ value: Int64) {
        self.add(key) { $0.field("intValue", String(value)) }
    }

    package mutating func attribute(_ key: SpanKey, _ value: Bool) {
        self.add(key) { $0.field("boolValue", value) }
    }

    package mutating func attribute(_ key: SpanKey, microseconds: Int64) {
        self.add(key) { $0.field("doubleValue", Double(microseconds) / 1_000) }
    }

    private mutating func add(_ key: SpanKey, _ value: (inout JSONWriter) -> Void) {
        let pair = Self.pair(key.name, value)
        if self.event != nil { self.event?.attributes.append(pair) } else { self.attributes.append(pair) }
    }

    private static func pair(_ name: String, _ value: (inout JSONWriter) -> Void) -> [UInt8] {
        var json = JSONWriter(reserving: 96)
        json.object { json in
            json.field("key", name)
            json.object("value") { value(&$0) }
        }
        return json.bytes
    }
}
