import SluiceCore
import SluiceProviders
import SluiceWire
import Testing

struct OpenAIRequestHeadTests {
    private func read(_ text: String, _ operation: OpenAIOperation = .chatCompletions) throws -> OpenAIRequestHead {
        try OpenAIRequestHead.read(Array(text.utf8), operation: operation)
    }

    @Test func `reads the fields that dispatch needs`() throws {
        let head = try self.read(
            #"{"model":"m","stream":true,"max_tokens":10,"new_field":{},"#
                + #""messages":[{"role":"user","content":"12345678"}]}"#
        )
        #expect(head.model == "m")
        #expect(head.isStream)
        #expect(head.messageCount == 1)
        #expect(head.maximumTokens == 10)
        #expect(head.promptEstimate == 3 + 4 + 3)
        #expect(head.completionEstimate == 10)
        #expect(head.tokenEstimate == 20)
    }

    @Test(arguments: [
        (#"{"messages":[{}]}"#, "model"), (#"{"model":1,"messages":[{}]}"#, "model"),
        (#"{"model":"","messages":[{}]}"#, "model"), (#"{"model":"m"}"#, "messages"),
        (#"{"model":"m","messages":{}}"#, "messages"), (#"{"model":"m","messages":[1]}"#, "messages[0]"),
        (#"{"model":"m","messages":[{}],"stream":"yes"}"#, "stream"),
        (#"{"model":"m","messages":[{}],"max_tokens":0}"#, "max_tokens"),
    ])
    func `names the field at fault`(body: String, field: String) {
        let error = #expect(throws: InvalidRequest.self) { try self.read(body) }
        #expect(error?.param == field)
        #expect(error?.message.contains(field) == true)
    }
}

struct OpenAIClassifierTests {
    private func answer(_ status: Int, _ body: String, type: String? = "application/json") -> HTTPClientResponse {
        HTTPClientResponse(
            status: status,
            headers: HTTPFields(type.map { [("Content-Type", $0)] } ?? []),
            body: Array(body.utf8)
        )
    }

    private func failure(_ response: HTTPClientResponse) -> FailureClass? {
        guard case .failure(let failure) = OpenAIClassifier.classify(response, now: 0) else { return nil }
        return failure.failureClass
    }

    @Test func `usage that nobody can have had is bounded`() {
        let most = "9223372036854775807"
        for names in ["prompt_tokens completion_tokens", "input_tokens output_tokens"] {
            let names = names.split(separator: " ")
            let usage = "{\"\(names[0])\":\(most),\"\(names[1])\":\(most),\"cache_read_input_tokens\":\(most)}"
            let found = try? JSON.read(Array("{\"usage\":\(usage)}".utf8)) { OpenAIClassifier.usage(of: $0) }
            #expect(found?.completion == 1 << 40)
            #expect((found?.prompt).map { $0 >= 1 << 40 && $0 <= 3 << 40 } == true)
        }
    }

    @Test func `the model that answered is known from where usage is`() {
        let body = #"{"model":"m-2026","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#
        let usage = TokenUsage(prompt: 3, completion: 4, model: "m-2026")
        #expect(OpenAIClassifier.classify(self.answer(200, body), now: 0) == .success(status: 200, usage: usage))
        let long = body.replacing("m-2026", with: String(repeating: "m", count: 257))
        let other = TokenUsage(prompt: 3, completion: 4)
        #expect(OpenAIClassifier.classify(self.answer(200, long), now: 0) == .success(status: 200, usage: other))
        for events in [
            #"data: {"model":"m-2026","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"# + "\n\n",
            #"data: {"type":"response.completed","response":{"model":"m-2026","usage":{"input_tokens":3,"#
                + #""output_tokens":4,"input_tokens_details":{}}}}"# + "\n\n",
            #"data: {"type":"message_start","message":{"model":"m-2026","usage":{"input_tokens":3}}}"# + "\n\n"
                + #"data: {"type":"message_delta","usage":{"output_tokens":4}}"# + "\n\n",
        ] {
            var inspector = StreamInspector()
            inspector.feed(Array(events.utf8))
            #expect(inspector.usage == usage)
        }
    }

    @Test func `takes a good answer and its usage`() {
        let body = #"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#
        let result = OpenAIClassifier.classify(self.answer(200, body), now: 0)
        #expect(result == .success(status: 200, usage: TokenUsage(prompt: 3, completion: 4)))
    }

    @Test(arguments: [
        (400, FailureClass.invalidRequest), (401, .authentication), (403, .authentication), (404, .routeOrModel),
        (422, .invalidRequest), (429, .rateLimited), (500, .serverError), (502, .serverError), (503, .serverError),
        (302, .providerRejected),
    ])
    func `classifies statuses`(status: Int, expected: FailureClass) {
        #expect(self.failure(self.answer(status, "{}")) == expected)
    }

    @Test func `sees through answers that only look good`() {
        #expect(self.failure(self.answer(200, "<html>", type: "text/html")) == .malformedResponse)
        #expect(self.failure(self.answer(200, "{}", type: nil)) == .malformedResponse)
        #expect(self.failure(self.answer(200, "{garbage")) == .malformedResponse)
        #expect(self.failure(self.answer(200, #"{"error":{"code":429}}"#)) == .rateLimited)
        #expect(self.failure(self.answer(200, #"{"error":{"type":"server_error"}}"#)) == .serverError)
    }

    @Test func `reads Retry-After in seconds, milliseconds and as a date`() {
        #expect(RetryAfter.read(HTTPFields([("Retry-After", "3")]), now: 0) == .seconds(3))
        #expect(
            RetryAfter.read(HTTPFields([("retry-after-ms", "250"), ("Retry-After", "3")]), now: 0) == .milliseconds(250)
        )
        let date = HTTPFields([("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT")])
        #expect(RetryAfter.read(date, now: 784_111_777 - 5) == .seconds(5))
        #expect(RetryAfter.read(date, now: 784_111_777 + 5) == .zero)
        #expect(RetryAfter.read(HTTPFields([("Retry-After", "soon")]), now: 0) == nil)
    }
}

struct OpenAIBackendTests {
    @Test func `changes the model's bytes alone, and only where an alias says so`() {
        let backend = OpenAIBackend(
            name: "b",
            baseURL: "http://u:p@host:1/v1/",
            apiKey: "k",
            modelAliases: ["fast": "real\"name"]
        )
        let body = Array(#"{ "a": 1.0, "model" :"fast", "z":"fast"}"#.utf8)
        func sent(_ model: String) -> HTTPClientRequest {
            backend.request(
                .chatCompletions,
                body: body,
                model: model,
                clientHeaders: HTTPFields([("Authorization", "Bearer client"), ("traceparent", "t"), ("Cookie", "c")]),
                requestID: "req_1",
                timeout: .seconds(1)
            )
        }
        #expect(
            String(decoding: sent("fast").body, as: UTF8.self) == #"{ "a": 1.0, "model" :"real\"name", "z":"fast"}"#
        )
        #expect(sent("other").body == body)
        let request = sent("other")
        #expect(request.url == "http://u:p@host:1/v1/chat/completions")
        #expect(request.headers["authorization"] == "Bearer k")
        #expect(request.headers["traceparent"] == "t")
        #expect(request.headers["cookie"] == nil)
        #expect(request.headers["x-request-id"] == "req_1")
        #expect(backend.address == "http://host:1/v1/" || backend.address == "http://host:1/v1")
    }
}

struct StreamInspectorTests {
    private func feed(_ chunks: [String]) -> StreamInspector {
        var inspector = StreamInspector()
        for chunk in chunks { inspector.feed(Array(chunk.utf8)) }
        return inspector
    }

    private static let role = #"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"# + "\n\n"
    private static let word = #"data: {"choices":[{"delta":{"content":"hi"}}]}"# + "\n\n"

    @Test func `a role alone is not content`() {
        #expect(!self.feed([Self.role]).hasContent)
        #expect(self.feed([Self.role, Self.word]).hasContent)
        #expect(self.feed([#"data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"# + "\n\n"]).hasContent)
        #expect(self.feed([#"data: {"choices":[{"text":"x"}]}"# + "\n\n"]).hasContent)
    }

    @Test func `finds errors before and after content`() {
        let error = #"data: {"error":{"message":"m","type":"server_error"}}"# + "\n\n"
        #expect(self.feed([Self.role, error]).failure?.failureClass == .serverError)
        #expect(self.feed([Self.word, error]).failure != nil)
        #expect(self.feed([Self.word]).failure == nil)
    }

    @Test func `an answer is whole when it says so, however the bytes are cut`() {
        let finish = #"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"# + "\n\n"
        let spaced = #"data: {"choices": [{"delta": {}, "finish_reason": "length"}]}"# + "\n\n"
        let open = #"data: {"choices":[{"delta":{"content":"hi"},"finish_reason":null}]}"# + "\n\n"
        let usage = #"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"# + "\n\n"
        let named = "event: response.completed\n" + #"data: {"type":"response.completed"}"# + "\n\n"
        for end in [finish, spaced, usage, named, finish + "data: [DONE]\n\n", finish + ": a comment\n\n"] {
            #expect(self.feed([open, open, end]).isWhole)
            #expect(self.feed((open + open + end).map { String($0) }).isWhole)
        }
        for text in [open + open, Self.role, Self.word + ": a comment\n\n"] {
            #expect(!self.feed([text]).isWhole)
            #expect(!self.feed(text.map { String($0) }).isWhole)
        }
    }

    @Test func `[DONE] without a reason does not make an answer whole, however the bytes are cut`() {
        let empty = #"data: {"choices":[{"delta":{"content":"hi"},"finish_reason":""}]}"# + "\n\n"
        let end = "data: [DONE]\n\n"
        for text in [Self.word + end, Self.word + empty, Self.role + Self.word + empty + end, Self.role + end, end] {
            #expect(!self.feed([text]).isWhole, "\(text)")
            #expect(!self.feed(text.map { String($0) }).isWhole, "\(text)")
            #expect(!self.feed(Self.events(text)).isWhole, "\(text)")
        }
    }

    @Test func `an answer is whole when every choice has said why it ends`() {
        let second = #"data: {"choices":[{"index":1,"delta":{"content":"ho"}}]}"# + "\n\n"
        let spaced = #"data: {"choices": [{"index": 1, "delta": {"content": "ho"}}]}"# + "\n\n"
        let finish = #"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"# + "\n\n"
        let other = #"data: {"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"# + "\n\n"
        let end = "data: [DONE]\n\n"
        for second in [second, spaced] {
            for text in [Self.word + second + finish, Self.word + second + finish + end, second + Self.word + other] {
                // The first choice's content is only searched, and need not be met.
                let isMet = !text.hasPrefix(second)
                #expect(self.feed(Self.events(text)).isWhole != isMet, "\(text)")
                #expect(self.feed([text + finish + other + end]).isWhole)
                #expect(self.feed(Self.events(text + finish + other)).isWhole)
            }
        }
        let odd = #"data: {"choices":[{"index":-99999999,"delta":{"content":"a"},"finish_reason":"stop"},"#
        #expect(self.feed([odd + #"{"index":99999999999,"delta":{},"finish_reason":"stop"}]}"# + "\n\n"]).isWhole)
    }

    private static func events(_ text: String) -> [String] {
        text.split(separator: "\n\n").map { $0 + "\n\n" }
    }

    @Test func `finds the end and the usage, however the bytes are cut`() {
        let text =
            Self.role + Self.word
            + #"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"# + "\n\ndata: [DONE]\n\n"
        for size in [1, 7, 64, 1000] {
            let bytes = Array(text.utf8)
            var inspector = StreamInspector()
            for start in stride(from: 0, to: bytes.count, by: size) {
                inspector.feed(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            #expect(inspector.isDone)
            #expect(inspector.usage == TokenUsage(prompt: 1, completion: 2))
        }
    }
}
