import SluiceProviders
import Testing

@Suite("The table of providers")
struct ProviderRegistryTests {
    @Test("names are unique, lower case, and lead to their row; addresses are addresses")
    func rows() {
        var seen: Set<String> = []
        for entry in ProviderRegistry.entries {
            for name in [entry.name] + entry.aliases {
                #expect(seen.insert(name).inserted, "\(name)")
                #expect(name == name.lowercased() && !name.contains("/"))
                #expect(ProviderRegistry.entry(named: name)?.name == entry.name)
            }
            if let base = entry.baseURL {
                #expect(!base.hasSuffix("/"))
                if !base.contains("{") { #expect(BaseAddress(base) != nil, "\(base)") }
                #expect(base.hasPrefix("https://") || entry.isKeyOptional, "\(base)")
            }
            #expect(entry.isKeyOptional || !(entry.keyEnvironment + entry.bearerEnvironment).isEmpty)
        }
    }

    @Test(
        "every provider of the documentation is there",
        arguments: [
            "openai", "azure", "anthropic", "gemini", "vertex_ai", "bedrock", "cohere", "vllm", "hosted_vllm", "sglang",
            "llama_cpp", "ollama", "litellm", "openrouter", "groq", "mistral", "deepseek", "together_ai",
            "fireworks_ai",
            "xai", "perplexity", "cerebras", "nvidia_nim", "lm_studio", "openai_compatible",
        ]
    )
    func present(name: String) { #expect(ProviderRegistry.entry(named: name) != nil) }

    @Test(
        "an unknown provider is a typed error that names the nearest ones",
        arguments: [
            ("opnai", "'openai'"), ("Groq", "'groq'"), ("antropic", "'anthropic'"), ("deepsek", "'deepseek'"),
            ("open", "'openai'"),
        ]
    )
    func nearest(name: String, hint: String) {
        #expect {
            try ProviderRegistry.require(name)
        } throws: { error in
            guard let error = error as? ProviderError else { return false }
            return error.kind == .unsupportedProvider && error.message.contains(hint)
        }
    }

    @Test("nothing near is suggested for what is like nothing")
    func farAway() { #expect(ProviderRegistry.nearest("zzzzzzzzzz").isEmpty) }

    @Test(
        "an address belongs to a provider by its host and its path's segments",
        arguments: [
            ("https://api.groq.com/openai/v1", "groq" as String?), ("https://API.groq.com:443/openai/v1/", "groq"),
            ("https://api.groq.com/openai/v1/chat/completions", "groq"),
            ("https://evil.example/api.groq.com/openai/v1", nil),
            ("https://api.groq.com@evil.example/openai/v1", nil),
            ("https://api.groq.com:pass@evil.example/openai/v1", nil),
            ("https://api.groq.com.evil.example/openai/v1", nil), ("http://api.groq.com/openai/v1", nil),
            ("https://api.groq.com:8443/openai/v1", nil), ("https://api.groq.com/openai/v1evil", nil),
            ("https://api.groq.com/openai/v1/../../x", nil), ("https://api.groq.com/openai/%2e%2e/v1", nil),
            ("https://api.groq.com\\@evil.example/openai/v1", nil), ("https://api.groq.com/openai/v1?x=1", nil),
            ("https://evil.example#api.groq.com/openai/v1", nil),
            ("https://api.groq.com%2eevil.example/openai/v1", nil),
            ("https://аpi.groq.com/openai/v1", nil), ("ftp://api.groq.com/openai/v1", nil), ("api.groq.com", nil),
            ("", nil),
            ("https://api.groq.com :443/openai/v1", nil), ("https://:443/openai/v1", nil),
            ("https://api.groq.com:/openai/v1", nil),
        ]
    )
    func addresses(address: String, name: String?) {
        #expect(ProviderRegistry.entry(at: address)?.name == name)
    }

    @Test("addresses with brackets have a host and a port")
    func brackets() {
        #expect(BaseAddress("http://[::1]:8000/v1")?.host == "[::1]")
        #expect(BaseAddress("http://[::1]:8000/v1")?.port == 8000)
        #expect(BaseAddress("http://[::1]/v1")?.port == 80)
        #expect(BaseAddress("http://[::1/v1") == nil)
    }
}
