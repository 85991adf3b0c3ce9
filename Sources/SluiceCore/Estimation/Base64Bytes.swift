/// Single bytes of what a text in base64 holds, without decoding the rest.
extension Span where Element == UInt8 {
    /// How many bytes the whole text holds, give or take its padding.
    package var base64Count: Int { self.count / 4 * 3 + Swift.max(0, self.count % 4 - 1) }

    /// Where the data of a `data:…;base64,` address begin; `nil` for other addresses.
    package var startOfDataURL: Int? {
        let prefix: [5 of UInt8] = [0x64, 0x61, 0x74, 0x61, 0x3A]
        guard self.count > prefix.count else { return nil }
        for offset in 0..<prefix.count where self[offset] | 0x20 != prefix[offset] | 0x20 { return nil }
        let end = Swift.min(self.count, 256)
        for place in prefix.count..<end where self[place] == 0x2C { return place + 1 }
        return nil
    }

    /// The byte at `index`; `nil` beyond the end, and where the text is no base64.
    package func base64Byte(_ index: Int) -> Int? {
        let (quad, part) = index.quotientAndRemainder(dividingBy: 3)
        let place = quad * 4 + part
        guard index >= 0, place + 1 < self.count else { return nil }
        guard let first = Self.base64Value(self[place]), let second = Self.base64Value(self[place + 1]) else {
            return nil
        }
        switch part {
        case 0: return first << 2 | second >> 4
        case 1: return (first & 0x0F) << 4 | second >> 2
        default: return (first & 0x03) << 6 | second
        }
    }

    /// A number of `count` bytes, the first the most significant.
    package func base64Big(_ index: Int, _ count: Int) -> Int? {
        var number = 0
        for offset in 0..<count {
            guard let byte = self.base64Byte(index + offset) else { return nil }
            number = number << 8 | byte
        }
        return number
    }

    /// A number of `count` bytes, the first the least significant.
    package func base64Little(_ index: Int, _ count: Int) -> Int? {
        var number = 0
        for offset in 0..<count {
            guard let byte = self.base64Byte(index + offset) else { return nil }
            number |= byte << (8 * offset)
        }
        return number
    }

    private static func base64Value(_ letter: UInt8) -> Int? {
        switch letter {
        case 0x41...0x5A: Int(letter) - 0x41
        case 0x61...0x7A: Int(letter) - 0x61 + 26
        case 0x30...0x39: Int(letter) - 0x30 + 52
        case 0x2B, 0x2D: 62
        case 0x2F, 0x5F: 63
        default: nil
        }
    }
}
