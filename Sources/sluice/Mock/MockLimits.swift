import SluiceBasics
import SluiceWire

/// A limit whose used part comes back evenly.
struct MockBucket: Sendable {
    var used = 0.0
    private var at = Instant.zero

    mutating func advance(_ perMinute: Int, to now: Instant) {
        guard now > self.at else { return }
        self.used = max(0, self.used - Double(perMinute) / 60 * (now - self.at).inSeconds)
        self.at = now
    }

    /// Whether so many more are within the limit; 0: there is none.
    func takes(_ amount: Int, of perMinute: Int) -> Bool {
        perMinute == 0 || self.used + Double(amount) <= Double(perMinute) + 1e-6
    }

    func resetsIn(_ perMinute: Int) -> Duration { perMinute > 0 ? .seconds(self.used / Double(perMinute) * 60) : .zero }
}

extension MockBackend {
    /// Adds what the behaviour wants to be said about its limits.
    func tellLimits(_ behaviour: MockBehaviour, in headers: inout HTTPFields, at now: Instant, epoch: Int64) {
        guard behaviour.limitHeaders != .none else { return }
        let used = self.executions.used(behaviour, at: now)
        let kinds = [
            ("requests", behaviour.requestsPerMinute, used.requests),
            ("tokens", behaviour.tokensPerMinute, used.tokens),
        ]
        for (kind, limit, use) in kinds where limit > 0 {
            let remaining = String(max(0, Int(Double(limit) - use.used)))
            switch behaviour.limitHeaders {
            case .none: break
            case .openai:
                headers.append("x-ratelimit-limit-\(kind)", String(limit))
                headers.append("x-ratelimit-remaining-\(kind)", remaining)
                headers.append("x-ratelimit-reset-\(kind)", "\(Int(use.resetsIn.inMilliseconds))ms")
            case .anthropic:
                headers.append("anthropic-ratelimit-\(kind)-limit", String(limit))
                headers.append("anthropic-ratelimit-\(kind)-remaining", remaining)
                let reset = epoch + use.resetsIn.wholeNanoseconds
                headers.append("anthropic-ratelimit-\(kind)-reset", Self.date(reset))
            }
        }
    }

    /// Nanoseconds since 1970 by RFC 3339, to the millisecond (days to dates: Hinnant, "chrono-compatible low-level
    /// date algorithms").
    private static func date(_ nanoseconds: Int64) -> String {
        let milliseconds = nanoseconds / 1_000_000
        let seconds = milliseconds / 1000
        let shifted = seconds / 86_400 + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let year = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let civilMonth = month < 10 ? month + 3 : month - 9
        let civilYear = year + era * 400 + (civilMonth <= 2 ? 1 : 0)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let rest = milliseconds % 1000
        let fraction = rest < 10 ? "00\(rest)" : rest < 100 ? "0\(rest)" : "\(rest)"
        let clock = "\(two(seconds / 3600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        return "\(civilYear)-\(two(civilMonth))-\(two(day))T\(clock).\(fraction)Z"
    }

    /// Waits for as long as the work takes when all that run share what there is.
    func work(_ span: Duration, _ behaviour: MockBehaviour) async throws {
        guard behaviour.knee > 0 else { return try await self.sleep(span) }
        var left = span.inSeconds
        while left > 0 {
            let speed = min(1, Double(behaviour.knee) / Double(max(1, self.executions.running)))
            let slice = min(left / speed, 0.02)
            try await self.sleep(.seconds(slice))
            left -= slice * speed
        }
    }
}
