import SluiceProviders
import SluiceWire
import Testing

/// What is different at servers that speak OpenAI's format, where it is easily overlooked.
struct CompatibleTrapTests {
    private static let user = #""messages":[{"role":"user","content":"x"}]"#

    private func prepared(_ provider: String, _ members: String, key: String? = "k") throws -> PreparedCall {
        let request = try ChatRequest(openAI: Array((#"{"model":"m","# + Self.user + members + "}").utf8))
        var call = OpenAICompatibleTests.call(request)
        call.endpoint.credential = key.map { .key($0) } ?? .none
        return try OpenAICompatibleTests.handler(provider).prepare(call)
    }

    private func body(_ provider: String, _ members: String) throws -> String {
        String(decoding: try self.prepared(provider, members).body, as: UTF8.self)
    }

    private func streamed(_ provider: String, _ chunks: [String]) throws -> ChatResponse {
        let call = try self.prepared(provider, #","stream":true"#)
        let headers = HTTPFields([("content-type", "text/event-stream")])
        var decoder = try OpenAICompatibleTests.handler(provider).decoder(headers, for: call)
        return try ChatResponse(collecting: StreamFeed.events(Array(StreamFeed.stream(chunks).utf8), &decoder))
    }

    private func whole(
        _ provider: String,
        _ message: String,
        finish: String = "stop",
        more: String = ""
    ) throws -> ChatResponse {
        let choice = #"{"index":0,"message":\#(message),"finish_reason":"\#(finish)"\#(more)}"#
        let body = #"{"id":"c1","created":9,"model":"m","choices":[\#(choice)]}"#
        let call = try self.prepared(provider, "")
        return try OpenAICompatibleTests.handler(provider).answer(
            HTTPClientResponse(status: 200, body: Array(body.utf8)),
            to: call
        )
    }

    // MARK: Addresses and keys

    @Test(arguments: ["vllm", "hosted_vllm", "ollama", "lm_studio", "llama_cpp", "sglang"])
    func `a server of one's own without a key gets none, and no invented one`(provider: String) throws {
        let resolved = try ModelResolution { _ in nil }.resolve("m", provider: provider)
        guard case .none = resolved.endpoint.credential else {
            Issue.record("\(provider) has \(resolved.endpoint.credential)")
            return
        }
        #expect(try self.prepared(provider, "", key: nil).headers["authorization"] == nil)
    }

    @Test(arguments: [
        ("deepseek", "https://api.deepseek.com"), ("groq", "https://api.groq.com/openai/v1"),
        ("perplexity", "https://api.perplexity.ai"), ("fireworks", "https://api.fireworks.ai/inference/v1"),
        ("together", "https://api.together.ai/v1"), ("openrouter", "https://openrouter.ai/api/v1"),
        ("xai", "https://api.x.ai/v1"), ("cerebras", "https://api.cerebras.ai/v1"),
        ("nvidia_nim", "https://integrate.api.nvidia.com/v1"), ("mistral", "https://api.mistral.ai/v1"),
    ])
    func `a provider is called where it documents, not at a beta of it`(provider: String, address: String) {
        #expect(ProviderRegistry.entry(named: provider)?.baseURL == address)
    }

    // MARK: Requests

    @Test(arguments: [
        ("together", #","top_k":4,"repetition_penalty":1.1,"min_p":0.1"#),
        ("vllm", #","top_k":4,"chat_template_kwargs":{"a":1},"structured_outputs":{"json":{}},"guided_choice":["a"]"#),
        ("openrouter", #","models":["a/b"],"provider":{"order":["x"]},"transforms":["middle-out"]"#),
        ("perplexity", #","search_domain_filter":["a.example"]"#),
    ])
    func `a server's own parameters are passed on`(provider: String, members: String) throws {
        let call = try self.prepared(provider, members)
        let body = String(decoding: call.body, as: UTF8.self)
        for member in JSONMembers.scan(Array(("{" + members.dropFirst() + "}").utf8)) {
            let text = "\"\(member.name)\":" + String(decoding: member.value, as: UTF8.self)
            #expect(body.contains(text), "\(text) in \(body)")
        }
        #expect(call.dropped.isEmpty)
    }

    @Test func `what a server cannot do is named, never dropped in silence`() throws {
        let members = #","n":2,"logprobs":true,"logit_bias":{"1":2}"#
        #expect(try Set(self.prepared("groq", members).dropped) == ["n", "logprobs", "logit_bias"])
        #expect(try Set(self.prepared("deepseek", members).dropped).isSuperset(of: ["n", "logit_bias"]))
    }

    @Test func `Azure: an image whose address stands alone goes as an object`() throws {
        let part = #"{"type":"image_url","image_url":"https://a.example/b.png"}"#
        let text = #"{"model":"gpt-4o","messages":[{"role":"user","content":[\#(part)]}]}"#
        let endpoint = ProviderEndpoint(baseURL: "https://r.openai.azure.com", credential: .key("k"))
        let request = try ChatRequest(openAI: Array(text.utf8))
        let call = ProviderCall(request: request, endpoint: endpoint, now: 1, requestID: "r")
        let body = String(decoding: try AzureHandler().prepare(call).body, as: UTF8.self)
        #expect(body.contains(#""image_url":{"url":"https://a.example/b.png"}"#))
    }

    // MARK: Answers

    @Test(arguments: ["groq", "vllm", "openrouter", "deepseek", "ollama"], ["reasoning", "reasoning_content"])
    func `reasoning under either name, whole and streamed`(provider: String, name: String) throws {
        let whole = try self.whole(provider, #"{"role":"assistant","content":"x","\#(name)":"hm, yes"}"#)
        #expect(whole.choices[0].reasoning.map(\.text) == ["hm, yes"])
        let streamed = try self.streamed(
            provider,
            [
                StreamFeed.chunk(#"{"role":"assistant","\#(name)":"hm,"}"#), StreamFeed.chunk(#"{"\#(name)":" yes"}"#),
                StreamFeed.chunk(#"{"content":"x"}"#, finish: #""stop""#),
            ]
        )
        #expect(streamed.choices == whole.choices)
    }

    @Test func `Mistral: thinking within a list of parts, usage in the last chunk, model_length`() throws {
        let thinking = #"{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}"#
        let usage = #","usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}"#
        let streamed = try self.streamed(
            "mistral",
            [
                StreamFeed.chunk(#"{"role":"assistant","content":[\#(thinking)]}"#),
                StreamFeed.chunk(#"{"content":[{"type":"text","text":"a"}]}"#),
                StreamFeed.chunk(#"{"content":"b"}"#, finish: #""model_length""#, more: usage),
            ]
        )
        #expect(streamed.text == "ab" && streamed.choices[0].reasoning.map(\.text) == ["hm"])
        #expect(streamed.choices[0].finishReason == .length && streamed.usage?.totalTokens == 7)
    }

    @Test func `OpenRouter: the model's own reason is exposed, whole and streamed`() throws {
        let more = #","native_finish_reason":"MAX_TOKENS""#
        let whole = try self.whole("openrouter", #"{"role":"assistant","content":"x"}"#, finish: "length", more: more)
        let chunk = StreamFeed.chunk(#"{"content":"x"}"#, finish: #""length","native_finish_reason":"MAX_TOKENS""#)
        for answer in [whole, try self.streamed("openrouter", [chunk])] {
            #expect(answer.choices[0].finishReason == .length && answer.choices[0].nativeFinishReason == "MAX_TOKENS")
        }
    }

    @Test func `OpenRouter: a chunk that ends with error is an error, with the status it states`() throws {
        let error =
            #"{"id":"c","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"#
            + #""error":{"code":502,"message":"Provider disconnected"}}"#
        let fault = #expect(throws: ProviderError.self) {
            try self.streamed("openrouter", [StreamFeed.chunk(#"{"content":"x"}"#), error])
        }
        #expect(fault?.kind == .badGateway && fault?.message == "Provider disconnected")
    }

    @Test func `Ollama: an error that is a text, and a stop behind calls`() throws {
        let handler = try OpenAICompatibleTests.handler("ollama")
        let body = Array(#"{"error":"model 'x' not found"}"#.utf8)
        let error = handler.failure(HTTPClientResponse(status: 404, body: body), now: 0)
        #expect(error.kind == .notFound && error.message == "model 'x' not found")
        let call = #"{"id":"1","type":"function","function":{"name":"f","arguments":{"a":1}}}"#
        let whole = try self.whole("ollama", #"{"role":"assistant","content":"","tool_calls":[\#(call)]}"#)
        #expect(whole.choices[0].finishReason == .toolCalls && whole.toolCalls[0].arguments == #"{"a":1}"#)
    }

    @Test func `DeepSeek: what its cache gave is counted in a stream too`() throws {
        let usage =
            #","usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"#
            + #""prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}"#
        let streamed = try self.streamed(
            "deepseek",
            [StreamFeed.chunk(#"{"content":"x"}"#, finish: #""stop""#, more: usage)]
        )
        #expect(streamed.usage?.cachedTokens == 8 && streamed.usage?.promptTokens == 10)
    }
}
