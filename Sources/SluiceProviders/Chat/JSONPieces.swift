import SluiceWire

/// A value that comes in pieces: strings go on, lists get longer, objects are merged member by member; of all else the
/// last counts. What has come is not copied again for what follows.
struct JSONPieces: Sendable {
    private enum Kind: Sendable {
        case string
        case list
        case object
        /// Nothing that could go on.
        case whole
    }

    private struct Member: Sendable {
        var name: String
        var value: JSONPieces
    }

    /// Of what lies deeper the last counts.
    private static let maximumDepth = 8
    /// Names and kinds are repeated whole.
    private static let repeated: Set<String> = ["id", "type", "format"]

    private var kind: Kind
    /// A string's or a list's without what encloses them, everything of what is whole.
    private var bytes: [UInt8]
    private var members: [Member] = []
    private var places: [String: Int] = [:]
    private let depth: Int
    /// Whether only the last piece counts.
    private let isRepeated: Bool

    /// - Parameter name: of the member that it is.
    init(_ value: JSONText, depth: Int = 0, name: String? = nil) {
        self.depth = depth
        self.isRepeated = depth >= Self.maximumDepth || name.map { Self.repeated.contains($0) } == true
        self.kind = self.isRepeated ? .whole : Self.kind(value)
        switch self.kind {
        case .whole: self.bytes = value.bytes
        case .string, .list: self.bytes = Array(value.bytes.dropFirst().dropLast())
        case .object:
            self.bytes = []
            self.merge(value)
        }
    }

    private static func kind(_ value: JSONText) -> Kind {
        guard value.bytes.count >= 2 else { return .whole }
        return switch (value.bytes[0], value.bytes[value.bytes.count - 1]) {
        case (UInt8(ascii: "\""), UInt8(ascii: "\"")): .string
        case (UInt8(ascii: "["), UInt8(ascii: "]")): .list
        case (UInt8(ascii: "{"), UInt8(ascii: "}")): .object
        default: .whole
        }
    }

    mutating func append(_ value: JSONText) {
        let inner = value.bytes.dropFirst().dropLast()
        switch (self.kind, Self.kind(value)) {
        case (.string, .string): self.bytes.append(contentsOf: inner)
        case (.list, .list):
            guard inner.contains(where: { $0 > 0x20 }) else { return }
            if self.bytes.contains(where: { $0 > 0x20 }) { self.bytes.append(UInt8(ascii: ",")) }
            self.bytes.append(contentsOf: inner)
        case (.object, .object): self.merge(value)
        default: self = JSONPieces(value, depth: self.depth, name: self.isRepeated ? "id" : nil)
        }
    }

    /// - Parameter skipsNull: `null` says nothing about a member that is known.
    mutating func merge(_ object: JSONText, skipsNull: Bool = false) {
        for member in JSONMembers.scan(object.bytes) {
            let value = JSONText(trusted: Array(member.value))
            if let place = self.places[member.name] {
                if !skipsNull || value != .null { self.members[place].value.append(value) }
            } else {
                self.places[member.name] = self.members.count
                let pieces = JSONPieces(value, depth: self.depth + 1, name: member.name)
                self.members.append(Member(name: member.name, value: pieces))
            }
        }
    }

    var text: JSONText {
        var json = JSONWriter(reserving: self.bytes.count + 64)
        self.write(&json)
        return JSONText(trusted: json.bytes)
    }

    private func write(_ json: inout JSONWriter) {
        switch self.kind {
        case .whole: json.rawValue(self.bytes)
        case .string: json.rawValue([UInt8(ascii: "\"")] + self.bytes + [UInt8(ascii: "\"")])
        case .list: json.rawValue([UInt8(ascii: "[")] + self.bytes + [UInt8(ascii: "]")])
        case .object:
            json.object { json in
                for member in self.members { json.rawField(member.name, member.value.text.bytes) }
            }
        }
    }

    /// `{"content": […], "refusal": […]}` of several chunks.
    static func logprobs(_ pieces: [JSONText]) -> JSONText? {
        guard let first = pieces.first else { return nil }
        guard pieces.count > 1 else { return first }
        var merged = JSONPieces(.emptyObject)
        for piece in pieces where piece.bytes.first == UInt8(ascii: "{") { merged.merge(piece, skipsNull: true) }
        return merged.text
    }
}
