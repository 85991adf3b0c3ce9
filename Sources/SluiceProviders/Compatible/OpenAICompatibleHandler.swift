import SluiceWire

/// Every server that speaks OpenAI's chat completions; what is different there is data.
package struct OpenAICompatibleHandler: ProviderHandler {
    package let provider: String
    package let quirks: OpenAIQuirks

    package init(provider: String, quirks: OpenAIQuirks) {
        self.provider = provider
        self.quirks = quirks
    }

    /// Whether a request has to be changed on its way, or its answer. If not, the bytes can be passed on.
    package func needsTranslation(for request: ChatRequest) -> Bool {
        guard self.quirks.answersPlainly else { return true }
        var screen = ParameterScreen(provider: self.provider, policy: .drop)
        let translated = self.quirks.translate(request, &screen)
        if self.quirks.takesEverything { return translated != request }
        return translated != request || translated.holdsMore(than: self.quirks.dialect)
    }

    /// Whether no request ever needs a change, so that none has to be read.
    package var neverNeedsTranslation: Bool {
        self.quirks.answersPlainly && self.quirks.takesEverything && self.quirks.keepsFunctions
    }

    package func prepare(_ call: ProviderCall) throws(ProviderError) -> PreparedCall {
        var screen = ParameterScreen(provider: self.provider, policy: call.endpoint.unsupported)
        let ruler = call.endpoint.settings["base_model"]
        var request = self.quirks.translate(call.request, ruler: ruler, policy: call.endpoint.unsupported, &screen)
        try screen.check()
        // What it has used is counted, whether or not the client asked; the client is told only if it did.
        if request.isStream && self.quirks.takesStreamOptions { request.includesUsage = true }
        request.additional += screen.passed
        var json = JSONWriter(reserving: 2048)
        OpenAIRequestWriter(self.quirks.dialect).write(request, to: &json)
        var prepared = PreparedCall(
            url: self.base(call.endpoint) + "/chat/completions",
            headers: try self.headers(call.endpoint),
            body: json.bytes,
            for: call
        )
        prepared.model = request.model
        // A number of choices that was left out is not waited for.
        prepared.choiceCount = max(1, request.choiceCount ?? 1)
        prepared.dropped = screen.dropped
        return prepared
    }

    package func answer(_ response: HTTPClientResponse, to call: PreparedCall) throws(ProviderError) -> ChatResponse {
        var answer = try ChatResponse(openAI: response.body, provider: self.provider)
        answer.complete(response.headers, call)
        if self.quirks.hasSources { answer.takeSources() }
        if self.quirks.countsReasoningApart { answer.usage?.includeReasoning() }
        return answer
    }

    package func failure(_ response: HTTPClientResponse, now: Int) -> ProviderError {
        ProviderError(openAI: response, provider: self.provider, now: now)
    }

    package func decoder(_ headers: HTTPFields, for call: PreparedCall) -> any ChatStreamDecoder {
        if WholeAnswerDecoder.isMeant(headers) { return WholeAnswerDecoder(self, headers, call) }
        let decoder = OpenAIStreamDecoder(provider: self.provider, for: call, headers: headers)
        let needsMore = self.quirks.hasSources || self.quirks.countsReasoningApart
        return needsMore ? QuirkyStreamDecoder(decoder, self.quirks) : decoder
    }

    package func prepare(_ call: EmbeddingCall) throws(ProviderError) -> PreparedCall {
        PreparedCall(
            url: self.base(call.endpoint) + "/embeddings",
            headers: try self.headers(call.endpoint),
            body: call.request.openAIBody(),
            for: call
        )
    }

    package func embeddings(
        _ response: HTTPClientResponse,
        to call: PreparedCall
    ) throws(ProviderError) -> EmbeddingResponse {
        try EmbeddingResponse(openAI: response.body, provider: self.provider)
    }

    private func base(_ endpoint: ProviderEndpoint) -> String {
        guard let path = self.quirks.basePath, let address = BaseAddress(endpoint.baseURL), address.segments.isEmpty
        else { return endpoint.baseURL }
        return endpoint.baseURL + path
    }

    private func headers(_ endpoint: ProviderEndpoint) throws(ProviderError) -> HTTPFields {
        var fields: [(String, String)] = []
        for (setting, header) in Self.headersOfSettings {
            if let value = endpoint.settings[setting], !value.isEmpty { fields.append((header, value)) }
        }
        return try ProviderHeaders.fields(endpoint, provider: self.provider, fields)
    }

    private static let headersOfSettings = [
        ("organization", "openai-organization"), ("project", "openai-project"), ("site_url", "http-referer"),
        ("app_name", "x-title"),
    ]
}

extension OpenAIStreamDecoder {
    package init(provider: String, for call: PreparedCall, headers: HTTPFields) {
        self.init(
            provider: provider,
            choiceCount: call.choiceCount,
            now: call.now,
            requestID: call.requestID,
            model: call.model,
            headers: headers
        )
    }
}

extension ChatResponse {
    /// Fills in what the server did not say.
    mutating func complete(_ headers: HTTPFields, _ call: PreparedCall) {
        if self.id.isEmpty { self.id = call.requestID }
        if self.model.isEmpty { self.model = call.model }
        if self.created == 0 { self.created = call.now }
        if self.requestID == nil { self.requestID = ProviderRequestID.read(headers) }
    }
}
