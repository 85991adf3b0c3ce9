/// A kind of vocabulary that models share. What a text costs depends on it: Russian takes twice the tokens in the
/// older.
public enum TokenizerFamily: String, Sendable, Hashable, CaseIterable {
    /// About 100,000 words: GPT-3.5, GPT-4, OpenAI's embeddings.
    case cl100k
    /// About 200,000 words, more of them in other languages than English: GPT-4o and all later ones. Open models of
    /// today (Llama 3, Qwen, Gemma, DeepSeek) lie close to it.
    case o200k

    /// What models of this name use, as far as is known; `o200k` for others. A prefix such as `openai/` or `ft:` is
    /// passed over.
    public init(model: String) {
        let name = ModelName(model)
        let isNewer = name.begins("gpt-4o") || name.begins("gpt-4.1") || name.begins("gpt-4.5")
        let isOlder =
            name.begins("gpt-4") || name.begins("gpt-3.5") || name.begins("gpt-35") || name.begins("text-embedding-")
            || name.begins("davinci-002") || name.begins("babbage-002")
        self = isOlder && !isNewer ? .cl100k : .o200k
    }

    /// Thousandths of a token that a letter costs in texts with accents.
    var accentWeight: Int {
        switch self {
        case .cl100k: 213
        case .o200k: 189
        }
    }

    /// Thousandths of a token for each trait.
    var weights: TextTrait.Table {
        switch self {
        case .cl100k: Self.cl100kWeights
        case .o200k: Self.o200kWeights
        }
    }

    private static let cl100kWeights = Self.table { Self.fitted($0).cl100k }
    private static let o200kWeights = Self.table { Self.fitted($0).o200k }

    private static func table(_ weight: (TextTrait) -> Int) -> TextTrait.Table {
        var table: TextTrait.Table = .init(repeating: 0)
        for trait in TextTrait.allCases { table[trait.rawValue] = weight(trait) }
        return table
    }

    /// Found by non-negative least squares of the relative error against true counts, over 2.1 MB in 24 classes of
    /// text: prose in 17 languages, code, Markdown, JSON, numbers, hexadecimal, base64 and emoji, in pieces of 60 to
    /// 4,000 characters.
    private static func fitted(_ trait: TextTrait) -> (cl100k: Int, o200k: Int) {
        switch trait {
        case .wordStarts: (921, 927)
        case .letters: (0, 0)
        case .capitals: (185, 181)
        case .rises: (1416, 1331)
        case .wordTails: (68, 57)
        case .digitStarts: (825, 788)
        case .digits: (313, 317)
        case .spacedDigits: (677, 704)
        case .symbolStarts: (604, 611)
        case .symbols: (58, 83)
        case .newlineStarts: (765, 722)
        case .indents: (872, 937)
        case .blanks: (5, 5)
        case .latin: (705, 0)
        case .cyrillic: (549, 330)
        case .greek: (1039, 148)
        case .greekStarts: (0, 1646)
        case .arabic: (577, 222)
        case .arabicStarts: (1286, 761)
        case .hebrew: (1028, 299)
        case .hebrewStarts: (792, 903)
        case .indic: (984, 292)
        case .indicStarts: (998, 453)
        case .thai: (979, 451)
        case .kana: (785, 494)
        case .han: (969, 628)
        case .hanStarts: (913, 1153)
        case .hangul: (1036, 551)
        case .hangulStarts: (424, 561)
        case .wideMarks: (2443, 1721)
        case .marks: (745, 660)
        case .latinMarks: (1000, 1000)
        case .emoji: (2678, 2105)
        case .joiners: (1000, 1000)
        case .supplementary: (3000, 3000)
        case .other: (1800, 1200)
        }
    }
}

/// A model's name without what brokers put before it: `openai/`, `ft:`.
struct ModelName {
    private let name: Substring.UTF8View

    init(_ model: String) {
        var name = model.utf8[...]
        if let slash = name.lastIndex(of: 0x2F) { name = name[name.index(after: slash)...] }
        if name.starts(with: "ft:".utf8) { name = name.dropFirst(3) }
        self.name = name
    }

    func begins(_ prefix: String) -> Bool { self.name.starts(with: prefix.utf8) }
}

extension TextCensus {
    /// Tokens of all that was counted, rounded; at least 1 for a text that is not empty.
    package func tokens(_ family: TokenizerFamily) -> Int {
        guard self.byteCount > 0 else { return self.unreadCount / 4 }
        var thousandths = self.weighed(by: family.weights) + self.accentedLetters * family.accentWeight
        if self.unreadCount > 0 {
            let share = Double(self.unreadCount) / Double(self.byteCount)
            thousandths += Int(min(Double(thousandths) * share, 1e15))
        }
        return max(1, (thousandths + 500) / 1_000)
    }
}
