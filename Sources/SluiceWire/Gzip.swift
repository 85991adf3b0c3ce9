import CZlib

/// Compression as HTTP's `Content-Encoding: gzip` means it (RFC 1952).
package enum Gzip {
    /// - Parameter level: 1 (fast) to 9 (small).
    /// - Returns: `nil` if zlib has no memory.
    package static func compress(_ bytes: [UInt8], level: Int32 = 6) -> [UInt8]? {
        var stream = z_stream()
        // 15 bits of window, plus 16 for gzip's header and trailer instead of zlib's.
        let began = unsafe deflateInit2_(
            &stream,
            min(9, max(1, level)),
            Z_DEFLATED,
            15 + 16,
            8,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        guard began == Z_OK else { return nil }
        defer { _ = unsafe deflateEnd(&stream) }
        guard let input = UInt32(exactly: bytes.count) else { return nil }
        let capacity = unsafe deflateBound(&stream, UInt(bytes.count))
        var isWhole = false
        let result = unsafe [UInt8](unsafeUninitializedCapacity: Int(capacity)) { output, count in
            unsafe bytes.withUnsafeBufferPointer { source in
                // zlib only reads from it.
                unsafe stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                unsafe stream.avail_in = input
                unsafe stream.next_out = output.baseAddress
                unsafe stream.avail_out = UInt32(clamping: output.count)
                isWhole = unsafe deflate(&stream, Z_FINISH) == Z_STREAM_END
            }
            count = unsafe isWhole ? Int(stream.total_out) : 0
        }
        return isWhole ? result : nil
    }
}
