/// What is configured for a provider, or said for one call.
package struct ProviderAccess: Sendable {
    package var baseURL: String?
    /// Sent in the provider's own header for keys.
    package var key: String?
    /// Sent as `Authorization: Bearer`.
    package var bearer: String?
    /// Signs the call, in place of key and token.
    package var aws: SigV4Credentials?
    package var settings: [String: String] = [:]
    package var headers: [(String, String)] = []

    package init(baseURL: String? = nil, key: String? = nil, bearer: String? = nil) {
        self.baseURL = baseURL
        self.key = key
        self.bearer = bearer
    }

    fileprivate var credential: ProviderCredential? {
        if let aws = self.aws {
            return .aws(accessKey: aws.accessKeyID, secretKey: aws.secretAccessKey, sessionToken: aws.sessionToken)
        }
        if let key = self.key { return .key(key) }
        return self.bearer.map { .bearer($0) }
    }
}

/// A model's name of one's own.
package struct ModelAlias: Sendable {
    /// `provider/model`.
    package var target: String
    package var access: ProviderAccess

    package init(_ target: String, access: ProviderAccess = ProviderAccess()) {
        self.target = target
        self.access = access
    }
}

/// Where a request goes.
package struct ResolvedModel: Sendable {
    package var entry: ProviderEntry
    /// The provider's own name of it.
    package var model: String
    package var endpoint: ProviderEndpoint
}

