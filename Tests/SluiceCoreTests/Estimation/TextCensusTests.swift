import SluiceBasics
import SluiceCore
import Testing

struct TextCensusTests {
    private func census(_ bytes: [UInt8]) -> TextCensus {
        var census = TextCensus()
        census.addAll(bytes.span)
        return census
    }

    private func tokens(_ text: String, _ family: TokenizerFamily) -> Int {
        self.census(Array(text.utf8)).tokens(family)
    }

    @Test(arguments: TrueCount.all)
    func `estimates lie near true counts`(text: TrueCount) {
        for (family, truth) in [(TokenizerFamily.cl100k, text.cl100k), (.o200k, text.o200k)] {
            let error = Double(self.tokens(text.text, family) - truth) / Double(truth)
            #expect(abs(error) <= text.tolerance, "\(text.kind) \(family): \(error)")
        }
    }

    @Test func `the mean error over kinds of text is below 9 percent, far from that of four bytes a token`() {
        for family in TokenizerFamily.allCases {
            var error = 0.0
            var plain = 0.0
            for text in TrueCount.all {
                let truth = Double(family == .cl100k ? text.cl100k : text.o200k)
                error += abs(Double(self.tokens(text.text, family)) - truth) / truth
                plain += abs(Double(text.text.utf8.count) / 4 - truth) / truth
            }
            let count = Double(TrueCount.all.count)
            #expect(error / count < 0.09, "\(family): \(error / count)")
            #expect(error * 2.5 < plain, "\(family): \(error / count) against \(plain / count)")
        }
    }

    @Test func `T-15 Chinese, Japanese and Korean do not count a quarter of a token per character`() {
        let text = "こんにちは世界。今日はいい天気ですね。"
        #expect(self.tokens(text, .cl100k) >= text.unicodeScalars.count * 3 / 4)
        // Beyond U+FFFF too.
        #expect(self.tokens("𠮷𠮷𠮷𠮷", .cl100k) >= 4)
    }

    @Test func `nothing costs nothing, anything at least one token`() {
        #expect(self.tokens("", .o200k) == 0)
        #expect(self.tokens(" ", .o200k) == 1)
        #expect(self.tokens("H", .cl100k) == 1)
    }

    @Test func `there is a place for every trait`() {
        #expect(TextTrait.allCases.count == TextTrait.count)
    }

    @Test func `eight bytes at a time count as one scalar after another`() {
        var random = SeededRandom(seed: 42)
        let alphabet = Array("aabcdeXYZ019 \t\n\r.,{}\"=éßжקع中あ한🙂".unicodeScalars)
        for _ in 0..<2_000 {
            var text = ""
            let rare = Int.random(in: 0...3, using: &random)
            for _ in 0..<Int.random(in: 0...90, using: &random) {
                let isAny = rare > 0 && Int.random(in: 0..<(rare * rare * 4), using: &random) == 0
                let bound = isAny ? alphabet.count : 24
                text.unicodeScalars.append(alphabet[Int.random(in: 0..<bound, using: &random)])
            }
            let expected = PlainCensus(text)
            let census = self.census(Array(text.utf8))
            for trait in TextTrait.allCases {
                #expect(census[trait] == expected.counts[trait, default: 0], "\(trait) of \(text.debugDescription)")
            }
        }
    }

    @Test func `long runs do not overflow their columns`() {
        let census = self.census([UInt8](repeating: 0x61, count: 10_007))
        #expect(census[.letters] == 10_007)
        #expect(census[.wordStarts] == 1)
        #expect(self.census([UInt8](repeating: 0x37, count: 4_081))[.digits] == 4_081)
    }

