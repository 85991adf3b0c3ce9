import SluiceBasics
import SluiceProviders
import SluiceWire
import Testing

/// The event that was asked for on our behalf goes, every other byte stays, however the bytes are cut.
@Suite struct StreamUsageFilterTests {
    private static let content = #"data: {"choices":[{"index":0,"delta":{"content":"a[]\n"}}],"usage":null}"#
    private static let usage = #"data: {"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#

    /// Events that stay, each a block of lines.
    private static let kept: [[String]] = [
        [Self.content], ["data:" + Self.content.dropFirst(6)], ["data: [DONE]"], [":", ""], ["retry: 7"],
        [#"data: {"choices":[],"usage":null}"#], [#"data: {"choices":[],"prompt_filter_results":[]}"#],
        [#"data: {"choices":[{}],"usage":{"prompt_tokens":1}}"#], [#"data: {"usage":{"prompt_tokens":1}}"#],
        [#"data: {"choices":[],"usage":{},"error":{"message":"x"}}"#], ["event: done", Self.usage],
        [#"data: {"choices":[],"usage":{}"#], [#"data: {"a":"\"choices\":[],\"usage\":{}"}"#], [""],
        ["id: 1", ": between", Self.content], ["data: {", #"data: "choices":[{}]}"#], ["data", "data:é"],
    ]
    /// Those that go.
    private static let taken: [[String]] = [
        [Self.usage], ["data:" + Self.usage.dropFirst(6)], [#"data: { "usage" : { } , "choices" : [ ] }"#],
        ["id: 9", Self.usage], ["data: {\"choices\": [", "data: ], \"usage\": {}}"],
        [#"data: {"choices":[],"usage":{"x":1},"error":null}"#], [Self.usage, ": within"],
    ]

    private func filtered(_ pieces: [[UInt8]], bound: Int = 1 << 20) -> [UInt8] {
        var filter = StreamUsageFilter(maximumEventBytes: bound)
        var passed: [UInt8] = []
        for piece in pieces { passed += filter.pass(piece) }
        return passed + filter.rest()
    }

    private func filtered(_ text: String) -> String {
        String(decoding: self.filtered([Array(text.utf8)]), as: UTF8.self)
    }

    @Test(arguments: ["\n", "\r\n", "\r"])
    func `takes out what says nothing but usage`(newline: String) {
        let end = newline + newline
        let stream = Self.content + end + Self.usage + end + "data: [DONE]" + end
        let pieces = Array(stream.utf8)
        let expected = Array((Self.content + end + "data: [DONE]" + end).utf8)
        #expect(self.filtered([pieces]) == expected)
        #expect(self.filtered(pieces.map { [$0] }) == expected)
        for cut in 1..<pieces.count {
            #expect(self.filtered([Array(pieces[..<cut]), Array(pieces[cut...])]) == expected)
        }
        for event in Self.kept {
            let text = event.joined(separator: newline) + end
            #expect(self.filtered(text) == text)
        }
        for event in Self.taken { #expect(self.filtered(event.joined(separator: newline) + end).isEmpty, "\(event)") }
    }

    @Test(arguments: 0..<20)
    func `agrees with the stream without that event however the bytes are cut`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let breaks = ["\n", "\r", "\r\n"]
        for _ in 0..<100 {
            let fixed = Int.random(in: 0..<4, using: &random)
            // A CR right before a LF of the next line would be one break.
            let newline = { (random: inout SeededRandom) in
                fixed < 3 ? breaks[fixed] : ["\n", "\r\n"][Int.random(in: 0..<2, using: &random)]
            }
            var stream = Bool.random(using: &random) ? Array("\u{FEFF}\(Self.content)\n\n".utf8) : []
            var expected = stream
            for _ in 0..<Int.random(in: 0..<12, using: &random) {
                let goes = Int.random(in: 0..<3, using: &random) == 0
                let events = goes ? Self.taken : Self.kept
                // A comment is not of the event behind it.
                let comment = Int.random(in: 0..<5, using: &random) == 0 ? ": ping" + newline(&random) : ""
                var event = ""
                let lines = events[Int.random(in: 0..<events.count, using: &random)]
                for line in lines { event += line + newline(&random) }
                event += newline(&random)
                stream += (comment + event).utf8
                expected += (goes ? comment : comment + event).utf8
            }
            if Bool.random(using: &random) {
                let count = Int.random(in: 1...Self.usage.utf8.count, using: &random)
                stream += Self.usage.utf8.prefix(count)
                expected += Self.usage.utf8.prefix(count)
            }
            var pieces: [[UInt8]] = []
            var start = 0
            let largest = [1, 9, 200][Int.random(in: 0..<3, using: &random)]
            while start < stream.count {
                let end = min(stream.count, start + Int.random(in: 0...largest, using: &random))
                pieces.append(Array(stream[start..<end]))
                start = end
            }
            #expect(self.filtered(pieces) == expected, "\(String(decoding: stream, as: UTF8.self).debugDescription)")
        }
    }

    @Test func `holds back nothing but what has not ended`() {
        var filter = StreamUsageFilter()
        let pass = { (text: String) in String(decoding: filter.pass(Array(text.utf8)), as: UTF8.self) }
        let whole = Self.content + "\n\n"
        #expect(pass(whole) == whole)
        #expect(pass(whole + "data: {") == whole)
        #expect(pass("}\n") == "")
        #expect(pass("\n") == "data: {}\n\n")
        // Comments go as they come.
        #expect(pass(": pi") == ": pi")
        #expect(pass("ng\r") == "ng\r")
        #expect(pass("\n" + Self.usage) == "\n")
        #expect(pass("\r\n\r") == "")
        #expect(pass("\ndata: [DONE]\n\n") == "data: [DONE]\n\n")
        #expect(pass(Self.usage) == "")
        #expect(String(decoding: filter.rest(), as: UTF8.self) == Self.usage)
        #expect(filter.rest().isEmpty)
    }

    @Test func `what is larger than the bound passes as it comes`() {
        let padding = String(repeating: " ", count: 200)
        let large = #"data: {"choices":[],\#(padding)"usage":{}}"# + "\n\n"
        let small = #"data: {"choices":[],"usage":{}}"# + "\n\n"
        let stream = Array((large + small + large).utf8)
        for size in [1, 7, 64, 100, 150, stream.count] {
            let pieces = stride(from: 0, to: stream.count, by: size).map {
                Array(stream[$0..<min($0 + size, stream.count)])
            }
            #expect(self.filtered(pieces, bound: 100) == Array((large + large).utf8), "by \(size)")
        }
        var filter = StreamUsageFilter(maximumEventBytes: 100)
        #expect(filter.pass(Array(repeating: 0x61, count: 100)).isEmpty)
        #expect(filter.pass([0x61]).count == 101)
        #expect(filter.pass([0x61]).count == 1)
    }
}
