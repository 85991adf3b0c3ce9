import SluiceBasics
import SluiceWire
import Testing

/// The parser against a plain reading of the standard's text, on random streams in random pieces.
struct SSEPropertyTests {
    private static let parts = [
        "data: one", "data:two", "data", "data:", "data:  x", "event: a", "event:b", "event", ": comment", ":", "id: 7",
        "retry: 10", "unknown: x", "data : no", "", "", "", "dat", "data: é{\"a\":1}",
    ]
    private static let breaks = ["\n", "\r", "\r\n"]

    /// WHATWG HTML, 9.2.6, word for word: all lines first, then field by field.
    private func reference(_ bytes: [UInt8]) -> [SSEEvent] {
        var text = bytes[...]
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
        var lines: [[UInt8]] = [[]]
        var previous: UInt8 = 0
        for byte in text {
            if byte == 0x0A || byte == 0x0D {
                if !(byte == 0x0A && previous == 0x0D) { lines.append([]) }
            } else {
                lines[lines.count - 1].append(byte)
            }
            previous = byte
        }
        lines.removeLast()  // No line end: not a line.
        var events: [SSEEvent] = []
        var data: [UInt8] = []
        var name = ""
        for line in lines {
            guard !line.isEmpty else {
                if !data.isEmpty { events.append(SSEEvent(name: name, data: Array(data.dropLast()))) }
                (data, name) = ([], "")
                continue
            }
            let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
            var value = line[min(colon + 1, line.count)...]
            if value.first == 0x20 { value = value.dropFirst() }
            switch String(decoding: line[..<colon], as: UTF8.self) {
            case "data": data += value + [0x0A]
            case "event": name = String(decoding: value, as: UTF8.self)
            default: break
            }
        }
        return events
    }

    @Test(arguments: 0..<20)
    func `agrees with the standard however the bytes are cut`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<100 {
            var bytes: [UInt8] = Bool.random(using: &random) ? [0xEF, 0xBB, 0xBF] : []
            let fixed = Int.random(in: 0..<4, using: &random)
            for _ in 0..<Int.random(in: 0..<20, using: &random) {
                bytes += Self.parts[Int.random(in: 0..<Self.parts.count, using: &random)].utf8
                bytes += Self.breaks[fixed < 3 ? fixed : Int.random(in: 0..<3, using: &random)].utf8
            }
            var parser = SSEParser()
            var events: [SSEEvent] = []
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + Int.random(in: 0...9, using: &random))
                try parser.feed(Array(bytes[start..<end])) { events.append($0) }
                start = end
            }
            #expect(events == self.reference(bytes), "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
        }
    }

    @Test func `is at rest between events and nowhere else`() throws {
        var parser = SSEParser()
        #expect(!parser.isAtRest)
        for (piece, isAtRest) in [
            ("data: a\n\n", true), ("d", false), ("ata: b\n", false), ("\n", true), ("event: x\n", false), ("\n", true),
            ("data: c\r\n\r", false), ("\n", true), (": ping\n\n", true),
        ] {
            try parser.feed(Array(piece.utf8)) { _ in }
            #expect(parser.isAtRest == isAtRest, "after \(piece.debugDescription)")
        }
    }

    @Test func `bounds an event in one line, in many lines and in one piece`() {
        for pieces in [
            ["data: " + String(repeating: "x", count: 200)], ["data: " + String(repeating: "x", count: 200) + "\n\n"],
            Array(repeating: "data: 1234567890\n", count: 20), Array(repeating: "x", count: 200),
        ] {
            var parser = SSEParser(maximumEventBytes: 100)
            #expect(throws: SSEError.eventTooLarge(limit: 100)) {
                for piece in pieces { try parser.feed(Array(piece.utf8)) { _ in } }
            }
        }
    }

    @Test func `many small events never meet the bound`() throws {
        var parser = SSEParser(maximumEventBytes: 32)
        var count = 0
        for _ in 0..<1_000 { try parser.feed(Array(": ping\n\ndata: 0123456789\n\n".utf8)) { _ in count += 1 } }
        #expect(count == 1_000)
    }

    @Test(arguments: 0..<5)
    func `what the writer writes comes back, line breaks and all`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("ab:\n\r {".utf8)
        for _ in 0..<200 {
            let data = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            var parser = SSEParser()
            var events: [SSEEvent] = []
            try parser.feed(SSEWriter.event(name: "n", data: data)) { events.append($0) }
            var expected: [UInt8] = []
            for (index, byte) in data.enumerated() where !(byte == 0x0A && index > 0 && data[index - 1] == 0x0D) {
                expected.append(byte == 0x0D ? 0x0A : byte)
            }
            #expect(events == [SSEEvent(name: "n", data: expected)])
        }
    }
}
