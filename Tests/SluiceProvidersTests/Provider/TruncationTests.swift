import SluiceBasics
import SluiceWire
import Testing

@testable import SluiceProviders

/// A stream that is cut off before its proper end is an error, wherever it is cut and whoever listens.
struct TruncationTests {
    /// One answer of each wire format, in its events' bytes.
    struct Wire: Sendable {
        var provider: String
        var type = "text/event-stream"
        var events: [[UInt8]]
        /// With so many events the answer is whole; what follows adds to it.
        var needed: Int

        static func sse(_ provider: String, _ data: [String], needed: Int? = nil, isNamed: Bool = false) -> Wire {
            let events = data.map { text -> [UInt8] in
                let type = isNamed ? (try? JSON.read(Array(text.utf8)) { $0["type"]?.string }) ?? nil : nil
                return SSEWriter.event(name: type, data: Array(text.utf8))
            }
            return Wire(provider: provider, events: events, needed: needed ?? events.count)
        }
    }

    private static func wires() throws -> [Wire] {
        let chunk =
            #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":"#
        let chunks = [
            chunk + #"{"role":"assistant","content":""},"finish_reason":null}]}"#,
            chunk + #"{"content":"Grüße"},"finish_reason":null}]}"#,
            chunk + #"{"content":" 😀"},"finish_reason":null}]}"#, chunk + #"{},"finish_reason":"stop"}]}"#,
            #"{"id":"c","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            "[DONE]",
        ]
        let bedrock = try [
            ("messageStart", #"{"role":"assistant"}"#),
            ("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"Grüße 😀"}}"#),
            ("contentBlockStop", #"{"contentBlockIndex":0}"#), ("messageStop", #"{"stopReason":"end_turn"}"#),
        ].map { try BedrockAnswer.event($0.0, Array($0.1.utf8)) }
        let compatible = ["groq", "mistral", "deepseek", "openrouter", "together", "perplexity", "ollama", "azure"]
        return compatible.map { .sse($0, chunks, needed: 4) } + [
            .sse(
                "anthropic",
                [
                    #"{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":1}}}"#,
                    #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
                    #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße 😀"}}"#,
                    #"{"type":"content_block_stop","index":0}"#,
                    #"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
                    #"{"type":"message_stop"}"#,
                ],
                isNamed: true
            ),
            .sse(
                "gemini",
                [
                    #"{"candidates":[{"content":{"parts":[{"text":"Grüße"}]}}],"responseId":"r"}"#,
                    #"{"candidates":[{"content":{"parts":[{"text":" 😀"}]},"finishReason":"STOP"}]}"#,
                ]
            ),
            .sse(
                "cohere",
                [
                    #"{"type":"message-start","id":"c"}"#,
                    #"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}"#,
                    #"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Grüße 😀"}}}}"#,
                    #"{"type":"content-end","index":0}"#,
                    #"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#,
                ],
                isNamed: true
            ),
            Wire(provider: "bedrock", type: "application/vnd.amazon.eventstream", events: bedrock, needed: 4),
        ]
    }

    private func target(_ provider: String) throws -> BackendTarget {
        var resolution = ModelResolution { _ in nil }
        resolution.providers[provider] = ProviderAccess(baseURL: "http://p", key: "k")
        return try #require(BackendTarget(try resolution.resolve("", provider: provider), name: provider))
    }

    private func ask(_ operation: OpenAIOperation) -> BackendAsk {
        let prompt =
            switch operation {
            case .completions: #""prompt":"hi""#
            case .responses: #""input":"hi""#
            default: #""max_tokens":5,"messages":[{"role":"user","content":"hi"}]"#
            }
        return BackendAsk(
            operation: operation,
            body: Array(#"{"model":"m","stream":true,\#(prompt)}"#.utf8),
            model: "m",
            clientHeaders: HTTPFields(),
            requestID: "req_1",
            timeout: .seconds(1),
            maximumResponseBytes: 1 << 20,
            allowsSilentResend: true,
            now: 1_700_000_000
        )
    }

    @Test func `at every provider a stream cut at any byte is truncated, never a clean stop`() throws {
        for wire in try Self.wires() {
            let entry = try #require(ProviderRegistry.entry(named: wire.provider))
            let handler = try #require(ProviderRegistry.handler(for: entry))
            var request = ChatRequest(model: "m", messages: [.user("hi")])
            request.isStream = true
            let call = ProviderCall(
                request: request,
                endpoint: ProviderEndpoint(baseURL: "http://p", credential: .key("k")),
                now: 0,
                requestID: "r"
            )
            let prepared = PreparedCall(url: "http://p", headers: HTTPFields(), body: [], for: call)
            let headers = HTTPFields([("content-type", wire.type)])
            let needed = wire.events.prefix(wire.needed).reduce(0) { $0 + $1.count }
            let bytes = wire.events.flatMap { $0 }
            // What ends a line may be missing, what the last event says may not.
            for count in 0..<(needed - 2) {
                let cut = DecodedStream(handler.decoder(headers, for: prepared), [Array(bytes[..<count])])
                #expect(cut.error?.code == "stream_truncated", "\(wire.provider) cut at \(count): \(cut)")
                #expect(cut.error?.isRetryable == true && !cut.events.contains(.done))
                #expect(throws: ProviderError.self) { try cut.response }
            }
            let whole = DecodedStream(handler.decoder(headers, for: prepared), [bytes])
            #expect(whole.error == nil, "\(wire.provider)")
            #expect(try whole.response.text == "Grüße 😀" && whole.response.choices[0].finishReason == .stop)
        }
    }

    @Test(arguments: [
        (OpenAIOperation.chatCompletions, "data: [DONE]", #""code":"stream_truncated""#),
        (.completions, "data: [DONE]", #""code":"stream_truncated""#),
        (.responses, "response.completed", "response.failed"), (.messages, "message_stop", "event: error"),
    ])
    func `whatever the client speaks, it is told that the answer is not whole`(
        operation: OpenAIOperation,
        end: String,
        fault: String
    ) async throws {
        for wire in try Self.wires() {
            let target = try self.target(wire.provider)
            guard let translation = try target.attempt(self.ask(operation)).translation else {
                // Its own clients get its bytes.
                #expect(target.speaks(operation), "\(wire.provider)")
                continue
            }
            for count in 1...wire.events.count {
                let reader = PieceReader(Array(wire.events.prefix(count)))
                let headers = HTTPFields([("Content-Type", wire.type)])
                let body = translation.stream(HTTPClientStream(status: 200, headers: headers, body: reader)).body
                var told: [UInt8] = []
                while let piece = try await body.next() { told += piece }
                let text = String(decoding: told, as: UTF8.self)
                let isWhole = count >= wire.needed
                #expect(text.contains(end) == isWhole, "\(wire.provider) after \(count): \(text)")
                #expect(text.contains(fault) != isWhole, "\(wire.provider) after \(count): \(text)")
            }
        }
    }

    @Test func `a message of Anthropic's that passes as it is, is whole with message_stop alone`() throws {
        let wire = try #require(try Self.wires().first { $0.provider == "anthropic" })
        for count in 1...wire.events.count {
            var inspector = StreamInspector()
            for event in wire.events.prefix(count) { inspector.feed(event) }
            #expect(inspector.isWhole == (count == wire.events.count), "after \(count)")
        }
    }
}

/// Gives its pieces, then the body's proper end.
private final class PieceReader: HTTPBodyReader {
    private let pieces: Lock<[[UInt8]]>

    init(_ pieces: [[UInt8]]) { self.pieces = Lock(pieces) }

    func next() async throws(HTTPClientError) -> [UInt8]? {
        self.pieces.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    }

    func close() {}
}
