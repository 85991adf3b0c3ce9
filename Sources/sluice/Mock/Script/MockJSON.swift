import SluiceWire

/// A JSON document as a value, for what is compared, checked and answered without hurry.
indirect enum MockJSON: Equatable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([MockJSON])
    case object([Member])

    struct Member: Equatable, Sendable {
        var name: String
        var value: MockJSON
    }

    init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .bool: self = .bool(value.bool ?? false)
        case .number: self = .number(value.double ?? 0)
        case .string: self = .string(value.string ?? "")
        case .array:
            var elements: [MockJSON] = []
            value.forEachElement { element in
                elements.append(MockJSON(element))
                return true
            }
            self = .array(elements)
        case .object:
            var members: [Member] = []
            value.forEachMember { name, value in
                members.append(Member(name: name, value: MockJSON(value)))
                return true
            }
            self = .object(members)
        }
    }

    /// - Throws: `JSONError`.
    init(bytes: [UInt8]) throws { self = try JSON.read(bytes) { MockJSON($0) } }

    // MARK: Reading

    subscript(_ name: String) -> MockJSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    var string: String? { if case .string(let text) = self { text } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var int: Int? { self.number.flatMap { Int(exactly: $0) } }
    var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    var elements: [MockJSON] { if case .array(let elements) = self { elements } else { [] } }
    var members: [Member] { if case .object(let members) = self { members } else { [] } }
    var isObject: Bool { if case .object = self { true } else { false } }

    // MARK: Writing

    var bytes: [UInt8] {
        var json = JSONWriter()
        self.write(to: &json)
        return json.bytes
    }

    var text: String { String(decoding: self.bytes, as: UTF8.self) }

    private func write(to json: inout JSONWriter) {
        switch self {
        case .null: json.rawValue(Array("null".utf8))
        case .bool(let flag): json.value(flag)
        case .number(let number): json.value(number)
        case .string(let text): json.value(text)
        case .array(let elements): json.array { json in for element in elements { element.write(to: &json) } }
        case .object(let members):
            json.object { json in for member in members { json.rawField(member.name, member.value.bytes) } }
        }
    }

    /// Without the members whose value is `null`.
    var withoutNulls: MockJSON {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { $0.value != .null })
    }

    func adding(_ other: MockJSON) -> MockJSON { .object(self.members + other.members) }
}

extension MockJSON: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    init(stringLiteral value: String) { self = .string(value) }
}

extension MockJSON: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral {
    init(integerLiteral value: Int) { self = .number(Double(value)) }
    init(floatLiteral value: Double) { self = .number(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension MockJSON: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral {
    init(arrayLiteral elements: MockJSON...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, MockJSON)...) {
        self = .object(elements.map { Member(name: $0.0, value: $0.1) })
    }
    init(nilLiteral: ()) { self = .null }
}

extension MockJSON {
    static func int(_ value: Int) -> MockJSON { .number(Double(value)) }
    static func text(_ value: String?) -> MockJSON { value.map { .string($0) } ?? .null }
}
