import SluiceBasics
import SluiceProviders
import SluiceWire
import Testing

@Suite("OpenAI streams, written")
struct OpenAIStreamEncoderTests {
    static func bytes(_ events: [ChatStreamEvent], includesUsage: Bool = true, usesFunctions: Bool = false) -> [UInt8] {
        var encoder = OpenAIStreamEncoder(includesUsage: includesUsage, usesFunctions: usesFunctions)
        var out: [UInt8] = []
        for event in events { encoder.encode(event, into: &out) }
        return out
    }

    private static func lines(_ events: [ChatStreamEvent], includesUsage: Bool, usesFunctions: Bool = false) -> [String]
    {
        let bytes = Self.bytes(events, includesUsage: includesUsage, usesFunctions: usesFunctions)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n\n").map { String($0.dropFirst(6)) }
    }

    private static let events: [ChatStreamEvent] = [
        .start(ChatStreamStart(id: "c1", model: "m", created: 9)), .content(choice: 0, "Hi"),
        .finish(choice: 0, .stop, native: nil), .usage(ChatUsage(promptTokens: 1, completionTokens: 2)), .done,
    ]

    @Test("the grammar: role, content, finish with an empty delta, usage without choices, [DONE]")
    func grammar() {
        let head = #"{"id":"c1","object":"chat.completion.chunk","created":9,"model":"m","choices":["#
        let null = #""logprobs":null,"finish_reason":null}],"usage":null}"#
        #expect(
            Self.lines(Self.events, includesUsage: true) == [
                head + #"{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"# + null,
                head + #"{"index":0,"delta":{"content":"Hi"},"# + null,
                head + #"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
                head + #"],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#, "[DONE]",
            ]
        )
    }

    @Test("usage is not told to who did not ask")
    func noUsage() {
        let lines = Self.lines(Self.events, includesUsage: false)
        #expect(lines.count == 4)
        #expect(!lines.contains { $0.contains("usage") })
    }

    @Test("each choice begins with its role")
    func roles() {
        let lines = Self.lines(
            [
                .start(ChatStreamStart(id: "c", model: "m", created: 1)), .content(choice: 1, "b"),
                .content(choice: 0, "a"), .finish(choice: 0, .stop, native: nil),
                .finish(choice: 1, .stop, native: nil),
                .done,
            ],
            includesUsage: false
        )
        let roles = lines.indices.filter { lines[$0].contains(#""role""#) }
        #expect(roles == [0, 1])
        #expect(lines[1].contains(#""index":1"#))
        #expect(lines.filter { $0.contains(#""finish_reason":"stop""#) }.count == 2)
    }

    @Test("an error in mid-stream is a typed error event, and no [DONE] follows")
    func failure() {
        var encoder = OpenAIStreamEncoder(includesUsage: false)
        var out: [UInt8] = []
        encoder.encode(failure: .truncated("x"), into: &out)
        let text = String(decoding: out, as: UTF8.self)
        #expect(text.hasPrefix(#"data: {"error":{"message":"the provider's stream ended before its proper end"#))
        #expect(text.hasSuffix(#""type":"server_error","param":null,"code":"stream_truncated"}}"# + "\n\n"))
    }

    @Test("who asked with functions gets function_call")
    func functions() {
        let lines = Self.lines(
            [
                .start(ChatStreamStart(id: "c", model: "m", created: 1)),
                .toolCall(choice: 0, index: 0, ToolCall(id: "1", name: "f", arguments: "")),
                .toolArguments(choice: 0, index: 0, "{}"), .finish(choice: 0, .toolCalls, native: nil), .done,
            ],
            includesUsage: false,
            usesFunctions: true
        )
        #expect(lines[1].contains(#""delta":{"function_call":{"name":"f","arguments":""}}"#))
        #expect(lines[2].contains(#""delta":{"function_call":{"arguments":"{}"}}"#))
        #expect(lines[3].contains(#""finish_reason":"function_call""#))
    }

    // MARK: Properties

    @Test("an answer told as events, written, cut anywhere, read and collected is the same answer", arguments: 0..<200)
    func roundTrip(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let response = RandomAnswers.response(using: &random)
        #expect(try ChatResponse(collecting: response.events) == response)

        let bytes = Self.bytes(response.events)
        let piece = Int.random(in: 1...80, using: &random)
        var read = try ChatResponse(collecting: StreamFeed.events(bytes, piece: piece))
        read.requestID = response.requestID
        if read != response {
            #expect(GoldenFiles.sorted(read.openAIBody()) == GoldenFiles.sorted(response.openAIBody()))
        }
        #expect((read == response) == true)

        var whole = try ChatResponse(openAI: response.openAIBody(), provider: "test")
        whole.requestID = response.requestID
        #expect(whole == response)
    }

    @Test("a stream without done is not an answer")
    func notDone() {
        #expect(throws: ProviderError.truncated("p")) {
            try ChatResponse(collecting: Self.events.dropLast(), provider: "p")
        }
    }
}

