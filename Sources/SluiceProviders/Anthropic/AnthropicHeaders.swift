import SluiceWire

/// Versions of the Messages API.
enum AnthropicVersion {
    static let standard = "2023-06-01"
    /// From here on sampling parameters, documents in the assistant's messages and citations on the user's texts are
    /// refused.
    static let withoutSampling = "2026-10-21"

    /// Dates in this form sort as texts.
    static func refusesSampling(_ version: String) -> Bool { version >= Self.withoutSampling }

    /// Four digits, two, two.
    static func isDate(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count == 10 else { return false }
        return bytes.indices.allSatisfy { index in
            index == 4 || index == 7 ? bytes[index] == UInt8(ascii: "-") : (48...57).contains(bytes[index])
        }
    }
}

/// Where a request goes and what stands above its body.
enum AnthropicHeaders {
    /// Tokens of a subscription's login go as bearer tokens, whatever they are configured as.
    private static let loginPrefix = "sk-ant-oat"
    private static let loginBeta = "oauth-2025-04-20"

    static func url(_ base: String) -> String {
        base.hasSuffix("/v1") ? base + "/messages" : base + "/v1/messages"
    }

    static func version(_ endpoint: ProviderEndpoint) -> String {
        endpoint.headers.first { Self.isSame($0.0, "anthropic-version") }?.1
            ?? endpoint.settings["api_version"] ?? AnthropicVersion.standard
    }

    /// - Parameter betas: what the body needs.
    static func fields(_ endpoint: ProviderEndpoint, betas: [String]) -> HTTPFields {
        var fields = HTTPFields()
        var betas = betas
        fields.reserve(fields: 5 + endpoint.headers.count, bytes: 384)
        fields.append("content-type", "application/json")
        fields.append("anthropic-version", Self.version(endpoint))
        switch endpoint.credential {
        case .key(let key) where !key.hasPrefix(Self.loginPrefix):
            Self.append("x-api-key", key, unlessGivenBy: endpoint, to: &fields)
        case .key(let token), .bearer(let token):
            Self.append("authorization", "Bearer " + token, unlessGivenBy: endpoint, to: &fields)
            if token.hasPrefix(Self.loginPrefix) { betas.append(Self.loginBeta) }
        case .none, .aws: break
        }
        for (name, value) in endpoint.headers {
            if Self.isSame(name, "anthropic-beta") {
                betas.append(contentsOf: Self.list(value))
            } else if !Self.isSame(name, "anthropic-version"), !Self.isSame(name, "content-type") {
                fields.append(name, value)
            }
        }
        if let configured = endpoint.settings["beta"] { betas.append(contentsOf: Self.list(configured)) }
        if !betas.isEmpty { fields.append("anthropic-beta", Self.joined(betas)) }
        return fields
    }

    private static func append(
        _ name: String,
        _ value: String,
        unlessGivenBy endpoint: ProviderEndpoint,
        to fields: inout HTTPFields
    ) {
        guard !endpoint.headers.contains(where: { Self.isSame($0.0, name) }) else { return }
        fields.append(name, value)
    }

    private static func isSame(_ name: String, _ wanted: String) -> Bool {
        Bytes.equals(Array(name.utf8)[...], wanted)
    }

    private static func list(_ text: String) -> [String] {
        text.split(separator: ",").map { String($0.filter { $0 != " " && $0 != "\t" }) }.filter { !$0.isEmpty }
    }

    /// In order, each once.
    private static func joined(_ betas: [String]) -> String {
        var seen: [String] = []
        for beta in betas where !seen.contains(beta) { seen.append(beta) }
        return seen.joined(separator: ",")
    }
}
