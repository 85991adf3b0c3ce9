/// How much may be spent in a period.
public struct SpendingLimit: Sendable, Equatable {
    /// Periods of the calendar in UTC.
    public enum Period: String, Sendable, CaseIterable {
        case hour
        case day
        case week
        case month
        /// Without an end.
        case total
    }

    public var amount: Money
    public var period: Period

    public init(amount: Money, period: Period) {
        self.amount = amount
        self.period = period
    }
}

/// What has been spent under a limit, and what is promised to requests that run.
///
/// A request reserves the most that it can cost before it is sent and settles what it did cost at its end. So what is
/// spent never passes the limit as long as the reservations are upper bounds, however many requests run at once; and a
/// refusal says whether the money is gone or only promised, which the end of a request may change in a moment.
public struct SpendingLedger: Sendable, Equatable {
    public enum Answer: Sendable, Equatable {
        case reserved
        /// The rest is promised to requests that run: it may come back when one ends.
        case promised(spent: Money, reserved: Money)
        /// Spent, or too little is left for this request even if all that is promised came back.
        ///
        /// - Parameter endsIn: seconds until the period ends; `nil`: never.
        case exhausted(spent: Money, endsIn: Int?)
    }

    public private(set) var limit: SpendingLimit
    public private(set) var spent = Money.zero
    public private(set) var reserved = Money.zero
    /// Number of the period since 1970.
    private var period: Int

    /// - Parameter now: seconds since 1970.
    public init(_ limit: SpendingLimit, now: Int) {
        self.limit = limit
        self.period = SpendingCalendar.number(of: limit.period, at: now)
    }

    /// - Parameter amount: the most that the request can cost.
    public mutating func reserve(_ amount: Money, now: Int) -> Answer {
        self.turn(now)
        let amount = max(.zero, amount)
        if self.spent + self.reserved + amount <= self.limit.amount {
            self.reserved += amount
            return .reserved
        }
        if self.spent < self.limit.amount && self.spent + amount <= self.limit.amount {
            return .promised(spent: self.spent, reserved: self.reserved)
        }
        return .exhausted(spent: self.spent, endsIn: SpendingCalendar.secondsLeft(of: self.limit.period, at: now))
    }

    /// The request has ended; what it cost counts for the period in which it ended.
    public mutating func settle(reserved: Money, actual: Money, now: Int) {
        self.turn(now)
        self.reserved = max(.zero, self.reserved - max(.zero, reserved))
        self.spent += max(.zero, actual)
    }

    /// Another amount or period; what has been spent counts on while the period is the same.
    public mutating func configure(_ limit: SpendingLimit, now: Int) {
        self.turn(now)
        guard limit != self.limit else { return }
        if limit.period != self.limit.period { self.period = SpendingCalendar.number(of: limit.period, at: now) }
        self.limit = limit
    }

    /// As it was before the process ended; of another period nothing counts.
    public mutating func restore(spent: Money, period: Int, now: Int) {
        self.turn(now)
        if period == self.period { self.spent += max(.zero, spent) }
    }

    /// The period that `spent` belongs to.
    public mutating func currentPeriod(now: Int) -> Int {
        self.turn(now)
        return self.period
    }

    public mutating func left(now: Int) -> Money {
        self.turn(now)
        return max(.zero, self.limit.amount - self.spent - self.reserved)
    }

    private mutating func turn(_ now: Int) {
        let period = SpendingCalendar.number(of: self.limit.period, at: now)
        // A clock that is set back does not give the same money twice.
        guard period > self.period else { return }
        self.period = period
        self.spent = .zero
    }
}

/// Counts the periods since 1970, in UTC.
enum SpendingCalendar {
    private static let day = 86_400

    static func number(of period: SpendingLimit.Period, at now: Int) -> Int {
        let now = Self.bounded(now)
        switch period {
        case .hour: return now / 3_600
        case .day: return now / Self.day
        // 1970 began on a Thursday; weeks begin on Mondays.
        case .week: return (now / Self.day + 3) / 7
        case .month: return Self.month(ofDay: now / Self.day)
        case .total: return 0
        }
    }

    /// Seconds until the next one begins; `nil`: it has no end.
    static func secondsLeft(of period: SpendingLimit.Period, at now: Int) -> Int? {
        let now = Self.bounded(now)
        switch period {
        case .hour: return 3_600 - now % 3_600
        case .day: return Self.day - now % Self.day
        case .week: return (((now / Self.day + 3) / 7 + 1) * 7 - 3) * Self.day - now
        case .month:
            let month = Self.month(ofDay: now / Self.day)
            var day = now / Self.day
            while Self.month(ofDay: day) == month { day += 1 }
            return day * Self.day - now
        case .total: return nil
        }
    }

    /// From 1970 to the year 9999.
    private static func bounded(_ now: Int) -> Int { min(max(0, now), 253_402_300_799) }

    /// Months since January 1970. The civil calendar from days, after Howard Hinnant's `civil_from_days`.
    private static func month(ofDay day: Int) -> Int {
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year - 1970) * 12 + month - 1
    }
}
