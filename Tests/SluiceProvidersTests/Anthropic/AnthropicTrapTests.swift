import SluiceWire
import Testing

@testable import SluiceProviders

/// What is easily got wrong between the two formats, each by its name.
@Suite struct AnthropicTrapTests {
    private let handler = AnthropicHandler()

    private func failure(_ status: Int, _ type: String, _ message: String = "x") -> ProviderError {
        let body = #"{"type":"error","error":{"type":"\#(type)","message":"\#(message)"}}"#
        return self.handler.failure(HTTPClientResponse(status: status, body: Array(body.utf8)), now: 0)
    }

    @Test func `413 stays 413`() {
        let error = self.failure(413, "request_too_large")
        #expect(error.kind == .payloadTooLarge && error.httpStatus == 413 && !error.isRetryable)
    }

    @Test func `529 is an overload and 503, not 500`() {
        let error = self.failure(529, "overloaded_error")
        #expect(error.kind == .serviceUnavailable && error.httpStatus == 503 && error.isRetryable)
        #expect(AnthropicFace.errorType(error.kind) == "overloaded_error")
    }

    @Test func `a 400 that mentions a rate limit is not retried`() {
        #expect(self.failure(400, "invalid_request_error", "rate limit").kind == .badRequest)
    }

    @Test(arguments: [401, 404, 429, 500]) func `invalid_request_error in the body does not make a 400`(status: Int) {
        #expect(self.failure(status, "invalid_request_error").httpStatus == status)
    }

    @Test func `words about the context window refine a 400 and nothing else`() {
        let words = "prompt is too long: 3 tokens > 2 maximum"
        #expect(self.failure(400, "invalid_request_error", words).kind == .contextWindowExceeded)
        #expect(self.failure(500, "api_error", words).kind == .internalError)
    }

    @Test func `signatures and sealed thoughts survive a client that keeps what it got`() throws {
        let message = #"""
            {"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[
            {"type":"thinking","thinking":"Hm","signature":"sig+/="},{"type":"redacted_thinking","data":"opaque"},
            {"type":"tool_use","id":"toolu_1","name":"now","input":{}}],"stop_reason":"tool_use",
            "usage":{"input_tokens":1,"output_tokens":1}}
            """#
        var request = ChatRequest(model: "claude-sonnet-4-5", messages: [.user("A")])
        request.tools = [.function("now")]
        request.reasoningEffort = "low"
        let call = try self.handler.prepare(.anthropic(request))
        let answer = try self.handler.answer(HTTPClientResponse(status: 200, body: Array(message.utf8)), to: call)
        // By way of OpenAI's JSON, as a client holds it.
        let held = try ChatResponse(openAI: answer.openAIBody(), provider: "anthropic")
        request.messages += held.choices.map(\.message) + [.tool("Noon", answering: "toolu_1")]
        let next = try self.handler.prepare(.anthropic(try ChatRequest(openAI: request.openAIBody())))
        let turn = try JSON.read(next.body) { root in
            var turns: [JSONTree] = []
            root["messages"]?.forEachElement { turn in
                turns.append(JSONTree(turn["content"] ?? turn))
                return true
            }
            return turns.count > 1 ? turns[1] : .null
        }
        let expected = #"""
            [{"type":"thinking","thinking":"Hm","signature":"sig+/="},{"type":"redacted_thinking","data":"opaque"},
            {"type":"tool_use","id":"toolu_1","name":"now","input":{}}]
            """#
        #expect(try turn == JSONTree(Array(expected.utf8)))
        #expect(next.dropped.isEmpty)
    }

    @Test func `thoughts that a client has dropped bring no 400`() throws {
        var request = ChatRequest(model: "claude-sonnet-4-5", messages: [.user("A")])
        request.tools = [.function("now")]
        request.reasoningEffort = "low"
        var called = ChatMessage(role: .assistant, content: [])
        called.toolCalls = [ToolCall(id: "toolu_1", name: "now", arguments: "{}")]
        request.messages += [called, .tool("Noon", answering: "toolu_1")]
        let prepared = try self.handler.prepare(.anthropic(request))
        #expect(prepared.dropped == ["reasoning_effort"])
        #expect(try JSON.read(prepared.body) { $0["thinking"] == nil })
        // With the user's next words a new turn begins, in which the model may think again.
        request.messages += [.assistant("Noon."), .user("And now?")]
        let next = try self.handler.prepare(.anthropic(request))
        #expect(next.dropped.isEmpty)
        #expect(try JSON.read(next.body) { $0["thinking"]?["type"]?.string } == "enabled")
    }

    @Test func `strict of tools is not lost, and old models are not asked for it`() throws {
        var request = ChatRequest(model: "claude-sonnet-4-5", messages: [.user("A")])
        let schema: JSONText = ["type": "object", "properties": [:]]
        request.tools = [ChatTool(name: "now", kind: .function(parameters: schema, isStrict: true))]
        func strict(_ request: ChatRequest) throws -> Bool? {
            try JSON.read(self.handler.prepare(.anthropic(request)).body) { root in
                var strict: Bool?
                root["tools"]?.forEachElement { tool in
                    strict = tool["strict"]?.bool
                    return true
                }
                return strict
            }
        }
        #expect(try strict(request) == true)
        request.model = "claude-3-7-sonnet-20250219"
        #expect(try strict(request) == nil)
    }

    @Test func `later system messages come without prose of ours`() throws {
        let request = ChatRequest(
            model: "claude-sonnet-4-5",
            messages: [.user("A"), .assistant("B"), .system("C"), .user("D")]
        )
        let prepared = try self.handler.prepare(.anthropic(request)).body
        let text = String(decoding: prepared, as: UTF8.self)
        #expect(text.contains(#"[{"type":"text","text":"C"},{"type":"text","text":"D"}]"#))
    }

    @Test func `prompt tokens include what a cache has given and taken`() {
        var usage = AnthropicUsage()
        usage.isKnown = true
        usage.input = 1
        usage.cacheRead = 10
        usage.cacheWrite = 100
        #expect(usage.chat?.promptTokens == 111)
    }

    @Test func `a key in an error's words is removed`() {
        let error = self.failure(401, "authentication_error", "invalid x-api-key: sk-ant-api03-abcdefghijkl")
        #expect(!error.message.contains("abcdefghijkl"))
    }
}
