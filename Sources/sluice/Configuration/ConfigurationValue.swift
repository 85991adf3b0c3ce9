import SluiceBasics

/// What a layer says, before it is known what the key takes.
enum RawValue: Equatable, Sendable {
    case scalar(String)
    case list([String])
    case table([Pair])
    /// An explicit nothing: `null` in the file.
    case nothing

    struct Pair: Equatable, Sendable {
        var name: String
        var value: String
    }
}

/// A value that its key accepts.
enum ConfigurationValue: Equatable, Sendable {
    case none
    case text(String)
    case toggle(Bool)
    case integer(Int)
    case ratio(Double)
    case duration(Duration)
    case address(ListenAddress)
    case list([String])
    case table([RawValue.Pair])
}

/// Who said it.
enum ConfigurationSource: Equatable, Sendable {
    case flag(String)
    case environment(String)
    case file(String, line: Int, column: Int)
    case standard

    var text: String {
        switch self {
        case .flag(let name): "flag --\(name)"
        case .environment(let name): "environment \(name)"
        case .file(let path, let line, let column): "\(path):\(line):\(column)"
        case .standard: "default"
        }
    }
}

/// Something wrong with the configuration, and where.
struct ConfigurationProblem: Error, Equatable, Sendable {
    var source: ConfigurationSource?
    /// Path of the key; empty when it is about the whole.
    var key: String
    var message: String

    var text: String {
        var parts: [String] = []
        if let source, source != .standard { parts.append(source.text) }
        if !self.key.isEmpty { parts.append(self.key) }
        return (parts + [self.message]).joined(separator: ": ")
    }
}

/// All problems that were found at once, so that a file is mended in one go.
struct ConfigurationProblems: Error, Equatable {
    var problems: [ConfigurationProblem]

    var text: String { self.problems.map(\.text).joined(separator: "\n") }
}

extension ConfigurationKey {
    /// Reads what a layer says, or explains why the key does not take it. Secrets are not repeated in messages.
    func read(_ raw: RawValue) -> Result<ConfigurationValue, ConfigurationReadFailure> {
        switch (self.kind, raw) {
        case (_, .nothing):
            return .success(.none)
        case (.list, .list(let items)):
            return .success(.list(items))
        case (.list, .scalar(let text)):
            return .success(.list(text.split(separator: ",").map { Self.trimmed($0) }))
        case (.table, .table(let pairs)):
            return .success(.table(pairs))
        case (.table, .scalar(let text)):
            return self.readTable(text)
        case (_, .scalar(let text)):
            return self.readScalar(text)
        case (_, .list), (_, .table):
            return .failure(.init("needs \(self.takes), not a \(raw.shape)"))
        }
    }

    private func readScalar(_ text: String) -> Result<ConfigurationValue, ConfigurationReadFailure> {
        let value: ConfigurationValue?
        switch self.kind {
        case .text, .path:
            value = text.isEmpty ? ConfigurationValue.none : text.utf8.count <= 4096 ? .text(text) : nil
        case .secret:
            return text.utf8.count <= 8192 && !text.utf8.contains { $0 < 32 || $0 == 127 }
                ? .success(text.isEmpty ? .none : .text(text))
                : .failure(.init("holds a control character or more than 8192 bytes"))
        case .name:
            value = Self.isName(text) ? .text(text) : nil
        case .choice(let choices):
            value = choices.contains(text) ? .text(text) : nil
            if value == nil, let near = Nearest.match(text, in: choices) {
                return .failure(.init("'\(Self.shown(text))' is not \(self.takes); did you mean '\(near)'?"))
            }
        case .toggle:
            value = Self.toggle(text).map { .toggle($0) }
        case .integer(let range):
            if self.fallback == nil, Self.isOff(text) { return .success(.none) }
            value = Int(text).flatMap { range.contains($0) ? .integer($0) : nil }
        case .ratio(let range):
            value = Double(text).flatMap { range.contains($0) ? .ratio($0) : nil }
        case .duration(let range):
            if self.fallback == nil, Self.isOff(text) { return .success(.none) }
            if let number = Double(text), number != 0 {
                return .failure(
                    .init("'\(Self.shown(text))' has no unit; write \(Self.shown(text))s or \(Self.shown(text))ms")
                )
            }
            value = DurationText.parse(text).flatMap { range.contains($0) ? .duration($0) : nil }
        case .size(let range):
            value = SizeText.parse(text).flatMap { range.contains($0) ? .integer($0) : nil }
        case .address:
            value = ListenAddress(text).map { .address($0) }
        case .url(let schemes):
            value = Self.isURL(text, schemes) ? .text(text) : nil
        case .list, .table:
            value = nil
        }
        if let value { return .success(value) }
        return .failure(.init("'\(Self.shown(text))' is not \(self.takes)"))
    }

    /// `name=value,name=value`, as an environment variable carries it.
    private func readTable(_ text: String) -> Result<ConfigurationValue, ConfigurationReadFailure> {
        var pairs: [RawValue.Pair] = []
        for part in text.split(separator: ",") {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, !Self.trimmed(sides[0]).isEmpty else {
                return .failure(.init("needs name=value pairs with commas between them"))
            }
            pairs.append(.init(name: Self.trimmed(sides[0]), value: Self.trimmed(sides[1])))
        }
        return .success(.table(pairs))
    }

    private static func trimmed(_ text: Substring) -> String {
        var bytes = Substring(text)
        while bytes.first == " " { bytes.removeFirst() }
        while bytes.last == " " { bytes.removeLast() }
        return String(bytes)
    }

    private static func toggle(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "1", "yes", "on": true
        case "false", "0", "no", "off": false
        default: nil
        }
    }

    private static func isOff(_ text: String) -> Bool { ["off", "none", "unlimited"].contains(text.lowercased()) }

    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                byte &- 48 < 10 || (byte | 0x20) &- 97 < 26 || [45, 46, 95].contains(byte)
            }
    }

    private static func isURL(_ text: String, _ schemes: [String]) -> Bool {
        guard text.utf8.count <= 2048, !text.utf8.contains(where: { $0 <= 32 || $0 == 127 }) else { return false }
        return schemes.contains { scheme in
            let rest = text.dropFirst(scheme.count + 3)
            return text.hasPrefix(scheme + "://") && !rest.isEmpty && !rest.hasPrefix("/")
        }
    }

    /// What was typed, cut to what a message can carry.
    private static func shown(_ text: String) -> String {
        text.count <= 60 ? text : "\(text.prefix(57))..."
    }
}

/// Why a key does not take a value.
struct ConfigurationReadFailure: Error, Equatable {
    var message: String

    init(_ message: String) {
        self.message = message
    }
}

extension RawValue {
    fileprivate var shape: String {
        switch self {
        case .scalar: "single value"
        case .list: "list"
        case .table: "mapping"
        case .nothing: "nothing"
        }
    }
}
