import SluiceWire

extension GoldenFiles {
    /// The document with the members of every object in the order of their names: equal texts mean equal documents.
    static func sorted(_ bytes: [UInt8]) -> String {
        (try? JSON.read(bytes) { Self.sorted($0) }) ?? "not JSON: \(String(decoding: bytes, as: UTF8.self))"
    }

    static func sorted(_ text: String) -> String { Self.sorted(Array(text.utf8)) }

    private static func sorted(_ value: JSONValue) -> String {
        switch value.kind {
        case .object:
            var members: [(String, String)] = []
            value.forEachMember { name, value in
                members.append((name, Self.sorted(value)))
                return true
            }
            return "{" + members.sorted { $0.0 < $1.0 }.map { "\($0.0):\($0.1)" }.joined(separator: ",") + "}"
        case .array:
            var elements: [String] = []
            value.forEachElement { value in
                elements.append(Self.sorted(value))
                return true
            }
            return "[" + elements.joined(separator: ",") + "]"
        case .number: return value.double.map { "\($0)" } ?? ""
        default: return String(decoding: value.compactBytes, as: UTF8.self)
        }
    }
}
