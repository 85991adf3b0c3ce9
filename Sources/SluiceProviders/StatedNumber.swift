import SluiceCore

/// Counts and spans as providers write them, read from bytes without making a string. What is not understood is `nil`,
/// what is out of bounds is cut to them.
enum StatedNumber {
    static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var text = text
        while let first = text.first, first == 32 || first == 9 { text.removeFirst() }
        while let last = text.last, last == 32 || last == 9 { text.removeLast() }
        return text
    }

    /// `40000`, `39999.5` (rounded down), `-3` (overdrawn: 0).
    static func count(_ text: ArraySlice<UInt8>) -> Int? {
        var reader = NumberReader(text)
        let isNegative = reader.skip(UInt8(ascii: "-"))
        guard let number = reader.decimal(), reader.isAtEnd else { return nil }
        return isNegative ? 0 : min(ProviderLimits.largestCount, Int(number.whole))
    }

    /// Within 0...`longestSpan`. Takes `6m0s`, `20ms`, `1h2m3.5s` (Go's `Duration.String`), `0.5` and `12` (seconds),
    /// numbers from 10⁹ on (seconds, or from 10¹² on milliseconds, since 1970), and dates by RFC 3339.
    static func span(_ text: ArraySlice<UInt8>, nowNanoseconds: Int64) -> Duration? {
        if text.count >= 20, text[text.startIndex + 4] == UInt8(ascii: "-") {
            return Self.instant(text).map { Self.bounded($0.subtractingReportingOverflow(nowNanoseconds)) }
        }
        var reader = NumberReader(text)
        if reader.skip(UInt8(ascii: "-")) {
            return Self.positiveSpan(&reader, nowNanoseconds: nowNanoseconds) == nil ? nil : .zero
        }
        return Self.positiveSpan(&reader, nowNanoseconds: nowNanoseconds)
    }

    private static func positiveSpan(_ reader: inout NumberReader, nowNanoseconds: Int64) -> Duration? {
        var total: Int64 = 0
        var parts = 0
        while !reader.isAtEnd {
            guard let number = reader.decimal() else { return nil }
            guard let unit = reader.unit() else {
                // A plain number, all by itself.
                guard parts == 0, reader.isAtEnd else { return nil }
                return Self.plain(number, nowNanoseconds: nowNanoseconds)
            }
            total = min(Self.longest, total + min(Self.longest, number.nanoseconds(unit: unit)))
            parts += 1
        }
        return parts > 0 ? .nanoseconds(total) : nil
    }

    private static func plain(_ number: NumberReader.Decimal, nowNanoseconds: Int64) -> Duration? {
        if number.whole >= 1_000_000_000 {
            let unit: Int64 = number.whole >= 1_000_000_000_000 ? 1_000_000 : 1_000_000_000
            return Self.bounded(number.nanoseconds(unit: unit).subtractingReportingOverflow(nowNanoseconds))
        }
        return .nanoseconds(min(Self.longest, number.nanoseconds(unit: 1_000_000_000)))
    }

    private static let longest: Int64 = 86_400_000_000_000

    private static func bounded(_ span: (partialValue: Int64, overflow: Bool)) -> Duration {
        guard !span.overflow else { return .nanoseconds(Self.longest) }
        return .nanoseconds(min(Self.longest, max(0, span.partialValue)))
    }

    /// Nanoseconds since 1970 of `2025-01-31T23:59:59.123Z` or with an offset `+01:00` (RFC 3339, 5.6).
    private static func instant(_ text: ArraySlice<UInt8>) -> Int64? {
        var reader = NumberReader(text)
        guard let year = reader.digits(4), reader.skip(UInt8(ascii: "-")), let month = reader.digits(2),
            reader.skip(UInt8(ascii: "-")), let day = reader.digits(2),
            reader.skip(UInt8(ascii: "T")) || reader.skip(UInt8(ascii: "t")) || reader.skip(UInt8(ascii: " ")),
            let hour = reader.digits(2), reader.skip(UInt8(ascii: ":")), let minute = reader.digits(2),
            reader.skip(UInt8(ascii: ":")), (1970...2200).contains(year), hour < 24, minute < 60
        else { return nil }
        // A leap second is the next minute's first.
        guard let second = reader.decimal(), second.whole <= 60,
            let date = HTTPDate.days(checkedYear: year, month: month, day: day),
            let offset = reader.offset(), reader.isAtEnd
        else { return nil }
        let seconds = Int64(date) * 86_400 + Int64(hour * 3600 + minute * 60 - offset * 60)
        return seconds * 1_000_000_000 + second.nanoseconds(unit: 1_000_000_000)
    }
}

