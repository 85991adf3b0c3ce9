/// Comparisons of ASCII bytes without regard to case; the wanted text is lower case.
enum Bytes {
    static func equals(_ bytes: ArraySlice<UInt8>, _ wanted: String) -> Bool {
        bytes.count == wanted.utf8.count && Self.hasPrefix(bytes, wanted)
    }

    static func hasPrefix(_ bytes: ArraySlice<UInt8>, _ wanted: String) -> Bool {
        guard bytes.count >= wanted.utf8.count else { return false }
        var index = bytes.startIndex
        for byte in wanted.utf8 {
            guard Self.lowercase(bytes[index]) == byte else { return false }
            index += 1
        }
        return true
    }

    static func contains(_ bytes: ArraySlice<UInt8>, _ wanted: String) -> Bool {
        guard bytes.count >= wanted.utf8.count else { return false }
        return (bytes.startIndex...(bytes.endIndex - wanted.utf8.count)).contains { start in
            Self.hasPrefix(bytes[start...], wanted)
        }
    }

    /// Where `wanted` stands first, letter by letter. `String.contains` compares whole characters in microseconds
    /// for a name of forty.
    static func firstRange(of wanted: String, in text: String) -> Range<String.Index>? {
        let bytes = text.utf8
        guard let first = wanted.utf8.first else { return nil }
        var rest = bytes[...]
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            if rest.starts(with: wanted.utf8) { return start..<rest.index(start, offsetBy: wanted.utf8.count) }
            rest = rest.dropFirst()
        }
        return nil
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 {
        byte &- 65 < 26 ? byte | 0x20 : byte
    }
}
