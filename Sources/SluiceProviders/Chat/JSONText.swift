import SluiceWire

/// A JSON value kept as its text: schemas of tools, parameters newer than we are, whatever is passed on unread.
///
/// ```swift
/// let schema: JSONText = ["type": "object", "properties": ["city": ["type": "string"]]]
/// ```
public struct JSONText: Sendable, Equatable, Hashable {
    /// Valid JSON in UTF-8.
    public let bytes: [UInt8]

    /// - Parameter trusted: valid JSON; what comes from outside goes through `init(parsing:)`.
    package init(trusted: [UInt8]) { self.bytes = trusted }

    /// - Returns: `nil` if the text is not JSON.
    public init?(parsing text: some StringProtocol) { self.init(parsing: Array(text.utf8)) }

    /// - Returns: `nil` if the bytes are not JSON.
    public init?(parsing bytes: [UInt8]) {
        guard let compact = try? JSON.read(bytes, { $0.compactBytes }), !compact.isEmpty else { return nil }
        self.bytes = compact
    }

    public static let null = JSONText(trusted: Array("null".utf8))
    public static let emptyObject = JSONText(trusted: Array("{}".utf8))

    /// The value as a Swift string.
    public var text: String { String(decoding: self.bytes, as: UTF8.self) }
}

extension JSONText: CustomStringConvertible {
    public var description: String { self.text }
}

extension JSONText: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self.init(trusted: Self.written { $0.value(value) }) }
    public init(booleanLiteral value: Bool) { self.init(trusted: Self.written { $0.value(value) }) }
    public init(integerLiteral value: Int) { self.init(trusted: Self.written { $0.value(value) }) }
    public init(floatLiteral value: Double) { self.init(trusted: Self.written { $0.value(value) }) }
    public init(nilLiteral: ()) { self = .null }

    public init(arrayLiteral elements: JSONText...) {
        self.init(
            trusted: Self.written { json in
                json.array { json in for element in elements { json.rawValue(element.bytes) } }
            }
        )
    }

    public init(dictionaryLiteral elements: (String, JSONText)...) {
        self.init(
            trusted: Self.written { json in
                json.object { json in for (name, value) in elements { json.rawField(name, value.bytes) } }
            }
        )
    }

    private static func written(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var json = JSONWriter(reserving: 64)
        body(&json)
        return json.bytes
    }
}

extension JSONWriter {
    package mutating func field(_ name: String, _ value: JSONText) { self.rawField(name, value.bytes) }
    package mutating func value(_ value: JSONText) { self.rawValue(value.bytes) }
}

extension JSONValue {
    /// This value and all below it, to be kept after the document is gone.
    package var text: JSONText { JSONText(trusted: self.compactBytes) }
}

/// A member of an object that we have no name for.
public struct JSONField: Sendable, Equatable {
    public var name: String
    public var value: JSONText

    public init(_ name: String, _ value: JSONText) {
        self.name = name
        self.value = value
    }
}
