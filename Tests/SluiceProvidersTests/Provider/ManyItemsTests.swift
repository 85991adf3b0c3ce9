import SluiceWire
import Testing

@testable import SluiceProviders

/// Requests may have megabytes: work must grow with their length, not with its square.
struct ManyItemsTests {
    private static let count = 60_000
    /// Squares would take minutes.
    private static let bound = Duration.seconds(30)

    private func isQuick(_ body: () throws -> Void) rethrows -> Bool {
        try ContinuousClock().measure { try body() } < Self.bound
    }

    @Test func `many unknown members are refused quickly and few are named`() throws {
        var request = ChatRequest(model: "m", messages: [.user("Hi")])
        request.additional = (0..<Self.count).map { JSONField("unknown_\($0)", 1) }
        var screen = ParameterScreen(provider: "p", policy: .drop)
        #expect(self.isQuick { screen.screen(&request, supports: []) })
        #expect(screen.dropped.count == ParameterScreen.maximumNames)
        #expect(screen.dropped.first == "unknown_0")
        #expect(request.additional.isEmpty)
    }

    @Test func `the same name is refused once`() {
        var screen = ParameterScreen(provider: "p", policy: .drop)
        for _ in 0..<3 { screen.reject("a") }
        screen.reject("b")
        #expect(screen.dropped == ["a", "b"])
    }

    @Test func `many that want one name get different ones quickly`() {
        var names = DistinctNames(["a", "a_2"], maximumLength: 64)
        var all: Set<String> = []
        #expect(self.isQuick { for _ in 0..<Self.count { all.insert(names.make("a")) } })
        #expect(all.count == Self.count)
        #expect(!all.contains("a") && !all.contains("a_2") && all.contains("a_3"))
    }

    @Test func `a number does not make a name too long`() {
        var names = DistinctNames(maximumLength: 64)
        let long = String(repeating: "x", count: 64)
        #expect(names.make(long) == long)
        #expect(names.make(long) == String(repeating: "x", count: 56) + "_2")
    }

    @Test func `many tools whose names Anthropic would see as one are told quickly`() {
        let names = (0..<Self.count).map { String(repeating: "é", count: 70) + "\($0)" }
        let tools = names.map { ChatTool.function($0) }
        var table = AnthropicToolNames([])
        #expect(self.isQuick { table = AnthropicToolNames(tools) })
        #expect(table.original.count == Self.count)
        #expect(table.original.keys.allSatisfy { $0.utf8.count <= 128 })
    }

    @Test func `many documents of one name are told quickly`() {
        var names = BedrockNames([])
        var all: Set<String> = []
        #expect(self.isQuick { for _ in 0..<Self.count { all.insert(names.document("a.pdf")) } })
        #expect(all.count == Self.count)
        #expect(all.contains("a") && all.contains("a 2"))
    }

    @Test func `many members that Bedrock passes on are told quickly`() throws {
        var request = ChatRequest(model: BedrockRequestTests.model, messages: [.user("Hi")])
        request.additional = (0..<Self.count).map { JSONField("unknown_\($0)", 1) } + [JSONField("unknown_0", 2)]
        var body = ""
        #expect(
            try self.isQuick {
                body = String(
                    decoding: try BedrockHandler().prepare(BedrockRequestTests.call(request)).body,
                    as: UTF8.self
                )
            }
        )
        #expect(body.contains(#""unknown_0":1,"unknown_1":1"#) && !body.contains(#""unknown_0":2"#))
    }

    @Test func `many system turns in a row are told to Anthropic quickly`() throws {
        var messages = [ChatMessage.user("Hi"), .assistant("Yes?")]
        messages += (0..<Self.count).map { _ in .system("Be kind.") }
        messages.append(.user("Now"))
        let request = ChatRequest(model: "claude-opus-4-8", messages: messages)
        #expect(try self.isQuick { _ = try AnthropicHandler().prepare(.anthropic(request)) })
    }

    @Test func `many calls without tools are told to Anthropic quickly`() throws {
        let calls = (0..<Self.count).map { ToolCall(id: "call_\($0)", name: "tool_\($0)", arguments: "{}") }
        let messages = [
            ChatMessage.user("Hi"), ChatMessage(role: .assistant, content: [], toolCalls: calls), .user("Go on"),
        ]
        let request = ChatRequest(model: "claude-sonnet-4-5", messages: messages)
        #expect(try self.isQuick { _ = try AnthropicHandler().prepare(.anthropic(request)) })
    }

    /// A conversation whose results all belong to its first calls.
    private func history(_ result: (Int) -> ChatMessage) -> [ChatMessage] {
        let calls = (0..<Self.count).map { ToolCall(id: "call_\($0)", name: "tool_\($0)", arguments: "{}") }
        return [.user("Hi"), ChatMessage(role: .assistant, content: [], toolCalls: calls)]
            + (0..<Self.count).map(result)
    }

    @Test func `many results find their calls quickly for Gemini`() throws {
        let messages = self.history { .tool("{}", answering: "call_\($0)") }
        let request = ChatRequest(model: "gemini-2.5-flash", messages: messages)
        var body = ""
        #expect(
            try self.isQuick { body = String(decoding: try GeminiTestSupport.prepared(request).body, as: UTF8.self) }
        )
        #expect(body.contains(#""functionResponse":{"name":"tool_59999""#))
    }

    @Test func `many results find their calls quickly for Cohere`() throws {
        let messages = self.history { ChatMessage(role: .function, content: [.text("{}")], name: "tool_\($0)") }
        let request = ChatRequest(model: "command-a-03-2025", messages: messages)
        var body = ""
        #expect(try self.isQuick { body = try CohereTestSupport.body(request) })
        #expect(body.contains(#""tool_call_id":"call_59999""#))
    }
}
