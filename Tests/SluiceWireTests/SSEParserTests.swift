import SluiceBasics
import SluiceWire
import Testing

struct SSEParserTests {
    private func parse(_ pieces: [[UInt8]]) throws -> [SSEEvent] {
        var parser = SSEParser()
        var events: [SSEEvent] = []
        for piece in pieces { try parser.feed(piece) { events.append($0) } }
        return events
    }

    private static let stream =
        "\u{FEFF}: hello\r\nevent: a\r\ndata: one\r\ndata: two\r\n\r\ndata:x\n\ndata: y\r\rid: 3\n\n"
    private static let expected = [
        SSEEvent(name: "a", data: Array("one\ntwo".utf8)), SSEEvent(data: Array("x".utf8)),
        SSEEvent(data: Array("y".utf8)),
    ]

    @Test func `reads a stream as one piece`() throws {
        #expect(try self.parse([Array(Self.stream.utf8)]) == Self.expected)
    }

    @Test func `reads a stream split anywhere`() throws {
        let bytes = Array(Self.stream.utf8)
        for split in 0...bytes.count {
            #expect(try self.parse([Array(bytes[..<split]), Array(bytes[split...])]) == Self.expected)
        }
        #expect(try self.parse(bytes.map { [$0] }) == Self.expected)
    }

    @Test func `refuses an event without end`() {
        var parser = SSEParser(maximumEventBytes: 100)
        #expect(throws: SSEError.eventTooLarge(limit: 100)) {
            try parser.feed([UInt8](repeating: 65, count: 101)) { _ in }
        }
    }

    @Test func `reads what the writer writes`() throws {
        let bytes = SSEWriter.comment("hi") + SSEWriter.event(name: "n", data: Array("{}".utf8))
        #expect(try self.parse([bytes]) == [SSEEvent(name: "n", data: Array("{}".utf8))])
    }
}

struct HTTPFieldsTests {
    @Test func `finds names without regard to case, first one first`() {
        var fields = HTTPFields([("Content-Type", "a"), ("X-Two", "1"), ("x-two", "2")])
        #expect(fields["content-type"] == "a")
        #expect(fields["X-TWO"] == "1")
        #expect(fields.values("x-two") == ["1", "2"])
        #expect(fields["missing"] == nil)
        fields.append("Empty", "")
        #expect(fields["empty"]?.isEmpty == true)
        #expect(fields.has("CONTENT-TYPE", value: "A"))
    }
}
