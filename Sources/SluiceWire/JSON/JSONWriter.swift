import SluiceBasics

/// Writes JSON, compact and in the order of the calls.
///
/// ```swift
/// var json = JSONWriter()
/// json.object {
///     $0.field("id", "req_1")
///     $0.array("attempts") { $0.object { $0.field("number", 1) } }
/// }
/// let bytes = json.bytes
/// ```
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init(reserving capacity: Int = 256) {
        self.bytes.reserveCapacity(capacity)
    }

    // MARK: Containers

    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        self.separate()
        self.enclose("{", "}", body)
    }

    package mutating func array(_ body: (inout JSONWriter) -> Void) {
        self.separate()
        self.enclose("[", "]", body)
    }

    package mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
        self.name(name)
        self.enclose("{", "}", body)
    }

    package mutating func array(_ name: String, _ body: (inout JSONWriter) -> Void) {
        self.name(name)
        self.enclose("[", "]", body)
    }

    private mutating func enclose(
        _ opening: Unicode.Scalar,
        _ closing: Unicode.Scalar,
        _ body: (inout JSONWriter) -> Void
    ) {
        self.bytes.append(UInt8(ascii: opening))
        self.needsComma = false
        body(&self)
        self.bytes.append(UInt8(ascii: closing))
        self.needsComma = true
    }

    // MARK: Fields

    package mutating func field(_ name: String, _ value: String?) {
        self.name(name)
        if let value { self.quote(value) } else { self.raw("null") }
    }

    package mutating func field(_ name: String, _ value: Int?) {
        self.name(name)
        self.raw(value.map { String($0) } ?? "null")
    }

    package mutating func field(_ name: String, _ value: UInt64) {
        self.name(name)
        self.raw(String(value))
    }

    package mutating func field(_ name: String, _ value: Bool?) {
        self.name(name)
        self.raw(value.map { $0 ? "true" : "false" } ?? "null")
    }

    /// Not a number and infinities become null: JSON has no words for them.
    package mutating func field(_ name: String, _ value: Double?) {
        self.name(name)
        self.number(value)
    }

    package mutating func nullField(_ name: String) {
        self.name(name)
        self.raw("null")
    }

    /// A value that is JSON already.
    package mutating func rawField(_ name: String, _ json: [UInt8]) {
        self.name(name)
        self.bytes.append(contentsOf: json)
    }

    /// As the other, for a part of a document that was read.
    package mutating func rawField(_ name: String, _ json: ArraySlice<UInt8>) {
        self.name(name)
        self.bytes.append(contentsOf: json)
    }

    // MARK: Elements

    package mutating func value(_ value: String) {
        self.separate()
        self.quote(value)
    }

    package mutating func value(_ value: Int) {
        self.separate()
        self.raw(String(value))
    }

    package mutating func value(_ value: Double) {
        self.separate()
        self.number(value)
    }

    package mutating func value(_ value: Bool) {
        self.separate()
        self.raw(value ? "true" : "false")
    }

    package mutating func rawValue(_ json: [UInt8]) {
        self.separate()
        self.bytes.append(contentsOf: json)
    }

    /// As the other, for a part of a document that was read.
    package mutating func rawValue(_ json: ArraySlice<UInt8>) {
        self.separate()
        self.bytes.append(contentsOf: json)
    }

    // MARK: Parts

    private mutating func separate() {
        if self.needsComma { self.bytes.append(UInt8(ascii: ",")) }
        self.needsComma = true
    }

    private mutating func name(_ name: String) {
        self.separate()
        self.quote(name)
        self.bytes.append(UInt8(ascii: ":"))
    }

    private mutating func raw(_ text: String) { self.bytes.append(contentsOf: text.utf8) }

    private mutating func number(_ value: Double?) {
        guard let value, value.isFinite else { return self.raw("null") }
        if value == value.rounded(), abs(value) < 1e15 {
            self.raw(String(Int64(value)))
        } else {
            self.raw(value.description)
        }
    }

    private mutating func quote(_ text: String) {
        self.bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            // What needs no escape is copied in runs: texts are long and escapes rare.
            var start = 0
            var index = 0
            let span = utf8.span
            while index < utf8.count {
                if utf8.count - index >= 8, !Self.holdsEscape(span.word(at: index)) {
                    index += 8
                    continue
                }
                let byte = utf8[index]
                if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                    self.bytes.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start..<index]))
                    start = index + 1
                    self.escape(byte)
                }
                index += 1
            }
            self.bytes.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start...]))
        }
        self.bytes.append(UInt8(ascii: "\""))
    }

    /// Whether one of eight bytes is below 0x20, a quote or a backslash.
    @inline(__always)
    private static func holdsEscape(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quotes = word ^ (ones &* 0x22)
        let backslashes = word ^ (ones &* 0x5C)
        // A byte's highest bit is set by the subtraction where the byte was smaller, unless it was set before.
        let small = (word &- ones &* 0x20) & ~word
        let quote = (quotes &- ones) & ~quotes
        let backslash = (backslashes &- ones) & ~backslashes
        return (small | quote | backslash) & (ones &* 0x80) != 0
    }

    private mutating func escape(_ byte: UInt8) {
        self.bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): self.bytes.append(byte)
        case 0x0A: self.bytes.append(UInt8(ascii: "n"))
        case 0x0D: self.bytes.append(UInt8(ascii: "r"))
        case 0x09: self.bytes.append(UInt8(ascii: "t"))
        default:
            self.raw("u00")
            self.bytes.append(Self.digits[Int(byte >> 4)])
            self.bytes.append(Self.digits[Int(byte & 15)])
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