/// Goes through ASCII from left to right.
struct NumberReader {
    /// `whole` + `billionths` / 10⁹.
    struct Decimal {
        var whole: Int64
        var billionths: Int64

        /// Saturates.
        func nanoseconds(unit: Int64) -> Int64 {
            let (scaled, overflow) = self.whole.multipliedReportingOverflow(by: unit)
            guard !overflow else { return .max }
            let (high, low) = self.billionths.multipliedFullWidth(by: unit)
            let fraction = Int64(1_000_000_000).dividingFullWidth((high, low)).quotient
            let (sum, overflowed) = scaled.addingReportingOverflow(fraction)
            return overflowed ? .max : sum
        }
    }

    private var rest: ArraySlice<UInt8>

    init(_ text: ArraySlice<UInt8>) {
        self.rest = text
    }

    var isAtEnd: Bool { self.rest.isEmpty }

    mutating func skip(_ byte: UInt8) -> Bool {
        guard self.rest.first == byte else { return false }
        self.rest.removeFirst()
        return true
    }

    private mutating func digit() -> Int64? {
        guard let byte = self.rest.first, (48...57).contains(byte) else { return nil }
        self.rest.removeFirst()
        return Int64(byte - 48)
    }

    /// Exactly so many digits.
    mutating func digits(_ count: Int) -> Int? {
        var value = 0
        for _ in 0..<count {
            guard let digit = self.digit() else { return nil }
            value = value * 10 + Int(digit)
        }
        return value
    }

    /// Digits, perhaps with a fraction; saturates at 10¹⁵.
    mutating func decimal() -> Decimal? {
        guard var whole = self.digit() else { return nil }
        while let digit = self.digit() { whole = min(1_000_000_000_000_000, whole * 10 + digit) }
        var billionths: Int64 = 0
        if self.skip(UInt8(ascii: ".")) {
            var scale: Int64 = 100_000_000
            while let digit = self.digit() {
                billionths += digit * scale
                scale /= 10
            }
        }
        return Decimal(whole: whole, billionths: billionths)
    }

    /// Nanoseconds of the unit that comes next: h, m, s, ms, us, µs (either letter), ns, d.
    mutating func unit() -> Int64? {
        let first = self.rest.first
        if self.skip(UInt8(ascii: "d")) { return 86_400_000_000_000 }
        if self.skip(UInt8(ascii: "h")) { return 3_600_000_000_000 }
        if self.skip(UInt8(ascii: "s")) { return 1_000_000_000 }
        if self.skip(UInt8(ascii: "m")) { return self.skip(UInt8(ascii: "s")) ? 1_000_000 : 60_000_000_000 }
        if self.skip(UInt8(ascii: "u")) { return self.skip(UInt8(ascii: "s")) ? 1_000 : nil }
        if self.skip(UInt8(ascii: "n")) { return self.skip(UInt8(ascii: "s")) ? 1 : nil }
        // U+00B5 is C2 B5, U+03BC is CE BC.
        guard first == 0xC2 || first == 0xCE, self.rest.count >= 3 else { return nil }
        self.rest.removeFirst()
        guard self.skip(first == 0xC2 ? 0xB5 : 0xBC), self.skip(UInt8(ascii: "s")) else { return nil }
        return 1_000
    }

    /// Minutes east of Greenwich: `Z`, `+01:00`, `-08:00`.
    mutating func offset() -> Int? {
        if self.skip(UInt8(ascii: "Z")) || self.skip(UInt8(ascii: "z")) { return 0 }
        let isEast = self.skip(UInt8(ascii: "+"))
        guard isEast || self.skip(UInt8(ascii: "-")) else { return nil }
        guard let hours = self.digits(2), self.skip(UInt8(ascii: ":")), let minutes = self.digits(2), hours < 24,
            minutes < 60
        else { return nil }
        return (hours * 60 + minutes) * (isEast ? 1 : -1)
    }
}
