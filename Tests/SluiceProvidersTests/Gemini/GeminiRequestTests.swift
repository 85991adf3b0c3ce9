import SluiceWire
import Testing

@testable import SluiceProviders

struct GeminiRequestTests {
    private func body(_ request: ChatRequest, _ handler: GeminiHandler = .keyed) throws -> String {
        let endpoint = GeminiTestSupport.endpoint(["project": "p", "location": "europe-west4"])
        let prepared = try handler.prepare(GeminiTestSupport.call(request, endpoint))
        return String(decoding: prepared.body, as: UTF8.self)
    }

    private func asking(_ model: String, _ change: (inout ChatRequest) -> Void = { _ in }) -> ChatRequest {
        var request = ChatRequest(model: model, messages: [.user("Hi")])
        change(&request)
        return request
    }

    @Test func `instructions alone become the question, nothing is invented`() throws {
        let request = ChatRequest(model: "gemini-2.5-flash", messages: [.system("Say hello."), .developer("Now.")])
        let body = try self.body(request)
        #expect(
            body == #"{"contents":[{"role":"user","parts":[{"text":"Say hello."},{"text":"Now."}]}],"#
                + #""generationConfig":{}}"#
        )
    }

    @Test(arguments: [
        // Model, effort, what is written.
        ("gemini-2.5-pro", "none", #"{"thinkingBudget":128,"includeThoughts":false}"#),
        ("gemini-2.5-pro", "max", #"{"thinkingBudget":32768,"includeThoughts":true}"#),
        ("gemini-2.5-flash", "none", #"{"thinkingBudget":0,"includeThoughts":false}"#),
        ("gemini-2.5-flash", "minimal", #"{"thinkingBudget":1024,"includeThoughts":true}"#),
        ("gemini-2.5-flash-preview-09-2025", "medium", #"{"thinkingBudget":8192,"includeThoughts":true}"#),
        ("gemini-2.5-flash-lite", "high", #"{"thinkingBudget":24576,"includeThoughts":true}"#),
        ("gemini-3-pro-preview", "minimal", #"{"thinkingLevel":"low","includeThoughts":true}"#),
        ("gemini-3-pro-preview", "medium", #"{"thinkingLevel":"high","includeThoughts":true}"#),
        ("gemini-3-flash-preview", "none", #"{"thinkingLevel":"minimal","includeThoughts":false}"#),
        ("gemini-3.1-pro-preview", "none", #"{"thinkingLevel":"low","includeThoughts":false}"#),
        ("gemini-3.1-flash-lite", "minimal", #"{"thinkingLevel":"minimal","includeThoughts":true}"#),
        ("gemini-3.5-flash", "medium", #"{"thinkingLevel":"medium","includeThoughts":true}"#),
        ("gemini-3.8-flash", "minimal", #"{"thinkingLevel":"low","includeThoughts":true}"#),
        ("models/gemini-flash-latest", "xhigh", #"{"thinkingLevel":"high","includeThoughts":true}"#),
        ("gemini-4-pro", "low", #"{"thinkingLevel":"low","includeThoughts":true}"#),
    ])
    func `reasoning effort by the model's generation`(model: String, effort: String, wanted: String) throws {
        let body = try self.body(self.asking(model) { $0.reasoningEffort = effort })
        #expect(body.hasSuffix(#""generationConfig":{"thinkingConfig":\#(wanted)}}"#))
    }

    @Test(arguments: [
        ("gemini-2.5-pro", Thinking.enabled(budgetTokens: 5), #"{"thinkingBudget":128,"includeThoughts":true}"#),
        ("gemini-2.5-flash", .enabled(budgetTokens: 999_999), #"{"thinkingBudget":24576,"includeThoughts":true}"#),
        ("gemini-2.5-flash", .adaptive, #"{"thinkingBudget":-1,"includeThoughts":true}"#),
        ("gemini-2.5-flash", .disabled, #"{"thinkingBudget":0,"includeThoughts":false}"#),
        ("gemini-3-flash-preview", .adaptive, #"{"includeThoughts":true}"#),
        ("gemini-3-flash-preview", .enabled(budgetTokens: 4000), #"{"thinkingLevel":"medium","includeThoughts":true}"#),
        ("gemini-3-pro-preview", .disabled, #"{"thinkingLevel":"low","includeThoughts":false}"#),
    ])
    func `Anthropic's way to ask for thoughts`(model: String, thinking: Thinking, wanted: String) throws {
        let body = try self.body(self.asking(model) { $0.thinking = thinking })
        #expect(body.hasSuffix(#""generationConfig":{"thinkingConfig":\#(wanted)}}"#))
    }

    @Test func `what a model cannot think is named, refused or dropped by policy`() throws {
        let request = self.asking("gemini-2.0-flash") { request in
            request.reasoningEffort = "high"
            request.logitBias = ["1": 5]
            request.additional = [JSONField("moderation", true)]
        }
        var endpoint = GeminiTestSupport.endpoint()
        let prepared = try GeminiTestSupport.prepared(request, .keyed, endpoint)
        #expect(Set(prepared.dropped) == ["reasoning_effort", "logit_bias", "moderation"])
        endpoint.unsupported = .error
        let error = #expect(throws: ProviderError.self) {
            _ = try GeminiTestSupport.prepared(request, .keyed, endpoint)
        }
        #expect(error?.kind == .unsupportedParameter)
        for name in ["reasoning_effort", "logit_bias", "moderation"] { #expect(error?.message.contains(name) == true) }
        endpoint.unsupported = .pass
        let passed = try GeminiTestSupport.prepared(request, .keyed, endpoint)
        let body = String(decoding: passed.body, as: UTF8.self)
        #expect(body.contains(#""logit_bias":{"1":5}"#) && body.contains(#""moderation":true"#))
    }

    @Test(arguments: [
        (ToolChoice.auto, #"{"mode":"AUTO"}"#),
        (.none, #"{"mode":"NONE"}"#),
        (.required, #"{"mode":"ANY"}"#),
        (.function("f"), #"{"mode":"ANY","allowedFunctionNames":["f"]}"#),
        (.allowed(["f", "g"], isRequired: true), #"{"mode":"ANY","allowedFunctionNames":["f","g"]}"#),
        (.allowed(["f"], isRequired: false), #"{"mode":"VALIDATED","allowedFunctionNames":["f"]}"#),
    ])
    func `tool choice in all forms`(choice: ToolChoice, wanted: String) throws {
        let body = try self.body(
            self.asking("gemini-2.5-flash") { request in
                request.tools = [.function("f"), .function("g")]
                request.toolChoice = choice
            }
        )
        #expect(body.contains(#""toolConfig":{"functionCallingConfig":\#(wanted)}"#))
    }

    @Test func `Google's own tools pass as they are, web search is Google's`() throws {
        let body = try self.body(
            self.asking("gemini-2.5-flash") { request in
                request.tools = [ChatTool(name: "code", kind: .other(["codeExecution": [:]]))]
                request.additional = [JSONField("web_search_options", [:])]
            }
        )
        #expect(body.contains(#""tools":[{"codeExecution":{}},{"googleSearch":{}}]"#))
    }

    @Test func `a changed name of a tool comes back as the client's`() throws {
        let request = self.asking("gemini-2.5-flash") { request in
            request.tools = [.function("9 lives!"), .function("9 lives?")]
            request.toolChoice = .function("9 lives?")
        }
        let prepared = try GeminiTestSupport.prepared(request)
        #expect(prepared.toolNames["_9_lives_"] == "9 lives!")
        let other = try #require(prepared.toolNames.first { $0.value == "9 lives?" }?.key)
        #expect(other != "_9_lives_")
        #expect(String(decoding: prepared.body, as: UTF8.self).contains(#""allowedFunctionNames":["\#(other)"]"#))
        let answer = try GeminiTestSupport.answer(
            #"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"\#(other)"}}]},"finishReason":"STOP"}]}"#,
            prepared
        )
        #expect(answer.toolCalls.map(\.name) == ["9 lives?"])
    }

    // MARK: Media

    private func media(_ model: String, _ part: ContentPart, _ handler: GeminiHandler = .keyed) throws -> String {
        try self.body(ChatRequest(model: model, messages: [.user([part])]), handler)
    }

    @Test func `addresses are handed on or refused, never downloaded`() throws {
        let image = ContentPart.image(.url("https://example.com/image"))
        let written = try self.media("gemini-2.5-flash", image)
        #expect(written.contains(#"{"fileData":{"fileUri":"https://example.com/image"}}"#))
        for (model, part, handler) in [
            ("gemini-2.0-flash", image, GeminiHandler.keyed),
            ("gemini-2.5-flash", image, GeminiHandler.vertex),
            ("gemini-2.5-flash", ContentPart.image(.url("http://example.com/a.png")), .keyed),
            ("gemini-2.5-flash", ContentPart.image(.url("file:///etc/passwd")), .keyed),
            ("gemini-2.5-flash", ContentPart.file(.fileID("file-abc")), .keyed),
            ("gemini-2.5-flash", ContentPart(.other(["type": "hologram"])), .keyed),
        ] {
            let error = #expect(throws: ProviderError.self) { _ = try self.media(model, part, handler) }
            #expect(error?.kind == .badRequest)
            #expect(error?.code == "unsupported_content")
        }
    }

    @Test func `files of Google's own, videos, and data without a type`() throws {
        #expect(
            try self.media("gemini-2.0-flash", .file(.fileID("files/abc"), name: "a.PDF")).contains(
                #"{"mimeType":"application/pdf","#
                    + #""fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc"}"#
            )
        )
        #expect(
            try self.media("gemini-2.0-flash", .file(.url("https://www.youtube.com/watch?v=1"))).contains(
                #"{"mimeType":"video/mp4","fileUri":"https://www.youtube.com/watch?v=1"}"#
            )
        )
        let picture = try self.media("gemini-2.5-flash", .image(.base64("/9j/4AAQSkZJRg==", type: "")))
        #expect(picture.contains("image/jpeg"))
        #expect(throws: ProviderError.self) {
            try self.media("gemini-2.5-flash", .file(.base64("AAAA", type: "application/octet-stream")))
        }
    }

    @Test func `pictures that a tool returns`() throws {
        var result = ChatMessage.tool("", answering: "c1")
        result.content = [.text("see"), .image(.base64("iVBORw0KGgo=", type: "image/png"))]
        var call = ChatMessage(role: .assistant, content: [])
        call.toolCalls = [ToolCall(id: "c1", name: "draw", arguments: "not json")]
        let messages = [ChatMessage.user("Draw"), call, result]
        let picture = #"{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}"#
        let newer = try self.body(ChatRequest(model: "gemini-3-pro", messages: messages))
        #expect(newer.contains(#""response":{"content":"see"},"parts":[\#(picture)]}}"#))
        let older = try self.body(ChatRequest(model: "gemini-2.5-pro", messages: messages))
        #expect(older.contains(#""response":{"content":"see"}}},\#(picture)"#))
        // Arguments that are no object are kept as a text.
        #expect(older.contains(#""args":{"arguments":"not json"}"#))
    }

    @Test func `a failed tool, and an answer to a call that nobody made`() throws {
        var call = ChatMessage(role: .assistant, content: [])
        call.toolCalls = [ToolCall(id: "c1", name: "f", arguments: "{}")]
        var result = ChatMessage.tool("no such city", answering: "c1")
        result.isError = true
        let body = try self.body(ChatRequest(model: "gemini-2.5-pro", messages: [.user("a"), call, result]))
        #expect(body.contains(#"{"functionResponse":{"name":"f","response":{"error":"no such city"}}}"#))
        let error = #expect(throws: ProviderError.self) {
            try self.body(ChatRequest(model: "gemini-2.5-pro", messages: [.user("a"), .tool("x", answering: "c9")]))
        }
        #expect(error?.kind == .badRequest)
        #expect(error?.message.contains("'c9'") == true)
    }

    // MARK: Signatures

    @Test(arguments: ["CiQB+/8A", "QUJDRA==", "QUI=", "any-thing_else", "a__thought__b", "x"])
    func `a thought signature survives in the id of a call`(signature: String) throws {
        let id = GeminiSignature.join("fc1", signature)
        #expect(GeminiSignature.split(id) == ("fc1", signature))
    }

    @Test func `an id with a signature holds only what other providers allow in ids`() {
        let id = GeminiSignature.join("fc1", "CiQB+/8A/w==")
        #expect(id.utf8.allSatisfy { ($0 | 0x20) &- 97 < 26 || $0 &- 48 < 10 || $0 == 0x5F || $0 == 0x2D })
        // As another gateway writes it.
        #expect(GeminiSignature.split("call_a__thought__CiQB+/8A/w==") == ("call_a", "CiQB+/8A/w=="))
        #expect(GeminiSignature.split("call_a") == ("call_a", nil))
        #expect(GeminiSignature.split("") == ("", nil))
    }

    @Test(arguments: ["gemini-3-pro-preview", "gemini-2.5-flash"])
    func `a conversation keeps its thought signatures although clients drop unknown members`(model: String) throws {
        let answer = try GeminiTestSupport.answer(
            """
            {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}},
            "thoughtSignature":"CiQB+/8A/w=="},{"functionCall":{"name":"g"}}]},"finishReason":"STOP"}]}
            """
        )
        #expect(answer.toolCalls.map(\.signature) == ["CiQB+/8A/w==", nil])
        // What a client keeps of it: ids, names and arguments.
        var message = ChatMessage(role: .assistant, content: [])
        message.toolCalls = answer.toolCalls.map { ToolCall(id: $0.id, name: $0.name, arguments: $0.arguments) }
        let results = answer.toolCalls.map { ChatMessage.tool("ok", answering: $0.id) }
        let body = try self.body(ChatRequest(model: model, messages: [.user("a"), message] + results))
        #expect(body.contains(#""args":{"a":1}},"thoughtSignature":"CiQB+/8A/w=="}"#))
        #expect(!body.contains("thought64"))
        #expect(!body.contains(GeminiSignature.bypass))
        #expect(body.contains(#""name":"f","response""#) && body.contains(#""name":"g","response""#))
    }

    @Test func `the signature of a text goes back where it came from`() throws {
        let answer = try GeminiTestSupport.answer(
            #"{"candidates":[{"content":{"parts":[{"text":"a","thoughtSignature":"QUJD"}]},"finishReason":"STOP"}]}"#
        )
        var message = ChatMessage.assistant("a")
        message.additional = answer.choices[0].additional
        let body = try self.body(ChatRequest(model: "gemini-3-pro", messages: [.user("x"), message, .user("y")]))
        #expect(body.contains(#"{"text":"a","thoughtSignature":"QUJD"}"#))
    }

    @Test func `a call that Google has not signed gets the documented bypass, from generation 3 on`() throws {
        var message = ChatMessage(role: .assistant, content: [])
        message.toolCalls = [ToolCall(id: "toolu_1", name: "f", arguments: "{}")]
        let messages = [ChatMessage.user("a"), message, .tool("ok", answering: "toolu_1")]
        let newer = try self.body(ChatRequest(model: "gemini-3-flash", messages: messages))
        #expect(newer.contains(#""thoughtSignature":"skip_thought_signature_validator""#))
        let older = try self.body(ChatRequest(model: "gemini-2.5-flash", messages: messages))
        #expect(!older.contains("thoughtSignature"))
    }
}
