/// The layer that the environment says.
enum EnvironmentLayer {
    /// - Parameter names: pools, backends and keys that other layers name, by section, so that
    ///   `SLUICE_POOLS_MY_POOL_SLOTS` means `my_pool` when there is one, and otherwise `my-pool`.
    static func read(_ environment: [String: String], names: [String: [String]] = [:]) -> ConfigurationLayer {
        var layer = ConfigurationLayer()
        var known = ConfigurationSchema.otherVariables
        for key in ConfigurationSchema.keys {
            let path = key.path(for: "default")
            for candidate in self.candidates(key) {
                known.insert(candidate.name)
                // Empty is unset, as in most programs that are started by Compose files.
                guard let text = environment[candidate.name], !text.isEmpty else { continue }
                if layer.entries[path] != nil { continue }
                let value = Double(text) == nil ? text : text + candidate.unit
                layer.entries[path] = LayerEntry(
                    raw: .scalar(value),
                    source: .environment(candidate.name),
                    isSecretFile: candidate.isFile
                )
            }
        }
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("SLUICE_") {
            if known.contains(name) || name.hasPrefix("SLUICE_MOCK_") { continue }
            if let (path, isFile) = self.named(name, names) {
                if text.isEmpty { continue }
                layer.set(path, LayerEntry(raw: .scalar(text), source: .environment(name), isSecretFile: isFile))
            } else {
                let near = Nearest.match(name, in: known.sorted()).map { "; did you mean \($0)?" } ?? ""
                layer.warnings.append("environment variable \(name) is not known\(near)")
            }
        }
        self.note(environment, into: &layer)
        return layer
    }

    private struct Candidate {
        var name: String
        var unit = ""
        var isFile = false
    }

    /// The fixed names of a key, strongest first; for `*` those of the one called `default`.
    private static func candidates(_ key: ConfigurationKey) -> [Candidate] {
        var result = [Candidate(name: ConfigurationKey.environmentName(key.path(for: "default")))]
        result.append(contentsOf: key.aliases.map { Candidate(name: $0.name, unit: $0.unit) })
        guard key.hasFileTwin else { return result }
        return result.flatMap { [$0, Candidate(name: $0.name + "_FILE", isFile: true)] }
    }

    /// `SLUICE_POOLS_FAST_SLOTS` is `pools.fast.slots`; an underscore within the name becomes a dash.
    private static func named(
        _ variable: String,
        _ names: [String: [String]]
    ) -> (path: String, isFile: Bool)? {
        var best: (path: String, isFile: Bool, length: Int)?
        for key in ConfigurationSchema.keys {
            guard let (section, _) = key.wildcard else { continue }
            let pattern = key.environmentName
            let prefix = "SLUICE_\(section.uppercased())_"
            let suffix = String(pattern.dropFirst(prefix.count + 1))
            for isFile in [false, true] where !isFile || key.hasFileTwin {
                let ending = isFile ? suffix + "_FILE" : suffix
                guard variable.hasPrefix(prefix), variable.hasSuffix(ending),
                    variable.count > prefix.count + ending.count
                else { continue }
                let middle = variable.dropFirst(prefix.count).dropLast(ending.count).lowercased()
                let spelled = names[section]?.first {
                    ConfigurationKey.environmentName($0) == "SLUICE_" + middle.uppercased()
                }
                let name = spelled ?? String(middle.map { $0 == "_" ? "-" : $0 })
                guard ConfigurationKey.isName(name), ending.count > best?.length ?? 0 else { continue }
                best = (key.path(for: name), isFile, ending.count)
            }
        }
        return best.map { ($0.path, $0.isFile) }
    }

    private static func note(_ environment: [String: String], into layer: inout ConfigurationLayer) {
        for variable in ConfigurationSchema.withoutEffect where !(environment[variable.name] ?? "").isEmpty {
            layer.warnings.append("\(variable.name) has no effect: \(variable.why)")
        }
    }
}
