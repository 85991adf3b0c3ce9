import SluiceWire

/// Azure OpenAI: OpenAI's format behind addresses and credentials of Azure's own.
///
/// Settings: `api_version`, a date as in `2024-10-21`, or `v1`, `preview`, `latest` for the address without versions;
/// `deployment`, if it has another name than the model; `base_model`, the model behind the deployment, whose rules
/// count.
package struct AzureHandler: ProviderHandler {
    package static let defaultVersion = "2024-10-21"
    /// The first version that knows JSON schemas.
    private static let firstWithSchemas = "2024-08-01"
    /// The first version that knows `stream_options`; older ones refuse the name.
    private static let firstWithStreamOptions = "2024-09-01"
    /// The first version that knows a call of a tool that must happen.
    private static let firstWithRequiredTools = "2024-06-01"

    package let provider = "azure"
    private let quirks = OpenAIQuirks.openAI

    package init() {}

    /// Whether a request's body has to be changed on its way; answers never are.
    package func needsTranslation(for request: ChatRequest, endpoint: ProviderEndpoint) -> Bool {
        var screen = ParameterScreen(provider: self.provider, policy: .drop)
        let translated = self.translate(request, endpoint, &screen)
        return translated != request || translated.holdsMore(than: self.quirks.dialect)
    }

    package func prepare(_ call: ProviderCall) throws(ProviderError) -> PreparedCall {
        var screen = ParameterScreen(provider: self.provider, policy: call.endpoint.unsupported)
        var request = self.translate(call.request, call.endpoint, &screen)
        try screen.check()
        if request.isStream && Self.knows(Self.firstWithStreamOptions, call.endpoint) { request.includesUsage = true }
        request.additional += screen.passed
        var json = JSONWriter(reserving: 2048)
        OpenAIRequestWriter(self.quirks.dialect).write(request, to: &json)
        var prepared = PreparedCall(
            url: try Self.url(call.endpoint, model: call.request.model, "chat/completions"),
            headers: try Self.headers(call.endpoint),
            body: json.bytes,
            for: call
        )
        prepared.choiceCount = max(1, request.choiceCount ?? 1)
        prepared.dropped = screen.dropped
        return prepared
    }

    private func translate(
        _ request: ChatRequest,
        _ endpoint: ProviderEndpoint,
        _ screen: inout ParameterScreen
    ) -> ChatRequest {
        let ruler = endpoint.settings["base_model"]
        var request = self.quirks.translate(request, ruler: ruler, policy: endpoint.unsupported, &screen)
        if !Self.knows(Self.firstWithStreamOptions, endpoint) {
            request.includesUsage = false
            request.streamOptions = []
        }
        let isOld = !Self.knows(Self.firstWithRequiredTools, endpoint)
        if isOld, request.toolChoice == .required, endpoint.unsupported != .pass {
            screen.reject("tool_choice.required")
            request.toolChoice = nil
        }
        if !Self.knows(Self.firstWithSchemas, endpoint), case .jsonSchema = request.responseFormat {
            screen.reject("response_format.json_schema")
            request.responseFormat = .jsonObject
        }
        if let deployment = endpoint.settings["deployment"], !deployment.isEmpty { request.model = deployment }
        return request
    }

    package func answer(_ response: HTTPClientResponse, to call: PreparedCall) throws(ProviderError) -> ChatResponse {
        var answer = try ChatResponse(openAI: response.body, provider: self.provider)
        answer.complete(response.headers, call)
        return answer
    }

    package func failure(_ response: HTTPClientResponse, now: Int) -> ProviderError {
        ProviderError(openAI: response, provider: self.provider, now: now)
    }

    package func decoder(_ headers: HTTPFields, for call: PreparedCall) -> any ChatStreamDecoder {
        if WholeAnswerDecoder.isMeant(headers) { return WholeAnswerDecoder(self, headers, call) }
        return OpenAIStreamDecoder(provider: self.provider, for: call, headers: headers)
    }

    package func prepare(_ call: EmbeddingCall) throws(ProviderError) -> PreparedCall {
        var request = call.request
        if let deployment = call.endpoint.settings["deployment"], !deployment.isEmpty { request.model = deployment }
        return PreparedCall(
            url: try Self.url(call.endpoint, model: request.model, "embeddings"),
            headers: try Self.headers(call.endpoint),
            body: request.openAIBody(),
            for: call
        )
    }

    package func embeddings(
        _ response: HTTPClientResponse,
        to call: PreparedCall
    ) throws(ProviderError) -> EmbeddingResponse {
        try EmbeddingResponse(openAI: response.body, provider: self.provider)
    }

    // MARK: Addresses

    private static func version(_ endpoint: ProviderEndpoint) -> String {
        endpoint.settings["api_version"] ?? Self.defaultVersion
    }

    /// Whether the version is this or a later one; those without a date are the newest.
    private static func knows(_ first: String, _ endpoint: ProviderEndpoint) -> Bool {
        let version = Self.version(endpoint)
        return Self.isUndated(version) || version >= first
    }

    private static func isUndated(_ version: String) -> Bool {
        version == "v1" || version == "preview" || version == "latest"
    }

    /// The address of an operation.
    package static func url(
        _ endpoint: ProviderEndpoint,
        model: String,
        _ operation: String
    ) throws(ProviderError) -> String {
        let version = Self.version(endpoint)
        let root = Self.root(endpoint.baseURL)
        if Self.isUndated(version) {
            let query = version == "v1" ? "" : "?api-version=\(version)"
            return "\(root)/openai/v1/\(operation)\(query)"
        }
        let isDate = version.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "-")
        }
        guard isDate, !version.isEmpty else {
            throw ProviderError(
                .badRequest,
                "the API version must be a date as in 2024-10-21, with '-preview' where it is one, or 'v1'",
                provider: "azure",
                code: "invalid_api_version",
                parameter: "api_version"
            )
        }
        let deployment = endpoint.settings["deployment"].flatMap { $0.isEmpty ? nil : $0 } ?? model
        return "\(root)/openai/deployments/\(Self.escaped(deployment))/\(operation)?api-version=\(version)"
    }

    /// The resource's address: people configure it with and without what comes behind it.
    private static func root(_ base: String) -> String {
        for tail in ["/openai/v1", "/openai"] where base.hasSuffix(tail) { return String(base.dropLast(tail.count)) }
        return base
    }

    /// A deployment's name as a path segment: whatever it is, it stays one.
    private static func escaped(_ name: String) -> String {
        var text = ""
        for byte in name.utf8 {
            let isPlain =
                (48...57).contains(byte) || (97...122).contains(byte | 0x20) || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
            if isPlain {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return text == "." || text == ".." ? "_" : text
    }

    private static func headers(_ endpoint: ProviderEndpoint) throws(ProviderError) -> HTTPFields {
        try ProviderHeaders.fields(endpoint, provider: "azure", keyHeader: "api-key")
    }
}
