/// Cuts texts into the pieces within which bytes are merged into tokens, as the patterns of the vocabularies say:
///
///     cl100k  '(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]
///             |\s+(?!\S)|\s
///     o200k   P?U*L+C?|P?U+L*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
///             P [^\r\n\p{L}\p{N}]   U [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]   L [\p{Ll}\p{Lm}\p{Lo}\p{M}]
///             C (?i:'s|'t|'re|'ve|'m|'ll|'d)
///
/// Written out by hand, alternative by alternative. Categories are those of the standard library's Unicode: a scalar
/// that was assigned later may be cut otherwise than elsewhere.
enum TokenPieces {
    /// What the patterns distinguish.
    enum Kind {
        /// Lu, Lt.
        case upper
        /// Ll.
        case lower
        /// Lm, Lo: either.
        case letter
        case mark
        case number
        case newline
        case space
        case other

        var isLetter: Bool { self == .lower || self == .upper || self == .letter }
        var isSpace: Bool { self == .space || self == .newline }
        var isUpperClass: Bool { self == .upper || self == .letter || self == .mark }
        var isLowerClass: Bool { self == .lower || self == .letter || self == .mark }
        /// `[^\r\n\p{L}\p{N}]`.
        var mayPrecedeWord: Bool { !self.isLetter && self != .number && self != .newline }
        /// `[^\s\p{L}\p{N}]`.
        var isSymbol: Bool { self == .other || self == .mark }
    }

    /// Where the piece that begins at `place` ends; always beyond `place`.
    static func end(_ text: Span<UInt8>, _ place: Int, _ family: TokenizerFamily) -> Int {
        let (kind, next) = Self.scalar(text, place)
        switch family {
        case .cl100k:
            if let end = Self.contraction(text, place) { return end }
            if kind.isLetter { return Self.run(text, next) { $0.isLetter } }
            if kind.mayPrecedeWord, next < text.count, Self.scalar(text, next).kind.isLetter {
                return Self.run(text, next) { $0.isLetter }
            }
        case .o200k:
            if let end = Self.word(text, place, kind, next) { return Self.contraction(text, end) ?? end }
        }
        if kind == .number { return Self.digits(text, next) }
        if let end = Self.symbols(text, place, kind, next, family) { return end }
        return Self.spaces(text, place, family)
    }

    // MARK: Words

    /// `P?U*L+` or `P?U+L*`.
    private static func word(_ text: Span<UInt8>, _ place: Int, _ kind: Kind, _ next: Int) -> Int? {
        let start = kind.mayPrecedeWord ? next : place
        // With the prefix, then without: only a mark can be both prefix and word.
        if let end = Self.lowered(text, start) { return end }
        if kind == .mark, let end = Self.lowered(text, place) { return end }
        let end = Self.run(text, start) { $0.isUpperClass }
        return end > start ? end : nil
    }

    /// `U*L+`: when nothing small follows, the last letter that is neither small nor great ends it.
    private static func lowered(_ text: Span<UInt8>, _ start: Int) -> Int? {
        var place = start
        var endOfEither: Int?
        while place < text.count {
            let (kind, next) = Self.scalar(text, place)
            if kind == .lower { return Self.run(text, next) { $0.isLowerClass } }
            guard kind.isUpperClass else { break }
            if kind != .upper { endOfEither = next }
            place = next
        }
        return endOfEither
    }

    /// `'s`, `'ll` and so on, whatever the case.
    private static func contraction(_ text: Span<UInt8>, _ place: Int) -> Int? {
        guard place + 1 < text.count, text[place] == 0x27 else { return nil }
        let first = text[place + 1] | 0x20
        switch first {
        case 0x73, 0x64, 0x6D, 0x74: return text[place + 1] < 0x80 ? place + 2 : nil
        default: break
        }
        guard place + 2 < text.count else { return nil }
        // ſ, the long s, is an s without regard to case.
        if text[place + 1] == 0xC5, text[place + 2] == 0xBF { return place + 3 }
        guard text[place + 1] >= 0x41, text[place + 2] >= 0x41 else { return nil }
        switch (first, text[place + 2] | 0x20) {
        case (0x6C, 0x6C), (0x76, 0x65), (0x72, 0x65): return place + 3
        default: return nil
        }
    }

    // MARK: Others

    private static func digits(_ text: Span<UInt8>, _ next: Int) -> Int {
        var place = next
        for _ in 0..<2 where place < text.count {
            let (kind, end) = Self.scalar(text, place)
            guard kind == .number else { break }
            place = end
        }
        return place
    }

    private static func symbols(
        _ text: Span<UInt8>,
        _ place: Int,
        _ kind: Kind,
        _ next: Int,
        _ family: TokenizerFamily
    ) -> Int? {
        var start = place
        if text[place] == 0x20 {
            guard next < text.count, Self.scalar(text, next).kind.isSymbol else { return nil }
            start = next
        } else if !kind.isSymbol {
            return nil
        }
        var end = Self.run(text, start) { $0.isSymbol }
        while end < text.count, TextCensus.isNewline(text[end]) || family == .o200k && text[end] == 0x2F { end += 1 }
        return end
    }

    private static func spaces(_ text: Span<UInt8>, _ start: Int, _ family: TokenizerFamily) -> Int {
        var place = start
        var last = start
        var endOfNewline: Int?
        while place < text.count {
            let (kind, next) = Self.scalar(text, place)
            guard kind.isSpace else { break }
            if kind == .newline { endOfNewline = next }
            last = place
            place = next
        }
        if family == .cl100k, place == text.count { return place }
        if let endOfNewline { return endOfNewline }
        // The last blank before a word goes with the word.
        if place == text.count || last == start { return place }
        return last
    }

    private static func run(_ text: Span<UInt8>, _ start: Int, _ belongs: (Kind) -> Bool) -> Int {
        var place = start
        while place < text.count {
            let (kind, next) = Self.scalar(text, place)
            guard belongs(kind) else { break }
            place = next
        }
        return place
    }

    // MARK: Scalars

    private static func scalar(_ text: Span<UInt8>, _ place: Int) -> (kind: Kind, next: Int) {
        let byte = text[place]
        guard byte >= 0x80 else { return (Self.ascii(byte), place + 1) }
        let (number, length) = TextCensus.decode(text, place)
        guard let scalar = number.flatMap({ Unicode.Scalar($0) }) else { return (.other, place + length) }
        return (Self.beyondASCII(scalar), place + length)
    }

    private static func ascii(_ byte: UInt8) -> Kind {
        if TextCensus.isLetter(byte) { return byte < 0x61 ? .upper : .lower }
        if TextCensus.isDigit(byte) { return .number }
        if TextCensus.isNewline(byte) { return .newline }
        return byte == 0x20 || byte &- 0x09 < 5 ? .space : .other
    }

    private static func beyondASCII(_ scalar: Unicode.Scalar) -> Kind {
        switch scalar.value {
        case 0x3041..<0x3097, 0x4E00..<0xA000, 0xAC00..<0xD7A4: return .letter
        default: break
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .titlecaseLetter: return .upper
        case .lowercaseLetter: return .lower
        case .modifierLetter, .otherLetter: return .letter
        case .nonspacingMark, .spacingMark, .enclosingMark: return .mark
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        default: return scalar.properties.isWhitespace ? .space : .other
        }
    }
}
