import SluiceWire

/// What inputs are made from: the golden files, and in `Tests/Fuzz/Seeds` a stream of each wire format and more.
package struct Corpus: Sendable {
    private static let maximumBytes = 8 << 10
    private static let minimumBytes = 24
    private static let maximumDepth = 4

    private var json: [[UInt8]] = []
    private var events: [[UInt8]] = []
    private var binary: [[UInt8]] = []

    package init() {}

    /// Takes a golden file: every object in it, for most files hold an input together with what comes of it, and its
    /// streams.
    ///
    /// - Parameter name: by its ending `.sse` means a stream.
    package mutating func add(_ bytes: [UInt8], name: String) {
        guard !name.hasSuffix(".sse") else {
            if bytes.count <= Self.maximumBytes { self.events.append(bytes) }
            return
        }
        self.add(bytes[...], depth: 0)
    }

    private mutating func add(_ value: ArraySlice<UInt8>, depth: Int) {
        guard value.count >= Self.minimumBytes, depth < Self.maximumDepth else { return }
        let first = value.first { $0 > 0x20 }
        if first == UInt8(ascii: "{") {
            if value.count <= Self.maximumBytes { self.json.append(Array(value)) }
            let members = JSONMembers.scan(value)
            for member in members {
                self.addStream(member)
                self.add(member.value, depth: depth + 1)
            }
        } else if first == UInt8(ascii: "[") {
            for element in JSONMembers.elements(value) { self.add(element, depth: depth + 1) }
        }
    }

    /// Names of events and their payloads are Bedrock's; texts that begin like a stream's are one.
    private mutating func addStream(_ member: RawMember) {
        if let text = JSONMembers.string(member.value), text.hasPrefix("data:") || text.hasPrefix("event:") {
            self.events.append(Array(text.utf8))
        }
        guard member.name == "stream", member.value.first == UInt8(ascii: "[") else { return }
        var bytes: [UInt8] = []
        for event in JSONMembers.elements(member.value) {
            let parts = JSONMembers.elements(event)
            guard parts.count == 2, let name = JSONMembers.string(parts[0]) else { return }
            let message = EventStreamMessage(
                headers: [
                    EventStreamHeader(":event-type", .string(name)),
                    EventStreamHeader(":message-type", .string("event")),
                ],
                payload: Array(parts[1])
            )
            bytes += (try? message.encoded()) ?? []
        }
        self.binary.append(bytes)
    }

    func inputs(_ material: FuzzTarget.Material) -> [[UInt8]] {
        switch material {
        case .json: self.json
        case .events: self.events
        case .binary: self.binary
        case .addresses: Seeds.addresses
        }
    }
}
