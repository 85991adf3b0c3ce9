/// Finds where a text stops being JSON (RFC 8259), for the message to whoever sent it.
///
/// simdjson says what is wrong but not where. This is only asked after it has refused a document; it reads byte by byte
/// and needs no memory beyond a flag for each open bracket.
enum JSONFault {
    /// Larger documents are not searched: a refusal must stay cheap.
    static let maximumBytes = 1 << 20

    /// Offset of the first byte that cannot be there, or the length when the text ends too early; `nil` when none is
    /// found
    /// or the text is too large to look.
    static func offset(in bytes: [UInt8], maximumDepth: Int) -> Int? {
        guard bytes.count <= Self.maximumBytes else { return nil }
        var scan = Scan(bytes: bytes, maximumDepth: maximumDepth)
        return scan.run() ? nil : scan.index
    }

    private struct Scan {
        let bytes: [UInt8]
        let maximumDepth: Int
        var index = 0
        /// Whether each open bracket is an object's.
        var open: [Bool] = []

        private var next: UInt8? { self.index < self.bytes.count ? self.bytes[self.index] : nil }

        private mutating func skipSpace() { self.index = ByteSearch.skipSpace(self.bytes, from: self.index) }

        private mutating func take(_ byte: Unicode.Scalar) -> Bool {
            guard self.next == UInt8(ascii: byte) else { return false }
            self.index += 1
            return true
        }

        /// Whether the whole text is one value; `index` is at the fault otherwise.
        mutating func run() -> Bool {
            while true {
                self.skipSpace()
                guard let hasOpened = self.value() else { return false }
                if hasOpened { continue }
                guard let isComplete = self.afterValue() else { return false }
                if isComplete { break }
            }
            self.skipSpace()
            return self.index == self.bytes.count
        }

        /// Reads a value, or the beginning of one up to where its first inner value stands (true).
        private mutating func value() -> Bool? {
            switch self.next {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard self.open.count < self.maximumDepth else { return nil }
                let isObject = self.next == UInt8(ascii: "{")
                self.index += 1
                self.skipSpace()
                if self.take(isObject ? "}" : "]") { return false }
                self.open.append(isObject)
                if isObject { return self.key() ? true : nil }
                return true
            case UInt8(ascii: "\""): return self.string() ? false : nil
            case UInt8(ascii: "t"): return self.word("true") ? false : nil
            case UInt8(ascii: "f"): return self.word("false") ? false : nil
            case UInt8(ascii: "n"): return self.word("null") ? false : nil
            default: return self.number() ? false : nil
            }
        }

        /// After a value: closes what ends here; true when nothing is open any more, false when another value follows.
        private mutating func afterValue() -> Bool? {
            while let isObject = self.open.last {
                self.skipSpace()
                if self.take(",") {
                    guard isObject else { return false }
                    self.skipSpace()
                    return self.key() ? false : nil
                }
                guard self.take(isObject ? "}" : "]") else { return nil }
                self.open.removeLast()
            }
            return true
        }

        private mutating func key() -> Bool {
            guard self.next == UInt8(ascii: "\""), self.string() else { return false }
            self.skipSpace()
            return self.take(":")
        }

        private mutating func word(_ word: String) -> Bool {
            for byte in word.utf8 {
                guard self.next == byte else { return false }
                self.index += 1
            }
            return true
        }

        private mutating func digits() -> Bool {
            let start = self.index
            while let byte = self.next, (48...57).contains(byte) { self.index += 1 }
            return self.index > start
        }

        private mutating func number() -> Bool {
            let start = self.index
            _ = self.take("-")
            if !self.take("0") { guard self.digits() else { return false } }
            let wholeEnd = self.index
            if self.take(".") { guard self.digits() else { return false } }
            if self.take("e") || self.take("E") {
                if !self.take("+") { _ = self.take("-") }
                guard self.digits() else { return false }
            }
            // Well formed, yet beyond what 64 bits hold: the fault is the number itself.
            let text = String(decoding: self.bytes[start..<self.index], as: UTF8.self)
            let fits =
                self.index == wholeEnd ? Int64(text) != nil || UInt64(text) != nil : Double(text)?.isFinite == true
            if !fits { self.index = start }
            return fits
        }

        private mutating func string() -> Bool {
            self.index += 1
            while let byte = self.next {
                switch byte {
                case UInt8(ascii: "\""):
                    self.index += 1
                    return true
                case UInt8(ascii: "\\"): guard self.escape() else { return false }
                case 0..<0x20: return false
                case 0..<0x80: self.index += 1
                default: guard self.scalar() else { return false }
                }
            }
            return false
        }

        private mutating func escape() -> Bool {
            self.index += 1
            guard let byte = self.next else { return false }
            if "\"\\/bfnrt".utf8.contains(byte) {
                self.index += 1
                return true
            }
            guard self.take("u") else { return false }
            for _ in 0..<4 {
                guard let digit = self.next, Self.isHexadecimal(digit) else { return false }
                self.index += 1
            }
            return true
        }

        private static func isHexadecimal(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...70).contains(byte) || (97...102).contains(byte)
        }

        /// One scalar of more than one byte.
        private mutating func scalar() -> Bool {
            var decoder = UTF8()
            var rest = self.bytes[self.index...].prefix(4).makeIterator()
            guard case .scalarValue(let scalar) = decoder.decode(&rest) else { return false }
            self.index += UTF8.width(scalar)
            return true
        }
    }
}
