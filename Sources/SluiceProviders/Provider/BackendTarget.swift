import SluiceWire

/// One provider at one address with one credential.
package struct BackendTarget: Sendable {
    /// The registry's name; `nil`: some OpenAI-compatible server.
    package let provider: String?
    package let endpoint: ProviderEndpoint
    /// Takes what clients send as it is, if it is one of `nativeOperations`.
    private let native: OpenAIBackend?
    private let nativeOperations: Set<OpenAIOperation>
    private let handler: (any ProviderHandler)?

    package init(
        provider: String?,
        endpoint: ProviderEndpoint,
        handler: (any ProviderHandler)?,
        native: OpenAIBackend? = nil,
        nativeOperations: Set<OpenAIOperation> = []
    ) {
        self.provider = provider
        self.endpoint = endpoint
        self.handler = handler
        self.native = native
        self.nativeOperations = native == nil ? [] : nativeOperations
    }

    /// An OpenAI-compatible server that gets what clients send; Anthropic's dialect is translated for it.
    package init(_ native: OpenAIBackend) {
        var endpoint = ProviderEndpoint(
            baseURL: native.baseURL,
            credential: native.apiKey.map { .key($0) } ?? .none
        )
        endpoint.headers = native.extraHeaders
        self.init(
            provider: nil,
            endpoint: endpoint,
            handler: nil,
            native: native,
            nativeOperations: OpenAIOperation.openAI
        )
    }

    package func speaks(_ operation: OpenAIOperation) -> Bool { self.nativeOperations.contains(operation) }

    /// The model without the provider's name before it.
    func ownName(of model: String) -> String? {
        guard let provider = self.provider, model.count > provider.count + 1, model.hasPrefix(provider),
            model.dropFirst(provider.count).first == "/"
        else { return nil }
        return String(model.dropFirst(provider.count + 1))
    }

    package func attempt(_ ask: BackendAsk) throws(ProviderError) -> BackendAttempt {
        if let native = self.native, self.speaks(ask.operation) {
            let request = native.request(
                ask.operation,
                body: ask.body,
                model: ask.model,
                upstreamModel: ask.upstreamModel,
                clientHeaders: ask.clientHeaders,
                requestID: ask.requestID,
                timeout: ask.timeout,
                maximumResponseBytes: ask.maximumResponseBytes,
                allowsSilentResend: ask.allowsSilentResend
            )
            return BackendAttempt(request: request)
        }
        guard let handler = self.handler else {
            throw ProviderError(.badRequest, "this backend does not offer '\(ask.operation.rawValue)'")
        }
        let translation = try Translation(ask, handler, self.endpoint)
        var headers = translation.prepared.headers
        headers.append("x-request-id", ask.requestID)
        for name in Self.passedHeaders {
            if let value = ask.clientHeaders.bytes(of: name) {
                headers.append(name: Array(name.utf8)[...], value: value)
            }
        }
        var request = HTTPClientRequest(
            method: translation.prepared.method,
            url: translation.prepared.url,
            headers: headers,
            body: translation.prepared.body,
            timeout: ask.timeout,
            maximumResponseBytes: ask.maximumResponseBytes
        )
        request.allowsSilentResend = ask.allowsSilentResend
        return BackendAttempt(request: request, translation: translation)
    }

    /// A list of what passes, so that credentials, cookies and hop-by-hop fields never do.
    private static let passedHeaders = ["traceparent", "tracestate"]
}
