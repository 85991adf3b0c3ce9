import SluiceProviders
import Testing

@Suite("From a model's name to its provider")
struct ModelResolutionTests {
    private static let variables = [
        "GROQ_API_KEY": "groq-key", "OPENAI_API_KEY": "openai-key", "ANTHROPIC_AUTH_TOKEN": "token",
        "OPENAI_BASE_URL": "", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1",
        "GEMINI_API_KEY": "gemini-key", "OLLAMA_API_BASE": "http://ollama:11434/",
    ]

    private static func resolution() -> ModelResolution { ModelResolution { Self.variables[$0] } }

    private static func key(_ resolved: ResolvedModel) -> String? {
        switch resolved.endpoint.credential {
        case .key(let key): key
        case .bearer(let token): "Bearer \(token)"
        case .aws(let access, let secret, _): "\(access):\(secret)"
        case .none: nil
        }
    }

    @Test(
        "only the first segment is the provider",
        arguments: [
            ("groq/llama-3.3-70b", "groq", "llama-3.3-70b"),
            ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
            ("openai/org/m", "openai", "org/m"), ("together_ai/meta/l", "together", "meta/l"),
        ]
    )
    func segments(name: String, provider: String, model: String) throws {
        var resolution = Self.resolution()
        resolution.providers["together"] = ProviderAccess(key: "k")
        let resolved = try resolution.resolve(name)
        #expect(resolved.entry.name == provider)
        #expect(resolved.model == model)
    }

    @Test("a provider that is named outright takes the name as it is")
    func outright() throws {
        let resolved = try Self.resolution().resolve("groq/compound", provider: "groq")
        #expect(resolved.model == "groq/compound")
    }

    @Test("an alias goes before all else")
    func aliases() throws {
        var resolution = Self.resolution()
        resolution.aliases["openai/fast"] = ModelAlias("groq/llama", access: ProviderAccess(key: "mine"))
        let resolved = try resolution.resolve("openai/fast")
        #expect(resolved.entry.name == "groq")
        #expect(Self.key(resolved) == "mine")
    }

    @Test("a bare name is guessed only where that is allowed")
    func guesses() throws {
        var resolution = Self.resolution()
        #expect {
            try resolution.resolve("gpt-5")
        } throws: { ($0 as? ProviderError)?.kind == .notFound }
        resolution.allowsGuesses = true
        #expect(try resolution.resolve("gpt-5").entry.name == "openai")
        #expect(try resolution.resolve("claude-sonnet-4-5").entry.name == "anthropic")
        #expect(try resolution.resolve("gemini-2.5-pro").entry.name == "gemini")
        #expect(try resolution.resolve("anthropic.claude-v2:1").entry.name == "bedrock")
        #expect(throws: ProviderError.self) { try resolution.resolve("unheard-of") }
    }

    @Test("an unknown provider is a typed error", arguments: ["grok/x", "meta-llama/Llama-3"])
    func unknown(name: String) {
        #expect {
            try Self.resolution().resolve(name)
        } throws: { ($0 as? ProviderError)?.kind == .unsupportedProvider }
    }

    @Test("the call goes before the configuration, the configuration before the environment")
    func order() throws {
        var resolution = Self.resolution()
        #expect(Self.key(try resolution.resolve("groq/x")) == "groq-key")
        resolution.providers["groq"] = ProviderAccess(baseURL: "https://proxy.internal/groq/", key: "configured")
        let configured = try resolution.resolve("groq/x")
        #expect(Self.key(configured) == "configured")
        #expect(configured.endpoint.baseURL == "https://proxy.internal/groq")
        #expect(Self.key(try resolution.resolve("groq/x", access: ProviderAccess(key: "said"))) == "said")
    }

    @Test("empty variables are not set; tokens, AWS's pair and servers without a key work")
    func environment() throws {
        let resolution = Self.resolution()
        #expect(try resolution.resolve("openai/x").endpoint.baseURL == "https://api.openai.com/v1")
        #expect(Self.key(try resolution.resolve("anthropic/x")) == "Bearer token")
        let bedrock = try resolution.resolve("bedrock/x")
        #expect(Self.key(bedrock) == "id:secret")
        #expect(bedrock.endpoint.baseURL == "https://bedrock-runtime.eu-west-1.amazonaws.com")
        #expect(Self.key(try resolution.resolve("vllm/x")) == nil)
        #expect(try resolution.resolve("ollama/x").endpoint.baseURL == "http://ollama:11434")
        #expect {
            try resolution.resolve("mistral/x")
        } throws: { error in
            (error as? ProviderError)?.kind == .authentication
                && (error as? ProviderError)?.message.contains("MISTRAL_API_KEY") == true
        }
    }

    @Test(
        "look-alike hosts never receive a key",
        arguments: [
            "https://evil.example/api.groq.com", "https://api.groq.com@evil.example",
            "https://api.groq.com.evil.example/openai/v1",
            "http://api.groq.com/openai/v1", "https://api.groq.com:444/openai/v1", "https://api.groq.com/openai/v1evil",
            "https://evil.example", "https://user@api.groq.com/openai/v1", "https://api.groq.com/openai/v1/../..",
        ]
    )
    func lookAlikes(address: String) throws {
        var resolution = Self.resolution()
        resolution.providers["groq"] = ProviderAccess(key: "configured")
        resolution.providers["groq"]?.headers = [("x-secret", "s")]
        #expect(throws: ProviderError.self) {
            try resolution.resolve("groq/x", access: ProviderAccess(baseURL: address))
        }
        // A server that needs no key is called without any.
        resolution.providers["vllm"] = ProviderAccess(baseURL: "https://mine.internal/v1", key: "configured")
        resolution.providers["vllm"]?.headers = [("x-secret", "s")]
        if let resolved = try? resolution.resolve("vllm/x", access: ProviderAccess(baseURL: address)) {
            #expect(Self.key(resolved) == nil)
            #expect(resolved.endpoint.headers.isEmpty)
        }
    }

    @Test("an address of the call that is the provider's own gets the key")
    func ownAddress() throws {
        let access = ProviderAccess(baseURL: "https://api.groq.com/openai/v1/")
        #expect(Self.key(try Self.resolution().resolve("groq/x", access: access)) == "groq-key")
    }

    @Test("a setting cannot lead the key to another host", arguments: ["x.evil.example/", "a@evil", "", "é", "a.b"])
    func settings(region: String) {
        var access = ProviderAccess()
        access.settings["region"] = region
        #expect(throws: ProviderError.self) { try Self.resolution().resolve("bedrock/x", access: access) }
    }

    @Test("Azure has to be told where it is")
    func azure() throws {
        var resolution = Self.resolution()
        #expect(throws: ProviderError.self) { try resolution.resolve("azure/gpt-4o") }
        resolution.providers["azure"] = ProviderAccess(baseURL: "https://mine.openai.azure.com/", key: "k")
        let resolved = try resolution.resolve("azure/gpt-4o")
        #expect(resolved.endpoint.settings["api_version"] == "2024-10-21")
    }
}
