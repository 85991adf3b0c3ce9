import SluiceWire

/// AWS Bedrock's Converse and ConverseStream.
///
/// Settings: `region`; `base_model`, the model behind a profile whose name does not tell; `structured_output`, `native`
/// or `tool`; `guard_last_user_text`, `true` to have a guardrail look at the last user's text only.
package struct BedrockHandler: ProviderHandler {
    static let name = "bedrock"
    private static let service = "bedrock"
    private static let placeholder = "{region}"

    package var provider: String { Self.name }

    package init() {}

    package func prepare(_ call: ProviderCall) throws(ProviderError) -> PreparedCall {
        let region = BedrockRegion.region(call.endpoint, model: call.request.model)
        let url = try Self.url(call, region: region)
        var body = BedrockBody(call)
        let bytes = try body.write()
        let headers = try Self.headers(call, url: url, region: region, body: bytes)
        var prepared = PreparedCall(url: url, headers: headers, body: bytes, for: call)
        prepared.dropped = body.dropped
        prepared.toolNames = body.names.original
        prepared.formatTool = body.formatTool
        return prepared
    }

    package func answer(
        _ response: HTTPClientResponse,
        to call: PreparedCall
    ) throws(ProviderError) -> ChatResponse {
        try BedrockResponse.read(response, to: call)
    }

    package func failure(_ response: HTTPClientResponse, now: Int) -> ProviderError {
        BedrockErrors.read(response, now: now)
    }

    package func decoder(_ headers: HTTPFields, for call: PreparedCall) -> any ChatStreamDecoder {
        WholeAnswerDecoder.isMeant(headers)
            ? WholeAnswerDecoder(self, headers, call) : BedrockStreamDecoder(headers, for: call)
    }

    /// The model's name is one segment of the path, an ARN's slashes and colons included.
    private static func url(_ call: ProviderCall, region: String?) throws(ProviderError) -> String {
        var base = call.endpoint.baseURL
        // Some regions are under another domain than most.
        if let region, !base.isEmpty, base == "https://bedrock-runtime.\(region).amazonaws.com" { base = "" }
        if base.isEmpty || Bytes.firstRange(of: Self.placeholder, in: base) != nil {
            guard let region else { throw Self.regionFault("Bedrock needs a region", code: "missing_region") }
            guard let address = BedrockRegion.baseURL(region: region) else {
                throw Self.regionFault("'\(region)' is not the name of an AWS region", code: "invalid_region")
            }
            base = base.isEmpty ? address : base.split(separator: Self.placeholder).joined(separator: region)
        }
        while base.hasSuffix("/") { base.removeLast() }
        let operation = call.request.isStream ? "converse-stream" : "converse"
        return "\(base)/model/\(SigV4Address.encoded(call.request.model.utf8))/\(operation)"
    }

    private static func regionFault(_ what: String, code: String) -> ProviderError {
        ProviderError(
            .badRequest,
            "\(what): set `region` of the backend, or AWS_REGION, e.g. to us-east-1",
            provider: Self.name,
            code: code,
            parameter: "region"
        )
    }

    private static func headers(
        _ call: ProviderCall,
        url: String,
        region: String?,
        body: [UInt8]
    ) throws(ProviderError) -> HTTPFields {
        let type = call.request.isStream ? "application/vnd.amazon.eventstream" : "application/json"
        var fields = try ProviderHeaders.fields(call.endpoint, provider: Self.name, [("accept", type)])
        guard case .aws(let accessKey, let secretKey, let sessionToken) = call.endpoint.credential,
            !fields.contains("authorization")
        else { return fields }
        guard let region else { throw Self.regionFault("A signature needs a region", code: "missing_region") }
        let credentials = SigV4Credentials(
            accessKeyID: accessKey,
            secretAccessKey: secretKey,
            sessionToken: sessionToken
        )
        let signature = SigV4(credentials: credentials, region: region, service: Self.service).sign(
            method: "POST",
            url: url,
            headers: fields.pairs.filter { Self.isSigned($0.name) },
            body: body,
            secondsSince1970: call.now
        )
        for (name, value) in signature.headers { fields.append(name, value) }
        return fields
    }

    /// What must be signed; anything else may be changed by a proxy on the way.
    private static func isSigned(_ name: String) -> Bool {
        let name = name.lowercased()
        return name == "content-type" || name == "host" || name.hasPrefix("x-amz")
    }
}
