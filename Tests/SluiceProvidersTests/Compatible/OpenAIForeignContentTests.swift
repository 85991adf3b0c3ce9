import SluiceProviders
import SluiceWire
import Testing

@Suite("Anthropic's requests behind servers that speak OpenAI's format")
struct OpenAIForeignContentTests {
    /// What a server gets of a request of Anthropic's, and what is named as dropped.
    private static func sent(
        _ body: String,
        to name: String = "openai",
        policy: UnsupportedParameterPolicy = .drop
    ) throws -> (body: String, dropped: [String]) {
        let text = #"{"model":"gpt-4o","max_tokens":5,"# + body + "}"
        let headers = HTTPFields([("anthropic-version", "2023-06-01")])
        let canonical = try AnthropicFace.request(Array(text.utf8), headers: headers).openAIBody()
        let request = try ChatRequest(openAI: canonical)
        let prepared = try OpenAICompatibleTests.handler(name).prepare(
            OpenAICompatibleTests.call(request, policy: policy)
        )
        return (String(decoding: prepared.body, as: UTF8.self), prepared.dropped)
    }

    private static func messages(_ body: String) throws -> String {
        let root = try JSON.read(Array(body.utf8)) { $0["messages"]?.text.text ?? "" }
        return root
    }

    private static let user = #""messages":[{"role":"user","content":"x"}]"#
    private static let picture =
        #"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}"#

