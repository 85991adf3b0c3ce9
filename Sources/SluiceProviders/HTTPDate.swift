/// Dates as HTTP writes them (RFC 9110, 5.6.7).
package enum HTTPDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Seconds since 1970; `nil` when it is not a date. Takes all three forms that recipients must accept:
    ///
    ///     Sun, 06 Nov 1994 08:49:37 GMT     (the one that senders may use)
    ///     Sunday, 06-Nov-94 08:49:37 GMT    (RFC 850)
    ///     Sun Nov  6 08:49:37 1994          (C's asctime)
    ///
    /// - Parameter now: seconds since 1970; says which century a year of two digits is in.
    package static func seconds(_ text: String, now: Int) -> Int? {
        let parts = text.split(separator: " ")
        switch parts.count {
        case 6 where parts[5] == "GMT":
            return Self.seconds(day: parts[1], month: parts[2], year: Self.digits(parts[3], 4), clock: parts[4])
        case 5:
            return Self.seconds(day: parts[2], month: parts[1], year: Self.digits(parts[4], 4), clock: parts[3])
        case 4 where parts[3] == "GMT":
            let date = parts[1].split(separator: "-")
            guard date.count == 3, let short = Self.digits(date[2], 2) else { return nil }
            return Self.seconds(day: date[0], month: date[1], year: Self.year(short, now), clock: parts[2])
        default: return nil
        }
    }

    /// A year that appears to be more than 50 years ahead is the most recent past one with these digits.
    private static func year(_ short: Int, _ now: Int) -> Int {
        let current = 1970 + now / 31_556_952
        let candidate = current - current % 100 + short
        return candidate > current + 50 ? candidate - 100 : candidate
    }

    private static func digits(_ text: Substring, _ count: Int) -> Int? {
        guard text.utf8.count == count, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }

    private static func seconds(day: Substring, month: Substring, year: Int?, clock: Substring) -> Int? {
        guard let year, (1970...9999).contains(year), let month = Self.months.firstIndex(of: String(month)),
            let day = Self.digits(day, day.utf8.count), (1...Self.length(month: month + 1, year: year)).contains(day)
        else { return nil }
        let parts = clock.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let hour = Self.digits(parts[0], 2), let minute = Self.digits(parts[1], 2),
            let second = Self.digits(parts[2], 2), hour < 24, minute < 60, second <= 60
        else { return nil }
        return Self.days(year: year, month: month + 1, day: day) * 86_400 + hour * 3600 + minute * 60 + second
    }

    /// Days since 1970-01-01; `nil` when there is no such day.
    static func days(checkedYear year: Int, month: Int, day: Int) -> Int? {
        guard (1...12).contains(month), (1...Self.length(month: month, year: year)).contains(day) else { return nil }
        return Self.days(year: year, month: month, day: day)
    }

    private static func length(month: Int, year: Int) -> Int {
        let isLeap = year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
        return switch month {
        case 2: isLeap ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar, counting years from March so that the leap day is
    /// last.
    private static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
