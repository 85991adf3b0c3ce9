import SluiceWire
import Testing

@testable import SluiceProviders

@Suite struct AnthropicRequestTests {
    private let handler = AnthropicHandler()

    @Test(arguments: AnthropicGolden.names("request-"))
    func `a request is what Anthropic documents`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let request = try ChatRequest(openAI: try #require(golden["openai"]).bytes)
        let policy = golden["policy"]?.stringValue.flatMap { UnsupportedParameterPolicy(rawValue: $0) } ?? .drop
        let call = ProviderCall.anthropic(request, settings: golden["settings"]?.stringMembers ?? [:], policy: policy)

        let prepared = try self.handler.prepare(call)

        #expect(
            try JSONTree(prepared.body) == golden["sent"]?.tree,
            "\(String(decoding: prepared.body, as: UTF8.self))"
        )
        #expect(prepared.dropped == golden["dropped"]?.list.compactMap(\.stringValue) ?? [])
        for (name, value) in golden["headers"]?.stringMembers ?? [:] { #expect(prepared.headers[name] == value) }
        #expect(prepared.url == "https://api.anthropic.com/v1/messages")
    }

    @Test func `there are golden files`() {
        #expect(AnthropicGolden.names("request-").count > 50)
    }

    @Test func `an unsupported parameter is an error that names all of them where the policy says so`() throws {
        var request = ChatRequest(model: "claude-sonnet-4-5", messages: [.user("A")])
        request.seed = 1
        request.choiceCount = 2
        let error = #expect(throws: ProviderError.self) {
            try self.handler.prepare(.anthropic(request, policy: .error))
        }
        #expect(error?.kind == .unsupportedParameter)
        #expect(error?.message.contains("'n', 'seed'") == true)
        #expect(error?.parameter == "n")
    }

    @Test func `what a request without a limit asks for can be configured`() throws {
        let request = ChatRequest(model: "claude-sonnet-4-5", messages: [.user("A")])
        let body = try self.handler.prepare(.anthropic(request, settings: ["max_tokens": "123"])).body
        #expect(try JSON.read(body) { $0["max_tokens"]?.int } == 123)
    }

    @Test(arguments: [
        ("claude-haiku-4-5", 64_000), ("claude-3-5-haiku-latest", 8_192), ("claude-opus-4-20250514", 32_000),
        ("claude-opus-5", 128_000), ("anthropic/claude-opus-4.6", 128_000), ("claude-sonnet-4-6@20260101", 64_000),
        ("somebody-elses", 4_096), ("claude-2.1", 4_096), ("claude-mythos-preview", 128_000),
    ])
    func `the most of every model is known`(name: String, most: Int) {
        #expect(AnthropicModel(name).maximumTokens == most)
    }

    // MARK: Keys

    private func headers(_ change: (inout ProviderEndpoint) -> Void) throws -> HTTPFields {
        var call = ProviderCall.anthropic(ChatRequest(model: "claude-opus-4-8", messages: [.user("A")]))
        change(&call.endpoint)
        return try self.handler.prepare(call).headers
    }

    @Test func `both of Anthropic's key headers work`() throws {
        let key = try self.headers { $0.credential = .key("k") }
        #expect(key["x-api-key"] == "k" && key["authorization"] == nil)
        let bearer = try self.headers { $0.credential = .bearer("t") }
        #expect(bearer["authorization"] == "Bearer t" && bearer["x-api-key"] == nil)
        #expect(bearer["anthropic-beta"] == nil)
    }

    @Test func `a login's token goes as bearer with its beta, whatever it is configured as`() throws {
        for credential in [ProviderCredential.key("sk-ant-oat01-x"), .bearer("sk-ant-oat01-x")] {
            let headers = try self.headers { $0.credential = credential }
            #expect(headers["authorization"] == "Bearer sk-ant-oat01-x" && headers["x-api-key"] == nil)
            #expect(headers["anthropic-beta"] == "oauth-2025-04-20")
        }
    }

    @Test func `betas from everywhere are joined, each once`() throws {
        let headers = try self.headers { endpoint in
            endpoint.credential = .key("sk-ant-oat01-x")
            endpoint.settings["beta"] = "a, b"
            endpoint.headers = [("Anthropic-Beta", "b,c"), ("x-extra", "1"), ("anthropic-version", "2026-10-21")]
        }
        #expect(headers.values("anthropic-beta") == ["oauth-2025-04-20,b,c,a"])
        #expect(headers.values("anthropic-version") == ["2026-10-21"])
        #expect(headers["x-extra"] == "1")
    }

    @Test func `a configured key header takes the place of ours`() throws {
        let headers = try self.headers { $0.headers = [("X-Api-Key", "other")] }
        #expect(headers.values("x-api-key") == ["other"])
    }

    // MARK: Faults

    @Test func `audio is refused and the part is named`() {
        let part = ContentPart(.audio(data: "AAAA", format: "wav"))
        let request = ChatRequest(model: "claude-opus-4-8", messages: [.user([.text("A"), part])])
        let error = #expect(throws: ProviderError.self) { try self.handler.prepare(.anthropic(request)) }
        #expect(error?.kind == .badRequest && error?.parameter == "messages[0].content[1]")
    }

    @Test func `an empty last message is refused here and not there`() {
        let request = ChatRequest(model: "claude-opus-4-8", messages: [.user("A"), .assistant("B"), .user(" ")])
        let error = #expect(throws: ProviderError.self) { try self.handler.prepare(.anthropic(request)) }
        #expect(error?.parameter == "messages[2].content")
        let nothing = ChatRequest(model: "claude-opus-4-8", messages: [])
        #expect(throws: ProviderError.self) { try self.handler.prepare(.anthropic(nothing)) }
    }

    @Test func `names that become alike stay apart, and long ones are cut`() {
        let long = String(repeating: "ä", count: 200)
        let names = AnthropicToolNames(["a.b", "a:b", "a_b", long, long + "x", ""].map { ChatTool.function($0) })
        let sent = ["a.b", "a:b", "a_b", long, long + "x", ""].map { names.sent($0) }
        #expect(Set(sent).count == sent.count)
        #expect(sent.allSatisfy { AnthropicToolNames.isFit($0) })
        for (name, original) in zip(sent, ["a.b", "a:b"]) { #expect(names.original[name] == original) }
    }

    @Test func `ids keep to the letters and stay apart`() {
        #expect(AnthropicToolNames.id("toolu_1-a") == "toolu_1-a")
        #expect(AnthropicToolNames.id("a:b") != AnthropicToolNames.id("a.b"))
        #expect(AnthropicToolNames.id("a:b") == AnthropicToolNames.id("a:b"))
        #expect(AnthropicToolNames.isFit(AnthropicToolNames.id("")))
    }

    @Test func `a deep schema is no danger`() {
        var schema = "{\"type\":\"string\"}"
        for _ in 0..<150 { schema = "{\"type\":\"object\",\"properties\":{\"a\":\(schema)}}" }
        let text = JSONText(parsing: schema)
        #expect(text.map { AnthropicSchema.reduced($0) } != nil)
    }
}
