import SluiceCore
import SluiceGateway

/// Reads API keys from the configuration and from the keys file.
///
/// A line of the file: `NAME KEY [tenant=T] [pool=P] [pools=A,B] [max_priority=high] [role=viewer]`, where `KEY` is the
/// key itself or `sha256:` and its digest. Empty lines and lines that begin with `#` are skipped.
enum KeysFile {
    struct Problem: Error, Equatable {
        var message: String
    }

    private static let maximumBytes = 4 << 20
    private static let maximumKeys = 10_000

    static func keys(_ configuration: Configuration) throws(Problem) -> [APIKey] {
        var keys: [APIKey] = []
        for name in configuration.names("api_keys") { keys.append(Self.key(configuration, name)) }
        guard let path = configuration.text("api_keys_file") else { return keys }
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try Files.read(path, limit: Self.maximumBytes)
        } catch {
            throw Problem(message: "API keys: \(error.message)")
        }
        keys += try Self.parse(bytes, pools: configuration.names("pools"), path: path)
        let problems = configuration.budgetsWithoutKey(keys.map(\.name))
        guard problems.isEmpty else { throw Problem(message: ConfigurationProblems(problems: problems).text) }
        return keys
    }

    /// A file without keys is refused: it would silently open the gateway to everybody.
    static func parse(_ bytes: [UInt8], pools: [String], path: String) throws(Problem) -> [APIKey] {
        var keys: [APIKey] = []
        let lines = String(decoding: bytes, as: UTF8.self)
            .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (number, line) in lines.enumerated() {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" }).map(String.init)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            keys.append(try Self.key(words, pools: pools, place: "\(path):\(number + 1)"))
            guard keys.count <= Self.maximumKeys else {
                throw Problem(message: "\(path) has more than \(Self.maximumKeys) keys")
            }
        }
        guard !keys.isEmpty else {
            throw Problem(
                message: "\(path) has no keys, which would let everybody in; add one, or take api_keys_file away"
            )
        }
        return keys
    }

    private static func key(_ configuration: Configuration, _ name: String) -> APIKey {
        let path = "api_keys.\(name)"
        let digest =
            configuration.text("\(path).sha256").flatMap { Digest.bytes(hex: $0) }
            ?? Digest.sha256(Array((configuration.text("\(path).key") ?? "").utf8))
        return APIKey(
            name: name,
            digest: digest,
            tenant: configuration.text("\(path).tenant") ?? name,
            defaultPool: configuration.text("\(path).pool"),
            allowedPools: configuration.list("\(path).pools"),
            highestPriority: configuration.text("\(path).max_priority").flatMap { Priority(name: $0) } ?? .urgent,
            role: configuration.text("\(path).role").flatMap { OperatorRole(rawValue: $0) }
                ?? (configuration.toggle("\(path).operator") ? .admin : nil)
        )
    }

    static func key(_ words: [String], pools: [String], place: String) throws(Problem) -> APIKey {
        guard words.count >= 2 else {
            throw Problem(message: "\(place): a line needs a name and a key")
        }
        var key = APIKey(name: words[0], digest: [], tenant: words[0])
        if words[1].hasPrefix("sha256:") {
            guard let digest = Digest.bytes(hex: words[1].dropFirst(7)), digest.count == 32 else {
                throw Problem(message: "\(place): sha256: needs 64 hexadecimal digits")
            }
            key.digest = digest
        } else {
            key.digest = Digest.sha256(Array(words[1].utf8))
        }
        for word in words.dropFirst(2) { try Self.apply(word, to: &key, place: place) }
        for pool in (key.allowedPools ?? []) + [key.defaultPool].compactMap({ $0 }) where !pools.contains(pool) {
            throw Problem(message: "\(place): there is no pool '\(pool)', only \(pools.joined(separator: ", "))")
        }
        return key
    }

    private static func apply(_ word: String, to key: inout APIKey, place: String) throws(Problem) {
        let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
        let value = parts.count == 2 ? parts[1] : ""
        switch parts.first {
        // What a key could do before there were roles.
        case "operator" where parts.count == 1: key.role = key.role ?? .admin
        case "role":
            guard let role = OperatorRole(rawValue: value) else {
                throw Problem(message: "\(place): role must be viewer, operator or admin")
            }
            key.role = role
        case "tenant" where !value.isEmpty: key.tenant = value
        case "pool" where !value.isEmpty: key.defaultPool = value
        case "pools" where !value.isEmpty: key.allowedPools = value.split(separator: ",").map(String.init)
        case "max_priority":
            guard let priority = Priority(name: value) else {
                throw Problem(message: "\(place): max_priority must be urgent, high, normal or low")
            }
            key.highestPriority = priority
        default:
            throw Problem(
                message:
                    "\(place): '\(word.prefix(40))' is not known; known: tenant=, pool=, pools=, max_priority=, "
                    + "role="
            )
        }
    }
}
