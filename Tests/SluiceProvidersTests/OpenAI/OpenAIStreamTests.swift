import SluiceProviders
import SluiceWire
import Testing

/// Feeds a stream to a decoder.
enum StreamFeed {
    /// - Parameter piece: bytes at once.
    static func events(
        _ bytes: [UInt8],
        piece: Int = .max,
        choices: Int = 1,
        provider: String = "test"
    ) throws(ProviderError) -> [ChatStreamEvent] {
        var decoder: any ChatStreamDecoder = OpenAIStreamDecoder(
            provider: provider,
            choiceCount: choices,
            now: 7,
            requestID: "req"
        )
        return try Self.events(bytes, piece: piece, &decoder)
    }

    static func events(
        _ bytes: [UInt8],
        piece: Int = .max,
        _ decoder: inout any ChatStreamDecoder
    ) throws(ProviderError) -> [ChatStreamEvent] {
        var events: [ChatStreamEvent] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            try decoder.feed(Array(rest.prefix(piece))) { events.append($0) }
            rest = rest.dropFirst(min(piece, rest.count))
        }
        try decoder.finish { events.append($0) }
        return events
    }

    static func events(_ text: String, choices: Int = 1) throws(ProviderError) -> [ChatStreamEvent] {
        try Self.events(Array(text.utf8), choices: choices)
    }

    /// Events whose data are these texts.
    static func stream(_ chunks: [String], end: String = "data: [DONE]\n\n") -> String {
        chunks.map { "data: \($0)\n\n" }.joined() + end
    }

    static func chunk(_ delta: String, finish: String = "null", index: Int = 0, more: String = "") -> String {
        #"{"id":"c1","object":"chat.completion.chunk","created":9,"model":"m","choices":[{"index":"#
            + "\(index),\"delta\":\(delta),\"finish_reason\":\(finish)}]\(more)}"
    }
}

@Suite("OpenAI streams, read")
struct OpenAIStreamTests {
    private static let call =
        #"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#

