import SluiceBasics

/// Changes inputs: bits and bytes, pieces, and whole JSON values, which keeps documents readable so that what lies
/// behind the parser is reached too.
struct Mutator {
    /// Longer inputs are cut: small ones find the same faults sooner.
    static let maximumBytes = 16 << 10

    private let corpus: [[UInt8]]
    /// Where the JSON values of each input of the corpus stand.
    private let values: [[Range<Int>]]

    /// How many inputs, the first ones, are of the right kind.
    private let fitting: Int

    init(_ corpus: [[UInt8]], _ accepts: ([UInt8]) -> Bool) {
        let fitting = corpus.filter(accepts)
        let corpus = fitting + corpus.filter { !accepts($0) }
        self.corpus = corpus
        self.fitting = fitting.count
        self.values = corpus.map { JSONTokens.values($0) }
    }

    /// An input of the corpus, changed; a few stay as they are.
    func input(_ random: inout SeededRandom) -> [UInt8] {
        guard !self.corpus.isEmpty else { return Self.noise(&random) }
        let isFitting = self.fitting > 0 && Self.below(16, &random) > 0
        let index = Self.below(isFitting ? self.fitting : self.corpus.count, &random)
        var bytes = self.corpus[index]
        // The ranges are those of the input as it was, good for the first change only.
        switch Self.below(16, &random) {
        case 0: return bytes
        case 1: return Self.noise(&random)
        case 2...11: self.changeValue(&bytes, self.values[index], &random)
        default: self.changeBytes(&bytes, &random)
        }
        for _ in 0..<Self.below(4, &random) {
            if Self.below(3, &random) > 0 {
                self.changeValue(&bytes, JSONTokens.values(bytes), &random)
            } else {
                self.changeBytes(&bytes, &random)
            }
        }
        return bytes.count > Self.maximumBytes ? Array(bytes.prefix(Self.maximumBytes)) : bytes
    }

    /// Changes bytes of one's own as it does those of the corpus.
    func change(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        if Self.below(4, &random) > 0 {
            self.changeValue(&bytes, JSONTokens.values(bytes), &random)
        } else {
            self.changeBytes(&bytes, &random)
        }
    }

    static func below(_ bound: Int, _ random: inout SeededRandom) -> Int {
        bound <= 1 ? 0 : Int(truncatingIfNeeded: random.next() >> 1) % bound
    }

    private static func noise(_ random: inout SeededRandom) -> [UInt8] {
        (0..<Self.below(64, &random)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    // MARK: JSON values

    private func changeValue(_ bytes: inout [UInt8], _ values: [Range<Int>], _ random: inout SeededRandom) {
        guard !values.isEmpty else { return self.changeBytes(&bytes, &random) }
        let range = values[Self.below(values.count, &random)]
        switch Self.below(8, &random) {
        case 0: bytes.removeSubrange(range)
        case 1:
            let copy = Array(bytes[range])
            bytes.insert(contentsOf: [UInt8(ascii: ",")] + copy, at: range.upperBound)
        case 2, 3:
            let source = Self.below(self.corpus.count, &random)
            guard !self.corpus.isEmpty, !self.values[source].isEmpty else { return }
            let piece = self.values[source][Self.below(self.values[source].count, &random)]
            bytes.replaceSubrange(range, with: self.corpus[source][piece])
        case 4:
            let other = values[Self.below(values.count, &random)]
            bytes.replaceSubrange(range, with: Array(bytes[other]))
        case 5 where range.count > 2:
            // Within a string, a list or an object.
            let at = range.lowerBound + 1 + Self.below(range.count - 2, &random)
            bytes.insert(contentsOf: Self.pieces[Self.below(Self.pieces.count, &random)], at: at)
        default: bytes.replaceSubrange(range, with: Self.words[Self.below(Self.words.count, &random)])
        }
    }

    private static let words: [[UInt8]] = [
        "null", "true", "false", "0", "1", "-1", "2147483648", "9223372036854775807", "-9223372036854775808",
        "18446744073709551615", "9223372036854775808", "1e308", "1e400", "-0.0", "0.1", "1e-400", "1.0", "1e3",
        "\"\"", "\"x\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\ud83d\\ude00\"", "\"é日🏳️‍🌈\"", "[]", "{}", "[[]]", "[{}]",
        "[null]",
        "[\"\"]", "{\"type\":\"text\"}", "{\"type\":\"text\",\"text\":\"x\"}", "{\"\":null}", "\"text\"", "\"tool\"",
        "\"assistant\"", "\"user\"", "\"system\"", "\"function\"", "\"data:,\"", "\"data:image/png;base64,AAAA\"",
        "\"https://x/y.png\"", "\"s3://b/k.pdf\"", "\"data:application/pdf;base64,JVBERi0=\"", "\"\\\"\\\\\\n\"",
        "\"{\\\"a\\\":1}\"", "\"{\"", "\"length\"", "\"tool_use\"", "\"end_turn\"", "\"STOP\"", "\"tool_calls\"",
        "\"stop\"", "\"json_schema\"", "\"json_object\"", "{\"type\":\"json_object\"}", "\"auto\"", "\"none\"",
        "\"required\"", "\"high\"", "\"max\"", "99", "100000", "-5", "3.7",
    ].map { Array($0.utf8) }

    private static let pieces: [[UInt8]] = [
        "\\", "\"", ",", ":", "{", "}", "[", "]", "\u{0}", "\n", "\r", "\r\n\r\n", "\n\ndata: ", "data: [DONE]\n\n",
        "é",
        "\\u0000", "\\udc00", "\"a\":1,", "\"type\":\"text\",", "\"index\":5,", "\"index\":-1,", "event: ping\n",
        ": comment\n", "%", "%2F", "://", "?", "&", "=", "#", "@", "..", "/", "//", "+", ";", "🏳️‍🌈", " ",
    ].map { Array($0.utf8) }

    // MARK: Bytes

    private func changeBytes(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        let place = Self.below(bytes.count + 1, &random)
        switch Self.below(8, &random) {
        case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8(Self.below(8, &random))
        case 1 where place < bytes.count: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 2: bytes.removeSubrange(place..<(place + Self.below(min(64, bytes.count - place) + 1, &random)))
        case 3: bytes.removeLast(bytes.count - place)
        case 4:
            let end = place + Self.below(min(256, bytes.count - place) + 1, &random)
            bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
        case 5 where !self.corpus.isEmpty:
            let other = self.corpus[Self.below(self.corpus.count, &random)]
            let start = Self.below(other.count + 1, &random)
            bytes.removeLast(bytes.count - place)
            bytes += other[start...]
        case 6: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
        default: bytes.insert(contentsOf: Self.pieces[Self.below(Self.pieces.count, &random)], at: place)
        }
    }
}
