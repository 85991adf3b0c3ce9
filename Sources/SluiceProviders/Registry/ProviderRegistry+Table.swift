/// The table of providers. A new one is a row here, and, if it has a wire format of its own, a handler in
/// `ProviderRegistry.handler(for:)`.
extension ProviderRegistry {
    package static let entries: [ProviderEntry] = Self.wiresOfTheirOwn + Self.hosted + Self.ownServers

    private static let wiresOfTheirOwn: [ProviderEntry] = [
        ProviderEntry("openai", "OpenAI", .openAI(.openAI), base: "https://api.openai.com/v1")
            .keys("OPENAI_API_KEY").bases("OPENAI_BASE_URL", "OPENAI_API_BASE")
            .models("gpt-", "chatgpt-", "o1", "o3", "o4-", "text-embedding-")
            .settings(
                .init("organization", ["OPENAI_ORG_ID", "OPENAI_ORGANIZATION"]),
                .init("project", ["OPENAI_PROJECT_ID"])
            ),
        ProviderEntry("azure", "Azure OpenAI", .azure, base: nil).aliases("azure_openai")
            .keys("AZURE_OPENAI_API_KEY", "AZURE_API_KEY")
            .bearers("AZURE_OPENAI_AD_TOKEN", "AZURE_AD_TOKEN")
            .bases("AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE")
            .settings(
                .init("api_version", ["AZURE_API_VERSION", "OPENAI_API_VERSION"], or: AzureHandler.defaultVersion),
                .init("deployment"),
                .init("base_model")
            ),
        ProviderEntry("anthropic", "Anthropic", .anthropic, base: "https://api.anthropic.com").aliases("claude")
            .keys("ANTHROPIC_API_KEY").bearers("ANTHROPIC_AUTH_TOKEN")
            .bases("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE").models("claude-")
            .settings(.init("api_version"), .init("beta")),
        ProviderEntry(
            "gemini",
            "Google Gemini",
            .gemini,
            base: "https://generativelanguage.googleapis.com/v1beta"
        ).aliases("google", "google_ai_studio")
            .keys("GOOGLE_API_KEY", "GEMINI_API_KEY").bases("GEMINI_API_BASE", "GOOGLE_GEMINI_BASE_URL")
            .models("gemini-"),
        ProviderEntry("vertex", "Google Vertex AI", .vertex, base: "https://{location}-aiplatform.googleapis.com")
            .aliases("vertex_ai").bearers("VERTEXAI_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN")
            .bases("VERTEXAI_API_BASE", "GOOGLE_VERTEX_BASE_URL")
            .settings(
                .init("project", ["GOOGLE_CLOUD_PROJECT", "VERTEXAI_PROJECT"]),
                .init("location", ["GOOGLE_CLOUD_LOCATION", "VERTEXAI_LOCATION"], or: "us-central1")
            ),
        ProviderEntry("bedrock", "AWS Bedrock", .bedrock, base: "https://bedrock-runtime.{region}.amazonaws.com")
            .aliases("aws_bedrock", "bedrock_converse").bearers("AWS_BEARER_TOKEN_BEDROCK")
            .bases("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_BEDROCK_RUNTIME_ENDPOINT")
            .models("anthropic.", "amazon.", "meta.llama", "us.anthropic.", "eu.anthropic.", "us.amazon.", "eu.amazon.")
            .settings(.init("region", ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_REGION_NAME"], or: "us-east-1")),
        ProviderEntry("cohere", "Cohere", .cohere, base: "https://api.cohere.com").aliases("cohere_chat")
            .keys("CO_API_KEY", "COHERE_API_KEY").bases("CO_API_URL", "COHERE_API_BASE").models("command-", "embed-"),
    ]

    private static let hosted: [ProviderEntry] = [
        ProviderEntry("groq", "Groq", .openAI(.groq), base: "https://api.groq.com/openai/v1")
            .keys("GROQ_API_KEY").bases("GROQ_API_BASE"),
        ProviderEntry("mistral", "Mistral", .openAI(.mistral), base: "https://api.mistral.ai/v1")
            .keys("MISTRAL_API_KEY").bases("MISTRAL_API_BASE")
            .models("mistral-", "magistral-", "ministral-", "codestral-", "devstral-", "pixtral-", "open-mistral-"),
        ProviderEntry("deepseek", "DeepSeek", .openAI(.deepSeek), base: "https://api.deepseek.com")
            .keys("DEEPSEEK_API_KEY").bases("DEEPSEEK_API_BASE").models("deepseek-"),
        ProviderEntry("together", "Together", .openAI(.together), base: "https://api.together.ai/v1")
            .aliases("together_ai")
            .keys("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN")
            .bases("TOGETHER_API_BASE", "TOGETHER_BASE_URL"),
        ProviderEntry("openrouter", "OpenRouter", .openAI(.openRouter), base: "https://openrouter.ai/api/v1")
            .keys("OPENROUTER_API_KEY", "OR_API_KEY").bases("OPENROUTER_API_BASE")
            .settings(.init("site_url", ["OR_SITE_URL"]), .init("app_name", ["OR_APP_NAME"])),
        ProviderEntry("fireworks", "Fireworks", .openAI(.fireworks), base: "https://api.fireworks.ai/inference/v1")
            .aliases("fireworks_ai")
            .keys("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN")
            .bases("FIREWORKS_API_BASE"),
        ProviderEntry("xai", "xAI", .openAI(.xAI), base: "https://api.x.ai/v1")
            .keys("XAI_API_KEY").bases("XAI_API_BASE").models("grok-"),
        ProviderEntry("perplexity", "Perplexity", .openAI(.perplexity), base: "https://api.perplexity.ai")
            .keys("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY", "PPLX_API_KEY").bases("PERPLEXITY_API_BASE")
            .models("sonar"),
        ProviderEntry("cerebras", "Cerebras", .openAI(.cerebras), base: "https://api.cerebras.ai/v1")
            .keys("CEREBRAS_API_KEY").bases("CEREBRAS_API_BASE"),
        ProviderEntry("nvidia_nim", "NVIDIA NIM", .openAI(.nvidia), base: "https://integrate.api.nvidia.com/v1")
            .aliases("nvidia", "nim").keys("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY").bases("NVIDIA_NIM_API_BASE"),
        ProviderEntry("sambanova", "SambaNova", .openAI(.plainServer), base: "https://api.sambanova.ai/v1")
            .keys("SAMBANOVA_API_KEY").bases("SAMBANOVA_API_BASE"),
        ProviderEntry("deepinfra", "DeepInfra", .openAI(.plainServer), base: "https://api.deepinfra.com/v1/openai")
            .keys("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN").bases("DEEPINFRA_API_BASE"),
        ProviderEntry("moonshot", "Moonshot", .openAI(.moonshot), base: "https://api.moonshot.ai/v1")
            .keys("MOONSHOT_API_KEY").bases("MOONSHOT_API_BASE").models("kimi-", "moonshot-"),
    ]

    private static let ownServers: [ProviderEntry] = [
        ProviderEntry("vllm", "vLLM", .openAI(.vLLM), base: "http://localhost:8000/v1").aliases("hosted_vllm")
            .keys("HOSTED_VLLM_API_KEY", "VLLM_API_KEY").bases("HOSTED_VLLM_API_BASE", "VLLM_API_BASE").withOptionalKey,
        ProviderEntry("sglang", "SGLang", .openAI(.vLLM), base: "http://localhost:30000/v1")
            .keys("SGLANG_API_KEY").bases("SGLANG_API_BASE").withOptionalKey,
        ProviderEntry("llama_cpp", "llama.cpp", .openAI(.vLLM), base: "http://localhost:8080/v1")
            .aliases("llamacpp", "llamafile").keys("LLAMA_CPP_API_KEY", "LLAMA_API_KEY")
            .bases("LLAMA_CPP_API_BASE", "LLAMAFILE_API_BASE").withOptionalKey,
        ProviderEntry("ollama", "Ollama", .openAI(.ollama), base: "http://localhost:11434/v1").aliases("ollama_chat")
            .keys("OLLAMA_API_KEY").bases("OLLAMA_API_BASE").withOptionalKey,
        ProviderEntry("lm_studio", "LM Studio", .openAI(.vLLM), base: "http://localhost:1234/v1").aliases("lmstudio")
            .keys("LM_STUDIO_API_KEY").bases("LM_STUDIO_API_BASE").withOptionalKey,
        ProviderEntry("litellm", "LiteLLM proxy", .openAI(.gateway), base: "http://localhost:4000/v1")
            .aliases("litellm_proxy").keys("LITELLM_API_KEY", "LITELLM_PROXY_API_KEY")
            .bases("LITELLM_API_BASE", "LITELLM_PROXY_API_BASE").withOptionalKey,
        ProviderEntry("openai_compatible", "any OpenAI-compatible server", .openAI(.gateway), base: nil)
            .aliases("custom_openai", "openai_like").keys("OPENAI_LIKE_API_KEY").bases("OPENAI_LIKE_API_BASE")
            .withOptionalKey,
    ]
}
