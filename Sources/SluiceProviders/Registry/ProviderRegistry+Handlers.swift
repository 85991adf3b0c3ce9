extension ProviderRegistry {
    /// The translator for a row; `nil` where there is none yet.
    package static func handler(for entry: ProviderEntry) -> (any ProviderHandler)? {
        switch entry.wire {
        case .openAI(let quirks): OpenAICompatibleHandler(provider: entry.name, quirks: quirks)
        case .azure: AzureHandler()
        case .anthropic: AnthropicHandler()
        case .gemini: GeminiHandler.keyed
        case .vertex: GeminiHandler.vertex
        case .bedrock: BedrockHandler()
        case .cohere: CohereHandler()
        }
    }
}
