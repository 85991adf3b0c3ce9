import SluiceWire
import Testing

@testable import SluiceProviders

/// Through both translations and back: what both sides can express is not lost.
@Suite struct AnthropicRoundTripTests {
    private let handler = AnthropicHandler()

    /// Requests whose every part Anthropic's format and ours have in common.
    private static let requests = AnthropicGolden.names("request-").filter { name in
        let parts = [
            "system-alone", "names-and-ids", "custom-tool", "json-schema", "web-search", "pass", "user",
            "functions", "history-without-tools", "thinking-budget-newest", "effort", "thinking-lost-adaptive",
            "system-turns", "files",
        ]
        return !parts.contains { name.contains($0) }
    }

    @Test(arguments: Self.requests)
    func `an Anthropic request comes to Anthropic as it left the client`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let sent = try #require(golden["sent"])
        let request = try AnthropicFace.request(sent.bytes, headers: HTTPFields())
        let again = try ChatRequest(openAI: request.openAIBody())
        let prepared = try self.handler.prepare(.anthropic(again, settings: golden["settings"]?.stringMembers ?? [:]))
        #expect(try JSONTree(prepared.body) == sent.tree, "\(String(decoding: prepared.body, as: UTF8.self))")
        #expect(prepared.dropped.isEmpty)
    }

    @Test func `a reduced schema is reduced no further`() throws {
        let sent = try #require(AnthropicGolden.members("request-json-schema")["sent"])
        let schema = try #require(
            try JSON.read(sent.bytes) { $0["output_config"]?["format"]?["schema"]?.text }
        )
        #expect(AnthropicSchema.reduced(schema).tree == schema.tree)
        let request = try AnthropicFace.request(sent.bytes, headers: HTTPFields())
        let again = try ChatRequest(openAI: request.openAIBody())
        #expect(try JSONTree(self.handler.prepare(.anthropic(again)).body) == sent.tree)
    }

    @Test func `an OpenAI request comes back from Anthropic's format as it was`() throws {
        let mark = CacheMark(timeToLive: "1h")
        var request = ChatRequest(model: "claude-3-7-sonnet-20250219", messages: [])
        var asking = ChatMessage(role: .assistant, content: [.text("I look.")])
        asking.reasoning = [ReasoningBlock(text: "Hm", signature: "s"), ReasoningBlock(text: "", redacted: "r")]
        asking.toolCalls = [
            ToolCall(id: "c1", name: "now", arguments: "{\"a\":1}"), ToolCall(id: "c2", name: "now", arguments: "{}"),
        ]
        var result = ChatMessage.tool("Noon", answering: "c1")
        result.isError = true
        request.messages = [
            ChatMessage(role: .system, content: [.text("S"), ContentPart(.text("T"), cacheMark: mark)]), .user("A"),
            asking, result, .tool("One", answering: "c2"),
            .user([
                .text("B"), .image(.url("https://e.com/a.png")), .image(.base64("iVBORw0KGgo=", type: "image/png")),
                .file(.base64("JVBERi0=", type: "application/pdf"), name: "a.pdf"), .file(.fileID("f")),
            ]),
        ]
        var tool = ChatTool(
            name: "now",
            description: "D",
            kind: .function(parameters: ["type": "object", "properties": [:]], isStrict: nil)
        )
        tool.cacheMark = mark
        request.tools = [tool]
        request.toolChoice = .auto
        request.parallelToolCalls = false
        request.maximumTokens = 9_000
        request.stop = ["END"]
        request.thinking = .enabled(budgetTokens: 2_000)
        request.user = "u"
        request.serviceTier = "default"
        request.isStream = true
        request.includesUsage = true
        let body = try self.handler.prepare(.anthropic(request)).body
        #expect(try AnthropicFace.request(body, headers: HTTPFields()) == request)
    }

    @Test(arguments: AnthropicGolden.names("face-request-"))
    func `a client's request comes to Anthropic as he said it`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let request = try AnthropicFace.request(try #require(golden["anthropic"]).bytes, headers: HTTPFields())
        let again = try ChatRequest(openAI: request.openAIBody())
        #expect(try JSONTree(again.openAIBody()) == JSONTree(request.openAIBody()))
    }

    @Test(
        arguments: AnthropicGolden.names("answer-").filter {
            !$0.contains("json-old") && !$0.contains("server-tools") && !$0.contains("names")
        }
    )
    func `Anthropic's answer comes to its client as it was`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let call = try self.handler.prepare(.anthropic(ChatRequest(model: "m", messages: [.user("A")])))
        let response = HTTPClientResponse(status: 200, body: try #require(golden["message"]).bytes)
        let inside = try self.handler.answer(response, to: call).openAIBody()
        let message = AnthropicFace.answer(try ChatResponse(openAI: inside, provider: "anthropic"))
        guard case .object(var expected) = golden["message"]?.tree, case .object(let found) = try JSONTree(message)
        else {
            Issue.record("no messages")
            return
        }
        if expected["stop_reason"] == .string("something_new") { expected["stop_reason"] = .string("end_turn") }
        if case .object(var usage) = expected["usage"] {
            for name in ["cache_creation_input_tokens", "cache_read_input_tokens"] where usage[name] == nil {
                usage[name] = .number(0)
            }
            expected["usage"] = .object(usage)
        }
        #expect(found == expected, "\(String(decoding: message, as: UTF8.self))")
    }
}
