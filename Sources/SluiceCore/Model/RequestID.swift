/// Names one request for ever: 48 bits of wall-clock milliseconds, then 80 random bits, so ids sort by age.
///
/// As text: `req_` and 26 characters of Crockford's base 32 (no I, L, O, U), as in a ULID.
package struct RequestID: Hashable, Sendable, Comparable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// - Parameters:
    ///   - milliseconds: wall clock since 1970.
    ///   - random: 80 bits are taken: all of the second, 16 of the first.
    package init(milliseconds: UInt64, random: (UInt64, UInt64)) {
        self.high = milliseconds << 16 | (random.0 & 0xFFFF)
        self.low = random.1
    }

    /// The second half is random, chosen by us: it spreads as well as all of it, for half the work.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.low)
    }

    package static func < (left: RequestID, right: RequestID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension RequestID: CustomStringConvertible {
    private static let prefix = "req_"
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    private static let blank = Array("req_00000000000000000000000000".utf8)

    package var description: String {
        var text = Self.blank
        var (high, low) = (self.high, self.low)
        // 128 bits in 26 digits of 5: the first digit holds the top 3.
        for place in stride(from: 29, through: 4, by: -1) {
            text[place] = Self.digit(UInt8(truncatingIfNeeded: low) & 31)
            low = low >> 5 | high << 59
            high >>= 5
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// As in `alphabet`, without looking it up.
    private static func digit(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<10: 48 + value
        case 10..<18: 55 + value
        case 18..<20: 56 + value
        case 20..<22: 57 + value
        case 22..<27: 58 + value
        default: 59 + value
        }
    }

    /// `nil` when the text is not an id.
    package init?(_ text: some StringProtocol) {
        guard text.hasPrefix(Self.prefix) else { return nil }
        let digits = text.utf8.dropFirst(Self.prefix.utf8.count)
        guard digits.count == 26 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (index, character) in digits.enumerated() {
            guard let value = Self.alphabet.firstIndex(of: character) else { return nil }
            if index == 0 && value > 7 { return nil }
            high = high << 5 | low >> 59
            low = low << 5 | UInt64(value)
        }
        self.init(high: high, low: low)
    }
}
