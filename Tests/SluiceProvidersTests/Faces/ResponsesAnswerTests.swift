import SluiceProviders
import SluiceWire
import Testing

/// A chat's answer as a response, whole and streamed. The golden files were read with the models of OpenAI's SDK.
struct ResponsesAnswerTests {
    private let body = """
        {"model":"m","input":"hi","instructions":"be brief","metadata":{"a":"b"},"temperature":0.5,
        "tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}],
        "reasoning":{"effort":"low"},"include":["message.output_text.logprobs"],"top_logprobs":1}
        """

    private var echo: ResponsesEcho {
        get throws { try ResponsesFace.call(Array(self.body.utf8)).echo }
    }

    private var plain: ResponsesEcho {
        get throws { try ResponsesFace.call(Array(#"{"model":"m","input":"x"}"#.utf8)).echo }
    }

    private var usage: ChatUsage {
        var usage = ChatUsage(promptTokens: 10, completionTokens: 5)
        usage.cachedTokens = 4
        usage.reasoningTokens = 2
        return usage
    }

    private func token(_ text: String) -> JSONText {
        [
            "content": [
                [
                    "token": JSONText(stringLiteral: text), "logprob": -0.5, "bytes": nil,
                    "top_logprobs": [["token": JSONText(stringLiteral: text), "logprob": -0.5, "bytes": nil]],
                ]
            ]
        ]
    }

    private func response(_ choice: ChatChoice) -> ChatResponse {
        var response = ChatResponse(id: "chatcmpl-42", model: "m-1", created: 1_700_000_000, choices: [choice])
        response.usage = self.usage
        return response
    }

    private func stream(_ events: [ChatStreamEvent], _ echo: ResponsesEcho) -> String {
        var encoder = ResponsesStreamEncoder(echo: echo, model: "m", id: "req_1", now: 1_700_000_000)
        var bytes: [UInt8] = []
        for event in events { encoder.encode(event, into: &bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private let start = ChatStreamEvent.start(
        ChatStreamStart(id: "chatcmpl-42", model: "m-1", created: 1_700_000_000)
    )

    @Test func `a whole answer`() throws {
        var choice = ChatChoice(index: 0, content: "Hello.", finishReason: .toolCalls)
        choice.reasoning = [
            ReasoningBlock(text: "think", signature: "sig"), ReasoningBlock(text: "", redacted: "blob"),
        ]
        choice.toolCalls = [
            ToolCall(id: "c1", name: "f", arguments: "{}"),
            ToolCall(id: "c2", name: "g", arguments: "plain", isCustom: true),
        ]
        choice.citations = [Citation(url: "https://h/", title: "t", quote: nil, range: 0..<5)]
        choice.logprobs = self.token("Hello.")
        let answer = String(decoding: ResponsesFace.answer(self.response(choice), echo: try self.echo), as: UTF8.self)
        #expect(answer + "\n" == FaceGolden.text("openai-responses/whole.json", actual: answer + "\n"))
    }

    @Test func `an answer that was cut by its limit is incomplete`() throws {
        let choice = ChatChoice(index: 0, content: "Hel", finishReason: .length)
        let answer = ResponsesFace.answer(self.response(choice), echo: try self.plain)
        try JSON.read(answer) { root in
            #expect(root["status"]?.string == "incomplete")
            #expect(root["incomplete_details"]?["reason"]?.string == "max_output_tokens")
        }
    }

    @Test func `a refusal is a part of the message`() throws {
        var choice = ChatChoice(index: 0, content: nil, finishReason: .stop)
        choice.refusal = "No."
        let answer = String(decoding: ResponsesFace.answer(self.response(choice), echo: try self.plain), as: UTF8.self)
        #expect(answer.contains(#""content":[{"type":"refusal","refusal":"No."}]"#))
    }

    @Test func `a stream of reasoning, text, citations and calls`() throws {
        let events: [ChatStreamEvent] = [
            self.start, .reasoning(choice: 0, "thi"), .reasoning(choice: 0, "nk"),
            .reasoningSignature(choice: 0, "sig"), .redactedReasoning(choice: 0, "blob"),
            .content(choice: 0, "Hel"), .logprobs(choice: 0, self.token("Hel")),
            .content(choice: 0, "lo."), .logprobs(choice: 0, self.token("lo.")),
            .citation(choice: 0, Citation(url: "https://h/", title: "t")),
            .toolCall(choice: 0, index: 0, ToolCall(id: "c1", name: "f", arguments: "")),
            .toolArguments(choice: 0, index: 0, #"{"a""#),
            .toolCall(choice: 0, index: 1, ToolCall(id: "c2", name: "g", arguments: "pl", isCustom: true)),
            .toolArguments(choice: 0, index: 1, "ain"), .toolArguments(choice: 0, index: 0, ":1}"),
            .finish(choice: 0, .toolCalls, native: nil), .usage(self.usage), .done,
        ]
        let text = self.stream(events, try self.echo)
        #expect(text == FaceGolden.text("openai-responses/stream.sse", actual: text))
    }

    @Test func `a stream with a refusal behind text`() throws {
        let events: [ChatStreamEvent] = [
            self.start, .content(choice: 0, "Well, "), .refusal(choice: 0, "no"), .refusal(choice: 0, "."),
            .finish(choice: 0, .contentFilter, native: nil), .done,
        ]
        let text = self.stream(events, try self.plain)
        #expect(text == FaceGolden.text("openai-responses/refusal.sse", actual: text))
    }

    @Test func `a stream cut off before its proper end is an error`() throws {
        var encoder = ResponsesStreamEncoder(echo: try self.plain, model: "m", id: "req_1", now: 1_700_000_000)
        var bytes: [UInt8] = []
        encoder.encode(self.start, into: &bytes)
        encoder.encode(.content(choice: 0, "Hel"), into: &bytes)
        let error = ProviderError(.badGateway, "cut off", provider: "p", code: "stream_truncated")
        encoder.fail(error, into: &bytes)
        let length = bytes.count
        encoder.encode(.content(choice: 0, "lo"), into: &bytes)
        encoder.encode(.done, into: &bytes)
        encoder.fail(error, into: &bytes)
        #expect(bytes.count == length)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text == FaceGolden.text("openai-responses/failed.sse", actual: text))
    }

    @Test func `a stream that fails before it begins has a beginning all the same`() throws {
        var encoder = ResponsesStreamEncoder(echo: try self.plain, model: "m", id: "req_1", now: 7)
        var bytes: [UInt8] = []
        encoder.fail(ProviderError(.rateLimit, "slow down"), into: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        let names = text.split(separator: "\n").filter { $0.hasPrefix("event: ") }.map { $0.dropFirst(7) }
        #expect(names == ["response.created", "response.in_progress", "response.failed", "error"])
        #expect(text.contains(#""error":{"code":"rate_limit_exceeded","message":"slow down"}"#))
        #expect(text.contains(#""id":"resp_req_1""#))
    }

    @Test func `what is held has a bound`() throws {
        var encoder = ResponsesStreamEncoder(
            echo: try self.plain,
            model: "m",
            id: "r",
            now: 0,
            maximumHeldBytes: 1_000
        )
        var bytes: [UInt8] = []
        for _ in 0..<200 { encoder.encode(.content(choice: 0, "0123456789"), into: &bytes) }
        encoder.encode(.done, into: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains("event: response.failed"))
        #expect(!text.contains("event: response.completed"))
    }

    @Test func `a fragment of a call that never began and other choices change nothing`() throws {
        let plain = self.stream([self.start, .content(choice: 0, "a"), .done], try self.plain)
        let noisy: [ChatStreamEvent] = [
            self.start, .content(choice: 1, "b"), .content(choice: 0, "a"), .toolArguments(choice: 0, index: 3, "x"),
            .toolArguments(choice: 0, index: -1, "x"), .other(choice: 0, JSONField("x", 1)), .done,
        ]
        #expect(self.stream(noisy, try self.plain) == plain)
    }

    @Test func `items go back as they came`() throws {
        var choice = ChatChoice(index: 0, content: "Hi", finishReason: .toolCalls)
        choice.reasoning = [ReasoningBlock(text: "t", signature: "s"), ReasoningBlock(text: "", redacted: "r")]
        choice.toolCalls = [ToolCall(id: "c", name: "f", arguments: #"{"q":"\"ü"}"#)]
        let answer = ResponsesFace.answer(self.response(choice), echo: try self.plain)
        let output = try JSON.read(answer) { $0["output"]?.compactBytes ?? [] }
        let body = Array(#"{"model":"m","input":"#.utf8) + output + Array("}".utf8)
        #expect(try ResponsesFace.request(body).messages == [choice.message])
    }
}
