import SluiceWire

/// How long a backend asks to wait.
package enum RetryAfter {
    /// Reads `retry-after-ms` (Azure also says `x-ms-retry-after-ms`), else `Retry-After` in seconds or as an HTTP date
    /// (RFC 9110, 10.2.3), else what LiteLLM has made of its provider's.
    ///
    /// - Parameter now: seconds since 1970, for the date form.
    package static func read(_ headers: HTTPFields, now: Int) -> Duration? {
        if let text = headers["retry-after-ms"] ?? headers["x-ms-retry-after-ms"],
            let milliseconds = Self.number(text), milliseconds < 1e12
        {
            return .milliseconds(milliseconds)
        }
        guard let text = headers["retry-after"] ?? headers["llm_provider-retry-after"] else { return nil }
        if let seconds = Self.number(text) { return seconds < 1e9 ? .seconds(seconds) : nil }
        guard let date = HTTPDate.seconds(text, now: now) else { return nil }
        return .seconds(max(0, date - now))
    }

    /// Digits, and a fraction, which the RFC does not know but backends send; not all that `Double` would take.
    private static func number(_ text: String) -> Double? {
        guard text.utf8.allSatisfy({ (48...57).contains($0) || $0 == UInt8(ascii: ".") }) else { return nil }
        return Double(text)
    }
}
