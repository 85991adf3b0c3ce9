/// Spans of time for people.
package enum SpanText {
    /// With one decimal where it matters; a dash for what is not known.
    package static func format(_ milliseconds: Double?) -> String {
        guard let milliseconds, abs(milliseconds) < 1e15 else { return "-" }
        func rounded(_ value: Double) -> String {
            let tenths = (value * 10).rounded() / 10
            return tenths == tenths.rounded() ? String(Int(tenths)) : String(tenths)
        }
        if milliseconds < 1 { return "\((milliseconds * 1000).rounded() / 1000) ms" }
        if milliseconds < 1000 { return "\(rounded(milliseconds)) ms" }
        if milliseconds < 120_000 { return "\(rounded(milliseconds / 1000)) s" }
        if milliseconds < 7_200_000 { return "\(rounded(milliseconds / 60_000)) min" }
        return "\(rounded(milliseconds / 3_600_000)) h"
    }
}
