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
        // Bytes alone: this is on the way of every request, and characters are slow to tell apart.
        let name = Array(name.lowercased().utf8)
        // Of an ARN only what stands behind the kind of resource.
        let isARN = Bytes.hasPrefix(name[...], "arn:")
        let own = isARN ? name.split(separator: UInt8(ascii: "/")).last ?? [] : name[...]
        let isProfile =
            name.contains(UInt8(ascii: "/"))
            && (Bytes.contains(name[...], ":application-inference-profile/")
                || Bytes.contains(name[...], ":provisioned-model/"))
        let words = own.split { Self.isBetweenWords($0) }
        func holds(_ word: String) -> Bool { words.contains { Bytes.equals($0, word) } }
        if isProfile || !own.contains(UInt8(ascii: ".")) && !holds("claude") {
            self.family = .unknown
        } else if holds("claude") {
            self.family = .claude(AnthropicModel(String(decoding: own, as: UTF8.self)))
        } else if let nova = words.firstIndex(where: { Bytes.equals($0, "nova") }) {
            let number = words[words.index(after: nova)...].first.map { String(decoding: $0, as: UTF8.self) }
            self.family = .nova(generation: number.flatMap { Int($0) } ?? 1)
        } else if holds("mistral"), holds("large") {
            self.family = .mistralLarge
        } else if holds("openai") || holds("deepseek") {
            self.family = .effortful
        } else {
            self.family = .other
        }
    }

    private static func isBetweenWords(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "_"): true
        default: false
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
