import SluiceWire
import Testing

@testable import SluiceProviders

/// What a provider says without end is not kept without end.
struct StreamBoundTests {
    @Test func `more than 1024 calls in Anthropic's stream are refused`() throws {
        let call = try AnthropicHandler().prepare(.anthropic(ChatRequest(model: "claude-x", messages: [.user("Hi")])))
        var decoder = AnthropicHandler().decoder(HTTPFields(), for: call)
        var count = 0
        let error = #expect(throws: ProviderError.self) {
            for index in 0..<2_000 {
                let block = #"{"type":"tool_use","id":"t","name":"f","input":{}}"#
                let start = #"{"type":"content_block_start","index":\#(index),"content_block":\#(block)}"#
                let stop = #"{"type":"content_block_stop","index":\#(index)}"#
                for event in [start, stop] {
                    try decoder.feed(SSEWriter.event(data: Array(event.utf8))) { event in
                        if case .toolCall = event { count += 1 }
                    }
                }
            }
        }
        #expect(error?.code == "malformed_response")
        #expect(count == 1_024)
    }

    private func responses(_ maximum: Int, _ events: some Sequence<ChatStreamEvent>) throws -> String {
        let request = try ResponsesFace.call(Array(#"{"model":"m","input":"Hi"}"#.utf8))
        var encoder = ResponsesStreamEncoder(
            echo: request.echo,
            model: "m",
            id: "req_1",
            now: 0,
            maximumHeldBytes: maximum
        )
        var bytes: [UInt8] = []
        for event in events { encoder.encode(event, into: &bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `more calls than 1024 are left out of Responses' events`() throws {
        let text = try self.responses(
            64 << 20,
            (0..<3_000).map { .toolCall(choice: 0, index: $0, ToolCall(id: "c\($0)", name: "f", arguments: "")) }
        )
        #expect(text.contains(#""call_id":"c1023""#))
        #expect(!text.contains(#""call_id":"c1024""#))
    }

    @Test func `items without text count as well`() throws {
        let text = try self.responses(
            64 << 10,
            (0..<200).map { _ in .redactedReasoning(choice: 0, "x") }
        )
        #expect(text.contains("the answer exceeds 65536 bytes"))
    }

    @Test func `a refusal without end is not kept for Anthropic's events`() {
        var encoder = AnthropicStreamEncoder()
        var bytes: [UInt8] = []
        let piece = String(repeating: "x", count: 64 << 10)
        for _ in 0..<64 { encoder.encode(.refusal(choice: 0, piece), into: &bytes) }
        encoder.encode(.finish(choice: 0, .contentFilter, native: nil), into: &bytes)
        encoder.encode(.done, into: &bytes)
        #expect(bytes.count < 3 << 20)
        #expect(bytes.count > 1 << 20)
    }
}
