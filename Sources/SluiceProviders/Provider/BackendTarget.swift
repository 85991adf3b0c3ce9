import SluiceWire

/// One provider at one address with one credential.
package struct BackendTarget: Sendable {
    /// The registry's name; `nil`: some OpenAI-compatible server that gets what clients send.
    package let provider: String?
    package let endpoint: ProviderEndpoint
    private let handler: any ProviderHandler
    /// For what passes through as it is.
    private let native: OpenAIBackend?
    private let nativeOperations: Set<OpenAIOperation>

    /// An OpenAI-compatible server that gets what clients send; Anthropic's dialect alone is translated for it.
    package init(_ native: OpenAIBackend) {
        var endpoint = ProviderEndpoint(
            baseURL: native.baseURL,
            credential: native.apiKey.map { .key($0) } ?? .none
        )
        endpoint.headers = native.extraHeaders
        self.provider = nil
        self.endpoint = endpoint
        self.handler = OpenAICompatibleHandler(provider: native.name, quirks: .gateway)
        self.native = native
        self.nativeOperations = OpenAIOperation.openAI
    }

    /// - Returns: `nil` for a provider without a translator.
    package init?(_ resolved: ResolvedModel, name: String) {
        guard let handler = ProviderRegistry.handler(for: resolved.entry) else { return nil }
        self.provider = resolved.entry.name
        self.endpoint = resolved.endpoint
        self.handler = handler
        switch resolved.entry.wire {
        case .openAI:
            self.native = Self.native(resolved, name)
            self.nativeOperations = Self.nativeOperations(resolved.entry.name)
        case .anthropic:
            self.native = nil
            self.nativeOperations = [.messages]
        case .azure, .gemini, .vertex, .bedrock, .cohere:
            self.native = nil
            self.nativeOperations = []
        }
    }

    private static func native(_ resolved: ResolvedModel, _ name: String) -> OpenAIBackend {
        let endpoint = resolved.endpoint
        var key: String?
        switch endpoint.credential {
        case .key(let text), .bearer(let text): key = text
        case .none, .aws: key = nil
        }
        return OpenAIBackend(
            name: name,
            baseURL: endpoint.baseURL,
            apiKey: key,
            extraHeaders: endpoint.headers,
            asksForUsage: endpoint.asksForUsage
        )
    }

    /// Who answers more than chat by themselves. For the others text completions and responses are translated, which
    /// always works.
    private static func nativeOperations(_ provider: String) -> Set<OpenAIOperation> {
        switch provider {
        case "openai", "vllm", "sglang", "litellm", "openai_compatible": OpenAIOperation.openAI
        case "groq", "openrouter", "xai": [.chatCompletions, .embeddings, .responses, .models]
        case "llama_cpp", "lm_studio", "ollama", "together", "fireworks", "nvidia_nim":
            [.chatCompletions, .completions, .embeddings, .models]
        default: [.chatCompletions, .embeddings, .models]
        }
    }

    package func speaks(_ operation: OpenAIOperation) -> Bool { self.nativeOperations.contains(operation) }

    /// The model without the provider's name before it.
    func ownName(of model: String) -> String? {
        guard let provider = self.provider, model.utf8.count > provider.utf8.count + 1, model.hasPrefix(provider),
            model.dropFirst(provider.count).first == "/"
        else { return nil }
        return String(model.dropFirst(provider.count + 1))
    }

    // MARK: Calls

    package func attempt(_ ask: BackendAsk) throws(ProviderError) -> BackendAttempt {
        if self.speaks(ask.operation) {
            if ask.operation == .messages { return BackendAttempt(request: self.anthropicRequest(ask)) }
            if let native = self.native, try self.passesThrough(ask) {
                return Self.attempt(ask, native)
            }
        }
        let translation = try Translation(ask, self.handler, self.endpoint)
        var request = HTTPClientRequest(
            method: translation.prepared.method,
            url: translation.prepared.url,
            headers: Self.traced(translation.prepared.headers, ask),
            body: translation.prepared.body,
            timeout: ask.timeout,
            maximumResponseBytes: ask.maximumResponseBytes
        )
        request.allowsSilentResend = ask.allowsSilentResend
        return BackendAttempt(request: request, translation: translation)
    }

    /// Whether this request needs no change at all, nor its answer.
    private func passesThrough(_ ask: BackendAsk) throws(ProviderError) -> Bool {
        guard ask.operation == .chatCompletions, self.provider != nil,
            let handler = self.handler as? OpenAICompatibleHandler, !handler.neverNeedsTranslation
        else { return true }
        var request = try Dialect.read(ask).1
        request.model = ask.upstreamModel ?? request.model
        return !handler.needsTranslation(for: request)
    }

    /// What passes; nothing is put into it but what the backend's configuration asks for.
    private static func attempt(_ ask: BackendAsk, _ native: OpenAIBackend) -> BackendAttempt {
        guard native.asksForUsage, ask.isStream, ask.operation == .chatCompletions || ask.operation == .completions,
            let body = StreamUsage.asking(ask.body)
        else { return BackendAttempt(request: Self.request(ask, native)) }
        var ask = ask
        ask.body = body
        return BackendAttempt(request: Self.request(ask, native), withholdsUsage: true)
    }

    private static func request(_ ask: BackendAsk, _ native: OpenAIBackend) -> HTTPClientRequest {
        native.request(
            ask.operation,
            body: ask.body,
            model: ask.model,
            upstreamModel: ask.upstreamModel,
            clientHeaders: ask.clientHeaders,
            requestID: ask.requestID,
            traceparent: ask.traceparent,
            timeout: ask.timeout,
            maximumResponseBytes: ask.maximumResponseBytes,
            allowsSilentResend: ask.allowsSilentResend
        )
    }

    /// Anthropic's dialect for Anthropic: the body passes, and with it what only the two of them understand.
    private func anthropicRequest(_ ask: BackendAsk) -> HTTPClientRequest {
        var endpoint = self.endpoint
        if let version = ask.clientHeaders["anthropic-version"] {
            endpoint.headers.removeAll { $0.0.lowercased() == "anthropic-version" }
            endpoint.headers.append(("anthropic-version", version))
        }
        if let betas = ask.clientHeaders["anthropic-beta"] { endpoint.headers.append(("anthropic-beta", betas)) }
        var request = HTTPClientRequest(
            url: AnthropicHeaders.url(endpoint.baseURL),
            headers: Self.traced(AnthropicHeaders.fields(endpoint, betas: []), ask),
            body: OpenAIBackend.naming(ask.upstreamModel, in: ask.body),
            timeout: ask.timeout,
            maximumResponseBytes: ask.maximumResponseBytes
        )
        request.allowsSilentResend = ask.allowsSilentResend
        return request
    }

    /// A list of what passes, so that credentials, cookies and hop-by-hop fields never do.
    private static let passedHeaders = ["traceparent", "tracestate"]

    private static func traced(_ fields: HTTPFields, _ ask: BackendAsk) -> HTTPFields {
        var headers = fields
        headers.append("x-request-id", ask.requestID)
        if let traceparent = ask.traceparent { headers.append("traceparent", traceparent) }
        for name in Self.passedHeaders where ask.traceparent == nil || name != "traceparent" {
            if let value = ask.clientHeaders.bytes(of: name) {
                headers.append(name: Array(name.utf8)[...], value: value)
            }
        }
        return headers
    }
}
