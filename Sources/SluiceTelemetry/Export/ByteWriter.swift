/// Bytes as encoders append them.
struct ByteWriter: Sendable {
    private(set) var bytes: [UInt8] = []

    init(reserving capacity: Int = 0) {
        if capacity > 0 { self.bytes.reserveCapacity(capacity) }
    }

    var count: Int { self.bytes.count }

    mutating func clear() { self.bytes.removeAll(keepingCapacity: true) }

    @inline(__always)
    mutating func byte(_ value: UInt8) { self.bytes.append(value) }

    mutating func append(_ other: [UInt8]) { self.bytes.append(contentsOf: other) }

    mutating func append(_ other: ByteWriter) { self.bytes.append(contentsOf: other.bytes) }

    /// Its UTF-8, without its length.
    @inline(__always)
    mutating func text(_ value: String) { self.bytes.append(contentsOf: value.utf8) }

    /// Little-endian base 128 (protobuf, ClickHouse).
    @inline(__always)
    mutating func varint(_ value: UInt64) {
        if value < 0x80 {
            self.bytes.append(UInt8(truncatingIfNeeded: value))
            return
        }
        var rest = value
        while rest >= 0x80 {
            self.bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    @inline(__always)
    mutating func little(_ value: UInt64) {
        let start = self.bytes.count
        self.bytes.append(contentsOf: Self.eight)
        var span = self.bytes.mutableSpan
        for place in 0..<8 { span[start + place] = UInt8(truncatingIfNeeded: value &>> UInt64(place * 8)) }
    }

    @inline(__always)
    mutating func little(_ value: UInt32) {
        self.bytes.append(UInt8(truncatingIfNeeded: value))
        self.bytes.append(UInt8(truncatingIfNeeded: value >> 8))
        self.bytes.append(UInt8(truncatingIfNeeded: value >> 16))
        self.bytes.append(UInt8(truncatingIfNeeded: value >> 24))
    }

    /// Room for what is written in place: one question for room instead of one for each byte.
    private static let eight = [UInt8](repeating: 0, count: 8)
    private static let sixteen = [UInt8](repeating: 0, count: 16)

    mutating func big(_ value: UInt64) { self.little(value.byteSwapped) }

    /// 16 hexadecimal digits.
    mutating func hex(_ value: UInt64) {
        let start = self.bytes.count
        self.bytes.append(contentsOf: Self.sixteen)
        var span = self.bytes.mutableSpan
        var rest = value
        for place in stride(from: start + 15, through: start, by: -1) {
            let digit = UInt8(truncatingIfNeeded: rest) & 15
            span[place] = digit < 10 ? 48 + digit : 87 + digit
            rest >>= 4
        }
    }

    /// Length, then UTF-8: a string of protobuf and of ClickHouse.
    @inline(__always)
    mutating func sized(_ value: String) {
        let utf8 = value.utf8
        self.varint(UInt64(utf8.count))
        self.text(value)
    }

    mutating func sized(_ value: [UInt8]) {
        self.varint(UInt64(value.count))
        self.bytes.append(contentsOf: value)
    }

    /// Length, then decimal digits.
    mutating func sizedDecimal(_ value: Int64) {
        if value >= 0 && value < 10 {
            self.bytes.append(1)
            self.bytes.append(48 + UInt8(truncatingIfNeeded: value))
            return
        }
        self.varint(UInt64(Self.decimalDigits(value)))
        self.decimal(value)
    }

    /// Length, then milliseconds with three decimals.
    mutating func sizedMilliseconds(_ microseconds: Int64) {
        let value = max(0, microseconds)
        self.varint(UInt64(Self.decimalDigits(value / 1_000) + 4))
        self.milliseconds(value)
    }

    mutating func milliseconds(_ microseconds: Int64) {
        let value = max(0, microseconds)
        self.decimal(value / 1_000)
        self.bytes.append(UInt8(ascii: "."))
        let rest = value % 1_000
        self.bytes.append(48 + UInt8(truncatingIfNeeded: rest / 100))
        self.bytes.append(48 + UInt8(truncatingIfNeeded: rest / 10 % 10))
        self.bytes.append(48 + UInt8(truncatingIfNeeded: rest % 10))
    }

    mutating func decimal(_ value: Int64) {
        if value < 0 { self.bytes.append(UInt8(ascii: "-")) }
        let magnitude = value.magnitude
        var divisor: UInt64 = 1
        while magnitude / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            self.bytes.append(48 + UInt8(truncatingIfNeeded: magnitude / divisor % 10))
            divisor /= 10
        }
    }

    private static func decimalDigits(_ value: Int64) -> Int {
        var digits = value < 0 ? 2 : 1
        var rest = value.magnitude
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        return digits
    }
}
