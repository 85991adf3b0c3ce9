import SluiceWire

/// Google's Gemini: the API-key endpoint and Vertex.
package struct GeminiHandler: ProviderHandler {
    package let provider: String
    private let isVertex: Bool

    private init(provider: String, isVertex: Bool) {
        self.provider = provider
        self.isVertex = isVertex
    }

    /// `https://generativelanguage.googleapis.com/v1beta`, with a key.
    package static let keyed = GeminiHandler(provider: "gemini", isVertex: false)
    /// A project of Google Cloud, with a bearer token. Settings: `project`, `location` (default `global`). An empty
    /// base address means Google's for the location.
    package static let vertex = GeminiHandler(provider: "vertex", isVertex: true)

    package func prepare(_ call: ProviderCall) throws(ProviderError) -> PreparedCall {
        let model = GeminiModel(call.request.model)
        let address = self.address(call.endpoint)
        let method = call.request.isStream ? "streamGenerateContent?alt=sse" : "generateContent"
        let url = try address.url(model, method)
        var request = GeminiRequest(call, provider: self.provider, isVertex: self.isVertex, model: model)
        let body = try request.body()
        var prepared = PreparedCall(url: url, headers: try address.headers(), body: body, for: call)
        prepared.dropped = request.screen.dropped
        prepared.toolNames = request.tools.changedNames
        return prepared
    }

    package func answer(_ response: HTTPClientResponse, to call: PreparedCall) throws(ProviderError) -> ChatResponse {
        var reader = GeminiReader(call, provider: self.provider)
        // The body is bounded already.
        var collector = ChatResponseCollector(maximumBytes: .max)
        let failure: ProviderError?
        do {
            failure = try JSON.read(response.body) { root in reader.read(root, event: "") { collector.take($0) } }
        } catch {
            throw .malformed(self.provider, "it is not JSON")
        }
        if let failure { throw failure }
        try reader.finish { collector.take($0) }
        var answer = try collector.response(provider: self.provider)
        answer.requestID = ProviderRequestID.read(response.headers)
        for index in answer.choices.indices { answer.choices[index].stateEmptyContent() }
        return answer
    }

    package func failure(_ response: HTTPClientResponse, now: Int) -> ProviderError {
        GeminiErrors.failure(response, now: now, provider: self.provider)
    }

    package func decoder(_ headers: HTTPFields, for call: PreparedCall) -> any ChatStreamDecoder {
        if WholeAnswerDecoder.isMeant(headers) { return WholeAnswerDecoder(self, headers, call) }
        let reader = GeminiReader(call, provider: self.provider, requestID: ProviderRequestID.read(headers))
        return ServerSentDecoder(reader, provider: self.provider)
    }

    // MARK: Embeddings

    package func prepare(_ call: EmbeddingCall) throws(ProviderError) -> PreparedCall {
        let address = self.address(call.endpoint)
        let embeddings = GeminiEmbeddings(provider: self.provider, isVertex: self.isVertex)
        let (method, body, dropped) = try embeddings.request(call)
        let url = try address.url(GeminiModel(call.request.model), method)
        var prepared = PreparedCall(url: url, headers: try address.headers(), body: body, for: call)
        prepared.dropped = dropped
        return prepared
    }

    package func embeddings(
        _ response: HTTPClientResponse,
        to call: PreparedCall
    ) throws(ProviderError) -> EmbeddingResponse {
        try GeminiEmbeddings(provider: self.provider, isVertex: self.isVertex).answer(response, to: call)
    }

    private func address(_ endpoint: ProviderEndpoint) -> GeminiAddress {
        GeminiAddress(provider: self.provider, isVertex: self.isVertex, endpoint: endpoint)
    }
}
