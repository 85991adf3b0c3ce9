import CSimdJSON

/// A value in a parsed document. Good only inside the closure of `JSON.read` that it came from.
package struct JSONValue {
    package enum Kind: Sendable {
        case null
        case bool
        case number
        case string
        case array
        case object
    }

    let value: sluice_json_value

    init(_ value: sluice_json_value) { self.value = value }

    package var kind: Kind {
        switch Int(sluice_json_kind(self.value)) {
        case SLUICE_JSON_BOOL: .bool
        case SLUICE_JSON_INTEGER, SLUICE_JSON_UNSIGNED, SLUICE_JSON_DOUBLE: .number
        case SLUICE_JSON_STRING: .string
        case SLUICE_JSON_ARRAY: .array
        case SLUICE_JSON_OBJECT: .object
        default: .null
        }
    }

    package var isNull: Bool { self.kind == .null }

    /// The member of this name; `nil` when there is none or this is not an object. The first wins among duplicates.
    package subscript(_ key: StaticString) -> JSONValue? {
        var found = sluice_json_value()
        let code = key.withUTF8Buffer { bytes in
            sluice_json_member(
                self.value,
                UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self),
                bytes.count,
                &found
            )
        }
        return code == 0 ? JSONValue(found) : nil
    }

    /// As the other, for names that are not known beforehand.
    package subscript(named key: String) -> JSONValue? {
        var found = sluice_json_value()
        var key = key
        let code = key.withUTF8 { bytes in
            sluice_json_member(
                self.value,
                UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self),
                bytes.count,
                &found
            )
        }
        return code == 0 ? JSONValue(found) : nil
    }

    package var string: String? { self.withStringBytes { String(decoding: $0, as: UTF8.self) } }

    /// The string's unescaped UTF-8 without making a `String`; `nil` when this is not a string.
    package func withStringBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        var bytes: UnsafePointer<CChar>?
        var size = 0
        guard sluice_json_string(self.value, &bytes, &size) == 0 else { return nil }
        return body(UnsafeRawBufferPointer(start: bytes, count: size))
    }

    /// As `withStringBytes`, with bounds that are checked.
    package func withUTF8<Result>(_ body: (Span<UInt8>) -> Result) -> Result? {
        self.withStringBytes { bytes in body(bytes.assumingMemoryBound(to: UInt8.self).span) }
    }

    /// The string's length in UTF-8.
    package var stringByteCount: Int? { self.withStringBytes { $0.count } }

    /// `nil` when this is not a whole number that fits.
    package var int: Int? {
        var result: Int64 = 0
        guard sluice_json_int64(self.value, &result) == 0 else { return nil }
        return Int(result)
    }

    package var double: Double? {
        var result = 0.0
        return sluice_json_double(self.value, &result) == 0 ? result : nil
    }

    package var bool: Bool? {
        var result = false
        return sluice_json_bool(self.value, &result) == 0 ? result : nil
    }

    /// How many members of this object have this key. Readers differ in which of several they take.
    package func occurrences(of key: StaticString) -> Int {
        key.withUTF8Buffer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                sluice_json_occurrences(self.value, text.baseAddress, text.count)
            }
        }
    }

    /// Elements of an array or members of an object; 0 for others.
    package var count: Int { sluice_json_count(self.value) }

    /// Calls `body` with each element until it answers false.
    package func forEachElement(_ body: (JSONValue) -> Bool) {
        var cursor = sluice_json_elements(self.value)
        var value = sluice_json_value()
        while sluice_json_next_element(&cursor, &value), body(JSONValue(value)) {}
    }

    /// Calls `body` with each member until it answers false.
    package func forEachMember(_ body: (String, JSONValue) -> Bool) {
        var cursor = sluice_json_members(self.value)
        var key: UnsafePointer<CChar>?
        var size = 0
        var value = sluice_json_value()
        while sluice_json_next_member(&cursor, &key, &size, &value) {
            let name = String(decoding: UnsafeRawBufferPointer(start: key, count: size), as: UTF8.self)
            guard body(name, JSONValue(value)) else { return }
        }
    }

    /// The value as JSON without white space. Numbers may be spelt differently than they came.
    package var compactBytes: [UInt8] {
        var result: [UInt8] = []
        withUnsafeMutablePointer(to: &result) { result in
            _ = sluice_json_text(
                self.value,
                { context, bytes, size in
                    guard let context, let bytes else { return }
                    let result = context.assumingMemoryBound(to: [UInt8].self)
                    result.pointee = [UInt8](UnsafeRawBufferPointer(start: bytes, count: size))
                },
                result
            )
        }
        return result
    }
}