    private static func results(_ results: [String], _ rest: String = "") -> String {
        let uses = results.indices.map { #"{"type":"tool_use","id":"t\#($0)","name":"f","input":{}}"# }
        let blocks = results.enumerated().map {
            #"{"type":"tool_result","tool_use_id":"t\#($0.offset)","content":[\#($0.element)]}"#
        }
        return #""messages":[{"role":"user","content":"x"},{"role":"assistant","content":["#
            + uses.joined(separator: ",") + #"]},{"role":"user","content":["# + blocks.joined(separator: ",")
            + rest + "]}]"
    }

    @Test("a picture in a tool's result moves into the user's message that follows all results")
    func pictures() throws {
        let text = #"{"type":"text","text":"seen"}"#
        for name in ["openai", "mistral", "vllm"] {
            let sent = try Self.sent(Self.results([text + "," + Self.picture, Self.picture, text]), to: name)
            #expect(sent.dropped.isEmpty)
            let request = try ChatRequest(openAI: Array(sent.body.utf8))
            #expect(request.messages.map(\.role) == [.user, .assistant, .tool, .tool, .tool, .user])
            #expect(request.messages[2].content == [.text("seen")] && request.messages[4].content == [.text("seen")])
            #expect(request.messages[3].content.count == 1 && request.messages[3].text.contains("next message"))
            let kinds = request.messages[5].content.map { $0.text == nil ? "image" : "text" }
            #expect(kinds == ["text", "image", "text", "image"])
            #expect(request.messages[5].text.contains("t0") && request.messages[5].text.contains("t1"))
        }
        // A message of the user's that is there already takes them.
        let sent = try Self.sent(Self.results([Self.picture], #",{"type":"text","text":"and?"}"#))
        let request = try ChatRequest(openAI: Array(sent.body.utf8))
        #expect(request.messages.map(\.role) == [.user, .assistant, .tool, .user])
        #expect(request.messages[3].content.count == 3 && request.messages[3].content.last == .text("and?"))
    }

    @Test("a document of text is a text, and its title stands before it")
    func textDocument() throws {
        let source = #"{"type":"text","media_type":"text/plain","data":"Grüße"}"#
        let document = #"{"type":"document","title":"T","source":\#(source)}"#
        let sent = try Self.sent(#""messages":[{"role":"user","content":[\#(document)]}]"#)
        #expect(try Self.messages(sent.body) == #"[{"role":"user","content":"T\n\nGrüße"}]"#)
        #expect(sent.dropped.isEmpty)
    }

    @Test("what only Anthropic knows of a document is left out and named, switched off it is only left out")
    func documentMembers() throws {
        let members = #""citations":{"enabled":true},"context":"c","#
        let source = #""source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}"#
        let body = #""messages":[{"role":"user","content":[{"type":"document",\#(members)\#(source)}]}]"#
        let sent = try Self.sent(body)
        #expect(sent.dropped == ["messages.content.citations", "messages.content.context"])
        #expect(!sent.body.contains("citations") && !sent.body.contains("context"))
        #expect(sent.body.contains(#""file_data":"data:application/pdf;base64,JVBERi0=""#))
        #expect(throws: ProviderError.self) { try Self.sent(body, policy: .error) }
        let kept = try Self.sent(body, policy: .pass)
        #expect(kept.body.contains("citations") && kept.dropped.isEmpty)
        let off = try Self.sent(body.replacing("true", with: "false").replacing(#""context":"c","#, with: ""))
        #expect(off.dropped.isEmpty && !off.body.contains("citations"))
    }

    @Test("a file by its address goes where addresses are taken, elsewhere it is named")
    func fileAddress() throws {
        let document = #"{"type":"document","source":{"type":"url","url":"https://a/b.pdf"}}"#
        let body = #""messages":[{"role":"user","content":[\#(document)]}]"#
        let sent = try Self.sent(body)
        #expect(sent.dropped == ["messages.content.file.file_url"])
        #expect(try Self.messages(sent.body) == #"[{"role":"user","content":""}]"#)
        let taken = try Self.sent(body, to: "openrouter")
        #expect(taken.dropped.isEmpty && taken.body.contains(#""file_data":"https://a/b.pdf""#))
        #expect(try Self.sent(body, to: "litellm").body.contains("file_url"))
    }

    @Test("members of tools that only Anthropic knows are left out and named")
    func toolMembers() throws {
        let more = #""defer_loading":true,"input_examples":[{}],"allowed_callers":["direct"]"#
        let tool = #"{"name":"f","input_schema":{"type":"object"},\#(more)}"#
        for name in ["openai", "groq", "vllm"] {
            let sent = try Self.sent(Self.user + #","tools":[\#(tool)]"#, to: name)
            #expect(Set(sent.dropped) == ["tools.defer_loading", "tools.input_examples", "tools.allowed_callers"])
            #expect(sent.body.contains(#""name":"f""#) && !sent.body.contains("defer_loading"))
        }
        #expect(try Self.sent(Self.user + #","tools":[\#(tool)]"#, to: "litellm").body.contains("defer_loading"))
    }

    @Test("tools that Anthropic runs itself are left out and named, and so is the choice of one")
    func serverTools() throws {
        let search = #"{"type":"web_search_20250305","name":"web_search","max_uses":2}"#
        let alone = try Self.sent(
            Self.user + #","tools":[\#(search)],"tool_choice":{"type":"tool","name":"web_search"}"#
        )
        #expect(alone.dropped == ["tools.web_search_20250305", "tool_choice"])
        #expect(!alone.body.contains("tool"))
        let other = #"{"name":"f","input_schema":{"type":"object"}}"#
        let both = try Self.sent(Self.user + #","tools":[\#(search),\#(other)],"tool_choice":{"type":"any"}"#)
        #expect(both.dropped == ["tools.web_search_20250305"])
        #expect(both.body.contains(#""tool_choice":"required""#) && !both.body.contains("web_search"))
        // OpenAI's own tools stay.
        let request = try ChatRequest(
            openAI: Array((#"{"model":"m","tools":[{"type":"web_search_preview_2025_03_11"}],"# + Self.user + "}").utf8)
        )
        let prepared = try OpenAICompatibleTests.handler("openai").prepare(OpenAICompatibleTests.call(request))
        #expect(String(decoding: prepared.body, as: UTF8.self).contains("web_search_preview_2025_03_11"))
    }

    @Test("blocks that only Anthropic knows are left out and named; unknown ones are the server's affair")
    func blocks() throws {
        let found = #"{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"a"}]}"#
        let video = #"{"type":"video_url","video_url":{"url":"https://a"}}"#
        let text = #"{"type":"text","text":"x"}"#
        let sent = try Self.sent(#""messages":[{"role":"user","content":[\#(found),\#(video),\#(text)]}]"#, to: "vllm")
        #expect(sent.dropped == ["messages.content.search_result"])
        #expect(!sent.body.contains("search_result") && sent.body.contains("video_url"))
        let result = try Self.sent(Self.results([found]))
        #expect(result.dropped == ["messages.content.search_result"])
        #expect(result.body.contains(#""role":"tool","content":"""#))
    }

    @Test("members of the request that only Anthropic knows are named, not dropped in silence")
    func members() throws {
        let body =
            Self.user + #","cache_control":{"type":"ephemeral"},"context_management":{"edits":[]},"#
            + #""inference_geo":"us","#
            + #""output_config":{"effort":"low","task_budget":{"type":"tokens","total":9}}"#
        let sent = try Self.sent(body)
        #expect(
            Set(sent.dropped) == [
                "cache_control", "context_management", "inference_geo", "output_config", "reasoning_effort",
            ]
        )
        for name in ["cache_control", "context_management", "inference_geo", "output_config"] {
            #expect(!sent.body.contains(name))
        }
        #expect(throws: ProviderError.self) { try Self.sent(body, policy: .error) }
    }

    @Test("members of the request that only Anthropic knows reach Anthropic")
    func membersForAnthropic() throws {
        let text =
            #"{"model":"claude-opus-4-6","max_tokens":5,"cache_control":{"type":"ephemeral"},"#
            + #""context_management":{"edits":[]},"#
            + #""output_config":{"effort":"low","task_budget":{"total":9}},"# + Self.user + "}"
        let headers = HTTPFields([("anthropic-version", "2023-06-01")])
        let canonical = try AnthropicFace.request(Array(text.utf8), headers: headers).openAIBody()
        let call = try AnthropicHandler().prepare(.anthropic(try ChatRequest(openAI: canonical)))
        let body = String(decoding: call.body, as: UTF8.self)
        #expect(call.dropped.isEmpty)
        #expect(body.contains(#""cache_control":{"type":"ephemeral"}"#) && body.contains(#""context_management":"#))
        #expect(body.contains(#""output_config":{"effort":"low","task_budget":{"total":9}}"#))
        #expect(call.headers["anthropic-beta"]?.contains("context-management-2025-06-27") == true)
    }

    @Test("a member that the body has already is not written twice", arguments: UnsupportedParameterPolicy.allCases)
    func twice(policy: UnsupportedParameterPolicy) throws {
        let text =
            #"{"model":"claude-opus-4-5","system":"b","messages":[{"role":"system","content":"a"},"#
            + #"{"role":"user","content":"x"}]}"#
        let call = ProviderCall.anthropic(try ChatRequest(openAI: Array(text.utf8)), policy: policy)
        guard policy != .error else {
            #expect(throws: ProviderError.self) { try AnthropicHandler().prepare(call) }
            return
        }
        let prepared = try AnthropicHandler().prepare(call)
        #expect(JSONTopLevelScanner.ranges(of: "system", in: prepared.body).count == 1)
        #expect(prepared.dropped == ["system"])
    }
}
