/// Invents values that fit a JSON schema: numbers and quoted words are taken from the user's text where there are any.
struct MockSample {
    private let root: MockJSON
    private let number: Double?
    private let quoted: String?
    private static let maximumDepth = 16

    init(_ schema: MockJSON, hint: String) {
        self.root = schema
        self.number = hint.split { !($0.isASCII && $0.isNumber) && $0 != "-" }.lazy.compactMap { Double($0) }.first
        self.quoted = Self.quoted(hint)
    }

    var value: MockJSON { self.value(self.root, 0) }

    private static func quoted(_ text: String) -> String? {
        for mark in ["'", "\"", "`"] as [Character] {
            guard let open = text.firstIndex(of: mark) else { continue }
            let rest = text[text.index(after: open)...]
            if let close = rest.firstIndex(of: mark), close > rest.startIndex { return String(rest[..<close]) }
        }
        return nil
    }

    private func value(_ schema: MockJSON, _ depth: Int) -> MockJSON {
        guard depth < Self.maximumDepth else { return .null }
        if let reference = schema["$ref"]?.string { return self.value(self.resolved(reference), depth + 1) }
        if let constant = schema["const"] ?? schema["enum"]?.elements.first { return constant }
        let choices = (schema["anyOf"] ?? schema["oneOf"] ?? schema["allOf"])?.elements ?? []
        if let choice = choices.first(where: { $0["type"]?.string?.lowercased() != "null" }) {
            return self.value(choice, depth + 1)
        }
        let type = schema["type"]?.string ?? schema["type"]?.elements.first { $0.string != "null" }?.string
        switch type?.lowercased() {
        case "string": return .string(self.text(schema))
        case "integer", "number": return self.amount(schema)
        case "boolean": return true
        case "array":
            let count = min(max(schema["minItems"]?.int ?? 1, 1), 8)
            return .array((0..<count).map { _ in self.value(schema["items"] ?? ["type": "string"], depth + 1) })
        case "null": return .null
        default:
            let members = schema["properties"]?.members ?? []
            return .object(members.map { .init(name: $0.name, value: self.value($0.value, depth + 1)) })
        }
    }

    private func resolved(_ reference: String) -> MockJSON {
        reference.split(separator: "/").dropFirst().reduce(self.root) { $0[String($1)] ?? .null }
    }

    private func text(_ schema: MockJSON) -> String {
        switch schema["format"]?.string {
        case "date": "2026-01-31"
        case "date-time": "2026-01-31T12:00:00Z"
        case "email": "somebody@example.com"
        case "uuid": "00000000-0000-4000-8000-000000000000"
        default: self.quoted ?? "lorem"
        }
    }

    private func amount(_ schema: MockJSON) -> MockJSON {
        let least = schema["minimum"]?.number ?? schema["exclusiveMinimum"]?.number.map { $0 + 1 } ?? -1e15
        let most = schema["maximum"]?.number ?? schema["exclusiveMaximum"]?.number.map { $0 - 1 } ?? 1e15
        return .number(min(max(self.number ?? 42, least), max(least, most)))
    }
}
