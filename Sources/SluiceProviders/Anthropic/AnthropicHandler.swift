import SluiceWire

/// Anthropic's Messages API, and servers that speak it.
///
/// Settings of an endpoint: `api_version` (2023-06-01 unless set), `beta` (names for `anthropic-beta`, separated by
/// commas), `max_tokens` (for requests without a bound; the model's most unless set).
package struct AnthropicHandler: ProviderHandler {
    package init() {}

    package var provider: String { AnthropicBody.provider }

    package func prepare(_ call: ProviderCall) throws(ProviderError) -> PreparedCall {
        var body = AnthropicBody(call, version: AnthropicHeaders.version(call.endpoint))
        let bytes = try body.write()
        var prepared = PreparedCall(
            url: AnthropicHeaders.url(call.endpoint.baseURL),
            headers: AnthropicHeaders.fields(call.endpoint, betas: body.betas),
            body: bytes,
            for: call
        )
        prepared.dropped = body.dropped
        prepared.toolNames = body.names.original
        prepared.formatTool = body.format.tool
        for tool in call.request.tools {
            if case .custom = tool.kind { prepared.customTools.insert(tool.name) }
        }
        return prepared
    }

    package func answer(
        _ response: HTTPClientResponse,
        to call: PreparedCall
    ) throws(ProviderError) -> ChatResponse {
        try AnthropicResponse.read(response, to: call)
    }

    package func failure(_ response: HTTPClientResponse, now: Int) -> ProviderError {
        AnthropicErrors.read(response, now: now)
    }

    package func decoder(_ headers: HTTPFields, for call: PreparedCall) -> any ChatStreamDecoder {
        AnthropicStream(call, requestID: ProviderRequestID.read(headers))
    }
}
