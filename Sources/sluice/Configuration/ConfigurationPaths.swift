/// Finds keys by what people write.
enum ConfigurationPaths {
    struct Found {
        var key: ConfigurationKey
        /// What stands for `*`; empty when the key has none.
        var name: String
        /// Without `_file`.
        var path: String
        var isSecretFile: Bool
    }

    /// By a whole path such as `pools.default.slots`, also with `_file` behind a secret.
    static func find(_ path: String) -> Found? {
        let parts = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        for key in ConfigurationSchema.keys {
            for isFile in [false, true] {
                if isFile, !key.hasFileTwin { continue }
                let pattern = (isFile ? key.path + "_file" : key.path).split(separator: ".").map(String.init)
                guard let name = Self.match(parts, pattern) else { continue }
                return Found(key: key, name: name, path: key.path(for: name), isSecretFile: isFile)
            }
        }
        return nil
    }

    /// What stands for `*` when the parts fit the pattern. A name may itself contain dots.
    private static func match(_ parts: [String], _ pattern: [String]) -> String? {
        guard let star = pattern.firstIndex(of: "*") else { return parts == pattern ? "" : nil }
        let tail = pattern.dropFirst(star + 1)
        guard parts.count >= pattern.count, parts.prefix(star) == pattern.prefix(star), parts.suffix(tail.count) == tail
        else { return nil }
        let name = parts.dropFirst(star).dropLast(tail.count).joined(separator: ".")
        return ConfigurationKey.isName(name) ? name : nil
    }

    /// The known path that is nearest, with the same name in place of `*`.
    static func suggestion(_ path: String) -> String? {
        let parts = path.split(separator: ".")
        let name = parts.count > 1 ? String(parts[1]) : "default"
        return Nearest.match(path, in: ConfigurationSchema.keys.map { $0.path(for: name) })
    }

    /// The words that may follow a section, e.g. `level` and `format` after `log`.
    ///
    /// - Parameter section: as in the schema, with `*`.
    static func members(of section: [String]) -> [String] {
        var words: [String] = []
        for key in ConfigurationSchema.keys {
            let parts = key.path.split(separator: ".").map(String.init)
            guard parts.count > section.count, Array(parts.prefix(section.count)) == section else { continue }
            let word = parts[section.count]
            if !words.contains(word) { words.append(word) }
            if key.hasFileTwin, parts.count == section.count + 1 { words.append(word + "_file") }
        }
        return words
    }
}

extension ConfigurationKey {
    var hasFileTwin: Bool {
        if case .secret = self.kind { return true }
        return false
    }
}
