/// All providers, found by name.
package enum ProviderRegistry {
    /// How many names an error suggests.
    private static let suggestions = 3

    private static let byName: [String: Int] = {
        var places: [String: Int] = [:]
        for (place, entry) in Self.entries.enumerated() {
            for name in [entry.name] + entry.aliases { places[name] = place }
        }
        return places
    }()

    /// The row of this name or alias, spelt exactly.
    package static func entry(named name: String) -> ProviderEntry? {
        Self.byName[name].map { Self.entries[$0] }
    }

    /// The row whose models' names begin like this one. A guess: only for who allows it.
    package static func entry(guessedFrom model: String) -> ProviderEntry? {
        Self.entries.lazy.compactMap { entry -> (entry: ProviderEntry, length: Int)? in
            let length = entry.modelPrefixes.filter(model.hasPrefix).map(\.utf8.count).max()
            return length.map { (entry, $0) }
        }.max { $0.length < $1.length }?.entry
    }

    /// The row whose own address this is: the same scheme, host and port, and a path that begins with the row's,
    /// segment by segment. An address that only looks alike belongs to nobody.
    package static func entry(at address: String) -> ProviderEntry? {
        guard let wanted = BaseAddress(address) else { return nil }
        return Self.entries.first { entry in
            guard let base = entry.baseURL.flatMap(BaseAddress.init) else { return false }
            return base.covers(wanted)
        }
    }

    /// - Throws: `unsupportedProvider`, which names the nearest ones.
    package static func require(_ name: String) throws(ProviderError) -> ProviderEntry {
        if let entry = Self.entry(named: name) { return entry }
        let near = Self.nearest(name)
        let hint = near.isEmpty ? "" : "; did you mean \(near.map { "'\($0)'" }.joined(separator: ", "))?"
        throw ProviderError(
            .unsupportedProvider,
            "there is no provider '\(name.prefix(80))'\(hint)",
            code: "unsupported_provider",
            parameter: "model"
        )
    }

    /// Names that are spelt much like this one, the nearest first.
    package static func nearest(_ name: String) -> [String] {
        let wanted = Array(name.lowercased().utf8.prefix(64))
        guard !wanted.isEmpty else { return [] }
        let near = Self.byName.keys.compactMap { known -> (name: String, distance: Int)? in
            let known = (text: known, bytes: Array(known.utf8))
            if known.bytes.starts(with: wanted) && wanted.count >= 3 { return (known.text, 0) }
            let distance = Self.distance(wanted, known.bytes)
            return distance <= max(1, min(3, known.bytes.count / 2)) ? (known.text, distance) : nil
        }
        return near.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(Self.suggestions).map(\.name)
    }

    /// Levenshtein's distance.
    private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var row = Array(0...second.count)
        for (line, byte) in first.enumerated() {
            var diagonal = row[0]
            row[0] = line + 1
            for (column, other) in second.enumerated() {
                let changed = diagonal + (byte == other ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(changed, row[column] + 1, row[column + 1] + 1)
            }
        }
        return row[second.count]
    }
}
