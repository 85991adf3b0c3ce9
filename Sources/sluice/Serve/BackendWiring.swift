import SluiceBasics
import SluiceProviders

/// Makes backends of the configuration.
struct BackendWiring {
    let configuration: Configuration
    let environment: [String: String]
    /// Instead of the configured addresses; for `--demo`.
    var addressOverride: String?

    /// The provider's name that means: by each model's name.
    static let byModel = "auto"

    /// - Throws: `ProviderError`, whose message says what is to be configured.
    func backend(_ name: String) throws(ProviderError) -> Backend {
        let path = "backends.\(name)"
        guard self.addressOverride == nil, let provider = self.configuration.text("\(path).provider") else {
            return .openAI(self.plain(name))
        }
        if provider == Self.byModel { return try self.byModel(name) }
        let entry = try ProviderRegistry.require(provider)
        return Backend(name: name, way: .fixed(try self.target(name, entry)), modelAliases: self.aliases(path))
    }

    private func plain(_ name: String) -> OpenAIBackend {
        let path = "backends.\(name)"
        return OpenAIBackend(
            name: name,
            baseURL: self.addressOverride ?? self.configuration.text("\(path).url") ?? "",
            apiKey: self.configuration.text("\(path).key"),
            extraHeaders: self.headers(path),
            modelAliases: self.aliases(path),
            asksForUsage: self.asksForUsage(name)
        )
    }

    private func aliases(_ path: String) -> [String: String] {
        var aliases: [String: String] = [:]
        for pair in self.configuration.table("\(path).aliases") { aliases[pair.name] = pair.value }
        return aliases
    }

    private func headers(_ path: String) -> [(String, String)] {
        self.configuration.table("\(path).headers").map { ($0.name, $0.value) }
    }

    // MARK: Providers

    private func resolution() -> ModelResolution {
        let environment = self.environment
        return ModelResolution { name in environment[name] }
    }

    private func target(_ name: String, _ entry: ProviderEntry) throws(ProviderError) -> BackendTarget {
        var resolution = self.resolution()
        resolution.providers[entry.name] = self.access(name, entry)
        var resolved = try resolution.resolve("", provider: entry.name)
        resolved.endpoint.unsupported = self.policy(name)
        resolved.endpoint.asksForUsage = self.asksForUsage(name)
        guard let target = BackendTarget(resolved, name: name) else {
            throw ProviderError(
                .unsupportedProvider,
                "the provider '\(entry.name)' cannot be called yet",
                provider: entry.name
            )
        }
        return target
    }

    private func policy(_ name: String) -> UnsupportedParameterPolicy {
        self.configuration.text("backends.\(name).unsupported_params")
            .flatMap { UnsupportedParameterPolicy(rawValue: $0) } ?? .drop
    }

    private func asksForUsage(_ name: String) -> Bool { self.configuration.toggle("backends.\(name).stream_usage") }

    /// What is configured for it. OpenAI's own variables, which stand for the address and the key of the backend called
    /// default, mean nothing to another provider, least of all a key.
    private func access(_ name: String, _ entry: ProviderEntry) -> ProviderAccess {
        let path = "backends.\(name)"
        var access = ProviderAccess(
            baseURL: self.own("\(path).url", entry),
            key: self.own("\(path).key", entry),
            bearer: self.configuration.text("\(path).token")
        )
        access.headers = self.headers(path)
        access.aws = self.amazonCredentials(path)
        for pair in self.configuration.table("\(path).settings") { access.settings[pair.name] = pair.value }
        return access
    }

    private func own(_ path: String, _ entry: ProviderEntry) -> String? {
        guard let setting = self.configuration.setting(path), setting.source != .standard else { return nil }
        if entry.name != "openai", case .environment(let variable) = setting.source, variable.hasPrefix("OPENAI_") {
            return nil
        }
        return self.configuration.text(path)
    }

    private func amazonCredentials(_ path: String) -> SigV4Credentials? {
        guard let secret = self.configuration.text("\(path).aws_secret_key") else { return nil }
        let key = self.configuration.text("\(path).aws_access_key") ?? self.environment["AWS_ACCESS_KEY_ID"]
        let token = self.configuration.text("\(path).aws_session_token")
        return key.map { SigV4Credentials(accessKeyID: $0, secretAccessKey: secret, sessionToken: token) }
    }

    // MARK: By the model's name

    /// Providers that other backends configure are called as those say; for the rest the environment speaks.
    private func byModel(_ name: String) throws(ProviderError) -> Backend {
        var configured: [String: BackendTarget] = [:]
        for other in self.configuration.names("backends") where other != name {
            guard let provider = self.configuration.text("backends.\(other).provider"), provider != Self.byModel,
                let entry = ProviderRegistry.entry(named: provider), configured[entry.name] == nil
            else { continue }
            configured[entry.name] = try self.target(other, entry)
        }
        let directory = ModelDirectory(
            resolution: self.resolution(),
            configured: configured,
            policy: self.policy(name),
            asksForUsage: self.asksForUsage(name)
        )
        return Backend(
            name: name,
            way: .byModel(BackendDirectory { model throws(ProviderError) in try directory.find(model) }),
            modelAliases: self.aliases("backends.\(name)")
        )
    }
}

/// Remembers where models were found.
private final class ModelDirectory: Sendable {
    private static let maximumModels = 4_096

    private let resolution: ModelResolution
    private let configured: [String: BackendTarget]
    private let policy: UnsupportedParameterPolicy
    private let asksForUsage: Bool
    private let known = Lock<[String: (BackendTarget, model: String)]>([:])

    init(
        resolution: ModelResolution,
        configured: [String: BackendTarget],
        policy: UnsupportedParameterPolicy,
        asksForUsage: Bool
    ) {
        self.resolution = resolution
        self.configured = configured
        self.policy = policy
        self.asksForUsage = asksForUsage
    }

    func find(_ model: String) throws(ProviderError) -> (BackendTarget, model: String) {
        if let found = self.known.withLock({ $0[model] }) { return found }
        let found = try self.look(model)
        self.known.withLock { known in
            if known.count >= Self.maximumModels { known.removeAll() }
            known[model] = found
        }
        return found
    }

    private func look(_ name: String) throws(ProviderError) -> (BackendTarget, model: String) {
        if let slash = name.firstIndex(of: "/"),
            let entry = ProviderRegistry.entry(named: String(name[..<slash])), let target = self.configured[entry.name]
        {
            return (target, String(name[name.index(after: slash)...]))
        }
        var resolved = try self.resolution.resolve(name)
        resolved.endpoint.unsupported = self.policy
        resolved.endpoint.asksForUsage = self.asksForUsage
        guard let target = BackendTarget(resolved, name: resolved.entry.name) else {
            throw ProviderError(
                .unsupportedProvider,
                "the provider '\(resolved.entry.name)' cannot be called yet",
                provider: resolved.entry.name
            )
        }
        return (target, resolved.model)
    }
}
