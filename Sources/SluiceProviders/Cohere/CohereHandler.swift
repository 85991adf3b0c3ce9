import SluiceWire

/// Cohere's API of version 2: chat and embeddings.
package struct CohereHandler: ProviderHandler {
    package let provider = "cohere"

    private static let base = "https://api.cohere.com"

    package init() {}

    package func prepare(_ call: ProviderCall) throws(ProviderError) -> PreparedCall {
        let headers = try ProviderHeaders.fields(call.endpoint, provider: self.provider)
        var request = CohereRequest(call, provider: self.provider)
        let body = try request.body()
        var prepared = PreparedCall(url: Self.url(call.endpoint, "chat"), headers: headers, body: body, for: call)
        prepared.dropped = request.screen.dropped
        return prepared
    }

    package func answer(_ response: HTTPClientResponse, to call: PreparedCall) throws(ProviderError) -> ChatResponse {
        var reader = CohereReader(call, provider: self.provider, requestID: CohereErrors.requestID(response.headers))
        // The body is bounded already.
        var collector = ChatResponseCollector(maximumBytes: .max)
        let failure: ProviderError?
        do {
            failure = try JSON.read(response.body) { root in reader.read(whole: root) { collector.take($0) } }
        } catch {
            throw .malformed(self.provider, "it is not JSON")
        }
        if let failure { throw failure }
        try reader.finish { collector.take($0) }
        var answer = try collector.response(provider: self.provider)
        for index in answer.choices.indices { answer.choices[index].stateEmptyContent() }
        return answer
    }

    package func failure(_ response: HTTPClientResponse, now: Int) -> ProviderError {
        CohereErrors.failure(response, now: now, provider: self.provider)
    }

    package func decoder(_ headers: HTTPFields, for call: PreparedCall) -> any ChatStreamDecoder {
        if WholeAnswerDecoder.isMeant(headers) { return WholeAnswerDecoder(self, headers, call) }
        let reader = CohereReader(call, provider: self.provider, requestID: CohereErrors.requestID(headers))
        return ServerSentDecoder(reader, provider: self.provider)
    }

    package func prepare(_ call: EmbeddingCall) throws(ProviderError) -> PreparedCall {
        let headers = try ProviderHeaders.fields(call.endpoint, provider: self.provider)
        let (body, dropped) = try CohereEmbeddings.request(call, provider: self.provider)
        var prepared = PreparedCall(url: Self.url(call.endpoint, "embed"), headers: headers, body: body, for: call)
        prepared.dropped = dropped
        return prepared
    }

    package func embeddings(
        _ response: HTTPClientResponse,
        to call: PreparedCall
    ) throws(ProviderError) -> EmbeddingResponse {
        try CohereEmbeddings.answer(response, to: call, provider: self.provider)
    }

    private static func url(_ endpoint: ProviderEndpoint, _ operation: String) -> String {
        let base = endpoint.baseURL.isEmpty ? Self.base : endpoint.baseURL
        return base.hasSuffix("/v2") ? "\(base)/\(operation)" : "\(base)/v2/\(operation)"
    }
}
