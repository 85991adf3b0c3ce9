import SluiceWire
import Testing

@testable import SluiceProviders

/// What is newer than we are is skipped in every stream, and changes nothing of the answer.
struct NewerEventsTests {
    private func decoded(_ provider: String, _ events: [String]) throws -> DecodedStream {
        let entry = try #require(ProviderRegistry.entry(named: provider))
        let handler = try #require(ProviderRegistry.handler(for: entry))
        let call = ProviderCall(
            request: ChatRequest(model: "m", messages: [.user("hi")]),
            endpoint: ProviderEndpoint(baseURL: "http://p", credential: .key("k")),
            now: 0,
            requestID: "r"
        )
        let prepared = PreparedCall(url: "http://p", headers: HTTPFields(), body: [], for: call)
        let bytes = Array(events.joined().utf8)
        return DecodedStream(
            handler.decoder(HTTPFields([("content-type", "text/event-stream")]), for: prepared),
            [bytes]
        )
    }

    private func data(_ text: String) -> String { "data: \(text)\n\n" }

    /// The stream with newer events between and behind its own is what it is without them.
    private func expect(_ provider: String, _ events: [String], _ newer: [String]) throws {
        let plain = try self.decoded(provider, events)
        #expect(plain.error == nil, "\(provider)")
        for event in newer {
            #expect(try self.decoded(provider, events.flatMap { [$0, event] }) == plain, "\(provider): \(event)")
        }
    }

    @Test(arguments: ["openai", "azure", "groq", "openrouter", "vllm"])
    func `servers that speak OpenAI's format`(provider: String) throws {
        let events = [
            StreamFeed.chunk(#"{"role":"assistant","content":""}"#), StreamFeed.chunk(#"{"content":"x"}"#),
            StreamFeed.chunk("{}", finish: #""stop""#), "[DONE]",
        ].map(self.data)
        let newer = [
            ": OPENROUTER PROCESSING\n\n", ": ping\r\n\r\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            "event: newer\ndata: {\"type\":\"newer\",\"id\":\"other\",\"x\":[1]}\n\n",
            "event: newer\ndata: no JSON\n\n",
            "id: 7\nretry: 3000\n\n", "event: newer\n\n", "data\n\n",
        ]
        try self.expect(provider, events, newer)
        // Keep-alives come before the first word too.
        #expect(try self.decoded(provider, newer + events) == self.decoded(provider, events))
    }

    @Test func `Anthropic: events, blocks and deltas`() throws {
        let events = [
            #"{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":1}}}"#,
            #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}"#,
            #"{"type":"content_block_stop","index":0}"#,
            #"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
            #"{"type":"message_stop"}"#,
        ].map(self.data)
        try self.expect(
            "anthropic",
            events,
            [
                self.data(#"{"type":"ping"}"#), self.data(#"{"type":"newer_event","index":0,"delta":{"text":"y"}}"#),
                self.data(#"{"type":"content_block_delta","index":0,"delta":{"type":"newer_delta","newer":"y"}}"#),
                self.data(#"{"type":"content_block_start","index":9,"content_block":{"type":"newer_block"}}"#)
                    + self.data(#"{"type":"content_block_delta","index":9,"delta":{"type":"newer_delta","x":"y"}}"#)
                    + self.data(#"{"type":"content_block_stop","index":9}"#),
            ]
        )
    }

    @Test func `Gemini: parts and members`() throws {
        let first = #"{"candidates":[{"content":{"parts":[{"text":"x"}]}}],"responseId":"r","modelVersion":"m"}"#
        let last = #"{"candidates":[{"content":{"parts":[{"text":"y"}]},"finishReason":"STOP"}]}"#
        let plain = try self.decoded("gemini", [self.data(first), self.data(last)])
        let newer = [
            self.data(#"{"newerThanWeAre":{"x":[1]}}"#), self.data(#"{"candidates":[],"newer":1}"#),
            self.data(#"{"candidates":[{"content":{"parts":[{"newerPart":{"text":"z"}}]},"newer":1}]}"#), ": ping\n\n",
        ]
        for event in newer {
            #expect(try self.decoded("gemini", [self.data(first), event, self.data(last)]) == plain, "\(event)")
        }
    }

    @Test func `Cohere: events, named inside or beside`() throws {
        let events = [
            #"{"type":"message-start","id":"c"}"#,
            #"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}"#,
            #"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"x"}}}}"#,
            #"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#,
        ].map(self.data)
        try self.expect(
            "cohere",
            events,
            [
                self.data(#"{"type":"newer","delta":{"message":{"content":{"text":"y"}}}}"#), ": ping\n\n",
                "event: newer\ndata: {\"delta\":{\"message\":{\"content\":{\"text\":\"y\"}}}}\n\n",
            ]
        )
    }
}
