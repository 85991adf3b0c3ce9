import SluiceBasics
import SluiceWire
import Testing

struct EventStreamTests {
    /// What came out of pieces, and what was wrong.
    private struct Outcome: Equatable {
        var messages: [EventStreamMessage] = []
        var error: EventStreamError?
    }

    private func decode(
        _ pieces: [[UInt8]],
        limits: EventStreamLimits = EventStreamLimits()
    ) -> Outcome {
        var decoder = EventStreamDecoder(limits: limits)
        var outcome = Outcome()
        do throws(EventStreamError) {
            for piece in pieces { try decoder.feed(piece) { outcome.messages.append($0) } }
            try decoder.finish()
        } catch {
            outcome.error = error
        }
        return outcome
    }

    private let sample = EventStreamMessage(
        headers: [
            EventStreamHeader(":message-type", .string("event")),
            EventStreamHeader(":event-type", .string("messageStop")),
        ],
        payload: Array(#"{"stopReason":"end_turn"}"#.utf8)
    )

    @Test func `the checksum is that of the published check value, in any two parts`() {
        let digits = Array("123456789".utf8)
        #expect(CRC32.checksum(digits[...]) == 0xCBF4_3926)
        let bytes = (0..<100).map { UInt8($0) }
        for middle in 0...100 {
            let first = CRC32.checksum(bytes[..<middle])
            #expect(CRC32.checksum(bytes[middle...], continuing: first) == CRC32.checksum(bytes[...]))
        }
    }

    @Test func `botocore's messages with headers of all types are read, and written byte for byte`() throws {
        let samples = try EventStreamSamples.judged()
        #expect(samples.count == 60)
        for sample in samples {
            #expect(self.decode([sample.bytes]) == Outcome(messages: [sample.message]))
            #expect(try sample.message.encoded() == sample.bytes)
        }
    }

    @Test func `a published message without headers`() throws {
        let bytes: [UInt8] = [0, 0, 0, 0x1D, 0, 0, 0, 0, 0xFD, 0x52, 0x8C, 0x5A]
        let whole = bytes + Array("{'foo':'bar'}".utf8) + [0xC3, 0x65, 0x39, 0x36]
        let message = EventStreamMessage(payload: Array("{'foo':'bar'}".utf8))
        #expect(self.decode([whole]) == Outcome(messages: [message]))
        #expect(try message.encoded() == whole)
    }

    @Test func `any split of the bytes gives the same messages, byte by byte and in random pieces`() throws {
        var random = SeededRandom(seed: 7)
        for _ in 0..<40 {
            let messages = (0..<4).map { _ in EventStreamSamples.random(&random) }
            var bytes = try messages.flatMap { try $0.encoded() }
            if random.next() % 2 == 0 { bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 }
            let whole = self.decode([bytes])
            #expect(self.decode(bytes.map { [$0] }) == whole)
            var pieces: [[UInt8]] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Int.random(in: 0...120, using: &random)
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            #expect(self.decode(pieces) == whole)
        }
    }

    @Test func `a wrong bit anywhere is found`() throws {
        let bytes = try self.sample.encoded()
        for index in bytes.indices {
            for bit in 0..<8 {
                var broken = bytes
                broken[index] ^= 1 << UInt8(bit)
                let outcome = self.decode([broken])
                #expect(outcome.messages.isEmpty)
                switch outcome.error {
                case .preludeChecksum: #expect(index < 12)
                case .messageChecksum: #expect(index >= 12)
                default: Issue.record("bit \(bit) of byte \(index): \(String(describing: outcome.error))")
                }
            }
        }
    }

    @Test func `a stream that ends within a message is an error`() throws {
        let bytes = try self.sample.encoded()
        for count in 1..<bytes.count {
            let outcome = self.decode([bytes, Array(bytes.prefix(count))])
            #expect(outcome == Outcome(messages: [self.sample], error: .endsWithinMessage(bytes: count)))
        }
        #expect(self.decode([]) == Outcome())
    }

    @Test func `messages before a fault are handed on, and the fault stays`() throws {
        let bytes = try self.sample.encoded()
        var decoder = EventStreamDecoder()
        var messages: [EventStreamMessage] = []
        let broken = bytes + bytes.map { $0 ^ 0xFF }
        #expect(throws: EventStreamError.self) { try decoder.feed(broken) { messages.append($0) } }
        #expect(messages == [self.sample])
        #expect(throws: EventStreamError.self) { try decoder.feed(bytes) { messages.append($0) } }
        #expect(throws: EventStreamError.self) { try decoder.finish() }
        #expect(messages.count == 1)
        #expect(!decoder.isAtRest)
    }

    @Test func `sizes are bounded before anything is kept`() throws {
        let bytes = try self.sample.encoded()
        let small = EventStreamLimits(messageBytes: bytes.count - 1)
        #expect(
            self.decode([Array(bytes.prefix(12))], limits: small).error
                == .messageTooLarge(bytes: bytes.count, limit: bytes.count - 1)
        )
        let exact = EventStreamLimits(messageBytes: bytes.count, headerBytes: 48)
        #expect(self.decode([bytes], limits: exact).messages == [self.sample])
        #expect(
            self.decode([bytes], limits: EventStreamLimits(headerBytes: 47)).error
                == .headersTooLarge(bytes: 48, limit: 47)
        )
        #expect(throws: EventStreamError.messageTooLarge(bytes: bytes.count, limit: bytes.count - 1)) {
            try self.sample.encoded(limits: small)
        }
        #expect(throws: EventStreamError.headersTooLarge(bytes: 48, limit: 47)) {
            try self.sample.encoded(limits: EventStreamLimits(headerBytes: 47))
        }
    }

    @Test func `lengths that contradict each other are an error even with a right checksum`() {
        for (total, headers) in [(15, 0), (16, 1), (0, 0), (100, 85)] as [(UInt8, UInt8)] {
            let prelude: [UInt8] = [0, 0, 0, total, 0, 0, 0, headers]
            let outcome = self.decode([self.closed(prelude)])
            #expect(outcome.error == .inconsistentLengths(message: Int(total), headers: Int(headers)))
        }
    }

    @Test func `headers that are broken are told apart`() {
        let cases: [([UInt8], EventStreamError)] = [
            ([0, 0], .emptyHeaderName),
            ([5, 97, 98], .truncatedHeader),
            ([1, 97], .truncatedHeader),
            ([1, 97, 4, 0, 0, 0], .truncatedHeader),
            ([1, 97, 7, 0, 9, 98], .truncatedHeader),
            ([1, 97, 9, 0, 9, 98], .truncatedHeader),
            ([1, 97, 7, 0], .truncatedHeader),
            ([1, 97, 7, 0, 1, 0xFF], .invalidText),
            ([1, 0xFF, 0], .invalidText),
            ([1, 97, 10], .unknownHeaderType(name: "a", type: 10)),
            ([1, 97, 0, 1, 97, 1], .duplicateHeader(name: "a")),
        ]
        for (headers, error) in cases {
            let prelude: [UInt8] = [0, 0, 0, UInt8(16 + headers.count), 0, 0, 0, UInt8(headers.count)]
            #expect(self.decode([self.closed(self.closed(prelude) + headers)]).error == error)
            #expect(!"\(error)".isEmpty)
        }
    }

    @Test func `a name that comes twice among many is found`() throws {
        let many = (0..<40).map { EventStreamHeader("h\($0)", .bool(true)) }
        let bytes = try EventStreamMessage(headers: many).encoded()
        #expect(self.decode([bytes]).messages.first?.headers == many)
        let headers = try (many + [many[5]]).flatMap { header in
            try EventStreamMessage(headers: [header]).encoded().dropFirst(12).dropLast(4)
        }
        let total = headers.count + 16
        let prelude: [UInt8] = [
            0, 0, UInt8(total >> 8), UInt8(total & 255), 0, 0, UInt8(headers.count >> 8), UInt8(headers.count & 255),
        ]
        let outcome = self.decode([self.closed(self.closed(prelude) + headers)])
        #expect(outcome.error == .duplicateHeader(name: "h5"))
    }

    @Test func `what the format has no room for is not written`() {
        let long = String(repeating: "n", count: 256)
        #expect(throws: EventStreamError.headerNameTooLong(bytes: 256)) {
            try EventStreamMessage(headers: [EventStreamHeader(long, .bool(true))]).encoded()
        }
        #expect(throws: EventStreamError.emptyHeaderName) {
            try EventStreamMessage(headers: [EventStreamHeader("", .bool(true))]).encoded()
        }
        let value = [UInt8](repeating: 0, count: 65_536)
        #expect(throws: EventStreamError.headerValueTooLong(name: "a", bytes: 65_536)) {
            try EventStreamMessage(headers: [EventStreamHeader("a", .bytes(value))]).encoded()
        }
        let twice = [EventStreamHeader("a", .bool(true)), EventStreamHeader("a", .bool(false))]
        #expect(throws: EventStreamError.duplicateHeader(name: "a")) {
            try EventStreamMessage(headers: twice).encoded()
        }
    }

    @Test func `random messages survive writing and reading`() throws {
        var random = SeededRandom(seed: 3)
        for _ in 0..<200 {
            let message = EventStreamSamples.random(&random)
            #expect(self.decode([try message.encoded()]) == Outcome(messages: [message]))
        }
    }

    /// With the checksum of all of it behind it.
    private func closed(_ bytes: [UInt8]) -> [UInt8] {
        let checksum = CRC32.checksum(bytes[...])
        return bytes + stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: checksum >> UInt32($0)) }
    }
}
