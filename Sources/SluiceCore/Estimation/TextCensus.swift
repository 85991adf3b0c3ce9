import SluiceBasics

/// What a text is made of, counted in one pass over its UTF-8: enough to estimate its tokens for any vocabulary.
///
/// Reads bytes, makes no strings and allocates nothing. ASCII is read eight bytes at a time. Bytes that are no UTF-8
/// count as `other`. Censuses of several texts are one census.
package struct TextCensus: Sendable {
    /// Texts of more bytes are sampled.
    package static let exactBytes = 32_768
    /// From a larger text so many windows of `windowBytes` are read, at equal distances, the first and the last
    /// included.
    static let windowCount = 8
    static let windowBytes = 2_048

    private var counts: TextTrait.Table = .init(repeating: 0)
    /// Of all texts that were read or sampled.
    package private(set) var byteCount = 0
    /// Of texts that nobody looked at.
    package private(set) var unreadCount = 0

    package init() {}

    /// Reads `text`. Of one beyond `exactBytes`, samples are read and stand for the rest.
    package mutating func add(_ text: Span<UInt8>) {
        guard text.count > Self.exactBytes else { return self.addAll(text) }
        self.addSamples(text)
    }

    /// Reads all of `text`, however large.
    package mutating func addAll(_ text: Span<UInt8>) {
        self.byteCount = Self.sum(self.byteCount, text.count)
        self.read(text)
    }

    /// Reads a few kilobytes of `text`: its beginning, its end, and pieces between.
    package mutating func addSamples(_ text: Span<UInt8>) {
        let total = text.count
        guard total > Self.windowCount * Self.windowBytes else { return self.addAll(text) }
        var sample = TextCensus()
        var read = 0
        for index in 0..<Self.windowCount {
            let start = Self.boundary(text, (total - Self.windowBytes) / (Self.windowCount - 1) * index)
            let end = Self.boundary(text, min(total, start + Self.windowBytes))
            sample.read(text.extracting(start..<end))
            read += end - start
        }
        let scale = Double(total) / Double(max(1, read))
        self.byteCount = Self.sum(self.byteCount, total)
        for index in 0..<TextTrait.count {
            self.counts[index] += Int((Double(sample.counts[index]) * scale).rounded())
        }
    }

    /// Adds bytes that nobody looks at; they are taken to cost as much as those that were read.
    package mutating func addUnread(_ bytes: Int) {
        self.unreadCount = Self.sum(self.unreadCount, min(max(0, bytes), 1 << 40))
    }

    /// The next place from `offset` on where a scalar may begin.
    private static func boundary(_ text: Span<UInt8>, _ offset: Int) -> Int {
        var place = offset
        while place < text.count, place < offset + 3, text[place] & 0xC0 == 0x80 { place += 1 }
        return place
    }

    private static func sum(_ first: Int, _ second: Int) -> Int {
        let (sum, overflow) = first.addingReportingOverflow(second)
        return overflow ? Int.max : sum
    }

    package subscript(_ trait: TextTrait) -> Int {
        get { self.counts[trait.rawValue] }
        set { self.counts[trait.rawValue] = newValue }
    }

    func weighed(by weights: borrowing TextTrait.Table) -> Int {
        // Through spans: element by element an inline array is copied each time.
        let counts = self.counts.span
        let weights = weights.span
        var sum = 0
        for index in 0..<TextTrait.count { sum &+= counts[index] &* weights[index] }
        return sum
    }

    /// Letters in texts with accents, whose words are rarer in vocabularies than English ones: twelve for each accent,
    /// at most all. So a text in Polish or Vietnamese differs from an English one that names a café.
    var accentedLetters: Int { min(self[.letters], 12 * self[.latin]) }
}

// MARK: - Reading

extension TextCensus {
    /// The last scalar's kind, as the next one has to know it.
    private struct Context {
        var script = TextScript.ascii
        var byte: UInt8 = 0
        /// Whether the last scalar is a part of a Latin word.
        var isInWord = false
    }

    private mutating func read(_ text: Span<UInt8>) {
        var context = Context()
        var place = 0
        var words = ASCIIWords()
        while place < text.count {
            if place == 0 || place >= 8, context.script == .ascii, self.readWords(text, &place, &words) {
                context = Self.context(text[place - 1])
            } else {
                // Up to the next eight bytes that may be ASCII alone.
                let end = min(text.count, place + 8)
                while place < end { self.step(text, &place, &context) }
            }
        }
        words.flush(to: &self)
    }

