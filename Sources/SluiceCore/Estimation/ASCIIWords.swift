import SluiceBasics

/// Counts traits of ASCII, eight bytes at a time, for up to 255 words; each byte of a count counts its own column.
///
/// A mask has the highest bit of a byte set where something holds. Additions cannot carry from byte to byte, because
/// all bytes are below 0x80.
struct ASCIIWords {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// What eight bytes are.
    private struct Kinds {
        var letter: UInt64
        var small: UInt64
        var digit: UInt64
        var space: UInt64
        var blank: UInt64
        var newline: UInt64
        var symbol: UInt64

        @inline(__always)
        init(_ bytes: UInt64) {
            let lowered = bytes | 0x20 &* ones
            self.letter = (lowered &+ 0x1F &* ones) & ~(lowered &+ 0x05 &* ones) & highs
            self.small = self.letter & bytes << 2
            self.digit = (bytes &+ 0x50 &* ones) & ~(bytes &+ 0x46 &* ones) & highs
            self.space = Self.equal(bytes, 0x20)
            self.blank = self.space | Self.equal(bytes, 0x09)
            self.newline = Self.equal(bytes, 0x0A) | Self.equal(bytes, 0x0D)
            self.symbol = ~(self.letter | self.digit | self.blank | self.newline) & highs
        }

        @inline(__always)
        private static func equal(_ bytes: UInt64, _ byte: UInt64) -> UInt64 {
            ~((bytes ^ byte &* ones) &+ 0x7F &* ones) & highs
        }
    }

    private var last = Kinds(0)
    private var letters: UInt64 = 0
    private var wordStarts: UInt64 = 0
    private var capitals: UInt64 = 0
    private var rises: UInt64 = 0
    private var wordTails: UInt64 = 0
    private var digits: UInt64 = 0
    private var digitStarts: UInt64 = 0
    private var spacedDigits: UInt64 = 0
    private var symbols: UInt64 = 0
    private var symbolStarts: UInt64 = 0
    private var newlineStarts: UInt64 = 0
    private var indents: UInt64 = 0
    private var blanks: UInt64 = 0
    private var words = 0

    /// A column holds no more.
    var isFull: Bool { self.words == 255 }

    /// Takes note that a text begins with the next word.
    mutating func begin() {
        self.last = Kinds(0)
        self.last.symbol = 0
    }

    /// Takes note of what stands before the next word.
    mutating func begin(after bytes: UInt64) {
        self.last = Kinds(bytes & ~Self.highs)
        // Bytes beyond ASCII are none of these.
        let isASCII = ~bytes & Self.highs
        self.last.letter &= isASCII
        self.last.small &= isASCII
    }

    /// Counts eight bytes; answers false, and counts nothing, when not all of them are ASCII.
    @inline(__always)
    mutating func read(_ bytes: UInt64) -> Bool {
        guard bytes & Self.highs == 0 else { return false }
        self.count(Kinds(bytes))
        return true
    }

    /// Counts the last bytes of a text.
    /// - Parameter count: 1 to 7; so many of the lower bytes are counted, the others are 0.
    mutating func readEnd(_ bytes: UInt64, count: Int) -> Bool {
        guard bytes & Self.highs == 0 else { return false }
        var kinds = Kinds(bytes)
        kinds.symbol &= (1 << UInt64(8 * count)) - 1
        self.count(kinds)
        return true
    }

    @inline(__always)
    private mutating func count(_ kinds: Kinds) {
        let letterBefore = Self.before(kinds.letter, self.last.letter)
        let capital = kinds.letter & ~kinds.small
        let newlineBefore = Self.before(kinds.newline, self.last.newline)
        let far = kinds.letter << 40 | self.last.letter >> 24
        self.words += 1
        self.letters &+= kinds.letter >> 7
        self.wordStarts &+= (kinds.letter & ~letterBefore) >> 7
        self.capitals &+= capital >> 7
        self.rises &+= (capital & Self.before(kinds.small, self.last.small)) >> 7
        self.wordTails &+= (kinds.letter & letterBefore & far) >> 7
        self.digits &+= kinds.digit >> 7
        self.digitStarts &+= (kinds.digit & ~Self.before(kinds.digit, self.last.digit)) >> 7
        self.spacedDigits &+= (kinds.digit & Self.before(kinds.space, self.last.space)) >> 7
        self.symbols &+= kinds.symbol >> 7
        self.symbolStarts &+= (kinds.symbol & ~Self.before(kinds.symbol, self.last.symbol)) >> 7
        self.newlineStarts &+= (kinds.newline & ~newlineBefore) >> 7
        self.indents &+= (kinds.blank & newlineBefore) >> 7
        self.blanks &+= (kinds.blank & Self.before(kinds.blank, self.last.blank)) >> 7
        self.last = kinds
    }

    /// The mask moved by one byte, so that it says what stands before each.
    @inline(__always)
    private static func before(_ mask: UInt64, _ last: UInt64) -> UInt64 { mask << 8 | last >> 56 }

    /// Adds the counts to `census` and begins again at 0.
    mutating func flush(to census: inout TextCensus) {
        guard self.words > 0 else { return }
        census[.letters] += Self.total(&self.letters)
        census[.wordStarts] += Self.total(&self.wordStarts)
        census[.capitals] += Self.total(&self.capitals)
        census[.rises] += Self.total(&self.rises)
        census[.wordTails] += Self.total(&self.wordTails)
        census[.digits] += Self.total(&self.digits)
        census[.digitStarts] += Self.total(&self.digitStarts)
        census[.spacedDigits] += Self.total(&self.spacedDigits)
        census[.symbols] += Self.total(&self.symbols)
        census[.symbolStarts] += Self.total(&self.symbolStarts)
        census[.newlineStarts] += Self.total(&self.newlineStarts)
        census[.indents] += Self.total(&self.indents)
        census[.blanks] += Self.total(&self.blanks)
        self.words = 0
    }

    /// The sum of the eight bytes.
    private static func total(_ columns: inout UInt64) -> Int {
        defer { columns = 0 }
        let pairs = (columns & 0x00FF_00FF_00FF_00FF) &+ (columns >> 8 & 0x00FF_00FF_00FF_00FF)
        return Int((pairs &* 0x0001_0001_0001_0001) >> 48)
    }
}
