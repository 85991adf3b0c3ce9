/// One thing that can be configured: its path, its names elsewhere, what it takes and what it is without a word.
///
/// The table of these (`ConfigurationSchema`) is the only place that knows them: reading, checking, printing, the
/// options of `sluice serve` and the reference in the documentation all come from it.
struct ConfigurationKey: Sendable {
    enum Kind: Sendable {
        case text
        /// Letters, digits, `.`, `_` and `-`, at most 64.
        case name
        case choice([String])
        case toggle
        case integer(ClosedRange<Int>)
        case ratio(ClosedRange<Double>)
        case duration(ClosedRange<Duration>)
        case size(ClosedRange<Int>)
        case address
        case url([String])
        case path
        /// Never shown. Has a twin with `_file` at the end of each of its names, which reads it from a file.
        case secret
        case list
        case table(isSecret: Bool)
    }

    /// A name in another program's vocabulary; `unit` is appended to bare numbers.
    struct Alias: Sendable {
        var name: String
        var unit: String = ""
    }

    /// With `*` for the name of a pool, backend or key.
    var path: String
    var kind: Kind
    /// `nil`: not set unless somebody sets it.
    var fallback: String?
    /// Option of `sluice serve`, without dashes; for `*` it means the one called `default`.
    var flag: String?
    /// Environment names beside its own, strongest first; for `*` they mean the one called `default`.
    var aliases: [Alias] = []
    /// Whether SIGHUP applies a change.
    var isLive = false
    var help: String

    /// `SLUICE_HTTP_MAX_BODY` for `http.max_body`; `*` stays.
    var environmentName: String { Self.environmentName(self.path) }

    static func environmentName(_ path: String) -> String {
        let characters = path.uppercased().map { "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*".contains($0) ? $0 : "_" }
        return "SLUICE_" + String(characters)
    }

    var isSecret: Bool {
        switch self.kind {
        case .secret, .table(isSecret: true): true
        default: false
        }
    }

    /// The section whose members have names of the user's choice, and the rest of the path.
    var wildcard: (section: String, leaf: String)? {
        guard let star = self.path.firstRange(of: ".*.") else { return nil }
        return (String(self.path[..<star.lowerBound]), String(self.path[star.upperBound...]))
    }

    func path(for name: String) -> String {
        guard let (section, leaf) = self.wildcard else { return self.path }
        return "\(section).\(name).\(leaf)"
    }

    /// What it takes, in a few words, for messages and the reference.
    var takes: String {
        switch self.kind {
        case .text: "text"
        case .name: "a name of letters, digits, '.', '_' and '-', at most 64"
        case .choice(let choices): "one of \(choices.joined(separator: ", "))"
        case .toggle: "true or false"
        case .integer(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .ratio(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .duration(let range):
            "a duration from \(DurationText.format(range.lowerBound)) to \(DurationText.format(range.upperBound))"
        case .size(let range):
            "a size from \(SizeText.format(range.lowerBound)) to \(SizeText.format(range.upperBound))"
        case .address: "host:port, [IPv6]:port or a port"
        case .url(let schemes): "a URL that begins with \(schemes.map { $0 + "://" }.joined(separator: " or "))"
        case .path: "the path of a file"
        case .secret: "a secret"
        case .list: "a list"
        case .table: "names with values"
        }
    }
}