    /// Reads words while they are ASCII; false when there was none.
    private mutating func readWords(_ text: Span<UInt8>, _ place: inout Int, _ words: inout ASCIIWords) -> Bool {
        let start = place
        if place == 0 { words.begin() } else { words.begin(after: text.word(at: place - 8)) }
        while place + 8 <= text.count {
            guard words.read(text.word(at: place)) else { return place > start }
            place += 8
            if words.isFull { words.flush(to: &self) }
        }
        let rest = text.count - place
        guard rest > 0, words.readEnd(Self.end(text, rest), count: rest) else { return place > start }
        place = text.count
        return true
    }

    /// The last bytes of the text, fewer than eight, the first of them in the lowest bits.
    private static func end(_ text: Span<UInt8>, _ count: Int) -> UInt64 {
        if text.count >= 8 { return text.word(at: text.count - 8) >> UInt64(8 * (8 - count)) }
        var word: UInt64 = 0
        for offset in 0..<count { word |= UInt64(text[text.count - count + offset]) << UInt64(8 * offset) }
        return word
    }

    private static func context(_ byte: UInt8) -> Context {
        Context(script: .ascii, byte: byte, isInWord: Self.isLetter(byte))
    }

    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    static func isNewline(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    private static func isSymbol(_ byte: UInt8) -> Bool {
        byte < 0x80 && !Self.isLetter(byte) && !Self.isDigit(byte) && !Self.isBlank(byte) && !Self.isNewline(byte)
    }

    private mutating func step(_ text: Span<UInt8>, _ place: inout Int, _ context: inout Context) {
        let byte = text[place]
        guard byte < 0x80 else { return self.stepBeyond(text, &place, &context) }
        let last = context.byte
        let isFirst = place == 0 || context.script != .ascii
        if Self.isLetter(byte) {
            self[.letters] += 1
            if !context.isInWord { self[.wordStarts] += 1 }
            if byte < 0x61 {
                self[.capitals] += 1
                if !isFirst, last >= 0x61, Self.isLetter(last) { self[.rises] += 1 }
            }
            if place >= 5, !isFirst, Self.isLetter(last), Self.isLetter(text[place - 5]) { self[.wordTails] += 1 }
        } else if Self.isDigit(byte) {
            self[.digits] += 1
            if isFirst || !Self.isDigit(last) { self[.digitStarts] += 1 }
            if !isFirst, last == 0x20 { self[.spacedDigits] += 1 }
        } else if Self.isBlank(byte) {
            if !isFirst {
                if Self.isBlank(last) { self[.blanks] += 1 }
                if Self.isNewline(last) { self[.indents] += 1 }
            }
        } else if Self.isNewline(byte) {
            if isFirst || !Self.isNewline(last) { self[.newlineStarts] += 1 }
        } else {
            self[.symbols] += 1
            if isFirst || !Self.isSymbol(last) { self[.symbolStarts] += 1 }
        }
        context = Self.context(byte)
        place += 1
    }

    private mutating func stepBeyond(_ text: Span<UInt8>, _ place: inout Int, _ context: inout Context) {
        let (scalar, length) = Self.decode(text, place)
        let script = scalar.map { TextScript($0) } ?? .other
        self[script.trait] += 1
        if script != context.script, let trait = script.startTrait { self[trait] += 1 }
        context = Context(script: script, byte: 0, isInWord: script == .latin)
        place += length
    }

    /// The scalar at `place`, where a byte beyond ASCII is; `nil` for what is no UTF-8, which is one byte long.
    static func decode(_ text: Span<UInt8>, _ place: Int) -> (scalar: UInt32?, length: Int) {
        let first = UInt32(text[place])
        let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        guard first >= 0xC2, first < 0xF5, place + length <= text.count else { return (nil, 1) }
        var scalar = first & (0xFF >> UInt32(length + 1))
        for offset in 1..<length {
            let next = text[place + offset]
            guard next & 0xC0 == 0x80 else { return (nil, 1) }
            scalar = scalar << 6 | UInt32(next & 0x3F)
        }
        return (scalar, length)
    }
}
