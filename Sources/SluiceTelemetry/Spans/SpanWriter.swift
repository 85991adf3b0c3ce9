/// What a span is beside its attributes and events.
package struct SpanHead: Sendable, Equatable {
    package var name: SpanName
    package var traceHigh: UInt64
    package var traceLow: UInt64
    package var span: UInt64
    package var parent: UInt64?
    package var traceState: String?
    /// Nanoseconds since 1970.
    package var start: Int64
    package var end: Int64
    package var isError: Bool
    /// For people, of an error.
    package var statusMessage: String?
}

/// Takes spans, piece by piece: head, attributes, events with theirs, end.
///
/// Whoever describes an execution does not build spans first: every encoder writes what it is told at once.
package protocol SpanWriter {
    mutating func begin(_ head: SpanHead)
    mutating func attribute(_ key: SpanKey, _ value: String)
    /// UTF-8.
    mutating func attribute(_ key: SpanKey, bytes: [UInt8])
    mutating func attribute(_ key: SpanKey, _ value: Int64)
    mutating func attribute(_ key: SpanKey, _ value: Bool)
    /// - Parameter microseconds: written as milliseconds with fraction.
    mutating func attribute(_ key: SpanKey, microseconds: Int64)
    /// Attributes that follow are the event's. After an event there are no more attributes of the span.
    mutating func beginEvent(_ name: SpanEventName, at nanoseconds: Int64)
    mutating func endEvent()
    mutating func end()
}

extension SpanWriter {
    mutating func attribute(_ key: SpanKey, _ value: String?) {
        if let value { self.attribute(key, value) }
    }

    mutating func attribute(_ key: SpanKey, _ value: Int?) {
        if let value { self.attribute(key, Int64(value)) }
    }
}
