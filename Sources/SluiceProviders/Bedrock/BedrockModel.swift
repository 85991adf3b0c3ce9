/// What of Converse a model takes, as far as its name tells.
struct BedrockModel: Sendable {
    enum Family: Sendable {
        case claude(AnthropicModel)
        case nova(generation: Int)
        case mistralLarge
        /// OpenAI's open models and DeepSeek's, which take `reasoning_effort` under that name.
        case effortful
        case other
        /// A profile of one's own, whose name says nothing: everything is tried.
        case unknown
    }

    let family: Family

    /// - Parameter name: a model's name, that of an inference profile such as `us.anthropic.claude-opus-4-5-v1:0`, or
    ///   an ARN.
    init(_ name: String) {
        let name = name.lowercased()
        // Of an ARN only what stands behind the kind of resource.
        let own = name.hasPrefix("arn:") ? name.split(separator: "/").last ?? "" : name[...]
        let isProfile = name.contains(":application-inference-profile/") || name.contains(":provisioned-model/")
        let words = own.split { ".-:/_".utf8.contains($0.asciiValue ?? 0) }
        if isProfile || !own.contains(".") && !words.contains("claude") {
            self.family = .unknown
        } else if words.contains("claude") {
            self.family = .claude(AnthropicModel(String(own)))
        } else if let nova = words.firstIndex(of: "nova") {
            let generation = words[words.index(after: nova)...].first.flatMap { Int($0) } ?? 1
            self.family = .nova(generation: generation)
        } else if words.contains("mistral"), words.contains("large") {
            self.family = .mistralLarge
        } else if words.contains("openai") || words.contains("deepseek") {
            self.family = .effortful
        } else {
            self.family = .other
        }
    }

    var claude: AnthropicModel? {
        if case .claude(let model) = self.family { model } else { nil }
    }

    /// Whether a call of some tool, or of a certain one, can be demanded.
    var canForceTools: Bool {
        switch self.family {
        case .claude, .nova, .mistralLarge, .unknown: true
        case .effortful, .other: false
        }
    }

    var hasCachePoints: Bool {
        switch self.family {
        case .claude, .nova, .unknown: true
        case .mistralLarge, .effortful, .other: false
        }
    }

    /// Whether `outputConfig.textFormat` holds an answer to a schema.
    var hasFormats: Bool {
        switch self.family {
        case .claude(let model): model.hasFormats
        case .nova: false
        case .mistralLarge, .effortful, .other, .unknown: true
        }
    }
}