    private static let plain = StreamFeed.stream([
        StreamFeed.chunk(#"{"role":"assistant","content":""}"#), StreamFeed.chunk(#"{"content":"Hel"}"#),
        StreamFeed.chunk(#"{"content":"lo"}"#), StreamFeed.chunk("{}", finish: #""stop""#),
        #"{"id":"c1","object":"chat.completion.chunk","created":9,"model":"m","choices":[],"usage":"#
            + #"{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
    ])

    @Test("a plain stream")
    func simple() throws {
        let events = try StreamFeed.events(Self.plain)
        #expect(
            events == [
                .start(ChatStreamStart(id: "c1", model: "m", created: 9)), .content(choice: 0, "Hel"),
                .content(choice: 0, "lo"), .finish(choice: 0, .stop, native: nil),
                .usage(ChatUsage(promptTokens: 3, completionTokens: 2)), .done,
            ]
        )
    }

    @Test("any split of the bytes gives the same events", arguments: 1...40)
    func anySplit(piece: Int) throws {
        let bytes = Array(Self.messy.utf8)
        #expect(try StreamFeed.events(bytes, piece: piece) == StreamFeed.events(bytes))
    }

    private static let messy =
        ": OPENROUTER PROCESSING\r\n\r\nevent: ping\ndata: {\"type\":\"ping\"}\n\n"
        + StreamFeed.stream(
            [
                StreamFeed.chunk(#"{"role":"assistant","reasoning":"hm 😀"}"#),
                StreamFeed.chunk(#"{"content":"Grüße 😀 \u00e9\n"}"#), Self.call,
                StreamFeed.chunk(Self.call),
                StreamFeed.chunk(#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}"#),
                StreamFeed.chunk(#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#),
                StreamFeed.chunk(
                    "{}",
                    finish: #""tool_calls""#,
                    more: #","usage":{"prompt_tokens":1,"completion_tokens":1}"#
                ),
            ],
            end: ": done\r\rdata: [DONE]\n\n"
        )

    @Test("a stream cut off before its end is an error, wherever it is cut")
    func truncated() throws {
        let bytes = Array(Self.plain.utf8)
        let finish = try #require(Self.plain.firstRange(of: "\"stop\"}]}"))
        let whole = Self.plain.utf8.distance(from: Self.plain.startIndex, to: finish.upperBound)
        for count in 0..<bytes.count {
            if count < whole {
                #expect(throws: ProviderError.truncated("test"), "\(count)") {
                    try StreamFeed.events(Array(bytes[..<count]))
                }
            } else {
                #expect(try StreamFeed.events(Array(bytes[..<count])).last == .done, "\(count)")
            }
        }
    }

    @Test("a stream whose finish came, but not [DONE], is whole")
    func finishWithoutDone() throws {
        let text = StreamFeed.stream([StreamFeed.chunk(#"{"content":"x"}"#, finish: #""length""#)], end: "")
        #expect(try StreamFeed.events(text).suffix(2) == [.finish(choice: 0, .length, native: nil), .done])
    }

    @Test("of several choices each has to finish")
    func severalChoices() throws {
        let chunks = [
            StreamFeed.chunk(#"{"content":"a"}"#), StreamFeed.chunk(#"{"content":"b"}"#, index: 1),
            StreamFeed.chunk("{}", finish: #""stop""#), StreamFeed.chunk("{}", finish: #""length""#, index: 1),
        ]
        let events = try StreamFeed.events(StreamFeed.stream(chunks, end: ""), choices: 2)
        #expect(
            events.suffix(3) == [
                .finish(choice: 0, .stop, native: nil), .finish(choice: 1, .length, native: nil), .done,
            ]
        )
        #expect(throws: ProviderError.truncated("test")) {
            try StreamFeed.events(StreamFeed.stream(Array(chunks.dropLast()), end: ""), choices: 2)
        }
        // The second choice has not even begun.
        #expect(throws: ProviderError.truncated("test")) {
            try StreamFeed.events(StreamFeed.stream([chunks[0], chunks[2]], end: ""), choices: 2)
        }
    }

    @Test("an end without the last blank line is an end")
    func missingBlankLine() throws {
        let text = StreamFeed.stream([StreamFeed.chunk(#"{"content":"x"}"#, finish: #""stop""#)], end: "data: [DONE]")
        #expect(try StreamFeed.events(text).last == .done)
        let finish = "data: " + StreamFeed.chunk("{}", finish: #""stop""#)
        #expect(try StreamFeed.events(StreamFeed.stream([StreamFeed.chunk("{}")], end: finish)).last == .done)
    }

    @Test("[DONE] without a reason is a stream cut off, not a stop", arguments: ["null", #""""#])
    func doneWithoutFinish(finish: String) throws {
        let word = StreamFeed.chunk(#"{"content":"x"}"#, finish: finish)
        for end in ["data: [DONE]\n\n", "data: [DONE]"] {
            #expect(throws: ProviderError.truncated("test")) {
                try StreamFeed.events(StreamFeed.stream([word], end: end))
            }
        }
    }

    @Test("[DONE] before the second of two choices has finished is a stream cut off")
    func doneBeforeSecondChoice() throws {
        let first = [StreamFeed.chunk(#"{"content":"a"}"#), StreamFeed.chunk("{}", finish: #""stop""#)]
        let second = StreamFeed.chunk(#"{"content":"b"}"#, index: 1)
        for chunks in [first, first + [second]] {
            #expect(throws: ProviderError.truncated("test")) {
                try StreamFeed.events(StreamFeed.stream(chunks), choices: 2)
            }
        }
        let last = StreamFeed.chunk("{}", finish: #""stop""#, index: 1)
        #expect(try StreamFeed.events(StreamFeed.stream(first + [second, last]), choices: 2).last == .done)
    }

    @Test("nothing but [DONE] is no answer", arguments: ["data: [DONE]\n\n", "", ": ping\n\n"])
    func empty(text: String) {
        #expect(throws: ProviderError.truncated("test")) { try StreamFeed.events(text) }
    }

    @Test(
        "an error inside the stream is an error, with its kind",
        arguments: [
            (
                #"data: {"error":{"message":"too fast","type":"rate_limit_error","code":null}}"#,
                ProviderError.Kind.rateLimit
            ),
            (#"data: {"error":{"message":"x","code":502}}"#, .badGateway),
            ("event: error\ndata: {\"message\":\"boom\"}", .internalError),
            (#"data: {"object":"error","message":"maximum context length is 9","code":400}"#, .contextWindowExceeded),
            (#"data: {"error":"boom"}"#, .internalError),
            ("data: {nonsense", .badGateway),
            (
                #"data: {"id":"1","error":{"code":429,"message":"m"},"choices":[{"index":0,"delta":{"content":""},"#
                    + #""finish_reason":"error"}]}"#,
                .rateLimit
            ),
            (#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#, .badGateway),
            (#"data: {"choices":[{"index":999999,"delta":{"content":""}}]}"#, .badGateway),
        ]
    )
    func errors(event: String, kind: ProviderError.Kind) {
        let text = StreamFeed.stream([StreamFeed.chunk(#"{"content":"x"}"#)], end: event + "\n\ndata: [DONE]\n\n")
        #expect {
            try StreamFeed.events(text)
        } throws: { ($0 as? ProviderError)?.kind == kind }
    }

    @Test("what came before an error has been told")
    func toldBeforeError() {
        var decoder = OpenAIStreamDecoder(provider: "test")
        var events: [ChatStreamEvent] = []
        let text = StreamFeed.stream([StreamFeed.chunk(#"{"content":"x"}"#), #"{"error":{"message":"m"}}"#])
        #expect(throws: ProviderError.self) { try decoder.feed(Array(text.utf8)) { events.append($0) } }
        #expect(events.last == .content(choice: 0, "x"))
    }

    private static func calls(_ deltas: [String]) throws -> [ToolCall] {
        let chunks = deltas.map { StreamFeed.chunk("{\"tool_calls\":[\($0)]}") }
        let events = try StreamFeed.events(StreamFeed.stream(chunks + [StreamFeed.chunk("{}", finish: #""stop""#)]))
        #expect(events.contains(.finish(choice: 0, .toolCalls, native: "stop")))
        return try ChatResponse(collecting: events).toolCalls
    }

    @Test("calls without an index are told apart by their ids")
    func missingIndex() throws {
        let calls = try Self.calls([
            #"{"id":"a","function":{"name":"f","arguments":"{\"x\":"}}"#, #"{"function":{"arguments":"1}"}}"#,
            #"{"id":"b","function":{"name":"g","arguments":"{}"}}"#,
        ])
        #expect(
            calls == [
                ToolCall(id: "a", name: "f", arguments: #"{"x":1}"#), ToolCall(id: "b", name: "g", arguments: "{}"),
            ]
        )
    }

    @Test("calls that all have index 0 are told apart by their ids")
    func sameIndex() throws {
        let calls = try Self.calls([
            #"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}"#,
            #"{"index":0,"id":"b","function":{"name":"f","arguments":"{"}}"#,
            #"{"index":0,"id":"b","function":{"arguments":"}"}}"#,
        ])
        #expect(calls.map(\.id) == ["a", "b"])
        #expect(calls.map(\.arguments) == ["{}", "{}"])
    }

    @Test("a call without an id gets one that no other has")
    func missingID() throws {
        let calls = try Self.calls([
            #"{"index":0,"function":{"name":"f","arguments":{"a":1}}}"#,
            #"{"index":1,"function":{"name":"g","arguments":"{}"}}"#,
        ])
        #expect(calls.map(\.id) == ["call_c1_0_0", "call_c1_0_1"])
        #expect(calls[0].arguments == #"{"a":1}"#)
    }

    @Test("a name that comes after the arguments is waited for")
    func lateName() throws {
        let calls = try Self.calls([
            #"{"index":0,"id":"a","function":{"arguments":"{"}}"#,
            #"{"index":0,"function":{"name":"f","arguments":"}"}}"#,
        ])
        #expect(calls == [ToolCall(id: "a", name: "f", arguments: "{}")])
    }

    @Test("the usage of Groq is found where it stands")
    func groqUsage() throws {
        let chunk = StreamFeed.chunk(
            "{}",
            finish: #""stop""#,
            more: #","x_groq":{"id":"r","usage":{"prompt_tokens":4,"completion_tokens":5}}"#
        )
        let events = try StreamFeed.events(StreamFeed.stream([StreamFeed.chunk(#"{"content":"x"}"#), chunk]))
        #expect(events.contains(.usage(ChatUsage(promptTokens: 4, completionTokens: 5))))
    }

    @Test("usage in every chunk is told once, the last")
    func repeatedUsage() throws {
        let usage = { (count: Int) in ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":\(count)}" }
        let text = StreamFeed.stream([
            StreamFeed.chunk(#"{"content":"x"}"#, more: usage(1)),
            StreamFeed.chunk(#"{"content":"y"}"#, more: usage(2)),
            StreamFeed.chunk("{}", finish: #""stop""#, more: usage(3)),
        ])
        let usages = try StreamFeed.events(text).filter { if case .usage = $0 { true } else { false } }
        #expect(usages == [.usage(ChatUsage(promptTokens: 1, completionTokens: 3))])
    }

    @Test("a reason in every chunk ends nothing before the end")
    func repeatedFinish() throws {
        let text = StreamFeed.stream([
            StreamFeed.chunk(#"{"content":"x"}"#, finish: #""stop""#),
            StreamFeed.chunk(#"{"content":"y"}"#, finish: #""length""#),
        ])
        let events = try StreamFeed.events(text)
        #expect(events.suffix(3) == [.content(choice: 0, "y"), .finish(choice: 0, .length, native: nil), .done])
    }

    @Test("signatures and hidden reasoning come through")
    func thinkingBlocks() throws {
        let text = StreamFeed.stream([
            StreamFeed.chunk(
                #"{"reasoning_content":"hm","thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"s"}]}"#
            ),
            StreamFeed.chunk(#"{"thinking_blocks":[{"type":"redacted_thinking","data":"d"}]}"#),
            StreamFeed.chunk(#"{"content":"x"}"#, finish: #""stop""#),
        ])
        let response = try ChatResponse(collecting: StreamFeed.events(text))
        #expect(
            response.choices.first?.reasoning == [
                ReasoningBlock(text: "hm", signature: "s"), ReasoningBlock(text: "", redacted: "d"),
            ]
        )
    }

    @Test("an event larger than the bound is an error")
    func tooLarge() {
        var decoder = OpenAIStreamDecoder(provider: "test", maximumEventBytes: 100)
        let bytes = Array(StreamFeed.chunk("{\"content\":\"\(String(repeating: "x", count: 200))\"}").utf8)
        #expect(throws: ProviderError.self) { try decoder.feed(Array("data: ".utf8) + bytes + [10, 10]) { _ in } }
    }
}
