import SluiceProviders
import SluiceWire
import Testing

/// Whole answers told as streams.
struct CompletionEventsTests {
    private static func chunks(
        _ answer: String,
        _ operation: OpenAIOperation = .chatCompletions,
        usage: Bool = false
    ) -> [String]? {
        guard let bytes = CompletionEvents.make(Array(answer.utf8), operation, includesUsage: usage) else { return nil }
        var parser = SSEParser(maximumEventBytes: 1 << 20)
        var chunks: [String] = []
        try? parser.feed(bytes) { chunks.append(String(decoding: $0.data, as: UTF8.self)) }
        return chunks
    }

    @Test func `says first what it holds, then why it ends, then what it cost`() {
        let answer = """
            {"id":"c","object":"chat.completion","usage":{"total_tokens":5},"choices":[
            {"finish_reason":"stop","index":0,
            "message":{"role":"assistant","content":"a ] , } \\" b","tool_calls":null}},
            {"index":1,"message":{"content":null,"tool_calls":[{"id":"x","index":7,"function":{}},{"id":"y"}]},
            "finish_reason":"tool_calls","stop_reason":3}]}
            """
        let content = #"""
            {"id":"c","object":"chat.completion.chunk","choices":[{"finish_reason":null,"index":0,\#
            "delta":{"role":"assistant","content":"a ] , } \" b","tool_calls":null}},\#
            {"index":1,"delta":{"content":null,\#
            "tool_calls":[{"index":0,"id":"x","function":{}},{"index":1,"id":"y"}]},\#
            "finish_reason":null,"stop_reason":3}]}
            """#
        let end = #"""
            {"id":"c","object":"chat.completion.chunk","choices":[{"finish_reason":"stop","index":0,"delta":{}},\#
            {"index":1,"delta":{},"finish_reason":"tool_calls"}]}
            """#
        let cost = #"{"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"total_tokens":5}}"#
        #expect(Self.chunks(answer) == [content, end, "[DONE]"])
        #expect(Self.chunks(answer, usage: true) == [content, end, cost, "[DONE]"])
    }

    @Test func `is whole to whoever watches streams`() {
        let answer = #"{"choices":[{"index":0,"message":{"content":"hello"},"finish_reason":"stop"}]}"#
        var inspector = StreamInspector()
        inspector.feed(CompletionEvents.make(Array(answer.utf8), .chatCompletions, includesUsage: false) ?? [])
        #expect(inspector.hasContent && inspector.isWhole && inspector.failure == nil)
    }

    @Test func `passes on the choices of the older operation as they are`() {
        let answer =
            #"{"object":"text_completion","choices":[{"index":0,"text":"a","finish_reason":"stop"}],"usage":{}}"#
        let chunk = #"{"object":"text_completion","choices":[{"index":0,"text":"a","finish_reason":"stop"}]}"#
        #expect(Self.chunks(answer, .completions) == [chunk, "[DONE]"])
    }

    @Test func `makes no stream of anything else`() {
        for answer in ["", "{", "[]", "{}", #"{"choices":{}}"#, #"{"choices":null}"#, #"{"error":{}}"#] {
            #expect(Self.chunks(answer) == nil)
        }
        #expect(Self.chunks(#"{"choices":[]}"#, .responses) == nil)
        #expect(Self.chunks(#"{"choices":[]}"#, .embeddings) == nil)
        // Odd, but no reason to fall.
        for choices in ["[]", "[1,null,[],\"x\"]", #"[{"message":3}]"#, #"[{"message":{"tool_calls":{"a":1}}}]"#] {
            #expect(Self.chunks(#"{"choices":\#(choices)}"#)?.count == 3)
        }
    }
}
