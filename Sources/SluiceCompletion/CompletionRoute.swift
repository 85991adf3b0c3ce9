import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where a call goes.
struct CompletionRoute: Sendable {
    var handler: any ProviderHandler
    var model: String
    var endpoint: ProviderEndpoint

    /// Keys that must not appear in any message.
    var secrets: [String] {
        let headers = self.endpoint.headers.map(\.1)
        switch self.endpoint.credential {
        case .none: return headers
        case .key(let key), .bearer(let key): return [key] + headers
        case .aws(_, let secret, let token): return [secret] + (token.map { [$0] } ?? []) + headers
        }
    }
}

extension CompletionConfiguration {
    func resolution() -> ModelResolution {
        let usesEnvironment = self.usesEnvironment
        var resolution = ModelResolution { name in
            usesEnvironment ? Self.variable(name) : nil
        }
        resolution.providers = self.providers.mapValues(\.access)
        resolution.aliases = self.models.mapValues { ModelAlias($0.target, access: $0.access.access) }
        resolution.allowsGuesses = self.guessesProviders
        return resolution
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

extension ProviderSettings {
    var access: ProviderAccess {
        var access = ProviderAccess(baseURL: self.baseURL, key: self.apiKey, bearer: self.bearerToken)
        access.settings = self.settings
        access.headers = self.headers.map { ($0.name, $0.value) }
        return access
    }
}

extension UnsupportedParameters {
    var policy: UnsupportedParameterPolicy {
        switch self {
        case .drop: .drop
        case .error: .error
        case .pass: .pass
        }
    }
}

extension ModelResolution {
    func route(
        _ model: String,
        _ options: CompletionOptions,
        _ configuration: CompletionConfiguration
    ) throws(ProviderError) -> CompletionRoute {
        let resolved = try self.resolve(model, provider: options.provider, access: options.access.access)
        guard let handler = ProviderRegistry.handler(for: resolved.entry) else {
            throw ProviderError(
                .unsupportedProvider,
                "the provider '\(resolved.entry.name)' cannot be called by this version",
                provider: resolved.entry.name,
                code: "unsupported_provider",
                parameter: "model"
            )
        }
        var endpoint = resolved.endpoint
        endpoint.unsupported = (options.unsupportedParameters ?? configuration.unsupportedParameters).policy
        return CompletionRoute(handler: handler, model: resolved.model, endpoint: endpoint)
    }
}

extension ProviderError {
    /// A call that got no whole answer.
    init(_ error: HTTPClientError, provider: String) {
        let kind: Kind
        switch error.kind {
        case .timeout, .connectTimeout: kind = .timeout
        case .cancelled, .shutdown: kind = .cancelled
        case .invalidURL: kind = .badRequest
        case .malformed, .responseTooLarge: kind = .badGateway
        case .tooManyTransfers: kind = .serviceUnavailable
        case .resolve, .connectRefused, .connect, .tls, .reset: kind = .connection
        }
        self.init(
            kind,
            error.message,
            provider: provider,
            code: error.kind.rawValue,
            isRetryable: error.kind == .responseTooLarge ? false : nil
        )
    }

    static func cancelled(_ provider: String) -> ProviderError {
        ProviderError(.cancelled, "the call was cancelled", provider: provider, code: "cancelled")
    }
}
