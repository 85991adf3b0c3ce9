import SluiceBasics

/// One key's value and who said it.
struct Setting: Equatable, Sendable {
    var key: ConfigurationKey
    /// What stands for `*`.
    var name: String
    var path: String
    var value: ConfigurationValue
    var source: ConfigurationSource

    static func == (left: Setting, right: Setting) -> Bool {
        left.path == right.path && left.value == right.value && left.source == right.source
    }
}

extension Setting {
    /// Nobody has said anything else than what holds anyway.
    var isAsByDefault: Bool {
        if self.source == .standard || self.value == .none { return true }
        guard let fallback = self.key.fallback else { return false }
        return (try? self.key.read(.scalar(fallback)).get()) == self.value
    }
}

/// The configuration as it results from all layers; every value is known to be acceptable.
struct Configuration: Sendable {
    private(set) var settings: [Setting]
    private(set) var warnings: [String]
    let file: String?
    private var index: [String: Int]

    init(settings: [Setting], warnings: [String], file: String?) {
        self.settings = settings
        self.warnings = warnings
        self.file = file
        self.index = [:]
        for (position, setting) in settings.enumerated() { self.index[setting.path] = position }
    }

    func setting(_ path: String) -> Setting? { self.index[path].map { self.settings[$0] } }
    private func value(_ path: String) -> ConfigurationValue { self.setting(path)?.value ?? .none }

    // What is not there is the type's emptiest value: a test reads every key, so that none is misspelt.
    func text(_ path: String) -> String? { if case .text(let value) = self.value(path) { value } else { nil } }
    func toggle(_ path: String) -> Bool { self.value(path) == .toggle(true) }
    func integer(_ path: String) -> Int? { if case .integer(let value) = self.value(path) { value } else { nil } }
    func ratio(_ path: String) -> Double { if case .ratio(let value) = self.value(path) { value } else { 0 } }
    func list(_ path: String) -> [String]? { if case .list(let value) = self.value(path) { value } else { nil } }

    func duration(_ path: String) -> Duration {
        if case .duration(let value) = self.value(path) { value } else { .zero }
    }

    func table(_ path: String) -> [RawValue.Pair] {
        if case .table(let value) = self.value(path) { value } else { [] }
    }

    func address(_ path: String) -> ListenAddress? {
        if case .address(let value) = self.value(path) { value } else { nil }
    }

    /// This, but with the values of some keys as another has them.
    func keeping(_ paths: [String], of other: Configuration) -> Configuration {
        let kept = self.settings.compactMap { paths.contains($0.path) ? other.setting($0.path) : $0 }
        let gone = other.settings.filter { paths.contains($0.path) && self.setting($0.path) == nil }
        return Configuration(settings: kept + gone, warnings: self.warnings, file: self.file)
    }

    /// The names in a section such as `pools`, `default` first.
    func names(_ section: String) -> [String] {
        var names: [String] = []
        for setting in self.settings where setting.key.wildcard?.section == section {
            if !names.contains(setting.name) { names.append(setting.name) }
        }
        return names
    }

    var hasAPIKeys: Bool { self.text("api_keys_file") != nil || !self.names("api_keys").isEmpty }

    /// A pool that names no backend gets the only one, or the one called `default`.
    mutating func chooseBackends() {
        let backends = self.names("backends")
        guard let standard = backends.count == 1 ? backends.first : backends.first(where: { $0 == "default" }) else {
            return
        }
        for pool in self.names("pools") {
            guard let position = self.index["pools.\(pool).backend"] else { continue }
            if self.settings[position].value == .none { self.settings[position].value = .text(standard) }
        }
    }

    /// What no single value shows: values that do not go together.
    func check() -> [ConfigurationProblem] {
        self.checkAccess() + self.checkPools() + self.checkScheduling() + self.checkRouting() + self.checkKeys()
            + self.checkFiles() + self.checkHistory() + self.checkAround() + self.checkSpending()
            + self.checkOperators()
    }

