import CCrypto

/// libcrypto's digests that signatures of requests are made of.
package enum Hashing {
    private static let blockSize = 64

    /// SHA-256 (FIPS 180-4); 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] { Self.sha256(bytes, []) }

    /// Of both, one after the other.
    private static func sha256(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Int(SHA256_DIGEST_LENGTH)) { digest, count in
            sluice_sha256(first, first.count, second, second.count, digest.baseAddress)
            count = Int(SHA256_DIGEST_LENGTH)
        }
    }

    /// HMAC over SHA-256 (RFC 2104); 32 bytes. An empty key is a key of zeros, as the standard says.
    package static func hmacSHA256(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        let key = key.count > Self.blockSize ? Self.sha256(key) : key
        var inner = [UInt8](repeating: 0x36, count: Self.blockSize)
        var outer = [UInt8](repeating: 0x5C, count: Self.blockSize)
        for (index, byte) in key.enumerated() {
            inner[index] ^= byte
            outer[index] ^= byte
        }
        return Self.sha256(outer, Self.sha256(inner, message))
    }

    /// Lower case, two digits for each byte.
    package static func hexadecimal(_ bytes: [UInt8]) -> String {
        String(unsafeUninitializedCapacity: bytes.count * 2) { text in
            var index = 0
            for byte in bytes {
                text[index] = Self.digit(byte >> 4)
                text[index + 1] = Self.digit(byte & 15)
                index += 2
            }
            return index
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }
}
