/// Where the values of JSON stand in bytes that may hold anything, such as the events of a stream.
enum JSONTokens {
    /// Deeper values are not told apart.
    private static let maximumDepth = 64

    /// Ranges of strings, numbers, words, lists and objects, also within each other. Finds what it can: broken JSON
    /// is what a fuzzer works with.
    static func values(_ bytes: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var open: [Int] = []
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if open.count < Self.maximumDepth { open.append(index) }
                index += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                index += 1
                if let start = open.popLast() { found.append(start..<index) }
            case UInt8(ascii: "\""):
                let end = Self.stringEnd(bytes, index)
                found.append(index..<end)
                index = end
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "a")...UInt8(ascii: "z"):
                let end = Self.wordEnd(bytes, index)
                if !open.isEmpty { found.append(index..<end) }
                index = end
            default: index += 1
            }
        }
        return found
    }

    private static func stringEnd(_ bytes: [UInt8], _ start: Int) -> Int {
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

    private static func wordEnd(_ bytes: [UInt8], _ start: Int) -> Int {
        var index = start + 1
        while index < bytes.count {
            switch bytes[index] {
            case 48...57, 97...122, 65...90, UInt8(ascii: "."), UInt8(ascii: "+"), UInt8(ascii: "-"): index += 1
            default: return index
            }
        }
        return index
    }
}
