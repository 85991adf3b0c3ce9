import SluiceWire
import Testing

@testable import SluiceProviders

/// What is easily lost on the way to Bedrock and back, each by its name.
struct BedrockTrapTests {
    private let handler = BedrockHandler()

    private func request() -> ChatRequest {
        var request = ChatRequest(model: BedrockRequestTests.model, messages: [.user("A")])
        request.tools = [.function("my tool")]
        request.reasoningEffort = "low"
        request.maximumTokens = 4_000
        return request
    }

    /// The answer as a client holds it, by way of OpenAI's JSON.
    private func held(_ answer: ChatResponse) throws -> [ChatMessage] {
        try ChatResponse(openAI: answer.openAIBody(), provider: "bedrock").choices.map(\.message)
    }

    private func content(_ name: String) -> String {
        #"[{"reasoningContent":{"reasoningText":{"text":"Hm","signature":"sig+/="}}},"#
            + #"{"reasoningContent":{"redactedContent":"b3BhcXVl"}},"#
            + #"{"toolUse":{"toolUseId":"tooluse_1","name":"\#(name)","input":{}}}]"#
    }

    /// Bedrock's name of the tool `my tool`.
    private func name(_ call: PreparedCall) throws -> String {
        let name = try #require(call.toolNames.first { $0.value == "my tool" }?.key)
        #expect(name.utf8.allSatisfy { ($0 | 0x20) &- 97 < 26 || $0 &- 48 < 10 || $0 == 0x5F || $0 == 0x2D })
        return name
    }

    @Test func `signatures and sealed thoughts survive a client that keeps what it got, whole and streamed`() throws {
        let request = self.request()
        let call = try self.handler.prepare(BedrockRequestTests.call(request))
        let name = try self.name(call)
        let content = self.content(name)
        let body = #"{"output":{"message":{"role":"assistant","content":\#(content)}},"stopReason":"tool_use"}"#
        let whole = try self.handler.answer(HTTPClientResponse(status: 200, body: Array(body.utf8)), to: call)
        let events = [
            ("messageStart", #"{"role":"assistant"}"#),
            ("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}"#),
            ("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig+/="}}}"#),
            ("contentBlockStop", #"{"contentBlockIndex":0}"#),
            (
                "contentBlockDelta",
                #"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"b3BhcXVl"}}}"#
            ),
            ("contentBlockStop", #"{"contentBlockIndex":1}"#),
            (
                "contentBlockStart",
                #"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"tooluse_1","name":"\#(name)"}}}"#
            ),
            ("contentBlockStop", #"{"contentBlockIndex":2}"#), ("messageStop", #"{"stopReason":"tool_use"}"#),
        ]
        let bytes = try events.flatMap { try BedrockAnswer.event($0.0, Array($0.1.utf8)) }
        let streamed = try ChatResponse(collecting: BedrockAnswer.decode([bytes], call).events)
        for answer in [whole, streamed] {
            #expect(answer.toolCalls.map(\.name) == ["my tool"])
            var next = request
            next.messages += try self.held(answer) + [.tool("Noon", answering: "tooluse_1")]
            let again = try ChatRequest(openAI: next.openAIBody())
            let prepared = try self.handler.prepare(BedrockRequestTests.call(again))
            let sent = String(decoding: prepared.body, as: UTF8.self)
            #expect(sent.contains(#"{"role":"assistant","content":\#(content)}"#), "\(sent)")
            #expect(prepared.dropped.isEmpty)
        }
    }

    @Test func `thoughts that a client has dropped bring no 400`() throws {
        var request = self.request()
        var called = ChatMessage(role: .assistant, content: [])
        called.toolCalls = [ToolCall(id: "tooluse_1", name: "my tool", arguments: "{}")]
        request.messages += [called, .tool("Noon", answering: "tooluse_1")]
        let prepared = try self.handler.prepare(BedrockRequestTests.call(request))
        #expect(prepared.dropped == ["reasoning_effort"])
        #expect(!String(decoding: prepared.body, as: UTF8.self).contains("thinking"))
    }

    @Test func `an id that another provider gave is replaced alike in the call and in its result`() throws {
        var request = self.request()
        let id = "fc1__thought64__" + String(repeating: "CiQB-_8A", count: 20) + "/+"
        var called = ChatMessage(role: .assistant, content: [])
        called.toolCalls = [ToolCall(id: id, name: "my tool", arguments: "{}")]
        request.reasoningEffort = nil
        request.messages += [called, .tool("Noon", answering: id)]
        let prepared = try self.handler.prepare(BedrockRequestTests.call(request))
        let sent = String(decoding: prepared.body, as: UTF8.self)
        let short = BedrockNames.call(id)
        #expect(short != id && short.utf8.count <= 64)
        #expect(sent.contains(#""toolUse":{"toolUseId":"\#(short)","name":"\#(try self.name(prepared))""#), "\(sent)")
        #expect(sent.contains(#""toolResult":{"toolUseId":"\#(short)""#), "\(sent)")
    }

    @Test func `what was read from and written to a cache is part of the prompt`() throws {
        let usage =
            #"{"inputTokens":1,"outputTokens":2,"totalTokens":113,"#
            + #""cacheReadInputTokens":10,"cacheWriteInputTokens":100}"#
        let body = #"{"output":{"message":{"content":[]}},"stopReason":"end_turn","usage":\#(usage)}"#
        let call = try self.handler.prepare(BedrockRequestTests.call(self.request()))
        let answer = try self.handler.answer(HTTPClientResponse(status: 200, body: Array(body.utf8)), to: call)
        #expect(answer.usage?.promptTokens == 111 && answer.usage?.cachedTokens == 10)
    }
}
