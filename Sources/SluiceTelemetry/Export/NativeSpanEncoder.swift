/// Rows of `otel_traces` in ClickHouse's own columnar format: names of attributes stand once in a block, and a value
/// costs one byte more than its text. Documents (blocks) can be put together byte for byte.
package struct NativeSpanEncoder: SpanEncoder {
    /// Attributes of a row or of its events: sizes, places of the names in the dictionary, values.
    private struct Map: Sendable {
        /// Running total after each row.
        var ends = ByteWriter()
        var total: UInt64 = 0
        var keys = ByteWriter()
        var values = ByteWriter()

        mutating func closeRow() { self.ends.little(self.total) }

        mutating func clear() {
            self.ends.clear()
            self.total = 0
            self.keys.clear()
            self.values.clear()
        }

        var count: Int { self.ends.count + self.keys.count + self.values.count }
    }

    static let columns = [
        "Timestamp", "TraceId", "SpanId", "ParentSpanId", "TraceState", "SpanName", "SpanKind", "ServiceName",
        "ResourceAttributes", "ScopeName", "ScopeVersion", "SpanAttributes", "Duration", "StatusCode", "StatusMessage",
        "Events.Timestamp", "Events.Name", "Events.Attributes",
    ]

    private let resource: SpanResource
    /// Names of attributes, an empty one first, as ClickHouse's dictionaries have it.
    private static let dictionary: [String] = [""] + SpanKey.allCases.map(\.name)

    private var rows: UInt64 = 0
    private var timestamps = ByteWriter()
    private var traces = ByteWriter()
    private var spans = ByteWriter()
    private var parents = ByteWriter()
    private var states = ByteWriter()
    private var names = ByteWriter()
    private var kinds = ByteWriter()
    private var durations = ByteWriter()
    private var codes = ByteWriter()
    private var messages = ByteWriter()
    private var attributes = Map()
    private var eventTimes = ByteWriter()
    private var eventNames = ByteWriter()
    private var eventEnds = ByteWriter()
    private var eventTotal: UInt64 = 0
    private var eventAttributes = Map()
    private var isInEvent = false

    package init(_ resource: SpanResource) { self.resource = resource }

    package var byteCount: Int {
        self.attributes.count + self.eventAttributes.count + self.messages.count + Int(self.rows) * 96
    }

    // MARK: One span

    package mutating func begin(_ head: SpanHead) {
        self.rows += 1
        self.timestamps.little(UInt64(bitPattern: head.start))
        self.traces.byte(32)
        self.traces.hex(head.traceHigh)
        self.traces.hex(head.traceLow)
        self.spans.byte(16)
        self.spans.hex(head.span)
        if let parent = head.parent {
            self.parents.byte(16)
            self.parents.hex(parent)
        } else {
            self.parents.byte(0)
        }
        if let state = head.traceState { self.states.sized(state) } else { self.states.byte(0) }
        self.names.byte(head.name.rawValue + 1)
        self.kinds.byte(head.name.kind == .client ? 2 : 1)
        self.durations.little(UInt64(max(0, head.end - head.start)))
        self.codes.byte(head.isError ? 2 : 1)
        if head.isError, let message = head.statusMessage {
            self.messages.sized(message)
        } else {
            self.messages.byte(0)
        }
    }

    package mutating func end() {
        self.attributes.closeRow()
        self.eventEnds.little(self.eventTotal)
    }

    package mutating func beginEvent(_ name: SpanEventName, at nanoseconds: Int64) {
        self.isInEvent = true
        self.eventTotal += 1
        self.eventTimes.little(UInt64(bitPattern: nanoseconds))
        self.eventNames.byte(name.rawValue + 1)
    }

    package mutating func endEvent() {
        self.isInEvent = false
        self.eventAttributes.closeRow()
    }

    // MARK: Attributes

    package mutating func attribute(_ key: SpanKey, _ value: String) {
        self.add(key) { $0.sized(value) }
    }

    package mutating func attribute(_ key: SpanKey, bytes: [UInt8]) {
        self.add(key) { $0.sized(bytes) }
    }

    package mutating func attribute(_ key: SpanKey, _ value: Int64) {
        self.add(key) { $0.sizedDecimal(value) }
    }

    package mutating func attribute(_ key: SpanKey, _ value: Bool) {
        self.add(key) { $0.sized(value ? "true" : "false") }
    }

    package mutating func attribute(_ key: SpanKey, microseconds: Int64) {
        self.add(key) { $0.sizedMilliseconds(microseconds) }
    }

    @inline(__always)
    private mutating func add(_ key: SpanKey, _ value: (inout ByteWriter) -> Void) {
        if self.isInEvent {
            self.eventAttributes.total += 1
            self.eventAttributes.keys.byte(key.rawValue + 1)
            value(&self.eventAttributes.values)
        } else {
            self.attributes.total += 1
            self.attributes.keys.byte(key.rawValue + 1)
            value(&self.attributes.values)
        }
    }

    // MARK: The block

    private static let map = "Map(LowCardinality(String), String)"
    private static let low = "LowCardinality(String)"
    /// Indexes of one byte, with keys of the block's own.
    private static let indexKind: UInt64 = 1 << 9 | 1 << 10

    package mutating func seal() -> [UInt8] {
        let rows = self.rows
        var block = ByteWriter(reserving: self.byteCount + 8_192)
        block.varint(UInt64(Self.columns.count))
        block.varint(rows)
        Self.plain(&block, "Timestamp", "DateTime64(9)", self.timestamps)
        Self.plain(&block, "TraceId", "String", self.traces)
        Self.plain(&block, "SpanId", "String", self.spans)
        Self.plain(&block, "ParentSpanId", "String", self.parents)
        Self.plain(&block, "TraceState", "String", self.states)
        Self.lowCardinality(&block, "SpanName", SpanName.allCases.map(\.name), self.names, rows)
        Self.lowCardinality(&block, "SpanKind", ["Internal", "Client"], self.kinds, rows)
        Self.constant(&block, "ServiceName", self.resource.serviceName, rows)
        self.resourceColumn(&block)
        Self.repeated(&block, "ScopeName", self.resource.scopeName, rows)
        Self.repeated(&block, "ScopeVersion", self.resource.scopeVersion, rows)
        Self.head(&block, "SpanAttributes", Self.map)
        block.little(1 as UInt64)
        Self.write(&block, self.attributes)
        Self.plain(&block, "Duration", "UInt64", self.durations)
        Self.lowCardinality(&block, "StatusCode", ["Ok", "Error"], self.codes, rows)
        Self.plain(&block, "StatusMessage", "String", self.messages)
        self.eventColumns(&block)
        self.clear()
        return block.bytes
    }

    private func eventColumns(_ block: inout ByteWriter) {
        Self.head(&block, "Events.Timestamp", "Array(DateTime64(9))")
        block.append(self.eventEnds)
        block.append(self.eventTimes)
        Self.head(&block, "Events.Name", "Array(LowCardinality(String))")
        block.little(1 as UInt64)
        block.append(self.eventEnds)
        Self.indexes(&block, [""] + SpanEventName.allCases.map(\.name), self.eventNames, self.eventTotal)
        Self.head(&block, "Events.Attributes", "Array(\(Self.map))")
        block.little(1 as UInt64)
        block.append(self.eventEnds)
        Self.write(&block, self.eventAttributes)
    }

    /// The same for every row.
    private func resourceColumn(_ block: inout ByteWriter) {
        let attributes = self.resource.attributes.prefix(200)
        Self.head(&block, "ResourceAttributes", Self.map)
        block.little(1 as UInt64)
        var keys = ByteWriter()
        var values = ByteWriter()
        for row in 1...max(1, self.rows) where row <= self.rows {
            block.little(row * UInt64(attributes.count))
            for (index, attribute) in attributes.enumerated() {
                keys.byte(UInt8(index + 1))
                values.sized(attribute.value)
            }
        }
        Self.indexes(&block, [""] + attributes.map(\.name), keys, self.rows * UInt64(attributes.count))
        block.append(values)
    }

    private static func write(_ block: inout ByteWriter, _ map: Map) {
        block.append(map.ends)
        self.indexes(&block, self.dictionary, map.keys, map.total)
        block.append(map.values)
    }

    private static func head(_ block: inout ByteWriter, _ name: String, _ type: String) {
        block.sized(name)
        block.sized(type)
    }

    private static func plain(_ block: inout ByteWriter, _ name: String, _ type: String, _ data: ByteWriter) {
        self.head(&block, name, type)
        block.append(data)
    }

    private static func repeated(_ block: inout ByteWriter, _ name: String, _ value: String, _ rows: UInt64) {
        self.head(&block, name, "String")
        for _ in 0..<rows { block.sized(value) }
    }

    private static func constant(_ block: inout ByteWriter, _ name: String, _ value: String, _ rows: UInt64) {
        var places = ByteWriter()
        for _ in 0..<rows { places.byte(1) }
        self.lowCardinality(&block, name, [value], places, rows)
    }

    /// - Parameter places: of each row's value in the list, counted from 1.
    private static func lowCardinality(
        _ block: inout ByteWriter,
        _ name: String,
        _ values: [String],
        _ places: ByteWriter,
        _ rows: UInt64
    ) {
        self.head(&block, name, self.low)
        block.little(1 as UInt64)
        self.indexes(&block, [""] + values, places, rows)
    }

    /// Dictionary and places; nothing at all for no rows.
    private static func indexes(
        _ block: inout ByteWriter,
        _ dictionary: [String],
        _ places: ByteWriter,
        _ count: UInt64
    ) {
        guard count > 0 else { return }
        block.little(self.indexKind)
        block.little(UInt64(dictionary.count))
        for word in dictionary { block.sized(word) }
        block.little(count)
        block.append(places)
    }

    private mutating func clear() {
        self.rows = 0
        self.timestamps.clear()
        self.traces.clear()
        self.spans.clear()
        self.parents.clear()
        self.states.clear()
        self.names.clear()
        self.kinds.clear()
        self.durations.clear()
        self.codes.clear()
        self.messages.clear()
        self.attributes.clear()
        self.eventTimes.clear()
        self.eventNames.clear()
        self.eventEnds.clear()
        self.eventTotal = 0
        self.eventAttributes.clear()
    }
}
