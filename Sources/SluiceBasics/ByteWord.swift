/// Eight neighbouring bytes as one number, for loops that look at all of them at once.
extension Span where Element == UInt8 {
    /// The bytes from `offset` on, the first in the lowest bits. Traps unless there are eight.
    @inlinable
    @inline(__always)
    package func word(at offset: Int) -> UInt64 {
        // Sound: the load is checked against the bounds, and every pattern of bits is a number.
        unsafe UInt64(littleEndian: self.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
