import SluiceBasics
import SluiceCompletion
import SluiceWire
import Testing

/// Whole answers, from the call to the wire and back.
struct CompletionTests {
    @Test func `a call goes to the model's provider with its key`() async throws {
        let ground = TestGround([.good])
        let answer = try await ground.client().completion(
            model: "openai/gpt-4o",
            messages: [.system("Be brief."), .user("Hi")],
            maximumTokens: 50,
            temperature: 0.5,
            topLogprobs: 2,
            additional: [JSONField("newer", ["x": 1])]
        )
        #expect(answer.text == "Hello!")
        #expect(answer.usage?.totalTokens == 5)
        let request = try #require(ground.requests.first)
        #expect(request.url == "https://api.openai.com/v1/chat/completions")
        #expect(request.headers["authorization"] == "Bearer sk-secret")
        try JSON.read(request.body) { body in
            #expect(body["model"]?.string == "gpt-4o")
            #expect(body["messages"]?.count == 2)
            #expect(body["temperature"]?.double == 0.5 && body["logprobs"]?.bool == true)
            #expect(body["newer"]?["x"]?.int == 1)
        }
    }

    @Test func `another provider speaks another language and answers alike`() async throws {
        let anthropic = """
            {"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text",
            "text":"Hello!"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}
            """
        let ground = TestGround([.answer(200, [], anthropic)])
        let answer = try await ground.client().completion(model: "anthropic/claude-x", messages: [.user("Hi")])
        #expect(answer.text == "Hello!" && answer.choices.first?.finishReason == .stop)
        let request = try #require(ground.requests.first)
        #expect(request.url == "https://api.anthropic.com/v1/messages")
        #expect(request.headers["x-api-key"] == "ant-secret")
    }

    @Test func `names of one's own, addresses and keys of a call`() async throws {
        let ground = TestGround([.good, .good])
        let client = ground.client {
            $0.models["fast"] = ModelSettings(
                "openai/small",
                access: ProviderSettings(baseURL: "http://localhost:9/v1", apiKey: "own")
            )
        }
        _ = try await client.completion(model: "fast", messages: [.user("Hi")])
        var options = CompletionOptions()
        options.provider = "openai"
        options.access = ProviderSettings(baseURL: "http://localhost:10/v1", apiKey: "call's")
        _ = try await client.completion(model: "org/m", messages: [.user("Hi")], options: options)
        #expect(
            ground.requests.map(\.url) == [
                "http://localhost:9/v1/chat/completions", "http://localhost:10/v1/chat/completions",
            ]
        )
        #expect(ground.requests.map { $0.headers["authorization"] } == ["Bearer own", "Bearer call's"])
    }

    @Test func `an address of a call never gets a configured key`() async throws {
        let ground = TestGround([.good])
        var options = CompletionOptions()
        options.access = ProviderSettings(baseURL: "https://api.openai.com.evil.example/v1")
        let error = await #expect(throws: ProviderError.self) {
            try await ground.client().completion(model: "openai/m", messages: [], options: options)
        }
        #expect(error?.kind == .authentication)
        #expect(ground.requests.isEmpty)
    }

    @Test func `an unknown provider is named together with the nearest`() async throws {
        let ground = TestGround([])
        let error = await #expect(throws: ProviderError.self) {
            try await ground.client().completion(model: "anthropc/m", messages: [])
        }
        #expect(error?.kind == .unsupportedProvider)
        #expect(error?.message.contains("'anthropic'") == true)
    }

    @Test func `without a key the error says where one is looked for`() async throws {
        let ground = TestGround([])
        let error = await #expect(throws: ProviderError.self) {
            try await ground.client().completion(model: "groq/m", messages: [])
        }
        #expect(error?.kind == .authentication)
        #expect(error?.message.contains("GROQ_API_KEY") == true)
    }

    @Test func `keys never appear in messages`() async throws {
        let body = Sample.error("Incorrect API key provided: sk-secret.", code: "invalid_api_key")
        let ground = TestGround([.answer(401, [], body)])
        let error = await #expect(throws: ProviderError.self) {
            try await ground.client().completion(model: "openai/m", messages: [])
        }
        #expect(error?.kind == .authentication && error?.status == 401)
        #expect(error?.message.contains("sk-secret") == false)
        #expect(ground.requests.count == 1)
    }

    @Test func `raw JSON in and out`() async throws {
        let answer = Sample.answer.replacing("\"created\":7", with: "\"created\":7,\"later\":{\"a\":[1]}")
        let ground = TestGround([.answer(200, [], answer)])
        let json: JSONText = [
            "model": "openai/m", "messages": [["role": "user", "content": "Hi"]], "brand_new": ["deep": true],
        ]
        let result = try await ground.client().completion(rawJSON: json)
        try JSON.read(result.bytes) { root in
            #expect(root["choices"]?.count == 1)
            #expect(root["later"]?["a"]?.count == 1)
        }
        let sent = try #require(ground.requests.first)
        try JSON.read(sent.body) { #expect($0["brand_new"]?["deep"]?.bool == true) }
        let error = await #expect(throws: ProviderError.self) {
            try await ground.client().completion(rawJSON: ["model": "openai/m", "messages": 7])
        }
        #expect(error?.parameter == "messages")
    }

    @Test func `embeddings`() async throws {
        let body = """
            {"object":"list","model":"e","data":[{"object":"embedding","index":0,"embedding":[0.5,1]}],
            "usage":{"prompt_tokens":2,"total_tokens":2}}
            """
        let ground = TestGround([.answer(200, [], body)])
        let answer = try await ground.client().embedding(model: "openai/e", texts: ["x"], dimensions: 2)
        #expect(answer.vectors == [[0.5, 1]] && answer.promptTokens == 2)
        #expect(ground.requests.first?.url == "https://api.openai.com/v1/embeddings")
    }

    @Test func `unsupported parameters by policy`() async throws {
        let ground = TestGround([])
        let client = ground.client { $0.unsupportedParameters = .error }
        let error = await #expect(throws: ProviderError.self) {
            try await client.completion(model: "anthropic/claude-x", messages: [.user("x")], seed: 7)
        }
        #expect(error?.kind == .unsupportedParameter)
        #expect(ground.requests.isEmpty)
    }

    @Test func `what is left out is told, once for each call`() async throws {
        let told = Lock<[String]>([])
        let ground = TestGround([.refused(529), .refused(400), .refused(400)])
        let client = ground.client {
            $0.onDroppedParameters = { names, model in told.withLock { $0.append("\(model): \(names)") } }
        }
        await #expect(throws: ProviderError.self) {
            try await client.completion(model: "anthropic/claude-x", messages: [.user("x")], seed: 7)
        }
        await #expect(throws: ProviderError.self) {
            try await client.stream(model: "anthropic/claude-x", messages: [.user("x")], seed: 7).collected()
        }
        #expect(told.withLock { $0 } == Array(repeating: #"anthropic/claude-x: ["seed"]"#, count: 2))
    }
}