/// From the name of a model to a provider, its address and its key.
///
/// The name is looked up among the aliases, then split at its first slash, then, only where that is allowed, known by
/// how it begins. Address and key: what the call says, then what is configured, then the provider's variables of the
/// environment. A key goes to the address that was named together with it or by the configuration, the environment or
/// the provider's row, and nowhere else.
package struct ModelResolution: Sendable {
    package var aliases: [String: ModelAlias] = [:]
    /// By the registry's name of the provider.
    package var providers: [String: ProviderAccess] = [:]
    /// Whether `gpt-…` alone means OpenAI, and so on. A guess that chooses a key: off unless wanted.
    package var allowsGuesses = false
    private let environment: @Sendable (String) -> String?

    /// - Parameter environment: the value of a variable.
    package init(environment: @escaping @Sendable (String) -> String?) { self.environment = environment }

    /// - Parameters:
    ///   - provider: names it outright; the model's name is then taken as it is.
    ///   - access: what the call says.
    /// - Throws: `unsupportedProvider`, `notFound` for a name that says no provider, `authentication` if there is no
    ///   key, `badRequest` for an address that cannot be used.
    package func resolve(
        _ name: String,
        provider: String? = nil,
        access: ProviderAccess = ProviderAccess()
    ) throws(ProviderError) -> ResolvedModel {
        if let provider {
            return try self.resolve(ProviderRegistry.require(provider), name, access, ProviderAccess())
        }
        if let alias = self.aliases[name] {
            let (entry, model) = try self.split(alias.target)
            return try self.resolve(entry, model, access, alias.access)
        }
        let (entry, model) = try self.split(name)
        return try self.resolve(entry, model, access, ProviderAccess())
    }

    /// Only the first segment is a provider: the others belong to the model's name.
    private func split(_ name: String) throws(ProviderError) -> (ProviderEntry, String) {
        let slash = name.firstIndex(of: "/")
        if let slash, let entry = ProviderRegistry.entry(named: String(name[..<slash])) {
            let model = String(name[name.index(after: slash)...])
            guard !model.isEmpty else { throw Self.unknown(name) }
            return (entry, model)
        }
        if self.allowsGuesses, let entry = ProviderRegistry.entry(guessedFrom: name) { return (entry, name) }
        guard let slash else { throw Self.unknown(name) }
        return (try ProviderRegistry.require(String(name[..<slash])), name)
    }

    private static func unknown(_ name: String) -> ProviderError {
        ProviderError(
            .notFound,
            "the model '\(name.prefix(200))' is not configured; configure it, or name its provider: 'provider/model'",
            code: "model_not_found",
            parameter: "model"
        )
    }

    private func resolve(
        _ entry: ProviderEntry,
        _ model: String,
        _ call: ProviderAccess,
        _ alias: ProviderAccess
    ) throws(ProviderError) -> ResolvedModel {
        let configured = self.providers[entry.name] ?? ProviderAccess()
        var settings: [String: String] = [:]
        for setting in entry.settings {
            let value = call.settings[setting.name] ?? alias.settings[setting.name] ?? configured.settings[setting.name]
            settings[setting.name] = value ?? self.variable(setting.environment) ?? setting.fallback
        }
        for source in [configured, alias, call] { settings.merge(source.settings) { _, new in new } }

        // The places that may speak of an address and a key, the nearest first. A key goes to an address of its own
        // place or of one that the operator has named.
        let own = try Self.ownBase(entry, settings)
        let environmentBase = self.variable(entry.baseEnvironment)
        let base = call.baseURL ?? alias.baseURL ?? configured.baseURL ?? environmentBase ?? own
        guard let base else { throw Self.noBase(entry) }
        let address = try Self.checked(base, entry)
        let trusted = [alias.baseURL, configured.baseURL, environmentBase, own].compactMap { $0 }
        let isTrusted = call.baseURL == nil || trusted.contains { BaseAddress($0)?.covers(address) ?? false }

        var credential = call.credential
        if credential == nil, isTrusted {
            credential = alias.credential ?? configured.credential ?? self.environmentCredential(entry)
        }
        if credential == nil { credential = try Self.withoutKey(entry, isTrusted: isTrusted) }
        var endpoint = ProviderEndpoint(baseURL: Self.withoutSlash(base), credential: credential ?? .none)
        // Headers hold keys as well as keys do.
        endpoint.headers = (isTrusted ? configured.headers + alias.headers : []) + call.headers
        endpoint.settings = settings
        return ResolvedModel(entry: entry, model: model, endpoint: endpoint)
    }

    private func variable(_ names: [String]) -> String? {
        for name in names {
            if let value = self.environment(name), !value.isEmpty { return value }
        }
        return nil
    }

    private func environmentCredential(_ entry: ProviderEntry) -> ProviderCredential? {
        if let key = self.variable(entry.keyEnvironment) { return .key(key) }
        if let token = self.variable(entry.bearerEnvironment) { return .bearer(token) }
        guard case .bedrock = entry.wire, let access = self.variable(["AWS_ACCESS_KEY_ID"]),
            let secret = self.variable(["AWS_SECRET_ACCESS_KEY"])
        else { return nil }
        return .aws(accessKey: access, secretKey: secret, sessionToken: self.variable(["AWS_SESSION_TOKEN"]))
    }

    /// Only letters, digits and hyphens: all else could lead to another host.
    private static func ownBase(
        _ entry: ProviderEntry,
        _ settings: [String: String]
    ) throws(ProviderError) -> String? {
        guard var base = entry.baseURL else { return nil }
        for (name, value) in settings where base.contains("{\(name)}") {
            let isPlain = value.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (97...122).contains(byte | 0x20) || byte == UInt8(ascii: "-")
            }
            guard isPlain, !value.isEmpty else {
                throw ProviderError(
                    .badRequest,
                    "the setting '\(name)' of the provider '\(entry.name)' may hold letters, digits and hyphens only",
                    provider: entry.name,
                    code: "invalid_setting",
                    parameter: name
                )
            }
            base = base.split(separator: "{\(name)}", omittingEmptySubsequences: false).joined(separator: value)
        }
        // Vertex has one address without a region.
        return base == "https://global-aiplatform.googleapis.com" ? "https://aiplatform.googleapis.com" : base
    }

    private static func checked(_ base: String, _ entry: ProviderEntry) throws(ProviderError) -> BaseAddress {
        if let address = BaseAddress(base) { return address }
        throw ProviderError(
            .badRequest,
            "the address of the provider '\(entry.name)' cannot be used: it must be http(s)://host[:port][/path], "
                + "without user name, query or dots in its path",
            provider: entry.name,
            code: "invalid_base_url"
        )
    }

    private static func withoutSlash(_ base: String) -> String {
        var base = base
        while base.hasSuffix("/") { base.removeLast() }
        return base
    }

    private static func noBase(_ entry: ProviderEntry) -> ProviderError {
        let names = entry.baseEnvironment.joined(separator: " or ")
        return ProviderError(
            .badRequest,
            "the provider '\(entry.name)' has no address: configure one, or set \(names)",
            provider: entry.name,
            code: "missing_base_url"
        )
    }

    private static func withoutKey(_ entry: ProviderEntry, isTrusted: Bool) throws(ProviderError) -> ProviderCredential
    {
        if entry.isKeyOptional { return .none }
        var variables = entry.keyEnvironment + entry.bearerEnvironment
        if case .bedrock = entry.wire { variables.append("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") }
        let names = variables.joined(separator: " or ")
        let hint =
            isTrusted
            ? "configure one, or set \(names)"
            : "the address of this call is not one that is configured, so it gets no key but its own"
        throw ProviderError(
            .authentication,
            "there is no key for the provider '\(entry.name)': \(hint)",
            provider: entry.name,
            code: "missing_api_key"
        )
    }
}