/// Answers made up from a seed.
enum RandomAnswers {
    static func text(using random: inout SeededRandom) -> String {
        let pieces = ["Hello", " ", "wörld", "😀", "\n", "\"", "\\", "{}", "data: ", "\u{1}", "a", "\u{2028}", "end"]
        return (0..<Int.random(in: 1...6, using: &random)).map { _ in
            pieces.randomElement(using: &random) ?? ""
        }.joined()
    }

    static func response(using random: inout SeededRandom) -> ChatResponse {
        var response = ChatResponse(id: "chatcmpl-1", model: "m/1", created: 1_700_000_000, choices: [])
        for index in 0..<Int.random(in: 1...3, using: &random) {
            response.choices.append(Self.choice(index, using: &random))
        }
        if Bool.random(using: &random) {
            var usage = ChatUsage(promptTokens: Int.random(in: 0...999, using: &random), completionTokens: 5)
            usage.cachedTokens = Bool.random(using: &random) ? 3 : nil
            usage.reasoningTokens = Bool.random(using: &random) ? 0 : nil
            usage.statedTotal = Bool.random(using: &random) ? 5000 : nil
            usage.additional = Bool.random(using: &random) ? [JSONField("cost", 0.5)] : []
            response.usage = usage
        }
        response.serviceTier = Bool.random(using: &random) ? "flex" : nil
        response.systemFingerprint = Bool.random(using: &random) ? "fp" : nil
        response.requestID = Bool.random(using: &random) ? "r-1" : nil
        response.additional = Bool.random(using: &random) ? [JSONField("extra", ["a": [1, nil]])] : []
        return response
    }

    private static func choice(_ index: Int, using random: inout SeededRandom) -> ChatChoice {
        let reasons: [FinishReason] = [.stop, .length, .contentFilter]
        var choice = ChatChoice(
            index: index,
            content: nil,
            finishReason: reasons.randomElement(using: &random) ?? .stop
        )
        if Bool.random(using: &random) { choice.content = Self.text(using: &random) }
        if Int.random(in: 0..<8, using: &random) == 0 { choice.refusal = Self.text(using: &random) }
        for _ in 0..<Int.random(in: 0...2, using: &random) { choice.reasoning.append(Self.block(using: &random)) }
        for number in 0..<Int.random(in: 0...3, using: &random) {
            var call = ToolCall(id: "call_\(index)_\(number)", name: "f\(number)", arguments: Self.text(using: &random))
            call.isCustom = Int.random(in: 0..<4, using: &random) == 0
            call.signature = Bool.random(using: &random) ? "sig" : nil
            call.additional = Bool.random(using: &random) ? [JSONField("note", "n")] : []
            choice.toolCalls.append(call)
        }
        if !choice.toolCalls.isEmpty, choice.finishReason == .stop { choice.finishReason = .toolCalls }
        if Bool.random(using: &random) {
            choice.citations = [
                Citation(url: "https://a", title: "t", quote: "q", range: 1..<4), Citation(title: "doc"),
            ]
        }
        if Bool.random(using: &random) { choice.logprobs = ["content": [["token": "a"]], "refusal": nil] }
        if Bool.random(using: &random) { choice.nativeFinishReason = "END" }
        if Bool.random(using: &random) { choice.additional = [JSONField("audio", ["id": "a", "data": "AA"])] }
        if Bool.random(using: &random) { choice.choiceAdditional = [JSONField("stop_reason", 7)] }
        return choice
    }

    private static func block(using random: inout SeededRandom) -> ReasoningBlock {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: ReasoningBlock(text: "", redacted: "opaque")
        case 1: ReasoningBlock(text: "", signature: "only a signature")
        case 2: ReasoningBlock(text: Self.text(using: &random))
        default: ReasoningBlock(text: Self.text(using: &random), signature: "sig")
        }
    }
}
