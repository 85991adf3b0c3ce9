import SluiceWire
import Testing

@testable import SluiceProviders

/// What is easily got wrong in Anthropic's conversations and streams, each by its name.
struct AnthropicStreamTrapTests {
    private let handler = AnthropicHandler()

    private func decoded(_ events: [String]) throws -> DecodedStream {
        let call = try self.handler.prepare(.anthropic(ChatRequest(model: "claude-x", messages: [.user("A")])))
        let bytes = events.flatMap { SSEWriter.event(data: Array($0.utf8)) }
        return DecodedStream(self.handler.decoder(HTTPFields(), for: call), [bytes])
    }

    @Test func `calls are counted apart from blocks`() throws {
        func block(_ index: Int, _ block: String, _ deltas: [String]) -> [String] {
            [#"{"type":"content_block_start","index":\#(index),"content_block":\#(block)}"#]
                + deltas.map { #"{"type":"content_block_delta","index":\#(index),"delta":\#($0)}"# }
                + [#"{"type":"content_block_stop","index":\#(index)}"#]
        }
        func input(_ text: String) -> String { #"{"type":"input_json_delta","partial_json":"\#(text)"}"# }
        let first = block(2, #"{"type":"tool_use","id":"a","name":"f","input":{}}"#, [input(#"{\"x\""#), input(":1}")])
        let second = block(4, #"{"type":"tool_use","id":"b","name":"g","input":{}}"#, [])
        let thinking = block(
            0,
            #"{"type":"thinking","thinking":""}"#,
            [#"{"type":"thinking_delta","thinking":"Hm"}"#, #"{"type":"signature_delta","signature":"s"}"#]
        )
        let text = block(1, #"{"type":"text","text":""}"#, [#"{"type":"text_delta","text":"I look."}"#])
        let server = block(3, #"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#, [input("{}")])
        let decoded = try self.decoded(
            [#"{"type":"message_start","message":{"id":"m"}}"#] + thinking + text + first + server + second + [
                #"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#, #"{"type":"message_stop"}"#,
            ]
        )
        let indices = decoded.events.compactMap { event -> Int? in
            if case .toolCall(choice: 0, index: let index, _) = event { index } else { nil }
        }
        #expect(indices == [0, 1])
        let calls = try decoded.response.toolCalls
        #expect(calls.map(\.id) == ["a", "b"] && calls.map(\.arguments) == [#"{"x":1}"#, "{}"])
    }

    @Test(arguments: [
        ("end_turn", FinishReason.stop), ("stop_sequence", .stop), ("max_tokens", .length),
        ("refusal", .contentFilter), ("model_context_window_exceeded", .length), ("pause_turn", .stop),
        ("compaction", .length),
    ])
    func `reasons of an end are told alike, whole and streamed, and the native one is exposed`(
        native: String,
        reason: FinishReason
    ) throws {
        let streamed = try self.decoded([
            #"{"type":"message_start","message":{"id":"m"}}"#,
            #"{"type":"message_delta","delta":{"stop_reason":"\#(native)"}}"#, #"{"type":"message_stop"}"#,
        ]).response
        let body = #"{"type":"message","id":"m","content":[],"stop_reason":"\#(native)"}"#
        let call = try self.handler.prepare(.anthropic(ChatRequest(model: "claude-x", messages: [.user("A")])))
        let whole = try self.handler.answer(HTTPClientResponse(status: 200, body: Array(body.utf8)), to: call)
        for answer in [whole, streamed] {
            #expect(answer.choices[0].finishReason == reason && answer.choices[0].nativeFinishReason == native)
        }
    }

    @Test func `an empty text is left out, and no word of ours stands in its place`() throws {
        let messages = [ChatMessage.user(""), .user("A"), .assistant(""), .user("B")]
        let body = try self.handler.prepare(.anthropic(ChatRequest(model: "claude-sonnet-4-5", messages: messages)))
            .body
        let sent = try JSONTree(body)
        guard case .object(let members) = sent, case .array(let turns) = members["messages"] else {
            Issue.record("no messages")
            return
        }
        var texts: [JSONTree] = []
        for turn in turns {
            if case .object(let turn) = turn, case .array(let blocks) = turn["content"] {
                for case .object(let block) in blocks { texts.append(block["text"] ?? .null) }
            }
        }
        #expect(texts == [.string("A"), .string("B")], "\(sent)")
    }

    @Test(arguments: ["2023-06-01", "2026-10-21", nil])
    func `both versions of the API work, in and out`(version: String?) throws {
        let body = Array(
            #"{"model":"claude-sonnet-4-5","max_tokens":5,"messages":[{"role":"user","content":"A"}]}"#.utf8
        )
        let headers = HTTPFields(version.map { [("anthropic-version", $0)] } ?? [])
        let request = try AnthropicFace.request(body, headers: headers)
        let settings = version.map { ["api_version": $0] } ?? [:]
        var warm = request
        warm.temperature = 0.5
        let prepared = try self.handler.prepare(.anthropic(warm, settings: settings))
        #expect(prepared.headers["anthropic-version"] == version ?? "2023-06-01")
        let isNewer = version == "2026-10-21"
        #expect(prepared.dropped == (isNewer ? ["temperature"] : []))
        #expect(String(decoding: prepared.body, as: UTF8.self).contains("temperature") != isNewer)
    }
}
