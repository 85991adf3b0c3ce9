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
        self.day = Self.digits(year, 4) + Self.digits(month, 2) + Self.digits(day, 2)
        let clock = Self.digits(time / 3600, 2) + Self.digits(time / 60 % 60, 2) + Self.digits(time % 60, 2)
        self.full = "\(self.day)T\(clock)Z"
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
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
}
