import SluiceWire
import Testing

@testable import SluiceProviders

@Suite struct AnthropicFaceTests {
    private func headers(_ version: String?) -> HTTPFields {
        HTTPFields(version.map { [("anthropic-version", $0)] } ?? [])
    }

    @Test(arguments: AnthropicGolden.names("face-request-"))
    func `a client's request is ours`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let body = try #require(golden["anthropic"]).bytes
        let request = try AnthropicFace.request(body, headers: self.headers(golden["version"]?.stringValue))
        let expected = golden["openai"]?.tree.withParsedArguments
        #expect(try JSONTree(request.openAIBody()).withParsedArguments == expected, "\(request)")
    }

    @Test(arguments: AnthropicGolden.names("face-refused-"))
    func `what is wrong is named`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let body = try #require(golden["anthropic"]).bytes
        let fault = #expect(throws: InvalidRequest.self) {
            try AnthropicFace.request(body, headers: self.headers(golden["version"]?.stringValue))
        }
        #expect(fault?.param == golden["param"]?.stringValue, "\(String(describing: fault))")
    }

    @Test(arguments: ["", "{", "[]", "1", "{\"model\":1}"])
    func `a body that is no request is refused`(body: String) {
        #expect(throws: InvalidRequest.self) {
            try AnthropicFace.request(Array(body.utf8), headers: HTTPFields())
        }
    }

    @Test func `both of Anthropic's key headers work, and x-api-key wins`() {
        #expect(AnthropicFace.key(HTTPFields([("X-Api-Key", "a"), ("Authorization", "Bearer b")])) == "a")
        #expect(AnthropicFace.key(HTTPFields([("authorization", "bearer b")])) == "b")
        #expect(AnthropicFace.key(HTTPFields([("authorization", "Basic b")])) == nil)
        #expect(AnthropicFace.key(HTTPFields()) == nil)
    }

    // MARK: Answers

    private func answer(_ golden: [String: JSONText]) throws -> ChatResponse {
        try ChatResponse(openAI: try #require(golden["openai"]).bytes, provider: "openai")
    }

    @Test(arguments: AnthropicGolden.names("face-answer-"))
    func `our answer is a message`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let message = AnthropicFace.answer(try self.answer(golden))
        #expect(try JSONTree(message) == golden["message"]?.tree, "\(String(decoding: message, as: UTF8.self))")
    }

    /// What Anthropic's SDK makes of a stream.
    private func gathered(_ stream: [UInt8]) throws -> JSONTree {
        var parser = SSEParser()
        var events: [SSEEvent] = []
        try parser.feed(stream) { events.append($0) }
        var message: [String: JSONTree] = [:]
        var content: [[String: JSONTree]] = []
        var inputs: [Int: String] = [:]
        var isStopped = false
        for event in events {
            guard case .object(let members) = try JSONTree(event.data) else { continue }
            #expect(members["type"] == .string(event.name))
            let index = if case .number(let number) = members["index"] { Int(number) } else { -1 }
            switch event.name {
            case "message_start":
                if case .object(let start) = members["message"] { message = start }
            case "content_block_start":
                #expect(index == content.count)
                if case .object(let block) = members["content_block"] { content.append(block) }
            case "content_block_delta":
                guard case .object(let delta) = members["delta"], case .string(let type) = delta["type"] else {
                    continue
                }
                self.take(type, delta, &content[index], &inputs[index, default: ""])
            case "message_delta":
                if case .object(let delta) = members["delta"] { message.merge(delta) { $1 } }
                message["usage"] = members["usage"]
            case "message_stop": isStopped = true
            default: break
            }
        }
        #expect(isStopped)
        for (index, input) in inputs where !input.isEmpty { content[index]["input"] = try JSONTree(Array(input.utf8)) }
        message["content"] = .array(content.map { .object($0) })
        return .object(message)
    }

    private func take(
        _ type: String,
        _ delta: [String: JSONTree],
        _ block: inout [String: JSONTree],
        _ input: inout String
    ) {
        func append(_ name: String) {
            if case .string(let old) = block[name], case .string(let new) = delta[name] {
                block[name] = .string(old + new)
            }
        }
        switch type {
        case "text_delta": append("text")
        case "thinking_delta": append("thinking")
        case "signature_delta": block["signature"] = delta["signature"]
        case "input_json_delta": if case .string(let part) = delta["partial_json"] { input += part }
        case "citations_delta":
            let old: [JSONTree] = if case .array(let old) = block["citations"] { old } else { [] }
            block["citations"] = .array(old + [delta["citation"] ?? .null])
        default: Issue.record("unknown delta \(type)")
        }
    }

    private func stream(_ response: ChatResponse) -> [UInt8] {
        var encoder = AnthropicStreamEncoder(inputTokens: 3)
        var bytes: [UInt8] = []
        for event in response.events { encoder.encode(event, into: &bytes) }
        return bytes
    }

    @Test(arguments: AnthropicGolden.names("face-answer-"))
    func `whole and streamed messages agree`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        #expect(try self.gathered(self.stream(try self.answer(golden))) == golden["message"]?.tree)
    }

    @Test func `blocks begin and end one after the other, with the right indices`() throws {
        var encoder = AnthropicStreamEncoder()
        var bytes: [UInt8] = []
        let events: [ChatStreamEvent] = [
            .start(ChatStreamStart(id: "c", model: "m", created: 1)), .reasoning(choice: 0, "Hm"),
            .reasoningSignature(choice: 0, "sig"), .redactedReasoning(choice: 0, "x"), .content(choice: 0, "A"),
            .content(choice: 1, "other"), .content(choice: 0, "B"),
            .toolCall(choice: 0, index: 0, ToolCall(id: "a", name: "n", arguments: "")),
            .toolArguments(choice: 0, index: 0, "{}"),
            .toolCall(choice: 0, index: 1, ToolCall(id: "b", name: "n", arguments: "")),
            .toolArguments(choice: 0, index: 1, "{\"x\":"), .toolArguments(choice: 0, index: 1, "1}"),
            .finish(choice: 0, .toolCalls, native: nil), .done,
        ]
        for event in events { encoder.encode(event, into: &bytes) }
        var parser = SSEParser()
        var said: [String] = []
        try parser.feed(bytes) { event in
            let index = (try? JSON.read(event.data) { $0["index"]?.int }) ?? nil
            said.append(event.name + (index.map { " \($0)" } ?? ""))
        }
        func block(_ index: Int, _ deltas: Int) -> [String] {
            ["content_block_start \(index)"] + Array(repeating: "content_block_delta \(index)", count: deltas) + [
                "content_block_stop \(index)"
            ]
        }
        #expect(
            said == ["message_start"] + block(0, 2) + block(1, 0) + block(2, 2) + block(3, 1) + block(4, 2) + [
                "message_delta", "message_stop",
            ]
        )
    }

    @Test func `arguments of calls that are written at once find their blocks`() throws {
        var response = ChatResponse(id: "c", model: "m", created: 1, choices: [])
        response.choices = [ChatChoice(index: 0, content: nil, finishReason: .toolCalls)]
        var encoder = AnthropicStreamEncoder()
        var bytes: [UInt8] = []
        let events: [ChatStreamEvent] = [
            .start(ChatStreamStart(id: "c", model: "m", created: 1)),
            .toolCall(choice: 0, index: 0, ToolCall(id: "a", name: "n", arguments: "")),
            .toolCall(choice: 0, index: 1, ToolCall(id: "b", name: "n", arguments: "")),
            .toolArguments(choice: 0, index: 0, "{\"x\":1}"), .toolArguments(choice: 0, index: 1, "{\"x\":2}"),
            .finish(choice: 0, .toolCalls, native: nil), .done,
        ]
        for event in events { encoder.encode(event, into: &bytes) }
        guard case .object(let message) = try self.gathered(bytes), case .array(let content) = message["content"] else {
            Issue.record("no message")
            return
        }
        let inputs = content.map { block -> JSONTree? in
            if case .object(let members) = block { members["input"] } else { nil }
        }
        #expect(inputs == [.object(["x": .number(1)]), .object(["x": .number(2)])])
    }

    @Test func `message_start has an estimate and message_delta the counts`() throws {
        var response = ChatResponse(id: "c", model: "m", created: 1, choices: [])
        response.choices = [ChatChoice(index: 0, content: "A", finishReason: .stop)]
        response.usage = ChatUsage(promptTokens: 7, completionTokens: 2)
        var parser = SSEParser()
        var counts: [Int?] = []
        try parser.feed(self.stream(response)) { event in
            _ = try? JSON.read(event.data) { root in
                if let usage = root["usage"] ?? root["message"]?["usage"] {
                    counts += [usage["input_tokens"]?.int, usage["output_tokens"]?.int]
                }
            }
        }
        #expect(counts == [3, 0, 7, 2])
    }

    // MARK: Errors

    @Test(arguments: [
        (400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"),
        (403, "permission_error"), (404, "not_found_error"), (408, "timeout_error"), (413, "request_too_large"),
        (422, "invalid_request_error"), (429, "rate_limit_error"), (500, "api_error"), (502, "api_error"),
        (503, "overloaded_error"), (504, "timeout_error"), (529, "overloaded_error"),
    ])
    func `an error in OpenAI's shape is one in Anthropic's`(status: Int, type: String) throws {
        let body = Array(#"{"error":{"message":"M","type":"x","param":null,"code":"c"}}"#.utf8)
        let error = AnthropicFace.error(status: status, openAIBody: body, requestID: "r")
        let expected = JSONTree.object([
            "type": .string("error"), "request_id": .string("r"),
            "error": .object([
                "type": .string(type), "message": .string("M"), "details": .object(["error_code": .string("c")]),
            ]),
        ])
        #expect(try JSONTree(error) == expected)
        let strange = AnthropicFace.error(status: status, openAIBody: Array("<html>".utf8), requestID: nil)
        #expect(try JSON.read(strange) { $0["error"]?["type"]?.string } == type)
    }

    @Test(arguments: ProviderError.Kind.allCases)
    func `an error's type is the one of its status`(kind: ProviderError.Kind) {
        let type = AnthropicFace.errorType(kind)
        let code = kind == .budget ? "insufficient_quota" : nil
        #expect(type == AnthropicFace.errorType(kind.httpStatus, code))
    }

    @Test func `a stream that fails says so and nothing after it`() throws {
        var encoder = AnthropicStreamEncoder()
        var bytes: [UInt8] = []
        encoder.encode(.start(ChatStreamStart(id: "c", model: "m", created: 1)), into: &bytes)
        AnthropicStreamEncoder.ping(into: &bytes)
        encoder.fail(.truncated("openai"), into: &bytes)
        let end = bytes.count
        encoder.encode(.done, into: &bytes)
        encoder.fail(.truncated("openai"), into: &bytes)
        #expect(bytes.count == end)
        var parser = SSEParser()
        var names: [String] = []
        try parser.feed(bytes) { names.append($0.name) }
        #expect(names == ["message_start", "ping", "error"])
    }

    // MARK: Tokens

    @Test func `tokens are counted without a limit on the answer`() throws {
        let body = Array(#"{"model":"claude-x","messages":[{"role":"user","content":"Hello, how are you?"}]}"#.utf8)
        let count = try AnthropicFace.countTokens(body, headers: HTTPFields())
        let tokens = try JSON.read(count) { $0["input_tokens"]?.int } ?? 0
        #expect((5...20).contains(tokens))
    }
}
