/// Header fields in the order they came: one buffer of bytes and the ranges within it.
///
/// A request carries some fifteen of them and a handler reads three or four, so nothing is made a `String` before it is
/// asked for, and a search is linear.
package struct HTTPFields: Sendable {
    private struct Field: Sendable {
        var name: Range<Int32>
        var value: Range<Int32>
    }

    private var bytes: [UInt8] = []
    private var fields: [Field] = []
    /// A bit for each length of a name (modulo 64): most names that are asked for are not there, and this knows.
    private var lengths: UInt64 = 0

    package init() {}

    package init(_ pairs: [(String, String)]) {
        for (name, value) in pairs { self.append(name, value) }
    }

    package var count: Int { self.fields.count }
    package var isEmpty: Bool { self.fields.isEmpty }

    package mutating func reserve(fields: Int, bytes: Int) {
        self.fields.reserveCapacity(fields)
        self.bytes.reserveCapacity(bytes)
    }

    package mutating func append(_ name: String, _ value: String) {
        var name = name
        var value = value
        name.withUTF8 { name in
            value.withUTF8 { value in
                self.append(name: UnsafeRawBufferPointer(name), value: UnsafeRawBufferPointer(value))
            }
        }
    }

    package mutating func append(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>) {
        name.withUnsafeBytes { name in
            value.withUnsafeBytes { value in self.append(name: name, value: value) }
        }
    }

    /// Not generic on purpose: every field of every request and response comes through here.
    package mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        let start = Int32(truncatingIfNeeded: self.bytes.count)
        self.bytes.append(contentsOf: name)
        let middle = Int32(truncatingIfNeeded: self.bytes.count)
        self.lengths |= Self.bit(name.count)
        self.bytes.append(contentsOf: value)
        let end = Int32(truncatingIfNeeded: self.bytes.count)
        self.fields.append(Field(name: start..<middle, value: middle..<end))
    }

    /// The first field of this name, compared without regard to ASCII case (RFC 9110, 5.1).
    package subscript(_ name: String) -> String? {
        guard let field = self.first(name) else { return nil }
        return self.string(field.value)
    }

    /// Whether the first field of this name has this value, without regard to ASCII case.
    package func has(_ name: String, value: String) -> Bool {
        guard let field = self.first(name) else { return false }
        return self.matches(field.value, value.utf8)
    }

    /// Bytes of all names and values together.
    package var byteCount: Int { self.bytes.count }

    /// The values of all fields of this name.
    package func values(_ name: String) -> [String] {
        let wanted = name.utf8
        return self.fields.filter { self.matches($0.name, wanted) }.map { self.string($0.value) }
    }

    /// How many fields have this name.
    package func occurrences(of name: String) -> Int {
        let wanted = name.utf8
        var count = 0
        for field in self.fields where self.matches(field.name, wanted) { count += 1 }
        return count
    }

    package func contains(_ name: String) -> Bool { self.first(name) != nil }

    /// Bytes of the first field of this name, without making a `String`.
    package func bytes(of name: String) -> ArraySlice<UInt8>? {
        guard let field = self.first(name) else { return nil }
        return self.bytes[Int(field.value.lowerBound)..<Int(field.value.upperBound)]
    }

    /// Calls `body` with every field, in order.
    package func forEach(_ body: (_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) -> Void) {
        for field in self.fields {
            body(
                self.bytes[Int(field.name.lowerBound)..<Int(field.name.upperBound)],
                self.bytes[Int(field.value.lowerBound)..<Int(field.value.upperBound)]
            )
        }
    }

    /// All fields as text.
    package var pairs: [(name: String, value: String)] {
        self.fields.map { (self.string($0.name), self.string($0.value)) }
    }

    private func string(_ range: Range<Int32>) -> String {
        String(decoding: self.bytes[Int(range.lowerBound)..<Int(range.upperBound)], as: UTF8.self)
    }

    private static func bit(_ length: Int) -> UInt64 { 1 << UInt64(truncatingIfNeeded: length & 63) }

    private func first(_ name: String) -> Field? {
        let wanted = name.utf8
        guard self.lengths & Self.bit(wanted.count) != 0 else { return nil }
        return self.fields.first { self.matches($0.name, wanted) }
    }

    @inline(__always)
    private func matches(_ range: Range<Int32>, _ wanted: String.UTF8View) -> Bool {
        guard range.count == wanted.count else { return false }
        var index = Int(range.lowerBound)
        for byte in wanted {
            guard Self.lowercase(self.bytes[index]) == Self.lowercase(byte) else { return false }
            index += 1
        }
        return true
    }

    @inline(__always)
    private static func lowercase(_ byte: UInt8) -> UInt8 {
        byte &- 65 < 26 ? byte | 0x20 : byte
    }
}
