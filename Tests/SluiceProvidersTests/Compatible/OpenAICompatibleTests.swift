import SluiceProviders
import SluiceWire
import Testing

@Suite("Servers that speak OpenAI's format")
struct OpenAICompatibleTests {
    static func handler(_ name: String) throws -> OpenAICompatibleHandler {
        let entry = try #require(ProviderRegistry.entry(named: name))
        return try #require(ProviderRegistry.handler(for: entry) as? OpenAICompatibleHandler)
    }

    static func call(
        _ request: ChatRequest,
        base: String = "https://host/v1",
        settings: [String: String] = [:],
        policy: UnsupportedParameterPolicy = .drop
    ) -> ProviderCall {
        var endpoint = ProviderEndpoint(baseURL: base, credential: .key("k"))
        endpoint.settings = settings
        endpoint.unsupported = policy
        return ProviderCall(request: request, endpoint: endpoint, now: 1_700_000_000, requestID: "req-1")
    }

    /// The body that is sent, sorted.
    static func body(_ name: String, _ text: String) throws -> String {
        let request = try ChatRequest(openAI: Array(text.utf8))
        return GoldenFiles.sorted(try Self.handler(name).prepare(Self.call(request)).body)
    }

    private static func expect(_ name: String, _ text: String, _ sent: String, line: Int = #line) throws {
        #expect(try Self.body(name, text) == GoldenFiles.sorted(sent), "\(name), line \(line)")
    }

    private static let user = #""messages":[{"role":"user","content":"x"}]"#

    @Test("OpenAI: models that reason get max_completion_tokens and developer messages, and no sampling")
    func reasoningModels() throws {
        let text =
            #""messages":[{"role":"system","content":"s"},{"role":"user","content":"x"}],"max_tokens":5,"#
            + #""temperature":0.2,"top_p":1,"seed":1}"#
        let changed =
            #""messages":[{"role":"developer","content":"s"},{"role":"user","content":"x"}],"#
            + #""max_completion_tokens":5,"seed":1}"#
        for model in ["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5-mini-2025-08-07", "ft:o3-mini:org::1"] {
            try Self.expect("openai", "{\"model\":\"\(model)\"," + text, "{\"model\":\"\(model)\"," + changed)
        }
        for model in ["gpt-4o", "gpt-4.1", "gpt-5-chat-latest", "omni-moderation", "chatgpt-4o-latest"] {
            try Self.expect("openai", "{\"model\":\"\(model)\"," + text, "{\"model\":\"\(model)\"," + text)
        }
    }

    @Test("OpenAI: o3 and o4-mini take no stop sequences, o1 does")
    func stopSequences() throws {
        let text = "\(Self.user),\"stop\":[\"x\"]}"
        for model in ["o3", "o4-mini"] {
            try Self.expect("openai", "{\"model\":\"\(model)\",\(text)", "{\"model\":\"\(model)\",\(Self.user)}")
        }
        try Self.expect("openai", "{\"model\":\"o1\",\(text)", "{\"model\":\"o1\",\(text)")
    }

    @Test("OpenAI: a model that is told not to reason keeps its sampling")
    func notReasoning() throws {
        let text = "{\"model\":\"gpt-5.1\",\(Self.user),\"temperature\":0.2,\"reasoning_effort\":\"none\"}"
        try Self.expect("openai", text, text)
    }

    @Test("OpenAI: extensions that it would refuse stay behind, and what was dropped is named")
    func extensions() throws {
        let golden = try ChatRequest(openAI: GoldenFiles.read("openai/request-every-parameter.json"))
        let prepared = try Self.handler("openai").prepare(Self.call(golden))
        let sent = String(decoding: prepared.body, as: UTF8.self)
        for word in [
            "thinking_blocks", "reasoning_content", "\"cache_control\":{\"type\":\"eph", "is_error", "extra_content",
            "top_k",
        ] {
            let isInTool = word.hasPrefix("\"cache") && sent.contains("web_search")
            #expect(!sent.contains(word) || isInTool, "\(word)")
        }
        #expect(prepared.dropped == ["tools.web_search_20250305", "top_k", "thinking", "reasoning_effort"])
        #expect(sent.contains("prediction") && sent.contains("something_new"))
    }

