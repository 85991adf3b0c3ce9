/// Finds where the values of one top-level member stand in a document, so that they can be replaced and every other
/// byte
/// kept as it is.
///
/// The document must already have been parsed successfully: this only tells strings and nesting apart. Strings are
/// skipped with the C library's search, because nearly all bytes of a large request are inside one.
package enum JSONTopLevelScanner {
    /// Byte ranges of the values of every top-level member of this name, in order; also where the name is spelled with
    /// escapes, because a backend reads those as the same name.
    package static func ranges(of key: String, in bytes: [UInt8]) -> [Range<Int>] {
        let wanted = Array(key.utf8)
        var found: [Range<Int>] = []
        var depth = 0
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                index += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                index += 1
            case UInt8(ascii: "\""):
                let start = index
                index = Self.endOfString(bytes, from: start)
                guard depth == 1, let value = Self.valueStart(bytes, after: index),
                    Self.spells(wanted, bytes, start..<index)
                else { continue }
                index = Self.endOfValue(bytes, from: value)
                found.append(value..<index)
            default:
                index += 1
            }
        }
        return found
    }

    /// Whether the quoted string means these bytes.
    private static func spells(_ wanted: [UInt8], _ bytes: [UInt8], _ quoted: Range<Int>) -> Bool {
        guard quoted.count >= 2 else { return false }
        let text = bytes[(quoted.lowerBound + 1)..<(quoted.upperBound - 1)]
        if text.elementsEqual(wanted) { return true }
        // Six bytes are the longest spelling of one byte, so a longer text cannot mean it.
        guard text.count <= 6 * wanted.count, text.contains(UInt8(ascii: "\\")) else { return false }
        let isSame = try? JSON.read(Array(bytes[quoted])) { $0.withStringBytes { $0.elementsEqual(wanted) } }
        return isSame == true
    }

    /// One past the closing quote.
    private static func endOfString(_ bytes: [UInt8], from start: Int) -> Int {
        var index = start + 1
        while let quote = ByteSearch.firstIndex(of: UInt8(ascii: "\""), in: bytes, from: index) {
            var backslashes = 0
            while quote - backslashes > start + 1, bytes[quote - backslashes - 1] == UInt8(ascii: "\\") {
                backslashes += 1
            }
            index = quote + 1
            if backslashes.isMultiple(of: 2) { return index }
        }
        return bytes.count
    }

    /// Where the value begins, if a colon follows: otherwise the string was itself a value.
    private static func valueStart(_ bytes: [UInt8], after end: Int) -> Int? {
        var index = ByteSearch.skipSpace(bytes, from: end)
        guard index < bytes.count, bytes[index] == UInt8(ascii: ":") else { return nil }
        index = ByteSearch.skipSpace(bytes, from: index + 1)
        return index < bytes.count ? index : nil
    }

    private static func endOfValue(_ bytes: [UInt8], from start: Int) -> Int {
        if bytes[start] == UInt8(ascii: "\"") { return Self.endOfString(bytes, from: start) }
        var depth = 0
        var index = start
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\""):
                index = Self.endOfString(bytes, from: index)
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return index }
                depth -= 1
            case UInt8(ascii: ","), 0x20, 0x09, 0x0A, 0x0D:
                if depth == 0 { return index }
            default: break
            }
            index += 1
        }
        return index
    }
}
