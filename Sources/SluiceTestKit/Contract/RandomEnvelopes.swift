import SluiceBasics
import SluiceWire

/// Makes envelopes of all shapes from a seed: valid ones for round trips, and hostile ones.
package struct RandomEnvelopes {
    private var random: SeededRandom

    package init(seed: UInt64) { self.random = SeededRandom(seed: seed) }

    // MARK: Parts

    private mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &self.random) == 0 }

    private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self.random) }

    private mutating func pick<Element>(_ elements: [Element], or other: Element) -> Element {
        elements.randomElement(using: &self.random) ?? other
    }

    private mutating func text(_ longest: Int) -> String {
        let scalars = (0..<self.number(0...longest)).compactMap { _ in
            Unicode.Scalar(UInt32.random(in: self.chance(4) ? 0..<0x11_0000 : 0x20..<0x7F, using: &self.random))
        }
        return String(String.UnicodeScalarView(scalars))
    }

    package mutating func identifier() -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789-_:. äß漢")
        return String((0..<self.number(1...40)).map { _ in self.pick(letters, or: "x") })
    }

    private mutating func maybe<Value>(_ make: (inout Self) -> Value) -> Value? {
        self.chance(2) ? make(&self) : nil
    }

    /// Any JSON value, compact.
    private mutating func json(depth: Int) -> [UInt8] {
        var writer = JSONWriter()
        switch self.number(0...(depth > 0 ? 6 : 4)) {
        case 0: return Array("null".utf8)
        case 1: return Array((self.chance(2) ? "true" : "false").utf8)
        case 2: return Array(String(self.number(-1_000_000...1_000_000)).utf8)
        case 3: return Array(String(Double(self.number(-1_000_000...1_000_000)) / 256).utf8)
        case 4:
            writer.value(self.text(20))
        case 5:
            let elements = (0..<self.number(0...4)).map { _ in self.json(depth: depth - 1) }
            writer.array { writer in for element in elements { writer.rawValue(element) } }
        default:
            let members = self.members(self.number(0...4), depth: depth - 1)
            writer.object { writer in for member in members { writer.rawField(member.name, member.value) } }
        }
        return writer.bytes
    }

    private mutating func members(_ count: Int, depth: Int) -> [RawMember] {
        var names: Set<String> = ["sluice", "pool_id"]
        return (0..<count).compactMap { _ in
            let name = self.text(12)
            guard names.insert(name).inserted else { return nil }
            return RawMember(name: name, value: self.json(depth: depth)[...])
        }
    }

    // MARK: Valid

    package mutating func request() -> RequestEnvelope {
        let model = self.identifier()
        let messages = (0..<self.number(0...5)).map { _ in self.message() }
        var list = JSONWriter()
        list.array { writer in for message in messages { writer.rawValue(message) } }
        var parameters = [RawMember(name: "model", value: Self.quoted(model)[...])]
        if self.chance(2) { parameters.append(RawMember(name: "temperature", value: Array("0.25".utf8)[...])) }
        if self.chance(3) { parameters.append(RawMember(name: "max_tokens", value: Array("64".utf8)[...])) }
        if self.chance(3) { parameters.append(RawMember(name: "stop", value: Array(#"["a","b"]"#.utf8)[...])) }
        parameters.append(RawMember(name: "messages", value: list.bytes[...]))
        return RequestEnvelope(
            requestID: self.identifier(),
            producerID: self.identifier(),
            poolID: self.identifier(),
            submittedAt: 1_767_225_600 + Double(self.number(0...1_000_000)) / 1_000,
            timeoutSeconds: self.maybe { Double($0.number(0...600_000)) / 1_000 },
            traceparent: self.maybe { _ in "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
            tracestate: self.maybe { $0.text(20) },
            metadata: self.maybe { $0.metadata() },
            dispatchProfileKey: self.maybe { _ in model },
            estimatedCostUnits: self.maybe { $0.number(0...10_000) },
            call: CompletionCall(
                model: model,
                messageCount: messages.count,
                parameters: parameters,
                extraBody: self.members(self.number(0...3), depth: 2),
                extraCreate: self.members(self.number(0...2), depth: 2)
            )
        )
    }

    private mutating func message() -> [UInt8] {
        var writer = JSONWriter()
        let role = self.pick(["system", "user", "assistant"], or: "user")
        let content = self.text(60)
        let image = self.chance(3) ? String(repeating: "QUJD", count: self.number(1...300)) : nil
        writer.object { writer in
            writer.field("role", role)
            guard let image else { return writer.field("content", content) }
            writer.array("content") { writer in
                writer.object { $0.field("text", content) }
                writer.object { $0.field("image_url", "data:image/png;base64,\(image)") }
            }
        }
        return writer.bytes
    }

    private mutating func metadata() -> EnvelopeMetadata {
        let options = Array(#"{"include_usage":true}"#.utf8)[...]
        let metadata = EnvelopeMetadata(
            members: self.members(self.number(0...3), depth: 2),
            extras: self.maybe { random in
                DispatchExtras(
                    priority: random.maybe { _ in "high" },
                    tenant: random.maybe { $0.identifier() },
                    deadlineMilliseconds: random.maybe { Int64($0.number(0...2_000_000_000_000)) },
                    idempotencyKey: random.maybe { $0.identifier() },
                    streaming: random.maybe { CompletionCall.Streaming(options: $0.chance(2) ? options : nil) }
                )
            }
        )
        let isEmpty = metadata.members.isEmpty && metadata.extras == nil
        return isEmpty ? EnvelopeMetadata(extras: DispatchExtras(priority: "low")) : metadata
    }

    package mutating func reply() -> ReplyEnvelope {
        let outcome: ReplyEnvelope.Outcome
        switch self.number(0...2) {
        case 0: outcome = .streamed
        case 1: outcome = .failure(ReplyFailure(type: self.identifier(), message: self.text(50)))
        default: outcome = .completion(Array(#"{"choices":[],"x":"\u00e9"}"#.utf8)[...])
        }
        return ReplyEnvelope(
            requestID: self.identifier(),
            producerID: self.identifier(),
            poolID: self.identifier(),
            completedAt: 1_767_225_600.25,
            dispatcherID: self.maybe { $0.identifier() },
            backendAddress: self.maybe { _ in "http://backend:8000/v1" },
            outcome: outcome,
            extras: self.maybe { random in
                ReplyExtras(
                    status: 429,
                    retryAfterMilliseconds: random.maybe { $0.number(0...10_000) },
                    attempts: random.maybe { $0.number(0...5) },
                    outcome: random.maybe { _ in "failed/backend" },
                    errorBody: random.maybe { _ in Array(#"{"error":{"message":"slow down"}}"#.utf8)[...] }
                )
            }
        )
    }

    package mutating func frame() -> StreamFrame {
        StreamFrame(
            requestID: self.identifier(),
            producerID: self.identifier(),
            poolID: self.identifier(),
            sequence: self.number(0...1_000),
            isFinal: self.chance(4),
            events: (0..<self.number(0...6)).map { _ in
                SSEEvent(name: self.chance(3) ? "response.created" : "", data: Array(self.text(40).utf8))
            }
        )
    }

    static func quoted(_ text: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.value(text)
        return writer.bytes
    }

    // MARK: Hostile

    /// One element that somebody hostile or broken could push. Some are valid by chance.
    package mutating func hostile() -> [UInt8] {
        let bytes =
            self.chance(4) ? self.reply().write() : self.chance(6) ? self.frame().write() : self.request().write()
        switch self.number(0...11) {
        case 0: return Array(bytes.prefix(self.number(0...bytes.count)))
        case 1, 2: return self.flipped(bytes)
        case 3, 4, 5: return self.retyped(bytes)
        case 6: return self.duplicated(bytes)
        case 7: return self.nested()
        case 8: return self.retyped(self.retyped(bytes))
        case 9: return Array(bytes.suffix(self.number(0...bytes.count)))
        case 10: return (0..<self.number(0...300)).map { _ in UInt8.random(in: 0...255, using: &self.random) }
        default: return self.json(depth: 4)
        }
    }

    private mutating func flipped(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<self.number(1...6) where !bytes.isEmpty {
            let index = self.number(0...bytes.count - 1)
            switch self.number(0...3) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &self.random)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(self.pick(Array("{}[]\",:\\\u{0}".utf8), or: 0), at: index)
            default: bytes[index] = self.pick([0xFF, 0xC0, 0xED, 0x80], or: 0xFF)
            }
        }
        return bytes
    }

    /// Another value at some member, maybe one level down.
    private mutating func retyped(_ bytes: [UInt8]) -> [UInt8] {
        var members = JSONMembers.scan(bytes)
        guard let index = members.indices.randomElement(using: &self.random) else { return bytes }
        if self.chance(2), members[index].value.first == UInt8(ascii: "{") {
            members[index].value = self.retyped(Array(members[index].value))[...]
        } else {
            let evil = [
                "1e999", "-1", "1e308", "99999999999999999999999999", "NaN", "\"\"", "{}", "[]", "true", "\"\\ud800\"",
                "0.1", "[[[[[[]]]]]]", "\"\\u0000\"", "-9223372036854775808", "18446744073709551615", "",
            ]
            let value = self.chance(3) ? self.json(depth: 3) : Array(self.pick(evil, or: "").utf8)
            members[index].value = value[...]
        }
        return Self.object(members)
    }

    private mutating func duplicated(_ bytes: [UInt8]) -> [UInt8] {
        var members = JSONMembers.scan(bytes)
        for _ in 0..<self.number(1...4) {
            guard var member = members.randomElement(using: &self.random) else { return bytes }
            if self.chance(2) { member.value = self.json(depth: 2)[...] }
            members.insert(member, at: self.number(0...members.count))
        }
        return Self.object(members)
    }

    private mutating func nested() -> [UInt8] {
        let depth = self.number(1...3_000)
        let opening = self.chance(2) ? "[" : "{\"call\":"
        return Array(String(repeating: opening, count: depth).utf8)
    }

    private static func object(_ members: [RawMember]) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in for member in members { writer.rawField(member.name, member.value) } }
        return writer.bytes
    }
}
