/// What the models of one generation take and refuse.
struct AnthropicModel: Sendable {
    enum Thinking: Sendable {
        case none
        /// `enabled` with a budget.
        case manual
        /// Either way; the model decides better than a budget does.
        case adaptiveOrManual
        /// `adaptive` alone: a budget is refused.
        case adaptive
    }

    enum Sampling: Sendable {
        case all
        /// `temperature` or `top_p`, not both.
        case oneOfTwo
        case none
    }

    var thinking: Thinking
    /// `disabled` is refused: leaving it out is all one can do.
    var isAlwaysThinking = false
    /// Values of `output_config.effort`, ascending; empty: refused.
    var efforts: [String] = []
    var sampling: Sampling
    /// `output_config.format` and strict tools.
    var hasFormats: Bool
    /// Messages of role `system` between the others.
    var hasSystemTurns = false
    /// Most tokens of an answer: what a request without a bound asks for.
    var maximumTokens: Int

    init(_ name: String) {
        let version = Version(name)
        self = Self.rows.first { $0.covers(version) }?.model ?? Self.compatible
    }

    private init(
        _ thinking: Thinking,
        _ sampling: Sampling,
        formats: Bool,
        maximum: Int,
        efforts: [String] = [],
        systemTurns: Bool = false,
        alwaysThinks: Bool = false
    ) {
        self.thinking = thinking
        self.sampling = sampling
        self.hasFormats = formats
        self.maximumTokens = maximum
        self.efforts = efforts
        self.hasSystemTurns = systemTurns
        self.isAlwaysThinking = alwaysThinks
    }

    /// The effort that is nearest to what was asked for.
    func effort(_ wanted: String) -> String? {
        guard let wantedRank = Self.allEfforts.firstIndex(of: wanted == "minimal" ? "low" : wanted) else { return nil }
        return self.efforts.last { (Self.allEfforts.firstIndex(of: $0) ?? 0) <= wantedRank } ?? self.efforts.first
    }

    /// Tokens to think with, for models that want a number.
    static func budget(_ effort: String) -> Int? {
        switch effort {
        case "minimal", "low": 1_024
        case "medium": 2_048
        case "high": 4_096
        case "xhigh": 8_192
        case "max": 16_384
        default: nil
        }
    }

    /// The smallest budget that is taken.
    static let minimumBudget = 1_024

    // MARK: The table

    private enum Family: String, CaseIterable {
        case haiku
        case sonnet
        case opus
        case fable
        case mythos
    }

    private struct Row: Sendable {
        /// Empty: all.
        var families: [Family]
        var version: (Int, Int)
        var model: AnthropicModel

        func covers(_ other: Version) -> Bool {
            guard other.isClaude, self.isOf(other.family) else { return false }
            return (other.major, other.minor) >= self.version
        }

        private func isOf(_ family: Family?) -> Bool {
            self.families.isEmpty || family.map { self.families.contains($0) } ?? false
        }
    }

    private static let allEfforts = ["low", "medium", "high", "xhigh", "max"]
    private static let threeEfforts = ["low", "medium", "high"]
    private static let fourEfforts = ["low", "medium", "high", "max"]

    /// Servers that speak this protocol for other models, and names that tell nothing.
    private static let compatible = AnthropicModel(.manual, .all, formats: false, maximum: 4_096)

    private static func newest(maximum: Int, alwaysThinks: Bool = false) -> AnthropicModel {
        AnthropicModel(
            .adaptive,
            .none,
            formats: true,
            maximum: maximum,
            efforts: Self.allEfforts,
            systemTurns: true,
            alwaysThinks: alwaysThinks
        )
    }

    /// Newest first; the first that covers a model counts.
    private static let rows: [Row] = [
        Row(families: [.fable, .mythos], version: (0, 0), model: newest(maximum: 128_000, alwaysThinks: true)),
        Row(families: [.opus], version: (4, 8), model: newest(maximum: 128_000)),
        Row(families: [], version: (5, 0), model: newest(maximum: 64_000)),
        Row(
            families: [.opus],
            version: (4, 7),
            model: AnthropicModel(.adaptive, .none, formats: true, maximum: 128_000, efforts: allEfforts)
        ),
        Row(
            families: [.opus],
            version: (4, 6),
            model: AnthropicModel(.adaptiveOrManual, .oneOfTwo, formats: true, maximum: 128_000, efforts: fourEfforts)
        ),
        Row(
            families: [],
            version: (4, 6),
            model: AnthropicModel(.adaptiveOrManual, .oneOfTwo, formats: true, maximum: 64_000, efforts: fourEfforts)
        ),
        Row(
            families: [.opus],
            version: (4, 5),
            model: AnthropicModel(.manual, .oneOfTwo, formats: true, maximum: 64_000, efforts: threeEfforts)
        ),
        Row(
            families: [],
            version: (4, 5),
            model: AnthropicModel(.manual, .oneOfTwo, formats: true, maximum: 64_000)
        ),
        Row(
            families: [.opus],
            version: (4, 1),
            model: AnthropicModel(.manual, .oneOfTwo, formats: true, maximum: 32_000)
        ),
        Row(families: [.opus], version: (4, 0), model: AnthropicModel(.manual, .all, formats: false, maximum: 32_000)),
        Row(families: [], version: (3, 7), model: AnthropicModel(.manual, .all, formats: false, maximum: 64_000)),
        Row(families: [], version: (3, 5), model: AnthropicModel(.none, .all, formats: false, maximum: 8_192)),
        Row(families: [], version: (1, 0), model: AnthropicModel(.none, .all, formats: false, maximum: 4_096)),
    ]

    /// Read from names such as `claude-opus-4-8`, `claude-3-7-sonnet-20250219` and `anthropic.claude-opus-4.6-v1:0`.
    private struct Version {
        var isClaude = false
        var family: Family?
        var major = 0
        var minor = 0

        /// Bytes alone: this is on the way of every request, and characters are slow to tell apart.
        init(_ name: String) {
            var hasMajor = false
            var hasMinor = false
            for word in Array(name.utf8).split(whereSeparator: { Self.isBetweenWords($0) }) {
                if let family = Family.allCases.first(where: { Bytes.equals(word, $0.rawValue) }) {
                    self.family = family
                    // What follows a family's second number is none of the version.
                    hasMinor = hasMajor
                } else if Bytes.equals(word, "claude") {
                    self.isClaude = true
                } else if self.isClaude, let number = Self.number(word) {
                    if !hasMajor {
                        self.major = number
                        hasMajor = true
                    } else if !hasMinor {
                        self.minor = number
                        hasMinor = true
                    }
                } else if hasMajor {
                    hasMinor = true
                }
            }
        }

        private static func isBetweenWords(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "@"), UInt8(ascii: ":"), UInt8(ascii: "/"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }

        /// Of one or two digits: longer ones are dates.
        private static func number(_ word: ArraySlice<UInt8>) -> Int? {
            guard word.count <= 2, word.allSatisfy({ (48...57).contains($0) }) else { return nil }
            return word.reduce(0) { $0 * 10 + Int($1) - 48 }
        }
    }
}
