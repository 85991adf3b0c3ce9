/// Messages of `application/vnd.amazon.eventstream`: lengths, headers, payload and two checksums, big-endian.
enum MockEventStream {
    /// CRC-32 as in zlib.
    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var sum = ~UInt32(0)
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0xEDB8_8320 : sum >> 1 }
        }
        return ~sum
    }

    private static func word(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - $0 * 8)) }
    }

    private static func header(_ name: String, _ value: String) -> [UInt8] {
        let count = value.utf8.count
        return [UInt8(truncatingIfNeeded: name.utf8.count)] + name.utf8 + [7]
            + [UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)] + value.utf8
    }

    static func message(_ headers: [(String, String)], _ payload: [UInt8]) -> [UInt8] {
        let head = headers.flatMap { Self.header($0.0, $0.1) }
        var bytes = Self.word(UInt32(16 + head.count + payload.count)) + Self.word(UInt32(head.count))
        bytes += Self.word(Self.checksum(bytes))
        bytes += head + payload
        return bytes + Self.word(Self.checksum(bytes))
    }

    static func event(_ type: String, _ payload: MockJSON) -> [UInt8] {
        Self.message(
            [(":event-type", type), (":content-type", "application/json"), (":message-type", "event")],
            payload.bytes
        )
    }

    static func exception(_ type: String, _ message: String) -> [UInt8] {
        Self.message(
            [(":exception-type", type), (":content-type", "application/json"), (":message-type", "exception")],
            MockJSON.object([.init(name: "message", value: .string(message))]).bytes
        )
    }
}
