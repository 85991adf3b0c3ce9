/// Finds where the values of one top-level member stand in a document, so that they can be replaced and every other
/// byte kept as it is.
///
/// The document must already have been parsed successfully: this only tells strings and nesting apart.
package enum JSONTopLevelScanner {
    /// Byte ranges of the values of every top-level member of this name, in order. Escaped spellings of the name are
    /// not recognised.
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
                let end = Self.endOfString(bytes, from: index)
                let isKey = depth == 1 && bytes[index + 1..<max(index + 1, end - 1)].elementsEqual(wanted)
                index = end
                guard isKey, let start = Self.valueStart(bytes, after: end) else { continue }
                index = Self.endOfValue(bytes, from: start)
                found.append(start..<index)
            default:
                index += 1
            }
        }
        return found
    }

    /// One past the closing quote.
    private static func endOfString(_ bytes: [UInt8], from start: Int) -> Int {
        var index = start + 1
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\\") {
                index += 2
            } else if bytes[index] == UInt8(ascii: "\"") {
                return index + 1
            } else {
                index += 1
            }
        }
        return bytes.count
    }

    /// Where the value begins, if a colon follows: otherwise the string was itself a value.
    private static func valueStart(_ bytes: [UInt8], after end: Int) -> Int? {
        var index = Self.skipSpace(bytes, from: end)
        guard index < bytes.count, bytes[index] == UInt8(ascii: ":") else { return nil }
        index = Self.skipSpace(bytes, from: index + 1)
        return index < bytes.count ? index : nil
    }

    private static func skipSpace(_ bytes: [UInt8], from start: Int) -> Int {
        var index = start
        while index < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) { index += 1 }
        return index
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
