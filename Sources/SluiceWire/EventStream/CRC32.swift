/// The checksum of Ethernet, gzip and AWS event streams (reflected polynomial 0xEDB88320), eight bytes at a time.
package enum CRC32 {
    /// - Parameter checksum: of the bytes before, to go on with; 0 to begin.
    package static func checksum(_ bytes: ArraySlice<UInt8>, continuing checksum: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBufferPointer { bytes in
            Self.tables.withUnsafeBufferPointer { tables in Self.update(~checksum, bytes, tables) }
        }
    }

    private static func update(
        _ start: UInt32,
        _ bytes: UnsafeBufferPointer<UInt8>,
        _ tables: UnsafeBufferPointer<UInt32>
    ) -> UInt32 {
        var state = start
        var index = 0
        while bytes.count - index >= 8 {
            let low = state ^ Self.word(bytes, index)
            let high = Self.word(bytes, index + 4)
            state =
                tables[1792 + Int(low & 0xFF)] ^ tables[1536 + Int(low >> 8 & 0xFF)]
                ^ tables[1280 + Int(low >> 16 & 0xFF)] ^ tables[1024 + Int(low >> 24)]
            state ^=
                tables[768 + Int(high & 0xFF)] ^ tables[512 + Int(high >> 8 & 0xFF)]
                ^ tables[256 + Int(high >> 16 & 0xFF)] ^ tables[Int(high >> 24)]
            index += 8
        }
        while index < bytes.count {
            state = tables[Int((state ^ UInt32(bytes[index])) & 0xFF)] ^ state >> 8
            index += 1
        }
        return ~state
    }

    private static func word(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> UInt32 {
        let low = UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8
        return low | UInt32(bytes[index + 2]) << 16 | UInt32(bytes[index + 3]) << 24
    }

    /// Eight tables of 256: the n-th gives the checksum of a byte that n zeros follow.
    private static let tables: [UInt32] = {
        var tables = (0..<256).map { (byte: UInt32) -> UInt32 in
            (0..<8).reduce(byte) { state, _ in state & 1 == 1 ? 0xEDB8_8320 ^ state >> 1 : state >> 1 }
        }
        for index in 256..<2048 {
            let before = tables[index - 256]
            tables.append(tables[Int(before & 0xFF)] ^ before >> 8)
        }
        return tables
    }()
}
