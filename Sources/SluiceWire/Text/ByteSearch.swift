#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Finds bytes in bytes with the C library's search, which looks at 16 or 32 at a time.
package enum ByteSearch {
    /// Position of the first such byte at or after `start` and before `end`.
    package static func firstIndex(
        of byte: UInt8,
        in bytes: [UInt8],
        from start: Int = 0,
        to end: Int = .max
    ) -> Int? {
        guard start >= 0, start < min(end, bytes.count) else { return nil }
        return bytes.withUnsafeBytes { buffer -> Int? in
            guard let base = buffer.baseAddress,
                let found = memchr(base + start, Int32(byte), min(end, buffer.count) - start)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }

    /// The first position at or after `start` that is not JSON's white space.
    package static func skipSpace(_ bytes: [UInt8], from start: Int) -> Int {
        var index = start
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x09, 0x0A, 0x0D: index += 1
            default: return index
            }
        }
        return index
    }
}
