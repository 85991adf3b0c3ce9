import SluiceWire
import Testing

struct JSONWriterEscapeTests {
    /// One byte after another, as RFC 8259 says it.
    private func escaped(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x0A: bytes += Array("\\n".utf8)
            case 0x0D: bytes += Array("\\r".utf8)
            case 0x09: bytes += Array("\\t".utf8)
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                bytes += Array("\\u\(String(repeating: "0", count: 4 - digits.utf8.count))\(digits)".utf8)
            default: bytes.append(byte)
            }
        }
        return bytes + [UInt8(ascii: "\"")]
    }

    private func written(_ text: String) -> [UInt8] {
        var json = JSONWriter()
        json.value(text)
        return json.bytes
    }

    @Test func `every character at every place of texts of any length`() {
        // Neighbours in value of what is escaped, with and without the highest bit.
        let scalars: [Unicode.Scalar] = [
            "\u{0}", "\u{1}", "\u{1F}", " ", "!", "\"", "#", "[", "\\", "]", "\u{7F}", "\u{80}", "\u{A2}", "\u{DC}",
            "ÿ", "é", "€", "\u{1F600}", "\n", "\r", "\t", "a",
        ]
        for length in 0...34 {
            let plain = String(repeating: "x", count: length)
            #expect(self.written(plain) == self.escaped(plain))
            for scalar in scalars {
                for place in 0...length {
                    let text = plain.prefix(place) + String(scalar) + plain.dropFirst(place)
                    #expect(self.written(String(text)) == self.escaped(String(text)))
                }
            }
        }
    }

    @Test func `all bytes beside each other`() {
        let ascii = String(String.UnicodeScalarView((0...0x7F).compactMap { Unicode.Scalar($0) }))
        for start in 0...16 {
            let text = String(repeating: "é", count: start) + ascii + ascii.reversed()
            #expect(self.written(text) == self.escaped(text))
        }
    }
}
