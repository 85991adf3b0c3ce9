/// Base64 (RFC 4648, 4), and its alphabet for URLs when reading.
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// What each byte stands for; 255: nothing.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, byte) in Self.alphabet.enumerated() { values[Int(byte)] = UInt8(value) }
        values[Int(UInt8(ascii: "-"))] = 62
        values[Int(UInt8(ascii: "_"))] = 63
        return values
    }()

    package static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var group = 0
        var held = 0
        for byte in bytes {
            group = group << 8 | Int(byte)
            held += 1
            guard held == 3 else { continue }
            for shift in [18, 12, 6, 0] { text.append(Self.alphabet[group >> shift & 63]) }
            group = 0
            held = 0
        }
        if held > 0 {
            group <<= 8 * (3 - held)
            for place in 0..<4 {
                text.append(place <= held ? Self.alphabet[group >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: `nil` when there is anything but base64, white space and padding at the end; a last byte that is not
    ///   whole is left out.
    package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3 + 3)
        var group = 0
        var bits = 0
        var hasEnded = false
        for character in text {
            let value = Self.values[Int(character)]
            guard value == 255 else {
                guard !hasEnded else { return nil }
                group = (group << 6 | Int(value)) & 0xFFFF
                bits += 6
                if bits >= 8 {
                    bits -= 8
                    bytes.append(UInt8(truncatingIfNeeded: group >> bits))
                }
                continue
            }
            switch character {
            case UInt8(ascii: "="): hasEnded = true
            case 0x20, 0x0A, 0x0D, 0x09: continue
            default: return nil
            }
        }
        return bytes
    }
}
