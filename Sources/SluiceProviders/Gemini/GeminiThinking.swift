import SluiceWire

/// How a model's reasoning is controlled.
enum GeminiThinking: Sendable, Equatable {
    /// Not at all.
    case absent
    /// In tokens; one that cannot be switched off is given its minimum.
    case budget(minimum: Int, maximum: Int, canDisable: Bool)
    /// By name; budgets are refused.
    case levels([Level])

    /// In rising order.
    enum Level: String, Sendable, CaseIterable, Comparable {
        case minimal
        case low
        case medium
        case high

        static func < (one: Level, other: Level) -> Bool { one.rank < other.rank }

        private var rank: Int {
            switch self {
            case .minimal: 0
            case .low: 1
            case .medium: 2
            case .high: 3
            }
        }
    }

    /// What a model's thinking page says, by what follows `gemini-` in its name; the first match counts.
    static let rows: [(prefix: String, control: GeminiThinking)] = [
        ("2.5-flash-image", .absent),
        ("2.5-pro", .budget(minimum: 128, maximum: 32_768, canDisable: false)),
        ("2.5-flash-lite", .budget(minimum: 512, maximum: 24_576, canDisable: true)),
        ("2.5-flash", .budget(minimum: 1, maximum: 24_576, canDisable: true)),
        ("3-pro", .levels([.low, .high])),
        ("3-flash", .levels([.minimal, .low, .medium, .high])),
        ("3.1-flash", .levels([.minimal, .low, .medium, .high])),
        ("3.5-flash", .levels([.minimal, .low, .medium, .high])),
    ]
    static let ofLaterGenerations = GeminiThinking.levels([.low, .medium, .high])
    static let ofGeneration25 = GeminiThinking.budget(minimum: 128, maximum: 24_576, canDisable: false)

    /// Tokens for each effort, as Google's own OpenAI-compatible endpoint grants them.
    private static let budgets: [(effort: String, tokens: Int)] = [
        ("minimal", 1024), ("low", 1024), ("medium", 8192), ("high", 24_576), ("xhigh", 32_768), ("max", 32_768),
    ]

    /// What is written to `thinkingConfig`.
    struct Setting: Sendable, Equatable {
        var budget: Int?
        var level: Level?
        var includesThoughts: Bool
    }

    /// - Returns: `nil` where the model has no words for it.
    func setting(effort: String) -> Setting? {
        if effort == "none" { return self.disabled() }
        guard let tokens = Self.budgets.first(where: { $0.effort == effort })?.tokens else { return nil }
        switch self {
        case .absent: return nil
        case .budget(let minimum, let maximum, _):
            return Setting(budget: min(max(tokens, minimum), maximum), includesThoughts: true)
        case .levels:
            return Setting(level: self.nearest(Level(rawValue: effort) ?? .high), includesThoughts: true)
        }
    }

    /// - Returns: `nil` where the model has no words for it.
    func setting(_ thinking: Thinking) -> Setting? {
        guard self != .absent else { return nil }
        switch (thinking, self) {
        case (.disabled, _): return self.disabled()
        case (.adaptive, .budget): return Setting(budget: -1, includesThoughts: true)
        case (.adaptive, _): return Setting(includesThoughts: true)
        case (.enabled(let tokens), .budget(let minimum, let maximum, _)):
            return Setting(budget: min(max(tokens, minimum), maximum), includesThoughts: true)
        case (.enabled(let tokens), _):
            let wanted: Level = tokens <= 1024 ? .low : tokens <= 8192 ? .medium : .high
            return Setting(level: self.nearest(wanted), includesThoughts: true)
        }
    }

    private func disabled() -> Setting? {
        switch self {
        case .absent: nil
        case .budget(let minimum, _, let canDisable):
            Setting(budget: canDisable ? 0 : minimum, includesThoughts: false)
        case .levels: Setting(level: self.nearest(.minimal), includesThoughts: false)
        }
    }

    /// The least of the model's levels that is enough, else its highest.
    private func nearest(_ wanted: Level) -> Level? {
        guard case .levels(let levels) = self else { return nil }
        return levels.first { $0 >= wanted } ?? levels.last
    }
}

extension GeminiThinking.Setting {
    func write(to json: inout JSONWriter) {
        json.object("thinkingConfig") { json in
            if let budget = self.budget { json.field("thinkingBudget", budget) }
            if let level = self.level { json.field("thinkingLevel", level.rawValue) }
            json.field("includeThoughts", self.includesThoughts)
        }
    }
}
