/// Times as people and programs write them.
package enum WallTime {
    /// Far enough from the ends of the range that nothing overflows: the years 1970 to 2242.
    static let range: ClosedRange<Int64> = 0...(1 << 53)

    /// Seconds since 1970 with or without fraction, RFC 3339 (with `Z` or an offset), or a span before now as `-15m`.
    ///
    /// - Parameter now: microseconds since 1970.
    /// - Returns: microseconds since 1970; `nil` for anything else.
    package static func read(_ text: String, now: Int64) -> Int64? {
        guard text.utf8.count <= 64 else { return nil }
        let time = text.hasPrefix("-") ? Self.before(now, text.dropFirst()) : Self.seconds(text) ?? Self.rfc3339(text)
        guard let time, Self.range.contains(time) else { return nil }
        return time
    }

    private static func seconds(_ text: String) -> Int64? {
        guard let seconds = Double(text), (0...9e9).contains(seconds) else { return nil }
        return Int64((seconds * 1e6).rounded())
    }

    private static func before(_ now: Int64, _ text: Substring) -> Int64? {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800]
        guard let unit = text.last.flatMap({ units[$0] }), let number = Double(text.dropLast()),
            number >= 0, number * unit <= 9e9
        else { return nil }
        return max(0, now - Int64((number * unit * 1e6).rounded()))
    }

    /// `2026-01-31T08:00:00.123456+01:00`
    private static func rfc3339(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>, _ allowed: ClosedRange<Int>) -> Int? {
            guard range.upperBound <= bytes.count, bytes[range].allSatisfy({ $0 &- 48 < 10 }) else { return nil }
            let value = bytes[range].reduce(0) { $0 * 10 + Int($1 - 48) }
            return allowed.contains(value) ? value : nil
        }
        func sign(_ index: Int, _ wanted: [Unicode.Scalar]) -> Bool {
            index < bytes.count && wanted.contains { UInt8(ascii: $0) == bytes[index] }
        }
        guard sign(4, ["-"]), sign(7, ["-"]), sign(10, ["T", "t", " "]), sign(13, [":"]), sign(16, [":"]),
            let year = number(0..<4, 1970...2242), let month = number(5..<7, 1...12), let day = number(8..<10, 1...31),
            let hour = number(11..<13, 0...23), let minute = number(14..<16, 0...59),
            let second = number(17..<19, 0...60)
        else { return nil }
        var index = 19
        var micros = 0
        if sign(index, ["."]) {
            var scale = 100_000
            index += 1
            guard number(index..<index + 1, 0...9) != nil else { return nil }
            while let digit = number(index..<index + 1, 0...9) {
                micros += digit * scale
                scale /= 10
                index += 1
            }
        }
        var offset = 0
        if sign(index, ["Z", "z"]) {
            index += 1
        } else {
            guard sign(index, ["+", "-"]), sign(index + 3, [":"]), let hours = number(index + 1..<index + 3, 0...23),
                let minutes = number(index + 4..<index + 6, 0...59)
            else { return nil }
            offset = (hours * 60 + minutes) * (sign(index, ["-"]) ? -1 : 1)
            index += 6
        }
        guard index == bytes.count else { return nil }
        let clock = ((Self.days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
        return Int64(clock) * 1_000_000 + Int64(micros)
    }

    /// Days since 1970-01-01 in the Gregorian calendar, counting years from March.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
