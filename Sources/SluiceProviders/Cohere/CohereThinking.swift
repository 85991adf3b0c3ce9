/// How much a model of Cohere's thinks.
enum CohereThinking {
    struct Setting: Sendable, Equatable {
        var isEnabled: Bool
        /// Tokens; `nil`: without a bound.
        var budget: Int?
    }

    /// Models that do not think, by the beginning of their names; newer ones do.
    private static let withoutThoughts = [
        "command-r", "command-a-03-2025", "command-a-vision", "command-a-translate", "command-light",
        "command-nightly", "c4ai-", "aya",
    ]

    private static let efforts: [(effort: String, setting: Setting)] = [
        ("none", Setting(isEnabled: false)),
        ("minimal", Setting(isEnabled: true, budget: 512)),
        ("low", Setting(isEnabled: true, budget: 1024)),
        ("medium", Setting(isEnabled: true, budget: 4096)),
        ("high", Setting(isEnabled: true)),
        ("xhigh", Setting(isEnabled: true)),
        ("max", Setting(isEnabled: true)),
    ]

    static func isKnown(to model: String) -> Bool {
        model != "command" && !Self.withoutThoughts.contains { model.hasPrefix($0) }
    }

    static func setting(effort: String) -> Setting? { Self.efforts.first { $0.effort == effort }?.setting }

    static func setting(_ thinking: Thinking) -> Setting {
        switch thinking {
        case .disabled: Setting(isEnabled: false)
        case .adaptive: Setting(isEnabled: true)
        case .enabled(let tokens): Setting(isEnabled: true, budget: max(1, tokens))
        }
    }
}
