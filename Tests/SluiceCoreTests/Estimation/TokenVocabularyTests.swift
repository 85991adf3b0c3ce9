import SluiceBasics
import SluiceCore
import Testing

struct TokenVocabularyTests {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func base64(_ bytes: [UInt8]) -> String {
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = Array(bytes[start..<min(start + 3, bytes.count)])
            var number = 0
            for offset in 0..<3 { number = number << 8 | (offset < group.count ? Int(group[offset]) : 0) }
            for index in 0..<4 {
                let letter = index <= group.count ? Self.alphabet[number >> (18 - 6 * index) & 63] : 0x3D
                text.unicodeScalars.append(Unicode.Scalar(letter))
            }
        }
        return text
    }

    /// All bytes, and the words after them.
    private static func file(_ words: [[UInt8]]) -> [UInt8] {
        let all = (0...255).map { [UInt8($0)] } + words
        return Array(all.enumerated().map { "\(Self.base64($0.element)) \($0.offset)\n" }.joined().utf8)
    }

    private static func vocabulary(_ words: [String], _ family: TokenizerFamily = .cl100k) throws -> TokenVocabulary {
        try TokenVocabulary(tiktoken: Self.file(words.map { Array($0.utf8) }), family: family)
    }

    private func words(_ vocabulary: TokenVocabulary, _ all: [String], _ text: String) -> [String] {
        vocabulary.tokens(Array(text.utf8).span).map { rank in
            rank < 256 ? String(Unicode.Scalar(UInt8(rank))) : all[rank - 256]
        }
    }

    // MARK: Real vocabularies

    @Test(.enabled(if: VocabularyFiles.cl100k != nil, "no cl100k file: see VocabularyFiles"))
    func `cl100k counts exactly as tiktoken`() throws {
        let vocabulary = try #require(VocabularyFiles.cl100k)
        #expect(vocabulary.wordCount == 100_256)
        self.compare(vocabulary, 0)
    }

    @Test(.enabled(if: VocabularyFiles.o200k != nil, "no o200k file: see VocabularyFiles"))
    func `o200k counts exactly as tiktoken`() throws {
        let vocabulary = try #require(VocabularyFiles.o200k)
        #expect(vocabulary.wordCount == 199_998)
        self.compare(vocabulary, 1)
    }

    private func compare(_ vocabulary: TokenVocabulary, _ column: Int) {
        #expect(GoldenText.all.count > 400)
        for golden in GoldenText.all {
            let tokens = vocabulary.tokens(golden.text.span)
            let shown = String(decoding: golden.text, as: UTF8.self).debugDescription
            #expect(tokens.count == golden.counts[column], "\(shown)")
            #expect(GoldenText.hash(tokens) == golden.hashes[column], "\(shown)")
            #expect(vocabulary.count(golden.text.span) == tokens.count)
        }
    }

    // MARK: A vocabulary made here

    @Test func `pairs are merged by rank, the leftmost first`() throws {
        let words = ["he", "ll", "lo", "hell", "hello", " w", "or", "ld", " wor", " world", "aa", "aaaa"]
        let vocabulary = try Self.vocabulary(words)
        #expect(self.words(vocabulary, words, "hello world") == ["hello", " world"])
        #expect(self.words(vocabulary, words, "helloo") == ["hello", "o"])
        #expect(self.words(vocabulary, words, "aaaaaaa") == ["aaaa", "aa", "a"])
        // "ll" comes before "lo", whatever would be longer.
        #expect(self.words(vocabulary, words, "xllo") == ["x", "ll", "o"])
        #expect(vocabulary.count("") == 0)
        #expect(vocabulary.count("hello hello") == 3)
    }

    @Test(arguments: TokenizerFamily.allCases)
    func `tokens are the text again, and the merge equals a naive one`(family: TokenizerFamily) throws {
        var random = SeededRandom(seed: 3)
        var words: [[UInt8]] = []
        let letters = Array("aabbc é".utf8)
        for length in 2...5 {
            for _ in 0..<25 {
                let word = (0..<length).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] }
                if !words.contains(word) { words.append(word) }
            }
        }
        words.shuffle(using: &random)
        let vocabulary = try TokenVocabulary(tiktoken: Self.file(words), family: family)
        var ranks: [[UInt8]: Int] = [:]
        for (index, word) in words.enumerated() { ranks[word] = 256 + index }
        for byte in UInt8.min...UInt8.max { ranks[[byte]] = Int(byte) }
        for _ in 0..<800 {
            // One piece: letters alone.
            let text = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                [UInt8(0x61), 0x62, 0x63][Int.random(in: 0..<3, using: &random)]
            }
            #expect(vocabulary.tokens(text.span) == Self.naive(text, ranks))
        }
        for _ in 0..<800 {
            let text = (0..<Int.random(in: 0...60, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
            }
            let tokens = vocabulary.tokens(text.span)
            #expect(tokens.flatMap { $0 < 256 ? [UInt8($0)] : words[$0 - 256] } == text)
            #expect(tokens.count == vocabulary.count(text.span))
        }
    }

    private static func naive(_ text: [UInt8], _ ranks: [[UInt8]: Int]) -> [Int] {
        if let rank = ranks[text] { return [rank] }
        var parts = text.map { [$0] }
        while true {
            var best: (rank: Int, index: Int)?
            for index in parts.indices.dropLast() {
                guard let rank = ranks[parts[index] + parts[index + 1]] else { continue }
                if best == nil || rank < (best?.rank ?? 0) { best = (rank, index) }
            }
            guard let best else { return parts.compactMap { ranks[$0] } }
            parts[best.index] += parts.remove(at: best.index + 1)
        }
    }

    /// Words that do not merge show the pieces: every piece of more than one byte is a word here.
    @Test func `texts are cut as the patterns say`() throws {
        let pieces = ["don", "'t", " stop", "123", "!!", "\n\n", "  ", " x", "AB", "cd", "'LL", "ABcd", " !!\n"]
        let old = try Self.vocabulary(pieces)
        let new = try Self.vocabulary(pieces, .o200k)
        #expect(old.count("don't stop123!!") == 5)
        #expect(old.count("ABcd") == 1)
        // The newer family keeps a contraction with its word.
        #expect(new.tokens(Array("don't".utf8).span).count > 2)
        #expect(old.count("don't") == 2)
        #expect(old.count("x   x") == 3 && new.count("x   x") == 3)
        #expect(old.count("1234") == 2)
        #expect(old.count("x !!\nx") == 3)
    }

    @Test func `a long piece takes no long time`() throws {
        let vocabulary = try Self.vocabulary(["aa", "aaaa", "aaaaaaaa", "ab", "ba"])
        let clock = ContinuousClock()
        var costs: [Duration] = []
        for count in [20_000, 80_000] {
            let text = [UInt8](repeating: 0x61, count: count)
            costs.append(clock.measure { #expect(vocabulary.count(text.span) == count / 8) })
        }
        // Four times the text: sixteen times as long would be quadratic.
        #expect(costs[1] < costs[0] * 10 || costs[1] < .milliseconds(200), "\(costs)")
    }

    @Test(arguments: [
        ("QQ== 0\nQg==\n", 2, "a blank and a rank"), ("QQ== 0\n\nQg== 1\nQg== 2\n", 4, "earlier line"),
        ("Q!== 0\n", 1, "base64"), ("QQ= 0\n", 1, "base64"), ("==== 0\n", 1, "base64"), (" 0\n", 1, "a blank"),
        ("QQ== -1\n", 1, "whole number"), ("QQ== 1x\n", 1, "whole number"), ("QQ== 9999999999\n", 1, "whole number"),
        ("\(String(repeating: "QUFB", count: 342)) 0\n", 1, "1026 bytes"), ("QQ==  1\n", 1, "whole number"),
    ])
    func `what is no vocabulary is refused by its line`(text: String, line: Int, words: String) {
        let error = #expect(throws: TokenVocabularyError.self) {
            try TokenVocabulary(tiktoken: Array(text.utf8), family: .o200k)
        }
        #expect(error?.line == line)
        #expect(error?.message.contains(words) == true, "\(error.debugDescription)")
    }

    @Test func `a vocabulary knows every byte, and every rank once`() throws {
        let few = #expect(throws: TokenVocabularyError.self) {
            try TokenVocabulary(tiktoken: Array("QQ== 0\n".utf8), family: .o200k)
        }
        #expect(few?.message.contains("byte 0") == true)
        let twice = Self.file([]) + Array("QUE= 7\n".utf8)
        let error = #expect(throws: TokenVocabularyError.self) {
            try TokenVocabulary(tiktoken: twice, family: .o200k)
        }
        #expect(error?.message.contains("rank 7") == true)
        // Windows' ends of lines.
        let text = String(decoding: Self.file([]), as: UTF8.self).replacing("\n", with: "\r\n")
        #expect(try TokenVocabulary(tiktoken: Array(text.utf8), family: .o200k).wordCount == 256)
    }

    @Test func `garbage is refused, never a crash`() {
        var random = SeededRandom(seed: 9)
        let whole = Self.file([Array("hello".utf8), Array("wor".utf8)])
        for _ in 0..<300 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let vocabulary = try? TokenVocabulary(tiktoken: bytes, family: .cl100k) else { continue }
            #expect(vocabulary.count("hello world, don't") > 0)
        }
    }
}
