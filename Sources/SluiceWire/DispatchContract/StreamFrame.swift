/// A piece of a streamed answer: some server-sent events, numbered, ahead of the ordinary reply.
///
/// Only for producers that asked by `metadata.sluice.stream`. A dispatcher puts into one frame what has come in one
/// turn of its loop. Numbers begin at 0 and have no gaps; a number that has been seen is a repetition after a lost
/// connection and is to be skipped. After the frame marked final comes the reply, with a null completion if all went
/// well.
package struct StreamFrame: Sendable, Equatable {
    package var requestID: String
    package var producerID: String
    package var poolID: String
    package var sequence: Int
    package var isFinal: Bool
    package var events: [SSEEvent]

    package init(
        requestID: String,
        producerID: String,
        poolID: String,
        sequence: Int,
        isFinal: Bool,
        events: [SSEEvent]
    ) {
        self.requestID = requestID
        self.producerID = producerID
        self.poolID = poolID
        self.sequence = sequence
        self.isFinal = isFinal
        self.events = events
    }

    /// Compact JSON. An event is a string, its data; or, if it has a name, a list of name and data.
    package func write() -> [UInt8] {
        var json = JSONWriter(reserving: 512 + self.events.reduce(0) { $0 + $1.data.count + $1.data.count / 4 + 8 })
        json.object { json in
            json.field("request_id", self.requestID)
            json.field("producer_id", self.producerID)
            json.field("pool_id", self.poolID)
            json.field("contract_version", DispatchContract.version)
            json.object("frame") { json in
                json.field("sequence", self.sequence)
                json.field("final", self.isFinal)
                json.array("events") { json in
                    for event in self.events { Self.write(event, &json) }
                }
            }
        }
        return json.bytes
    }

    private static func write(_ event: SSEEvent, _ json: inout JSONWriter) {
        let data = String(decoding: event.data, as: UTF8.self)
        guard !event.name.isEmpty else { return json.value(data) }
        json.array { json in
            json.value(event.name)
            json.value(data)
        }
    }

    static func read(_ fields: EnvelopeFields, _ frame: EnvelopeFields) throws(EnvelopeError) -> StreamFrame {
        guard let list = frame["events"] else { throw frame.missing("events") }
        guard list.kind == .array else { throw frame.wrong("events", "a list") }
        guard list.count <= EnvelopeLimits.frameEvents else {
            throw frame.refuse("events", "may have at most \(EnvelopeLimits.frameEvents) elements")
        }
        var events: [SSEEvent] = []
        var isSound = true
        list.forEachElement { element in
            guard let event = Self.event(element) else {
                isSound = false
                return false
            }
            events.append(event)
            return true
        }
        guard isSound else { throw frame.wrong("events", "a list of strings and of pairs of strings") }
        return StreamFrame(
            requestID: try fields.identifier("request_id"),
            producerID: try fields.identifier("producer_id"),
            poolID: try fields.identifier("pool_id"),
            sequence: try frame.integer("sequence", in: 0...1_000_000_000),
            isFinal: try frame.flag("final"),
            events: events
        )
    }

    private static func event(_ element: JSONValue) -> SSEEvent? {
        if let data = element.withStringBytes({ Array($0) }) { return SSEEvent(data: data) }
        guard element.kind == .array, element.count == 2 else { return nil }
        var parts: [String] = []
        element.forEachElement { part in
            if let text = part.string { parts.append(text) }
            return true
        }
        guard parts.count == 2 else { return nil }
        // A line break would end the name and begin a field of the event stream.
        guard !parts[0].utf8.contains(where: { $0 < 0x20 }) else { return nil }
        return SSEEvent(name: parts[0], data: Array(parts[1].utf8))
    }
}
