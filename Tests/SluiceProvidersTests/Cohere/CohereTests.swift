import SluiceWire
import Testing

@testable import SluiceProviders

struct CohereTests {
    private func asking(
        _ change: (inout ChatRequest) -> Void
    ) -> ChatRequest {
        var request = ChatRequest(model: "command-a-reasoning-08-2025", messages: [.user("Hi")])
        change(&request)
        return request
    }

    // MARK: Requests

    @Test(arguments: [
        (ToolChoice.auto, "", ["f", "g"]), (.none, "NONE", ["f", "g"]), (.required, "REQUIRED", ["f", "g"]),
        (.function("g"), "REQUIRED", ["g"]), (.allowed(["f"], isRequired: true), "REQUIRED", ["f"]),
        (.allowed(["g"], isRequired: false), "", ["g"]),
    ])
    func `tool choice is not lost: a named tool is the only one left`(
        choice: ToolChoice,
        word: String,
        names: [String]
    ) throws {
        let body = try CohereTestSupport.body(
            self.asking { request in
                request.tools = [.function("f"), .function("g")]
                request.toolChoice = choice
            }
        )
        #expect(body.contains("\"tool_choice\":") == !word.isEmpty)
        if !word.isEmpty { #expect(body.contains(#""tool_choice":"\#(word)""#)) }
        for name in ["f", "g"] { #expect(body.contains(#""name":"\#(name)""#) == names.contains(name)) }
    }

    @Test func `a choice of a tool that is not there`() {
        let error = #expect(throws: ProviderError.self) {
            try CohereTestSupport.body(
                self.asking { request in
                    request.tools = [.function("f")]
                    request.toolChoice = .function("x")
                }
            )
        }
        #expect(error?.kind == .badRequest)
        #expect(error?.parameter == "tool_choice")
    }

    @Test(arguments: [
        ("none", #""thinking":{"type":"disabled"}"#), ("low", #""thinking":{"type":"enabled","token_budget":1024}"#),
        ("high", #""thinking":{"type":"enabled"}"#),
    ])
    func `reasoning effort`(effort: String, wanted: String) throws {
        let request = self.asking { $0.reasoningEffort = effort }
        #expect(try CohereTestSupport.body(request).contains(wanted))
        var older = request
        older.model = "command-r-plus"
        let prepared = try CohereTestSupport.prepared(older)
        #expect(!String(decoding: prepared.body, as: UTF8.self).contains("thinking"))
        #expect(prepared.dropped == (effort == "none" ? [] : ["reasoning_effort"]))
    }

    @Test func `a stop text is sent as a list, several choices are refused and not renamed`() throws {
        let request = self.asking { request in
            request.stop = ["a"]
            request.choiceCount = 2
        }
        let prepared = try CohereTestSupport.prepared(request)
        let body = String(decoding: prepared.body, as: UTF8.self)
        #expect(body.contains(#""stop_sequences":["a"]"#))
        #expect(!body.contains("num_generations"))
        #expect(prepared.dropped == ["n"])
        let error = #expect(throws: ProviderError.self) { try CohereTestSupport.prepared(request, .error) }
        #expect(error?.kind == .unsupportedParameter)
        #expect(error?.parameter == "n")
    }

    @Test func `what an older model thought before its calls is its plan`() throws {
        var message = ChatMessage(role: .assistant, content: [])
        message.reasoning = [ReasoningBlock(text: "I look.")]
        message.toolCalls = [ToolCall(id: "f_1", name: "f", arguments: "{}")]
        var result = ChatMessage.tool("gone", answering: "f_1")
        result.isError = true
        let request = ChatRequest(model: "command-r-plus", messages: [.user("a"), message, result])
        let body = try CohereTestSupport.body(request)
        #expect(body.contains(#"{"role":"assistant","tool_plan":"I look.","tool_calls":[{"id":"f_1""#))
        #expect(body.contains(#""content":"{\"error\":\"gone\"}""#))
    }

    @Test func `content that Cohere has no words for is refused`() {
        for part in [
            ContentPart(.audio(data: "AA", format: "wav")), .file(.base64("AA", type: "application/pdf")),
            .image(.fileID("f")), ContentPart(.other(["type": "x"])),
        ] {
            let error = #expect(throws: ProviderError.self) {
                try CohereTestSupport.body(ChatRequest(model: "command-a", messages: [.user([.text("a"), part])]))
            }
            #expect(error?.kind == .badRequest)
            #expect(error?.code == "unsupported_content")
        }
    }

    @Test func `bases with and without the version`() throws {
        for base in ["http://h", "http://h/v2"] {
            #expect(try CohereTestSupport.prepared(base: base).url == "http://h/v2/chat")
        }
    }

    // MARK: Answers

    private func ended(_ reason: String) -> String {
        #"{"id":"1","message":{"content":[{"type":"text","text":"so far"}]},"finish_reason":"\#(reason)"}"#
    }

    @Test(arguments: [
        ("COMPLETE", FinishReason.stop), ("STOP_SEQUENCE", .stop), ("MAX_TOKENS", .length), ("TOOL_CALL", .toolCalls),
        ("ERROR_LIMIT", .length), ("ERROR_TOXIC", .contentFilter), ("NEWER", .stop),
    ])
    func `finish reasons are not always stop`(native: String, reason: FinishReason) throws {
        let answer = try CohereTestSupport.answer(self.ended(native))
        #expect(answer.choices[0].finishReason == reason)
        #expect(answer.choices[0].nativeFinishReason == native)
        #expect(answer.text == "so far")
    }

    @Test(arguments: [
        ("ERROR", ProviderError.Kind.internalError), ("TIMEOUT", .timeout), ("ERROR_NEW", .internalError),
    ])
    func `an answer that Cohere could not finish is an error`(native: String, kind: ProviderError.Kind) throws {
        let error = #expect(throws: ProviderError.self) { try CohereTestSupport.answer(self.ended(native)) }
        #expect(error?.kind == kind)
        #expect(error?.isRetryable == true)
        #expect(error?.code == native)
        let event: JSONText = [
            "type": "message-end", "delta": ["finish_reason": .string(native), "error": "out of memory"],
        ]
        let decoded = try CohereTestSupport.decoded([CohereTestSupport.stream([event])])
        #expect(decoded.error?.kind == kind)
        #expect(decoded.error?.message == "out of memory")
    }

    @Test func `a thought and a plan come in the same order whole and streamed`() throws {
        let whole = try CohereTestSupport.answer(
            """
            {"id":"1","message":{"tool_plan":"I look.","content":[{"type":"thinking","thinking":"Hm. "}],
            "tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"TOOL_CALL"}
            """
        )
        let events: [JSONText] = [
            ["type": "message-start", "id": "1"],
            [
                "type": "content-delta", "index": 0,
                "delta": ["message": ["content": ["thinking": "Hm. "]]],
            ],
            ["type": "tool-plan-delta", "delta": ["message": ["tool_plan": "I look."]]],
            [
                "type": "tool-call-start", "index": 0,
                "delta": ["message": ["tool_calls": ["id": "a", "function": ["name": "f", "arguments": "{}"]]]],
            ],
            ["type": "message-end", "delta": ["finish_reason": "TOOL_CALL"]],
        ]
        #expect(try CohereTestSupport.decoded([CohereTestSupport.stream(events)]).response == whole)
        #expect(whole.choices[0].reasoning == [ReasoningBlock(text: "Hm. I look.")])
    }

    @Test func `an error inside a stream, and data that is no JSON`() throws {
        let error: JSONText = ["id": "x", "message": "internal server error"]
        #expect(try CohereTestSupport.decoded([CohereTestSupport.stream([error])]).error?.kind == .internalError)
        #expect(try CohereTestSupport.decoded([Array("data: {\n\n".utf8)]).error?.code == "malformed_response")
    }

    @Test(arguments: [
        (400, "invalid request: rate limit", ProviderError.Kind.badRequest),
        (401, "invalid api token", .authentication),
        (402, "x", .budget), (403, "x", .permission), (404, "model 'x' not found", .notFound),
        (422, "invalid", .badRequest), (429, "too many tokens", .rateLimit), (498, "invalid token", .authentication),
        (499, "x", .cancelled), (500, "context window", .internalError), (501, "x", .badRequest),
        (503, "x", .serviceUnavailable), (504, "x", .timeout),
        (400, "too many tokens: total number of tokens in the input exceeds 128000", .contextWindowExceeded),
    ])
    func `the status decides the class before any word`(status: Int, message: String, kind: ProviderError.Kind) {
        let error = CohereTestSupport.failure(
            status,
            #"{"id":"e-1","message":"\#(message)"}"#,
            [("retry-after", "3")]
        )
        #expect(error.kind == kind)
        #expect(error.message == message)
        #expect(error.status == status)
        #expect(error.requestID == "e-1")
        #expect(error.retryAfter == .seconds(3))
    }

    @Test func `answers that are not what was promised`() {
        for body in ["", "{", "{}", "[]", #"{"message":"x"}"#, #"{"message":{"content":[]}}"#] {
            let error = #expect(throws: ProviderError.self) { try CohereTestSupport.answer(body) }
            #expect(error?.kind == .badGateway)
        }
        let odd = CohereTestSupport.failure(502, "<html>", [("x-debug-trace-id", "t")])
        #expect(odd.kind == .badGateway)
        #expect(odd.requestID == "t")
    }

    @Test func `odd values are no traps`() throws {
        let body = """
            {"message":{"content":[{"type":"text","text":"a"}],"citations":[{"start":9223372036854775807,"end":5,
            "content_index":9,"sources":[1]},{"start":-4,"end":-9,"type":"TEXT_CONTENT"}]},"finish_reason":"COMPLETE",
            "usage":{"tokens":{"input_tokens":1e300,"output_tokens":-5}}}
            """
        let answer = try CohereTestSupport.answer(body)
        #expect(answer.choices[0].citations.allSatisfy { $0.range == nil })
        #expect(answer.usage?.promptTokens == Int.max)
        #expect(answer.usage?.completionTokens == 0)
    }

    // MARK: Embeddings

    @Test func `embeddings`() throws {
        var request = EmbeddingRequest(model: "embed-v4.0", texts: ["a", "b"])
        request.dimensions = 256
        let endpoint = ProviderEndpoint(baseURL: "", credential: .key("k"))
        let call = try CohereTestSupport.handler.prepare(
            EmbeddingCall(request: request, endpoint: endpoint, now: 1, requestID: "r")
        )
        #expect(call.url == "https://api.cohere.com/v2/embed")
        #expect(
            String(decoding: call.body, as: UTF8.self)
                == #"{"model":"embed-v4.0","texts":["a","b"],"input_type":"search_document","#
                + #""embedding_types":["float"],"output_dimension":256}"#
        )
        request.additional = [JSONField("input_type", "search_query")]
        let query = try CohereTestSupport.handler.prepare(
            EmbeddingCall(request: request, endpoint: endpoint, now: 1, requestID: "r")
        )
        #expect(String(decoding: query.body, as: UTF8.self).hasSuffix(#""input_type":"search_query"}"#))
        let body = #"{"id":"x","embeddings":{"float":[[0.5,1],[2,3]]},"meta":{"billed_units":{"input_tokens":2}}}"#
        let answer = try CohereTestSupport.handler.embeddings(
            HTTPClientResponse(status: 200, body: Array(body.utf8)),
            to: call
        )
        #expect(answer == EmbeddingResponse(model: "embed-v4.0", vectors: [[0.5, 1], [2, 3]], promptTokens: 2))
        #expect(throws: ProviderError.self) {
            let tokens = EmbeddingRequest(model: "embed-v4.0", input: .tokens([[1]]))
            _ = try CohereTestSupport.handler.prepare(
                EmbeddingCall(request: tokens, endpoint: endpoint, now: 1, requestID: "r")
            )
        }
    }
}
