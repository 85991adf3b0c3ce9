import SluiceWire
import Testing

@testable import SluiceProviders

/// One rule for words that no provider's table holds, whole and streamed.
struct FinishWordTests {
    private static let failures = ["error", "network_error", "newly_MALFORMED_thing", "TIMEOUT_2", "abort", "failed"]
    private static let others = ["something_new", "eos2"]

    private struct Wire: Sendable {
        var name: String
        /// Makes an answer that ended with a word.
        var whole: @Sendable (String) throws -> [UInt8]
        var stream: @Sendable (String) throws -> [UInt8]
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static let wires: [Wire] = [
        Wire(
            name: "openai",
            whole: { Self.bytes(#"{"id":"1","choices":[{"message":{"content":"x"},"finish_reason":"\#($0)"}]}"#) },
            stream: {
                let chunk = #"{"id":"1","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"\#($0)"}]}"#
                return Self.bytes("data: \(chunk)\n\ndata: [DONE]\n\n")
            }
        ),
        Wire(
            name: "anthropic",
            whole: { Self.bytes(#"{"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"\#($0)"}"#) },
            stream: {
                Self.bytes(
                    #"data: {"type":"message_start","message":{"id":"1"}}"# + "\n\n"
                        + #"data: {"type":"message_delta","delta":{"stop_reason":"\#($0)"}}"# + "\n\n"
                        + #"data: {"type":"message_stop"}"# + "\n\n"
                )
            }
        ),
        Wire(
            name: "gemini",
            whole: { Self.bytes(#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"\#($0)"}]}"#) },
            stream: {
                let chunk = #"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"\#($0)"}]}"#
                return Self.bytes("data: \(chunk)\n\n")
            }
        ),
        Wire(
            name: "cohere",
            whole: { Self.bytes(#"{"id":"1","message":{"content":[]},"finish_reason":"\#($0)"}"#) },
            stream: {
                Self.bytes(
                    #"data: {"type":"message-start","id":"1"}"# + "\n\n"
                        + #"data: {"type":"message-end","delta":{"finish_reason":"\#($0)"}}"# + "\n\n"
                )
            }
        ),
        Wire(
            name: "bedrock",
            whole: { Self.bytes(#"{"output":{"message":{"content":[]}},"stopReason":"\#($0)"}"#) },
            stream: {
                try BedrockAnswer.event("messageStart", Self.bytes(#"{"role":"assistant"}"#))
                    + BedrockAnswer.event("messageStop", Self.bytes(#"{"stopReason":"\#($0)"}"#))
            }
        ),
    ]

    /// What an answer that ended with the word comes to, whole and streamed.
    private static func read(_ wire: Wire, _ word: String) throws -> [Result<ChatChoice, ProviderError>] {
        let entry = try #require(ProviderRegistry.entry(named: wire.name))
        let handler = try #require(ProviderRegistry.handler(for: entry))
        let endpoint = ProviderEndpoint(baseURL: "https://example.org", credential: .key("k"))
        var request = ChatRequest(model: "m", messages: [.user("Hi")])
        request.isStream = true
        let asked = ProviderCall(request: request, endpoint: endpoint, now: 0, requestID: "r")
        let call = PreparedCall(url: "https://example.org", headers: HTTPFields(), body: [], for: asked)
        var found: [Result<ChatChoice, ProviderError>] = []
        func note(_ read: () throws -> ChatResponse) throws {
            do {
                found.append(.success(try #require(try read().choices.first)))
            } catch let error as ProviderError {
                found.append(.failure(error))
            }
        }
        let body = try wire.whole(word)
        try note { try handler.answer(HTTPClientResponse(status: 200, body: body), to: call) }
        let bytes = try wire.stream(word)
        try note {
            var decoder = handler.decoder(HTTPFields([("content-type", "text/event-stream")]), for: call)
            var events: [ChatStreamEvent] = []
            try decoder.feed(bytes) { events.append($0) }
            try decoder.finish { events.append($0) }
            return try ChatResponse(collecting: events)
        }
        return found
    }

    @Test func `a word that names an error is a failure to try again, whole and streamed`() throws {
        for wire in Self.wires {
            for word in Self.failures {
                for result in try Self.read(wire, word) {
                    guard case .failure(let error) = result else {
                        Issue.record("\(wire.name) takes '\(word)' for an end")
                        continue
                    }
                    #expect(error.isRetryable && error.message.contains(word), "\(wire.name): \(error)")
                }
            }
        }
    }

    @Test func `any other word is stop and stays readable, and Gemini's is a block as OTHER is`() throws {
        for wire in Self.wires {
            for word in Self.others {
                for result in try Self.read(wire, word) {
                    let choice = try result.get()
                    #expect(choice.finishReason == (wire.name == "gemini" ? .contentFilter : .stop), "\(wire.name)")
                    #expect(choice.nativeFinishReason == word, "\(wire.name)")
                }
            }
        }
    }

    @Test func `what a gateway was told counts where it says no more than stop`() {
        #expect(OpenAIFinish.failedWord("stop", native: "MALFORMED_FUNCTION_CALL") == "MALFORMED_FUNCTION_CALL")
        #expect(OpenAIFinish.failedWord("error", native: "SAFETY") == "error")
        #expect(OpenAIFinish.failedWord("content_filter", native: "ERROR_TOXIC") == nil)
        #expect(OpenAIFinish.failedWord("length", native: "error") == nil)
        #expect(OpenAIFinish.failedWord("stop", native: "end_turn") == nil)
    }
}
