import SluiceWire

/// A client that speaks Anthropic's Messages API: its requests as ours, our answers as its own.
package struct AnthropicFace {
    /// Reads the body of `POST /v1/messages`.
    ///
    /// - Parameter headers: `anthropic-version` says which rules hold; without it those of 2023-06-01 do.
    /// - Throws: what is wrong, with the field by its path, e.g. `messages[3].content[0].source`.
    package static func request(
        _ body: [UInt8],
        headers: HTTPFields
    ) throws(InvalidRequest) -> ChatRequest {
        try Self.read(body, headers, needsLimit: true)
    }

    private static func read(
        _ body: [UInt8],
        _ headers: HTTPFields,
        needsLimit: Bool
    ) throws(InvalidRequest) -> ChatRequest {
        let version = try Self.version(headers)
        do {
            return try JSON.read(body) { root throws(FieldFault) in
                try AnthropicRequestReader.request(
                    root,
                    refusesSampling: AnthropicVersion.refusesSampling(version),
                    needsLimit: needsLimit
                )
            }
        } catch let fault as FieldFault {
            throw fault.invalidRequest
        } catch let error as JSONError {
            throw InvalidRequest(error.message, code: "invalid_json")
        } catch {
            throw InvalidRequest("The body could not be read.", code: "invalid_json")
        }
    }

    private static func version(_ headers: HTTPFields) throws(InvalidRequest) -> String {
        guard let version = headers["anthropic-version"] else { return AnthropicVersion.standard }
        guard AnthropicVersion.isDate(version) else {
            throw InvalidRequest(
                "The header 'anthropic-version' must be a date such as '\(AnthropicVersion.standard)'.",
                param: "anthropic-version",
                code: "invalid_value"
            )
        }
        return version
    }

    /// The client's key: `x-api-key`, which wins, or a bearer token.
    package static func key(_ headers: HTTPFields) -> String? {
        if let key = headers["x-api-key"], !key.isEmpty { return key }
        guard let value = headers["authorization"] else { return nil }
        let parts = value.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return String(parts[1])
    }

    /// The answer to `POST /v1/messages/count_tokens`: an estimate, as nobody but the provider counts exactly.
    package static func countTokens(
        _ body: [UInt8],
        headers: HTTPFields
    ) throws(InvalidRequest) -> [UInt8] {
        let request = try Self.read(body, headers, needsLimit: false)
        let head = try OpenAIRequestHead.read(request.openAIBody(), operation: .chatCompletions)
        var json = JSONWriter(reserving: 32)
        json.object { $0.field("input_tokens", head.promptEstimate) }
        return json.bytes
    }
}
