import SluiceBasics
import SluiceGateway
import SluiceWire

/// Log lines on standard error, as text for people or JSON for machines.
struct EventLog: Sendable {
    enum Format: String, Sendable {
        case text
        case json
    }

    var format: Format
    /// Place in `levels`; lesser ones are left out.
    private let least: Lock<Int>
    let clock: any TimeSource
    let write: @Sendable (String) -> Void

    static let levels = ["debug", "info", "warning", "error"]

    init(
        format: Format,
        level: String,
        clock: any TimeSource,
        write: @escaping @Sendable (String) -> Void
    ) {
        self.format = format
        self.least = Lock(Self.levels.firstIndex(of: level) ?? 1)
        self.clock = clock
        self.write = write
    }

    /// - Returns: `false` for a level that there is none of.
    @discardableResult
    func setLevel(_ level: String) -> Bool {
        guard let place = Self.levels.firstIndex(of: level) else { return false }
        self.least.withLock { $0 = place }
        return true
    }

    var level: String { Self.levels[self.least.withLock { $0 }] }

    func record(_ entry: LogEntry) {
        guard (Self.levels.firstIndex(of: entry.level.rawValue) ?? 3) >= self.least.withLock({ $0 }) else { return }
        self.write(self.line(entry))
    }

    /// With its end of line.
    func line(_ entry: LogEntry) -> String {
        let time = Timestamp.text(nanoseconds: self.clock.wallClockNanoseconds())
        switch self.format {
        case .json:
            var json = JSONWriter()
            json.object { json in
                json.field("time", time)
                json.field("level", entry.level.rawValue)
                json.field("message", entry.message)
                for (name, value) in entry.fields { json.field(name, value) }
            }
            return String(decoding: json.bytes, as: UTF8.self) + "\n"
        case .text:
            let fields = entry.fields.map { " \($0.name)=\(Self.quoted($0.value))" }.joined()
            return "\(time) \(entry.level.rawValue.uppercased()) \(entry.message)\(fields)\n"
        }
    }

    /// A value with spaces or control characters must not break its line apart.
    private static func quoted(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x3D && $0 < 0x7F }
        guard !isPlain else { return value }
        var json = JSONWriter()
        json.value(value)
        return String(decoding: json.bytes, as: UTF8.self)
    }
}

/// What the operator API sees of a log.
struct SteeredLog: LogSteering {
    let log: EventLog
    let outlet: LogOutlet

    var level: String { self.log.level }
    var format: String { self.log.format.rawValue }
    var dropped: Int { self.outlet.dropped }
    func setLevel(_ level: String) -> Bool { self.log.setLevel(level) }
}

/// RFC 3339 in UTC with milliseconds.
enum Timestamp {
    static func text(nanoseconds: Int64) -> String {
        let seconds = nanoseconds / 1_000_000_000
        let days = seconds / 86_400
        let (year, month, day) = Self.date(days: Int(days))
        let clock = Int(seconds % 86_400)
        let milliseconds = Int(nanoseconds / 1_000_000 % 1000)
        func pad(_ value: Int, _ width: Int = 2) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(year)-\(pad(month))-\(pad(day))T\(pad(clock / 3600)):\(pad(clock / 60 % 60)):\(pad(clock % 60))"
            + ".\(pad(milliseconds, 3))Z"
    }

    /// Days since 1970-01-01 as a date of the proleptic Gregorian calendar, counting years from March.
    private static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