    @Test("a budget for reasoning becomes the nearest effort where the model reasons")
    func thinkingBecomesEffort() throws {
        let text = "{\"model\":\"o3\",\(Self.user),\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}}"
        try Self.expect("openai", text, "{\"model\":\"o3\",\(Self.user),\"reasoning_effort\":\"low\"}")
    }

    @Test("Groq: max_completion_tokens, no n, no logprobs")
    func groq() throws {
        try Self.expect(
            "groq",
            "{\"model\":\"m\",\(Self.user),\"max_tokens\":5,\"n\":2,\"logprobs\":true,\"service_tier\":\"flex\"}",
            "{\"model\":\"m\",\(Self.user),\"max_completion_tokens\":5,\"service_tier\":\"flex\"}"
        )
    }

    @Test("Mistral: random_seed, any, no names, no stream_options")
    func mistral() throws {
        try Self.expect(
            "mistral",
            #"{"model":"m","messages":[{"role":"user","name":"n","content":"x"}],"#
                + #""max_completion_tokens":5,"seed":3,"stream":true,"#
                + #""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"}"#,
            #"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":5,"random_seed":3,"stream":true,"#
                + #""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"any"}"#
        )
    }

    @Test("Mistral: what was thought goes back as parts of the content")
    func mistralThinking() throws {
        try Self.expect(
            "mistral",
            #"{"model":"m","messages":[{"role":"assistant","content":"a","reasoning_content":"hm"}]}"#,
            #"{"model":"m","messages":[{"role":"assistant","content":[{"type":"thinking","#
                + #""thinking":[{"type":"text","text":"hm"}]},"#
                + #"{"type":"text","text":"a"}]}]}"#
        )
    }

    @Test("DeepSeek: content is one string, a schema becomes any object, reasoning goes back")
    func deepSeek() throws {
        try Self.expect(
            "deepseek",
            #"{"model":"m","messages":[{"role":"developer","content":[{"type":"text","text":"a"},"#
                + #"{"type":"text","text":"b"}]},"#
                + #"{"role":"assistant","content":"c","reasoning_content":"r"}],"seed":1,"#
                + #""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}}"#,
            #"{"model":"m","messages":[{"role":"system","content":"ab"},"#
                + #"{"role":"assistant","content":"c","reasoning_content":"r"}],"#
                + #""response_format":{"type":"json_object"}}"#
        )
    }

    @Test("Fireworks: a short name of a model gets its path; any")
    func fireworks() throws {
        try Self.expect(
            "fireworks_ai",
            "{\"model\":\"llama-v3\",\(Self.user),\"tool_choice\":\"required\"}",
            "{\"model\":\"accounts/fireworks/models/llama-v3\",\(Self.user),\"tool_choice\":\"any\"}"
        )
        let long = "{\"model\":\"accounts/me/models/x\",\(Self.user)}"
        try Self.expect("fireworks", long, long)
    }

    @Test("OpenRouter: reasoning as an object, cache marks kept, who calls in the headers")
    func openRouter() throws {
        let text =
            #"{"model":"a/b","messages":[{"role":"user","content":[{"type":"text","text":"x","#
            + #""cache_control":{"type":"ephemeral"}}]}]"#
        try Self.expect("openrouter", text + #","reasoning_effort":"low"}"#, text + #","reasoning":{"effort":"low"}}"#)
        try Self.expect(
            "openrouter",
            text + #","thinking":{"type":"enabled","budget_tokens":9},"provider":{"order":["x"]},"models":["c"]}"#,
            text + #","reasoning":{"max_tokens":9},"provider":{"order":["x"]},"models":["c"]}"#
        )
        let call = Self.call(
            ChatRequest(model: "a/b", messages: []),
            settings: ["site_url": "https://me", "app_name": "Me"]
        )
        let headers = try Self.handler("openrouter").prepare(call).headers
        #expect(headers["HTTP-Referer"] == "https://me")
        #expect(headers["X-Title"] == "Me")
        #expect(headers["authorization"] == "Bearer k")
    }

    @Test("functions become tools where only tools are known")
    func functions() throws {
        try Self.expect(
            "together_ai",
            #"{"model":"m","messages":[{"role":"assistant","content":null,"function_call":{"name":"f","#
                + #""arguments":"{}"}},"#
                + #"{"role":"function","name":"f","content":"1"}],"functions":[{"name":"f"}],"function_call":"auto"}"#,
            #"{"model":"m","messages":[{"role":"assistant","content":null,"#
                + #""tool_calls":[{"id":"call_function_1","type":"function","#
                + #""function":{"name":"f","arguments":"{}"}}]},{"role":"tool","#
                + #""tool_call_id":"call_function_1","content":"1"}],"#
                + #""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto"}"#
        )
    }

    @Test("Ollama: an address without a path gets /v1")
    func ollama() throws {
        let request = ChatRequest(model: "m", messages: [.user("x")])
        let handler = try Self.handler("ollama_chat")
        #expect(
            try handler.prepare(Self.call(request, base: "http://o:11434")).url == "http://o:11434/v1/chat/completions"
        )
        #expect(try handler.prepare(Self.call(request, base: "http://o/v1")).url == "http://o/v1/chat/completions")
    }

