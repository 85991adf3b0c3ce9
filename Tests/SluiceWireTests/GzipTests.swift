import SluiceWire
import Testing

@Suite struct GzipTests {
    @Test(arguments: [0, 1, 100, 100_000])
    func `what is compressed has gzip's frame and its length`(count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 % 7) }
        let packed = try #require(Gzip.compress(bytes))
        #expect(packed.prefix(3) == [0x1F, 0x8B, 8])
        // RFC 1952: the last four bytes are the input's length.
        let length = packed.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(length == count)
        if count > 1_000 { #expect(packed.count < count / 20) }
    }
}