    @Test func `bytes that are no text are counted and do no harm`() {
        var random = SeededRandom(seed: 7)
        for count in 0..<600 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let tokens = self.census(bytes).tokens(.o200k)
            #expect(tokens >= min(1, count) && tokens <= count * 3)
        }
        #expect(self.census([0xF0, 0x9F, 0x99])[.other] == 3)
        #expect(self.census([0xFF, 0xC0, 0x80])[.other] == 3)
    }

    @Test func `samples stand for a large text`() {
        var text: [UInt8] = []
        var index = 0
        while text.count < 3_000_000 {
            text += Array(TrueCount.all[index % TrueCount.all.count].text.utf8)
            index += 1
        }
        var sampled = TextCensus()
        sampled.add(text.span)
        let exact = self.census(text).tokens(.o200k)
        #expect(sampled.byteCount == text.count)
        #expect(abs(sampled.tokens(.o200k) - exact) < exact / 5, "\(sampled.tokens(.o200k)) for \(exact)")
        let prose = Array(String(repeating: TrueCount.all[0].text + " ", count: 3_000).utf8)
        var few = TextCensus()
        few.add(prose.span)
        let all = self.census(prose).tokens(.cl100k)
        #expect(abs(few.tokens(.cl100k) - all) < all / 20, "\(few.tokens(.cl100k)) for \(all)")
    }

    @Test func `what nobody looks at costs as much as what was read`() {
        var census = self.census(Array(TrueCount.all[0].text.utf8))
        let tokens = census.tokens(.o200k)
        census.addUnread(census.byteCount * 3)
        #expect(abs(census.tokens(.o200k) - tokens * 4) <= 2)
        census.addUnread(.max)
        #expect(census.tokens(.o200k) > 1_000_000)
        var unread = TextCensus()
        unread.addUnread(400)
        #expect(unread.tokens(.o200k) == 100)
    }

    @Test func `texts add up`() {
        var both = TextCensus()
        both.add(Array("Hello world. ".utf8).span)
        both.add(Array("Good evening.".utf8).span)
        #expect(both.tokens(.o200k) == self.tokens("Hello world. Good evening.", .o200k))
        #expect(both.byteCount == 26)
    }

    @Test(arguments: [
        ("gpt-4", TokenizerFamily.cl100k), ("gpt-4-turbo", .cl100k), ("gpt-3.5-turbo-0125", .cl100k),
        ("text-embedding-3-small", .cl100k), ("gpt-4o-mini", .o200k), ("gpt-4.1", .o200k), ("gpt-5", .o200k),
        ("o3-mini", .o200k), ("openai/gpt-4", .cl100k), ("ft:gpt-3.5-turbo:acme", .cl100k), ("llama-3.1-8b", .o200k),
        ("", .o200k),
    ])
    func `models are known by their names`(model: String, family: TokenizerFamily) {
        #expect(TokenizerFamily(model: model) == family)
    }
}

/// The same counts, scalar by scalar and without any care for speed.
private struct PlainCensus {
    var counts: [TextTrait: Int] = [:]

    init(_ text: String) {
        let scalars = Array(text.unicodeScalars)
        let bytes = Array(text.utf8)
        var offset = 0
        for (index, scalar) in scalars.enumerated() {
            let before = index > 0 ? scalars[index - 1] : nil
            defer { offset += String(scalar).utf8.count }
            guard scalar.isASCII else {
                self.countBeyond(scalar, before)
                continue
            }
            let isLetter = Self.kind(scalar) == "letter"
            let kindBefore = before.map(Self.kind) ?? ""
            switch Self.kind(scalar) {
            case "letter":
                self.count(.letters)
                if kindBefore != "letter" && kindBefore != "latin" { self.count(.wordStarts) }
                if scalar.properties.isUppercase {
                    self.count(.capitals)
                    if kindBefore == "letter", before?.properties.isLowercase == true { self.count(.rises) }
                }
            case "digit":
                self.count(.digits)
                if kindBefore != "digit" { self.count(.digitStarts) }
                if before == " " { self.count(.spacedDigits) }
            case "blank":
                if kindBefore == "blank" { self.count(.blanks) }
                if kindBefore == "newline" { self.count(.indents) }
            case "newline": if kindBefore != "newline" { self.count(.newlineStarts) }
            default:
                self.count(.symbols)
                if kindBefore != "symbol" { self.count(.symbolStarts) }
            }
            let isFarLetter = offset >= 5 && Self.kind(Unicode.Scalar(bytes[offset - 5])) == "letter"
            if isLetter, kindBefore == "letter", isFarLetter { self.count(.wordTails) }
        }
    }

    private mutating func count(_ trait: TextTrait) { self.counts[trait, default: 0] += 1 }

    private mutating func countBeyond(_ scalar: Unicode.Scalar, _ before: Unicode.Scalar?) {
        switch scalar {
        case "é", "ß": self.count(.latin)
        case "ж": self.count(.cyrillic)
        case "ק":
            self.count(.hebrew)
            if before != "ק" { self.count(.hebrewStarts) }
        case "ع":
            self.count(.arabic)
            if before != "ع" { self.count(.arabicStarts) }
        case "中":
            self.count(.han)
            if before != "中" { self.count(.hanStarts) }
        case "あ": self.count(.kana)
        case "한":
            self.count(.hangul)
            if before != "한" { self.count(.hangulStarts) }
        default: self.count(.emoji)
        }
    }

    private static func kind(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "a"..."z", "A"..."Z": "letter"
        case "0"..."9": "digit"
        case " ", "\t": "blank"
        case "\n", "\r": "newline"
        case "é", "ß": "latin"
        default: scalar.isASCII ? "symbol" : "other"
        }
    }
}
