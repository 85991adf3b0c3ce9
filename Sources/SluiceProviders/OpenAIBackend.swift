import SluiceWire

/// A server that takes what clients send as it is: where it is and how it is asked.
package struct OpenAIBackend: Sendable {
    package let name: String
    /// Ends without a slash, e.g. `https://api.openai.com/v1`.
    package let baseURL: String
    /// Client's name of a model → the backend's.
    package let modelAliases: [String: String]
    /// Whether streams are asked for their usage where the client does not ask.
    let asksForUsage: Bool
    let apiKey: String?
    let extraHeaders: [(String, String)]
    private let fixedHeaders: [(String, String)]
    private let passedHeaders: [(name: String, bytes: [UInt8])]
    private let urls: [OpenAIOperation: String]

    /// - Parameters:
    ///   - apiKey: sent as a bearer token; `nil` sends none.
    ///   - extraHeaders: sent with every call, in place of ours or the client's of the same name.
    ///   - passedHeaders: names, in lower case, of client headers that this server gets to see beside the usual.
    package init(
        name: String,
        baseURL: String,
        apiKey: String?,
        extraHeaders: [(String, String)] = [],
        modelAliases: [String: String] = [:],
        passedHeaders: [String] = [],
        asksForUsage: Bool = false
    ) {
        self.name = name
        self.asksForUsage = asksForUsage
        var base = baseURL
        while base.hasSuffix("/") { base.removeLast() }
        self.baseURL = base
        self.modelAliases = modelAliases
        self.apiKey = apiKey.flatMap { $0.isEmpty ? nil : $0 }
        self.extraHeaders = extraHeaders
        var headers = [("Content-Type", "application/json")]
        if let apiKey, !apiKey.isEmpty { headers.append(("Authorization", "Bearer \(apiKey)")) }
        let replaced = Set(extraHeaders.map { $0.0.lowercased() })
        self.fixedHeaders = headers.filter { !replaced.contains($0.0.lowercased()) } + extraHeaders
        self.passedHeaders = (Self.passedRequestHeaders + passedHeaders).filter { !replaced.contains($0) }.map {
            ($0, Array($0.utf8))
        }
        var urls: [OpenAIOperation: String] = [:]
        for operation in OpenAIOperation.allCases { urls[operation] = "\(base)/\(operation.path)" }
        self.urls = urls
    }

    /// Client headers that the backend gets to see. A list of what passes, so that credentials, cookies and hop-by-hop
    /// fields (RFC 9110, 7.6.1) never do.
    private static let passedRequestHeaders = [
        "traceparent", "tracestate", "openai-organization", "openai-project", "openai-beta", "idempotency-key",
    ]

    /// Without user and password, for people.
    package var address: String { Self.address(self.baseURL) }

    package static func address(_ url: String) -> String {
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        // scheme:, nothing, authority, path: anything else is no address that could hold a password.
        guard parts.count >= 3, parts[1].isEmpty, let at = parts[2].lastIndex(of: "@") else { return url }
        let path = parts.count == 4 ? "/" + parts[3] : ""
        return "\(parts[0])//" + parts[2][parts[2].index(after: at)...] + path
    }

    /// The call for a request. The body passes byte for byte, but for the model's name where an alias says so.
    ///
    /// - Parameters:
    ///   - upstreamModel: the backend's name of the model, if it is another than the client's and no alias says it.
    ///   - requestID: sent as `x-request-id`, the same for every attempt.
    ///   - traceparent: sent in place of the client's, if there is one.
    package func request(
        _ operation: OpenAIOperation,
        body: [UInt8],
        model: String,
        upstreamModel: String? = nil,
        clientHeaders: HTTPFields,
        requestID: String,
        traceparent: String? = nil,
        timeout: Duration,
        maximumResponseBytes: Int = 64 << 20,
        allowsSilentResend: Bool = true
    ) -> HTTPClientRequest {
        var headers = HTTPFields()
        headers.reserve(fields: 8, bytes: 256)
        for (name, value) in self.fixedHeaders { headers.append(name, value) }
        headers.append("x-request-id", requestID)
        if let traceparent { headers.append("traceparent", traceparent) }
        for (name, bytes) in self.passedHeaders where traceparent == nil || name != "traceparent" {
            if let value = clientHeaders.bytes(of: name) {
                headers.append(name: bytes[...], value: value)
            }
        }
        var request = HTTPClientRequest(
            method: operation == .models ? .get : .post,
            url: self.urls[operation] ?? "\(self.baseURL)/\(operation.path)",
            headers: headers,
            body: Self.naming(self.modelAliases[model] ?? upstreamModel, in: body),
            timeout: timeout,
            maximumResponseBytes: maximumResponseBytes
        )
        request.allowsSilentResend = allowsSilentResend
        return request
    }

    /// The body with another model's name; byte for byte the same otherwise.
    static func naming(_ alias: String?, in body: [UInt8]) -> [UInt8] {
        guard let alias else { return body }
        var writer = JSONWriter()
        writer.value(alias)
        var result: [UInt8] = []
        result.reserveCapacity(body.count + writer.bytes.count)
        var copied = 0
        for range in JSONTopLevelScanner.ranges(of: "model", in: body) {
            result.append(contentsOf: body[copied..<range.lowerBound])
            result.append(contentsOf: writer.bytes)
            copied = range.upperBound
        }
        result.append(contentsOf: body[copied...])
        return result
    }
}