    @Test("usage is asked for in every stream that can tell it")
    func streamUsage() throws {
        try Self.expect(
            "vllm",
            "{\"model\":\"m\",\(Self.user),\"stream\":true}",
            "{\"model\":\"m\",\(Self.user),\"stream\":true,\"stream_options\":{\"include_usage\":true}}"
        )
    }

    @Test("what is not understood anywhere is refused under the policy error, and sent under pass")
    func policies() throws {
        var request = ChatRequest(model: "m", messages: [.user("x")])
        request.choiceCount = 2
        let handler = try Self.handler("groq")
        #expect {
            try handler.prepare(Self.call(request, policy: .error))
        } throws: { ($0 as? ProviderError)?.kind == .unsupportedParameter }
        let passed = try handler.prepare(Self.call(request, policy: .pass))
        #expect(String(decoding: passed.body, as: UTF8.self).contains("\"n\":2"))
        #expect(passed.dropped.isEmpty)
    }

    @Test("choices that are not asked for are not waited for")
    func droppedChoices() throws {
        var request = ChatRequest(model: "m", messages: [.user("x")])
        request.choiceCount = 2
        request.isStream = true
        let end = StreamFeed.stream([StreamFeed.chunk(#"{"content":"x"}"#, finish: #""stop""#)])
        let groq = try Self.handler("groq")
        var decoder = groq.decoder(HTTPFields(), for: try groq.prepare(Self.call(request)))
        #expect(try StreamFeed.events(Array(end.utf8), &decoder).last == .done)
        let openAI = try Self.handler("openai")
        var both = openAI.decoder(HTTPFields(), for: try openAI.prepare(Self.call(request)))
        #expect(throws: ProviderError.truncated("openai")) { try StreamFeed.events(Array(end.utf8), &both) }
    }

    @Test("bytes can be passed on where nothing changes")
    func needsTranslation() throws {
        var request = ChatRequest(model: "gpt-4o", messages: [.system("s"), .user("x")])
        request.maximumTokens = 5
        #expect(try Self.handler("vllm").neverNeedsTranslation == false)
        #expect(try Self.handler("litellm").neverNeedsTranslation)
        #expect(try !Self.handler("vllm").needsTranslation(for: request))
        #expect(try !Self.handler("openai").needsTranslation(for: request))
        #expect(try Self.handler("groq").needsTranslation(for: request))
        request.model = "o3"
        #expect(try Self.handler("openai").needsTranslation(for: request))
        request.model = "gpt-4o"
        request.messages[0].cacheMark = CacheMark()
        #expect(try Self.handler("openai").needsTranslation(for: request))
    }

    @Test("a key or a header with a line break is refused")
    func headerInjection() throws {
        var call = Self.call(ChatRequest(model: "m", messages: []))
        call.endpoint.credential = .key("a\r\nx-evil: 1")
        #expect(throws: ProviderError.self) { try Self.handler("openai").prepare(call) }
        call.endpoint.credential = .key("k")
        call.endpoint.settings["organization"] = "o\nx"
        #expect(throws: ProviderError.self) { try Self.handler("openai").prepare(call) }
    }

    @Test("configured headers go in place of ours")
    func headers() throws {
        var call = Self.call(ChatRequest(model: "m", messages: []), settings: ["organization": "org"])
        call.endpoint.headers = [("Authorization", "Basic x"), ("x-more", "1")]
        let headers = try Self.handler("openai").prepare(call).headers
        #expect(headers.values("authorization") == ["Basic x"])
        #expect(headers["openai-organization"] == "org")
        #expect(headers["x-more"] == "1")
    }
}

@Suite("Answers of servers that speak OpenAI's format")
struct OpenAICompatibleAnswerTests {
    private static func answer(_ name: String, _ body: String) throws -> ChatResponse {
        let handler = try OpenAICompatibleTests.handler(name)
        let call = try handler.prepare(OpenAICompatibleTests.call(ChatRequest(model: "m", messages: [])))
        let headers = HTTPFields([("x-request-id", "r-1")])
        return try handler.answer(HTTPClientResponse(status: 200, headers: headers, body: Array(body.utf8)), to: call)
    }

    private static let choice =
        #""choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]"#

    @Test("Perplexity: sources become citations, whole and streamed")
    func perplexity() throws {
        let sources = #""citations":["https://a"],"search_results":[{"title":"A","url":"https://a","date":"2025"}]"#
        let response = try Self.answer("perplexity", "{\(sources),\(Self.choice)}")
        #expect(response.choices.first?.citations.map(\.url) == ["https://a"])
        #expect(response.choices.first?.citations.first?.title == "A")
        #expect(response.additional.isEmpty)

        let handler = try OpenAICompatibleTests.handler("perplexity")
        var request = ChatRequest(model: "sonar", messages: [])
        request.isStream = true
        var decoder = handler.decoder(HTTPFields(), for: try handler.prepare(OpenAICompatibleTests.call(request)))
        var events: [ChatStreamEvent] = []
        let text =
            #"data: {"id":"1","model":"m","created":1,"citations":["https://a"],"choices":[{"index":0,"#
            + #""delta":{"content":"x"},"#
            + #""finish_reason":"stop"}]}"# + "\n\n"
        try decoder.feed(Array(text.utf8)) { events.append($0) }
        try decoder.finish { events.append($0) }
        #expect(try ChatResponse(collecting: events).choices.first?.citations == [Citation(url: "https://a")])
    }

    @Test("xAI: reasoning is counted into the answer's tokens")
    func xAI() throws {
        let usage =
            #""usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"#
            + #""completion_tokens_details":{"reasoning_tokens":20}}"#
        let response = try Self.answer("xai", "{\(Self.choice),\(usage)}")
        #expect(response.usage?.completionTokens == 25)
        #expect(response.usage?.totalTokens == 35)
    }

    @Test("OpenRouter: an error inside an answer of success is an error")
    func openRouter() {
        #expect {
            try Self.answer("openrouter", #"{"error":{"code":402,"message":"no credits"}}"#)
        } throws: { ($0 as? ProviderError)?.kind == .budget }
    }

    @Test("what a server does not say is filled in")
    func filledIn() throws {
        let response = try Self.answer("vllm", "{\(Self.choice)}")
        #expect(response.id == "req-1")
        #expect(response.model == "m")
        #expect(response.created == 1_700_000_000)
        #expect(response.requestID == "r-1")
    }

    @Test("a whole answer where a stream was asked for is told as a stream")
    func wholeAnswer() throws {
        let handler = try OpenAICompatibleTests.handler("vllm")
        let call = try handler.prepare(OpenAICompatibleTests.call(ChatRequest(model: "m", messages: [])))
        var decoder = handler.decoder(HTTPFields([("Content-Type", "application/json; charset=utf-8")]), for: call)
        var events: [ChatStreamEvent] = []
        try decoder.feed(Array("{\(Self.choice)}".utf8)) { events.append($0) }
        try decoder.finish { events.append($0) }
        #expect(try ChatResponse(collecting: events).text == "x")
        var cut = handler.decoder(HTTPFields([("Content-Type", "application/json")]), for: call)
        try cut.feed(Array("{\(Self.choice)".utf8)) { _ in }
        #expect(throws: ProviderError.self) { try cut.finish { _ in } }
    }
}