    func problem(_ path: String, _ message: String) -> ConfigurationProblem {
        .init(source: self.setting(path)?.source, key: path, message: message)
    }

    private func checkAccess() -> [ConfigurationProblem] {
        guard let listen = self.address("listen"), !listen.isLoopback, !self.hasAPIKeys, !self.toggle("insecure")
        else { return [] }
        return [
            self.problem(
                "listen",
                "\(listen.text) can be reached from other machines and there are no API keys; "
                    + "set api_keys_file or api_keys, listen on 127.0.0.1, or say --insecure"
            )
        ]
    }

    private func checkPools() -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        let pools = self.names("pools")
        let backends = self.names("backends")
        for pool in pools {
            let path = "pools.\(pool).backend"
            guard let backend = self.text(path) else {
                // With targets nobody asks for it.
                if self.setting(path)?.value == ConfigurationValue.none, !self.isRouted("pools.\(pool)") {
                    problems.append(
                        self.problem(
                            path,
                            "is needed, because none of the backends is called default: "
                                + backends.joined(separator: ", ")
                        )
                    )
                }
                continue
            }
            if !backends.contains(backend) {
                let near = Nearest.match(backend, in: backends).map { "; did you mean '\($0)'?" } ?? ""
                problems.append(
                    self.problem(
                        path,
                        "there is no backend '\(backend)', only \(backends.joined(separator: ", "))\(near)"
                    )
                )
            }
            if self.duration("pools.\(pool).retry.base_delay") > self.duration("pools.\(pool).retry.max_delay") {
                problems.append(self.problem("pools.\(pool).retry.base_delay", "is longer than max_delay"))
            }
            if let payload = self.integer("max_payload"), let bytes = self.integer("pools.\(pool).max_bytes"),
                bytes < payload
            {
                problems.append(
                    self.problem(
                        "pools.\(pool).max_bytes",
                        "\(SizeText.format(bytes)) is less than max_payload (\(SizeText.format(payload))), "
                            + "so the largest requests would never be accepted"
                    )
                )
            }
        }
        for pool in self.list("fabric.pools") ?? [] where !pools.contains(pool) {
            problems.append(
                self.problem("fabric.pools", "there is no pool '\(pool)', only \(pools.joined(separator: ", "))")
            )
        }
        if let pool = self.text("default_pool"), !pools.contains(pool) {
            problems.append(
                self.problem("default_pool", "there is no pool '\(pool)', only \(pools.joined(separator: ", "))")
            )
        }
        if self.duration("request_timeout") > self.duration("max_request_timeout") {
            problems.append(self.problem("request_timeout", "is longer than max_request_timeout"))
        }
        return problems
    }

    private func checkKeys() -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        let pools = self.names("pools")
        for name in self.names("api_keys") {
            let path = "api_keys.\(name)"
            let key = self.text("\(path).key")
            let hash = self.text("\(path).sha256")
            if (key == nil) == (hash == nil) {
                problems.append(self.problem("\(path).key", "needs either a key (key, key_file) or its sha256"))
            }
            if let hash, hash.utf8.count != 64 || !hash.utf8.allSatisfy({ $0 &- 48 < 10 || ($0 | 0x20) &- 97 < 6 }) {
                problems.append(self.problem("\(path).sha256", "needs 64 hexadecimal digits"))
            }
            for pool in (self.list("\(path).pools") ?? []) + [self.text("\(path).pool")].compactMap({ $0 })
            where !pools.contains(pool) {
                problems.append(
                    self.problem("\(path).pools", "there is no pool '\(pool)', only \(pools.joined(separator: ", "))")
                )
            }
        }
        return problems
    }

    private func checkFiles() -> [ConfigurationProblem] {
        guard (self.text("tls.certificate_file") == nil) != (self.text("tls.key_file") == nil) else { return [] }
        let missing = self.text("tls.key_file") == nil ? "tls.key_file" : "tls.certificate_file"
        return [self.problem(missing, "TLS needs both tls.certificate_file and tls.key_file")]
    }
}
