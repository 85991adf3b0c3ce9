import SluiceWire

/// How long a backend asks to wait.
package enum RetryAfter {
    /// Reads `retry-after-ms`, else `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3).
    ///
    /// - Parameter now: seconds since 1970, for the date form.
    package static func read(_ headers: HTTPFields, now: Int) -> Duration? {
        if let text = headers["retry-after-ms"], let milliseconds = Double(text), milliseconds >= 0,
            milliseconds < 1e12
        {
            return .milliseconds(milliseconds)
        }
        guard let text = headers["retry-after"] else { return nil }
        if let seconds = Double(text) {
            return seconds >= 0 && seconds < 1e9 ? .seconds(seconds) : nil
        }
        guard let date = Self.seconds(ofDate: text) else { return nil }
        return .seconds(max(0, date - now))
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (IMF-fixdate, the only form that senders may use) as seconds since 1970.
    package static func seconds(ofDate text: String) -> Int? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", let day = Int(parts[1]), (1...31).contains(day),
            let month = Self.months.firstIndex(of: String(parts[2])), let year = Int(parts[3]),
            (1970...9999).contains(year)
        else { return nil }
        let clock = parts[4].split(separator: ":").compactMap { Int($0) }
        guard clock.count == 3, (0..<24).contains(clock[0]), (0..<60).contains(clock[1]), (0...60).contains(clock[2])
        else { return nil }
        return Self.days(year: year, month: month + 1, day: day) * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2]
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
