import SluiceProviders
import SluiceWire
import Testing

@Suite("Azure OpenAI")
struct AzureTests {
    private static func prepare(
        _ request: ChatRequest = ChatRequest(model: "gpt-4o", messages: [.user("x")]),
        _ settings: [String: String] = [:],
        base: String = "https://r.openai.azure.com",
        credential: ProviderCredential = .key("k")
    ) throws -> PreparedCall {
        var endpoint = ProviderEndpoint(baseURL: base, credential: credential)
        endpoint.settings = settings
        return try AzureHandler().prepare(
            ProviderCall(request: request, endpoint: endpoint, now: 1, requestID: "r")
        )
    }

    @Test("a dated version has the deployment in its address, an undated one has not")
    func addresses() throws {
        let root = "https://r.openai.azure.com/openai"
        #expect(try Self.prepare().url == "\(root)/deployments/gpt-4o/chat/completions?api-version=2024-10-21")
        #expect(
            try Self.prepare(
                ChatRequest(model: "m", messages: []),
                ["api_version": "2025-01-01-preview", "deployment": "d"]
            ).url
                == "\(root)/deployments/d/chat/completions?api-version=2025-01-01-preview"
        )
        #expect(
            try Self.prepare(ChatRequest(model: "m", messages: []), ["api_version": "v1"]).url
                == "\(root)/v1/chat/completions"
        )
        for version in ["preview", "latest"] {
            #expect(
                try Self.prepare(ChatRequest(model: "m", messages: []), ["api_version": version]).url
                    == "\(root)/v1/chat/completions?api-version=\(version)"
            )
        }
        for base in ["https://r.openai.azure.com/openai", "https://r.openai.azure.com/openai/v1"] {
            #expect(
                try Self.prepare(ChatRequest(model: "m", messages: []), ["api_version": "v1"], base: base).url
                    == "\(root)/v1/chat/completions"
            )
        }
    }

    @Test("neither version nor deployment can lead elsewhere")
    func injection() throws {
        #expect(throws: ProviderError.self) {
            try Self.prepare(ChatRequest(model: "m", messages: []), ["api_version": "2024-10-21&x=1#"])
        }
        let prepared = try Self.prepare(ChatRequest(model: "../../x?y", messages: []))
        #expect(prepared.url.hasPrefix("https://r.openai.azure.com/openai/deployments/..%2F..%2Fx%3Fy/chat/"))
    }

    @Test("a key goes into api-key, a token into Authorization")
    func credentials() throws {
        let key = try Self.prepare().headers
        #expect(key["api-key"] == "k")
        #expect(key["authorization"] == nil)
        let token = try Self.prepare(credential: .bearer("t")).headers
        #expect(token["authorization"] == "Bearer t")
        #expect(token["api-key"] == nil)
    }

    @Test("the deployment hides the model: base_model decides the rules")
    func baseModel() throws {
        var request = ChatRequest(model: "prod", messages: [.system("s"), .user("x")])
        request.maximumTokens = 5
        let body = String(
            decoding: try Self.prepare(request, ["base_model": "o3-mini", "api_version": "v1"]).body,
            as: UTF8.self
        )
        #expect(body.contains("\"max_completion_tokens\":5"))
        #expect(body.contains("\"role\":\"developer\""))
        #expect(body.contains("\"model\":\"prod\""))
        #expect(String(decoding: try Self.prepare(request).body, as: UTF8.self).contains("\"max_tokens\":5"))
    }

    @Test("versions before schemas get any JSON object, and it is said")
    func oldVersions() throws {
        var request = ChatRequest(model: "m", messages: [])
        request.responseFormat = .jsonSchema(name: "n", description: nil, schema: .emptyObject, isStrict: nil)
        let old = try Self.prepare(request, ["api_version": "2024-02-01"])
        #expect(old.dropped == ["response_format.json_schema"])
        #expect(String(decoding: old.body, as: UTF8.self).contains("json_object"))
        #expect(try Self.prepare(request, ["api_version": "2024-08-01-preview"]).dropped.isEmpty)
        #expect(try Self.prepare(request, ["api_version": "v1"]).dropped.isEmpty)
    }

    @Test("versions before stream_options are not sent them")
    func oldVersionsOfStreams() throws {
        var request = ChatRequest(model: "gpt-4o", messages: [.user("x")])
        request.isStream = true
        request.includesUsage = true
        for version in ["2024-02-01", "2024-06-01", "2024-08-01-preview"] {
            let body = String(decoding: try Self.prepare(request, ["api_version": version]).body, as: UTF8.self)
            #expect(!body.contains("stream_options") && body.contains("\"stream\":true"), "\(version)")
        }
        for version in ["2024-09-01-preview", "2024-10-21", "2025-01-01-preview", "v1", "preview", "latest"] {
            request.includesUsage = false
            let body = String(decoding: try Self.prepare(request, ["api_version": version]).body, as: UTF8.self)
            #expect(body.contains("\"include_usage\":true"), "\(version)")
        }
    }

    @Test("versions before a required tool call are not asked for one, and it is said")
    func oldVersionsOfToolChoice() throws {
        var request = ChatRequest(model: "gpt-4o", messages: [.user("x")])
        request.tools = [.function("f")]
        request.toolChoice = .required
        let old = try Self.prepare(request, ["api_version": "2024-02-01"])
        #expect(old.dropped == ["tool_choice.required"])
        #expect(!String(decoding: old.body, as: UTF8.self).contains("required"))
        for version in ["2024-06-01", "v1"] {
            let prepared = try Self.prepare(request, ["api_version": version])
            #expect(prepared.dropped.isEmpty)
            #expect(String(decoding: prepared.body, as: UTF8.self).contains("\"tool_choice\":\"required\""))
        }
    }

    @Test("a first chunk without choices is no answer yet; its filter results are kept")
    func firstChunk() throws {
        let text =
            #"data: {"choices":[],"created":0,"id":"","model":"","object":"","#
            + #""prompt_filter_results":[{"prompt_index":0}]}"#
            + "\n\ndata: "
            + #"{"id":"c","model":"gpt-4o","created":5,"object":"chat.completion.chunk","#
            + #""choices":[{"index":0,"delta":{"#
            + #""role":"assistant","content":""},"content_filter_results":{}}]}"# + "\n\ndata: "
            + #"{"id":"c","model":"gpt-4o","created":5,"choices":[{"index":0,"delta":{"content":"x"},"#
            + #""finish_reason":"stop","#
            + #""content_filter_results":{"hate":{"filtered":false}}}]}"# + "\n\ndata: [DONE]\n\n"
        var decoder = AzureHandler().decoder(HTTPFields([("apim-request-id", "a-1")]), for: try Self.prepare())
        let events = try StreamFeed.events(Array(text.utf8), piece: 13, &decoder)
        let response = try ChatResponse(collecting: events)
        #expect(response.id == "c")
        #expect(response.model == "gpt-4o")
        #expect(response.requestID == "a-1")
        #expect(response.additional.map(\.name) == ["prompt_filter_results"])
        #expect(response.choices.first?.choiceAdditional.map(\.name) == ["content_filter_results"])
        guard case .start = events.first else {
            Issue.record("the stream does not begin with its start")
            return
        }
    }

    @Test("a refused prompt is a matter of content policy")
    func contentFilter() {
        let body =
            #"{"error":{"message":"The response was filtered","code":"content_filter","status":400,"#
            + #""innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{}}}}"#
        let error = AzureHandler().failure(HTTPClientResponse(status: 400, body: Array(body.utf8)), now: 1)
        #expect(error.kind == .contentPolicy)
        #expect(error.provider == "azure")
    }
}
