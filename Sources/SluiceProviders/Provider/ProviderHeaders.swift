import SluiceWire

/// Builds the header fields of a call.
package enum ProviderHeaders {
    /// `content-type`, the credential, `fields`, and what the endpoint adds, which goes in place of ours.
    ///
    /// - Parameters:
    ///   - keyHeader: the provider's own header for keys; `nil`: keys are sent as `Authorization: Bearer`.
    ///   - fields: more of the provider's own.
    /// - Throws: `authentication` or `badRequest` for values that no header can hold.
    package static func fields(
        _ endpoint: ProviderEndpoint,
        provider: String,
        keyHeader: String? = nil,
        _ fields: [(String, String)] = []
    ) throws(ProviderError) -> HTTPFields {
        var pairs = [("content-type", "application/json")]
        switch endpoint.credential {
        case .key(let key):
            try Self.check(key, provider)
            pairs.append(keyHeader.map { ($0, key) } ?? ("authorization", "Bearer \(key)"))
        case .bearer(let token):
            try Self.check(token, provider)
            pairs.append(("authorization", "Bearer \(token)"))
        case .none, .aws: break
        }
        pairs += fields
        for (name, value) in fields + endpoint.headers {
            guard !name.isEmpty, Self.isSafe(name), Self.isSafe(value) else {
                throw ProviderError(
                    .badRequest,
                    "a configured header holds characters that no header can hold",
                    provider: provider
                )
            }
        }
        for (name, _) in endpoint.headers { pairs.removeAll { Self.areSame($0.0, name) } }
        return HTTPFields(pairs + endpoint.headers)
    }

    private static func check(_ key: String, _ provider: String) throws(ProviderError) {
        guard !key.isEmpty, Self.isSafe(key) else {
            throw ProviderError(
                .authentication,
                "the key holds characters that no header can hold, such as a line break",
                provider: provider,
                code: "invalid_api_key"
            )
        }
    }

    private static func isSafe(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }

    private static func areSame(_ first: String, _ second: String) -> Bool {
        first.utf8.count == second.utf8.count && first.lowercased() == second.lowercased()
    }
}
