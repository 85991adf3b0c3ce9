import CCrypto

/// libcrypto's digests that signatures of requests are made of.
package enum Hashing {
    /// SHA-256 (FIPS 180-4); 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256(bytes, bytes.count, &digest)
        return digest
    }

    /// HMAC over SHA-256 (RFC 2104); 32 bytes. An empty key is a key of zeros, as the standard says.
    package static func hmacSHA256(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        var size: UInt32 = 0
        // The C function takes a missing key for a continued one.
        let key = key.isEmpty ? [0] : key
        HMAC(EVP_sha256(), key, Int32(clamping: key.count), message, message.count, &digest, &size)
        return digest
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
