/// A moment as AWS's signatures write it, in UTC.
struct SigV4Time {
    /// `20150830`.
    let day: String
    /// `20150830T123600Z`.
    let full: String

    /// - Parameter secondsSince1970: up to the end of 9999; moments outside count as the nearest within.
    init(secondsSince1970: Int) {
        let seconds = min(max(secondsSince1970, 0), 253_402_300_799)
        let (year, month, day) = Self.date(daysSince1970: seconds / 86_400)
        let time = seconds % 86_400
        let date = year * 10_000 + month * 100 + day
        let clock = time / 3600 * 10_000 + time / 60 % 60 * 100 + time % 60
        self.day = Self.digits(date, 8)
        self.full = self.day + "T" + Self.digits(clock, 6) + "Z"
    }

    /// Days in years that begin with March, so that leap days come last (H. Hinnant, "chrono-compatible low-level date
    /// algorithms").
    private static func date(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func digits(_ number: Int, _ count: Int) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(count)
        var rest = number
        for _ in 0..<count {
            text.append(UInt8(truncatingIfNeeded: 48 + rest % 10))
            rest /= 10
        }
        text.reverse()
        return String(decoding: text, as: UTF8.self)
    }
}
