/// What is counted in a text to estimate its tokens. A trait is a place in a table of counts and of weights.
///
/// `…Starts` count runs: a vocabulary has whole words, so that the first letter of a word costs more than the others.
package enum TextTrait: Int, CaseIterable {
    // ASCII.
    case wordStarts
    case letters
    case capitals
    /// A capital after a small letter: names in code, base64.
    case rises
    /// Letters that have a letter before them and one five bytes before: what makes a word long.
    case wordTails
    case digitStarts
    case digits
    /// Runs of digits after a space, which vocabularies keep apart from the space.
    case spacedDigits
    case symbolStarts
    case symbols
    case newlineStarts
    /// The first blank of a line.
    case indents
    /// Blanks after a blank.
    case blanks
    // Beyond ASCII, scalars.
    case latin
    case cyrillic
    case greek
    case greekStarts
    case arabic
    case arabicStarts
    case hebrew
    case hebrewStarts
    case indic
    case indicStarts
    case thai
    case kana
    case han
    case hanStarts
    case hangul
    case hangulStarts
    case wideMarks
    case marks
    case latinMarks
    case emoji
    case joiners
    case supplementary
    case other

    package static let count = 36

    /// A number for each trait.
    package typealias Table = [36 of Int]
}

/// The script of a scalar beyond ASCII, as far as vocabularies treat it differently.
enum TextScript: UInt8 {
    case ascii
    case latin
    case cyrillic
    case greek
    case arabic
    case hebrew
    case indic
    case thai
    case kana
    case han
    case hangul
    case wideMarks
    case marks
    case latinMarks
    case emoji
    case joiners
    case supplementary
    case other

    var trait: TextTrait {
        switch self {
        case .latin: .latin
        case .cyrillic: .cyrillic
        case .greek: .greek
        case .arabic: .arabic
        case .hebrew: .hebrew
        case .indic: .indic
        case .thai: .thai
        case .kana: .kana
        case .han: .han
        case .hangul: .hangul
        case .wideMarks: .wideMarks
        case .marks: .marks
        case .latinMarks: .latinMarks
        case .emoji: .emoji
        case .joiners: .joiners
        case .supplementary: .supplementary
        case .other, .ascii: .other
        }
    }

    /// Counts the runs of this script, for those where a run costs.
    var startTrait: TextTrait? {
        switch self {
        case .greek: .greekStarts
        case .arabic: .arabicStarts
        case .hebrew: .hebrewStarts
        case .indic: .indicStarts
        case .han: .hanStarts
        case .hangul: .hangulStarts
        default: nil
        }
    }

    /// - Parameter scalar: at least 0x80.
    init(_ scalar: UInt32) {
        switch scalar {
        case 0x4E00..<0xA000: self = .han
        case 0xAC00..<0xD800: self = .hangul
        case 0x400..<0x530: self = .cyrillic
        case 0x3040..<0x3100: self = .kana
        case 0x3000..<0x3040, 0xFF00..<0xFF66: self = .wideMarks
        case 0xC0..<0x250, 0x300..<0x370, 0x1E00..<0x1F00: self = .latin
        case 0x600..<0x700, 0x750..<0x780: self = .arabic
        case 0x900..<0xE00: self = .indic
        case 0xE00..<0xF00: self = .thai
        default: self = Self.rare(scalar)
        }
    }

    private static func rare(_ scalar: UInt32) -> Self {
        switch scalar {
        case 0..<0xC0: .latinMarks
        case 0x370..<0x400, 0x1F00..<0x2000: .greek
        case 0x590..<0x600, 0xFB1D..<0xFB50: .hebrew
        case 0x200D, 0xFE0F: .joiners
        case 0x2000..<0x2600: .marks
        case 0x2600..<0x2C00, 0x1F000..<0x20000: .emoji
        case 0x1100..<0x1200, 0x3130..<0x3190: .hangul
        case 0x2E80..<0x3000, 0x3400..<0x4E00, 0xF900..<0xFB00, 0x20000..<0x40000: .han
        case 0xFB50..<0xFE00, 0xFE70..<0xFF00: .arabic
        case 0xFF66..<0xFFA0: .kana
        case 0x10000...: .supplementary
        default: .other
        }
    }
}
