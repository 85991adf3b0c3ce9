@testable import SluiceTelemetry

/// Spans as values, for tests.
struct SpanCollector: SpanWriter {
    struct Event: Equatable {
        var name: SpanEventName
        var at: Int64
        var attributes: [String: String] = [:]
    }

    struct Span: Equatable {
        var head: SpanHead
        var attributes: [String: String] = [:]
        var events: [Event] = []
    }

    private(set) var spans: [Span] = []
    private var isInEvent = false

    mutating func begin(_ head: SpanHead) { self.spans.append(Span(head: head)) }
    mutating func end() {}
    mutating func endEvent() { self.isInEvent = false }

    mutating func beginEvent(_ name: SpanEventName, at nanoseconds: Int64) {
        self.isInEvent = true
        self.spans[self.spans.count - 1].events.append(Event(name: name, at: nanoseconds))
    }

    mutating func attribute(_ key: SpanKey, _ value: String) { self.put(key, value) }
    mutating func attribute(_ key: SpanKey, bytes: [UInt8]) { self.put(key, String(decoding: bytes, as: UTF8.self)) }
    mutating func attribute(_ key: SpanKey, _ value: Int64) { self.put(key, String(value)) }
    mutating func attribute(_ key: SpanKey, _ value: Bool) { self.put(key, String(value)) }

    mutating func attribute(_ key: SpanKey, microseconds: Int64) {
        var text = ByteWriter()
        text.milliseconds(microseconds)
        self.put(key, String(decoding: text.bytes, as: UTF8.self))
    }

    private mutating func put(_ key: SpanKey, _ value: String) {
        let last = self.spans.count - 1
        if self.isInEvent {
            self.spans[last].events[self.spans[last].events.count - 1].attributes[key.name] = value
        } else {
            self.spans[last].attributes[key.name] = value
        }
    }
}
