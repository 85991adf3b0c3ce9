import SluiceWire
import Testing

@testable import SluiceProviders

@Suite struct AnthropicAnswerTests {
    private let handler = AnthropicHandler()

    private func prepared(_ golden: [String: JSONText]) throws -> PreparedCall {
        let plain = JSONText(trusted: Array(#"{"model":"claude-x","messages":[{"role":"user","content":"A"}]}"#.utf8))
        let request = try ChatRequest(openAI: (golden["request"] ?? plain).bytes)
        return try self.handler.prepare(.anthropic(request))
    }

    private func events(_ call: PreparedCall, _ pieces: some Sequence<[UInt8]>) throws -> [ChatStreamEvent] {
        var decoder = self.handler.decoder(HTTPFields([("request-id", "req_1")]), for: call)
        var events: [ChatStreamEvent] = []
        for piece in pieces { try decoder.feed(piece) { events.append($0) } }
        try decoder.finish { events.append($0) }
        return events
    }

    @Test(arguments: AnthropicGolden.names("answer-"))
    func `an answer is read, whole and streamed alike`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let call = try self.prepared(golden)
        let expected = try #require(golden["openai"]).tree.withParsedArguments

        var response = HTTPClientResponse(status: 200, headers: HTTPFields([("request-id", "req_1")]))
        response.body = try #require(golden["message"]).bytes
        let whole = try self.handler.answer(response, to: call)
        #expect(try JSONTree(whole.openAIBody()).withParsedArguments == expected, "\(whole)")
        #expect(whole.requestID == "req_1")

        let stream = anthropicStream(try #require(golden["events"]).list)
        let collected = try ChatResponse(collecting: try self.events(call, [stream]))
        #expect(try JSONTree(collected.openAIBody()).withParsedArguments == expected, "\(collected)")
        #expect(collected.requestID == "req_1")
    }

    @Test(arguments: AnthropicGolden.names("answer-"))
    func `any cut of the bytes gives the same events`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let call = try self.prepared(golden)
        let stream = anthropicStream(try #require(golden["events"]).list)
        let expected = try self.events(call, [stream])
        #expect(try self.events(call, stream.map { [$0] }) == expected)
        for cut in stride(from: 1, to: stream.count, by: 7) {
            #expect(try self.events(call, [Array(stream[..<cut]), Array(stream[cut...])]) == expected)
        }
        let returns = stream.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] }
        #expect(try self.events(call, [returns]) == expected)
    }

    @Test(arguments: AnthropicGolden.names("answer-"))
    func `a stream cut off before message_stop is an error and never a clean stop`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let call = try self.prepared(golden)
        let all = try #require(golden["events"]).list
        for count in 0..<all.count {
            let error = #expect(throws: ProviderError.self) {
                try self.events(call, [anthropicStream(Array(all.prefix(count)))])
            }
            #expect(error?.code == "stream_truncated" && error?.isRetryable == true)
        }
    }

    @Test func `a call without input fragments has an empty object`() throws {
        let golden = try AnthropicGolden.members("answer-tools")
        let events = try self.events(
            try self.prepared(golden),
            [anthropicStream(try #require(golden["events"]).list)]
        )
        #expect(events.contains(.toolArguments(choice: 0, index: 1, "{}")))
        #expect(events.last == .done)
    }

    private let plain = PreparedCall(
        url: "",
        headers: HTTPFields(),
        body: [],
        for: .anthropic(ChatRequest(model: "m", messages: []))
    )

    @Test func `an error event is an error of its own kind, overloaded is 529 and 503`() {
        let stream = """
            event: message_start
            data: {"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":1}}}

            event: error
            data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_9"}


            """
        let error = #expect(throws: ProviderError.self) { try self.events(self.plain, [Array(stream.utf8)]) }
        #expect(error?.kind == .serviceUnavailable && error?.status == 529 && error?.httpStatus == 503)
        #expect(error?.message == "Overloaded" && error?.requestID == "req_9" && error?.isRetryable == true)
    }

    @Test func `an error in the place of an answer is an error`() {
        let body = Array(#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#.utf8)
        let error = #expect(throws: ProviderError.self) {
            try self.handler.answer(HTTPClientResponse(status: 200, body: body), to: self.plain)
        }
        #expect(error?.kind == .rateLimit && error?.message == "slow")
    }

    @Test(arguments: ["", "[]", "{}", "null", "{\"content\":1}", "{\"content\":", "<html>"])
    func `an answer that is no message is malformed`(body: String) {
        let error = #expect(throws: ProviderError.self) {
            try self.handler.answer(HTTPClientResponse(status: 200, body: Array(body.utf8)), to: self.plain)
        }
        #expect(error?.kind == .badGateway && error?.code == "malformed_response")
    }

    @Test func `broken events are malformed and blocks that never began are skipped`() throws {
        let error = #expect(throws: ProviderError.self) {
            try self.events(self.plain, [Array("data: {\"type\":\n\n".utf8)])
        }
        #expect(error?.code == "malformed_response")
        let stray = """
            data: {"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":"x"}}

            data: {"type":"content_block_stop","index":9}

            data: {"type":"message_delta","delta":{}}

            data: {"type":"message_stop"}

            data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"late"}}


            """
        let events = try self.events(self.plain, [Array(stray.utf8)])
        #expect(events.map(\.isStart) == [true, false, false])
        #expect(events.dropFirst() == [.finish(choice: 0, .stop, native: nil), .done])
    }

    @Test func `blocks that never end are bounded`() {
        var stream = ""
        for index in 0..<100 {
            stream += """
                data: {"type":"content_block_start","index":\(index),"content_block":{"type":"text","text":""}}


                """
        }
        let error = #expect(throws: ProviderError.self) { try self.events(self.plain, [Array(stream.utf8)]) }
        #expect(error?.code == "malformed_response")
    }

    // MARK: Errors

    @Test(arguments: AnthropicGolden.names("error-"))
    func `the status decides the error's class before any word in the body`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let response = HTTPClientResponse(
            status: try #require(golden["status"]?.intValue),
            headers: HTTPFields(golden["headers"]?.stringMembers.map { ($0.key, $0.value) } ?? []),
            body: try #require(golden["body"]).bytes
        )
        let error = self.handler.failure(response, now: 1_700_000_000)
        #expect(error.kind.rawValue == golden["kind"]?.stringValue)
        #expect(error.httpStatus == golden["http"]?.intValue)
        #expect(JSONTree.bool(error.isRetryable) == golden["retryable"]?.tree)
        #expect(error.retryAfter == golden["retryAfter"]?.intValue.map { .seconds($0) })
        #expect(error.requestID == "req_1" && error.status == response.status && error.provider == "anthropic")
        if let secret = golden["scrubbed"]?.stringValue { #expect(!error.message.contains(secret)) }
    }

    @Test func `an answer of a stranger's is told by its status`() {
        let response = HTTPClientResponse(status: 503, body: Array("<html>".utf8))
        let error = self.handler.failure(response, now: 0)
        #expect(error.kind == .serviceUnavailable && error.message.contains("503"))
    }
}

extension ChatStreamEvent {
    fileprivate var isStart: Bool {
        if case .start = self { true } else { false }
    }
}
