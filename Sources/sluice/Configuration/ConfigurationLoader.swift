/// One layer's word on one key.
struct LayerEntry: Equatable, Sendable {
    var raw: RawValue
    var source: ConfigurationSource
    /// `raw` is the path of a file that holds the secret.
    var isSecretFile = false
}

/// One layer: entries by path, and what it could not make sense of.
struct ConfigurationLayer: Sendable {
    var entries: [String: LayerEntry] = [:]
    var problems: [ConfigurationProblem] = []
    var warnings: [String] = []

    mutating func set(_ path: String, _ entry: LayerEntry) {
        if let earlier = self.entries[path], earlier.source != entry.source {
            self.problems.append(
                .init(source: entry.source, key: path, message: "was already given by \(earlier.source.text)")
            )
            return
        }
        self.entries[path] = entry
    }
}

/// Puts the layers together: flag over environment over file over default.
struct ConfigurationLoader: Sendable {
    /// Options of the command line: a key's path or a flag's name, what to call it, and its value.
    struct Flag: Sendable {
        var path: String
        var name: String
        var value: String
    }

    var flags: [Flag] = []
    var environment: [String: String] = [:]
    var file: String?
    var readFile: @Sendable (String, Int) throws(FileError) -> [UInt8] = Files.read

    func load() throws(ConfigurationProblems) -> Configuration {
        let flags = self.flagLayer()
        let fileLayer = try self.fileLayer()
        let names = Self.names(in: [flags, fileLayer])
        let layers = [flags, EnvironmentLayer.read(self.environment, names: names), fileLayer]
        var problems = layers.flatMap(\.problems)
        var settings: [Setting] = []
        for key in ConfigurationSchema.keys {
            for name in Self.names(for: key, in: layers) {
                settings.append(self.settle(key, name: name, layers: layers, problems: &problems))
            }
        }
        var configuration = Configuration(settings: settings, warnings: layers.flatMap(\.warnings), file: self.file)
        configuration.chooseBackends()
        problems.append(contentsOf: configuration.check())
        guard problems.isEmpty else { throw ConfigurationProblems(problems: problems) }
        return configuration
    }

    private func fileLayer() throws(ConfigurationProblems) -> ConfigurationLayer {
        guard let file = self.file else { return ConfigurationLayer() }
        do throws(FileError) {
            return FileLayer.read(try self.readFile(file, YAMLReader.maximumBytes), path: file)
        } catch {
            throw ConfigurationProblems(
                problems: [.init(source: nil, key: "", message: "configuration file: \(error.message)")]
            )
        }
    }

    /// The names that layers give to pools, backends and keys, by section.
    private static func names(in layers: [ConfigurationLayer]) -> [String: [String]] {
        var names: [String: [String]] = [:]
        for path in layers.flatMap({ $0.entries.keys }).sorted() {
            guard let found = ConfigurationPaths.find(path), let section = found.key.wildcard?.section else { continue }
            if names[section]?.contains(found.name) != true { names[section, default: []].append(found.name) }
        }
        return names
    }

    private func flagLayer() -> ConfigurationLayer {
        var layer = ConfigurationLayer()
        for flag in self.flags {
            guard let found = ConfigurationPaths.find(flag.path) else {
                let hint = ConfigurationPaths.suggestion(flag.path).map { "; did you mean '\($0)'?" } ?? ""
                layer.problems.append(
                    .init(source: .flag(flag.name), key: "", message: "there is no key '\(flag.path)'\(hint)")
                )
                continue
            }
            let entry = LayerEntry(
                raw: .scalar(flag.value),
                source: .flag(flag.name),
                isSecretFile: found.isSecretFile
            )
            layer.set(found.path, entry)
        }
        return layer
    }

    /// The names that stand for `*`, in order; one empty name for a key without.
    private static func names(for key: ConfigurationKey, in layers: [ConfigurationLayer]) -> [String] {
        guard let section = key.wildcard?.section else { return [""] }
        var names: Set<String> = section == "pools" ? ["default"] : []
        for path in layers.flatMap({ $0.entries.keys }) {
            let parts = path.split(separator: ".", maxSplits: 1)
            guard parts.first.map(String.init) == section, let found = ConfigurationPaths.find(path) else { continue }
            names.insert(found.name)
        }
        if section == "backends", names.isEmpty { names.insert("default") }
        return names.sorted { left, right in
            (left == "default") == (right == "default") ? left < right : left == "default"
        }
    }

    private func settle(
        _ key: ConfigurationKey,
        name: String,
        layers: [ConfigurationLayer],
        problems: inout [ConfigurationProblem]
    ) -> Setting {
        let path = key.path(for: name)
        for layer in layers {
            guard let entry = layer.entries[path] else { continue }
            switch self.value(of: entry, key: key) {
            case .success(let value):
                return Setting(key: key, name: name, path: path, value: value, source: entry.source)
            case .failure(let failure):
                problems.append(.init(source: entry.source, key: path, message: failure.message))
                return Setting(key: key, name: name, path: path, value: .none, source: entry.source)
            }
        }
        let standard = key.fallback.map { RawValue.scalar($0) } ?? .nothing
        let value = (try? key.read(standard).get()) ?? .none
        return Setting(key: key, name: name, path: path, value: value, source: .standard)
    }

    private func value(
        of entry: LayerEntry,
        key: ConfigurationKey
    ) -> Result<ConfigurationValue, ConfigurationReadFailure> {
        guard entry.isSecretFile else { return key.read(entry.raw) }
        guard case .scalar(let path) = entry.raw, !path.isEmpty else {
            return .failure(.init("needs the path of a file"))
        }
        do throws(FileError) {
            var bytes = try self.readFile(path, 64 << 10)
            while let last = bytes.last, [10, 13, 32, 9].contains(last) { bytes.removeLast() }
            guard !bytes.isEmpty else { return .failure(.init("\(path) is empty")) }
            return key.read(.scalar(String(decoding: bytes, as: UTF8.self)))
        } catch {
            return .failure(.init(error.message))
        }
    }
}
