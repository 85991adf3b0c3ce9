import SluiceBasics
import SluiceCore

/// An explanation in one or two sentences, for somebody who has just been woken up.
enum ExplanationText {
    /// "It waits because …; it should start in about 12 s."
    static func summary(_ explanation: Explanation) -> String {
        switch explanation.state {
        case .queued: self.waiting(explanation)
        case .claimed: "It has a slot and starts now."
        case .started: "It runs: the backend has been called and has not answered yet."
        case .streaming: "It runs: its answer is coming back."
        case .ended: "It has ended."
        }
    }

    private static func waiting(_ explanation: Explanation) -> String {
        // That it is not overdue is no reason.
        let closed = explanation.gates.filter { !$0.isOpen && $0.gate != .ageing }
        let clauses = closed.prefix(2).map { Self.clause($0, explanation) }
        guard !clauses.isEmpty else { return "It is next, and nothing holds it back: it starts at once." }
        return "It waits because \(clauses.joined(separator: ", and ")); \(Self.prospect(explanation, closed))"
    }

    /// When it will start, and whether that is in time.
    private static func prospect(_ explanation: Explanation, _ closed: [Explanation.Reading]) -> String {
        if closed.first?.gate == .poolMode {
            return "it starts when the pool is resumed (sluice pools resume \(explanation.pool))."
        }
        guard let start = explanation.predictedStart else {
            return "when it starts cannot be said: too little has been measured, or no end is in sight."
        }
        let when =
            start <= .milliseconds(50) ? "it should start at once" : "it should start in about \(Self.span(start))"
        guard start >= explanation.remaining else { return when + "." }
        return "\(when), but its deadline passes in \(Self.span(explanation.remaining)): it will probably expire first."
    }

    /// Why a gate is closed, as the end of "because".
    private static func clause(_ gate: Explanation.Reading, _ explanation: Explanation) -> String {
        let value = Self.number(gate.value)
        let threshold = Self.number(gate.threshold)
        let after = gate.reopensIn.map { " for another \(Self.span($0))" } ?? ""
        switch gate.gate {
        case .poolMode: return "pool '\(explanation.pool)' is \(gate.detail ?? "paused")"
        case .backOff:
            let what = gate.detail == nil ? "its next attempt is not due" : "the backend asked for patience with it"
            return what + after
        case .circuitBreaker: return Self.breaker(gate, value)
        case .targets: return (gate.detail ?? "no target can be asked") + after
        case .backendPatience: return "the backend\(Self.named(gate.detail)) asked for patience" + after
        case .providerLimit:
            return "the provider's own limit\(gate.detail.map { " for \($0)" } ?? "") leaves \(value) of the "
                + "\(threshold) \(Self.unit(gate)) that it needs" + after
        case .requestsPerMinute:
            return "the requests a minute of pool '\(explanation.pool)' are used up\(after)\(Self.aside(gate.detail))"
        case .tokensPerMinute:
            guard gate.value.map({ $0 < gate.threshold ?? 0 }) ?? true else {
                return
                    "the tokens a minute of pool '\(explanation.pool)' are \(gate.detail ?? "kept for another")\(after)"
            }
            return "it needs \(threshold) tokens and the tokens a minute of pool '\(explanation.pool)' leave "
                + "\(value)\(after)\(Self.aside(gate.detail))"
        case .slots: return Self.slots(gate, explanation, threshold)
        case .adaptiveLimit: return "the backend's latency bears only \(threshold) at once, and \(value) run"
        case .tenantInFlight:
            let tenant = explanation.tenant.map { " '\($0.name)'" } ?? ""
            return "tenant\(tenant) runs \(value) requests and may run \(threshold) at once"
        case .tenantTurn:
            let other = gate.detail.map { "tenant '\($0)'" } ?? "another tenant"
            return "it is the turn of \(other), who has had \(threshold) weighted tokens against \(value)"
        case .order: return gate.value == 1 ? "1 request is ahead of it" : "\(value) requests are ahead of it"
        case .score: return "its score is \(Self.score(gate.value)) and the best is \(Self.score(gate.threshold))"
        case .ageing: return "it has not waited for long enough to go before all others"
        case .list: return Self.list(gate, explanation)
        }
    }

    private static func slots(
        _ gate: Explanation.Reading,
        _ explanation: Explanation,
        _ slots: String
    ) -> String {
        let pool = "pool '\(explanation.pool)'"
        switch gate.threshold {
        case 0: return "\(pool) has no slots"
        case 1: return "the only slot of \(pool) is in use"
        default: return "all \(slots) slots of \(pool) are in use"
        }
    }

    private static func breaker(_ gate: Explanation.Reading, _ failures: String) -> String {
        let words = (gate.detail ?? "").split(separator: " ")
        let name = Self.named(words.first.map(String.init))
        guard words.last == "open" else {
            return "the circuit of backend\(name) is half open and one call at a time may try"
        }
        let after = gate.reopensIn.map { "; one call may try in \(Self.span($0))" } ?? ""
        return "the circuit of backend\(name) is open after \(failures) failures in a row\(after)"
    }

    private static func list(_ gate: Explanation.Reading, _ explanation: Explanation) -> String {
        let place = gate.value.map { "at place \(Self.number($0)) " } ?? ""
        let why = gate.detail.map { ", \($0)" } ?? ""
        return "it lies \(place)on the list of pool '\(explanation.pool)' and no dispatcher has taken it yet\(why)"
    }

    /// With two decimals.
    private static func score(_ value: Double?) -> String {
        guard let value, abs(value) < 1e12 else { return "-" }
        let hundredths = Int((value * 100).rounded())
        return "\(hundredths / 100).\(String(100 + abs(hundredths % 100)).dropFirst())"
    }

    private static func aside(_ detail: String?) -> String { detail.map { " (\($0))" } ?? "" }

    private static func named(_ name: String?) -> String { name.map { " '\($0)'" } ?? "" }

    private static func unit(_ gate: Explanation.Reading) -> String {
        switch gate.unit {
        case .virtualTokens: "weighted tokens"
        case let unit?: unit.rawValue
        case nil: ""
        }
    }

    static func number(_ value: Double?) -> String {
        guard let value, value.isFinite else { return "-" }
        guard abs(value) < 1e15 else { return "\(value)" }
        let tenths = (value * 10).rounded() / 10
        return tenths == tenths.rounded() ? String(Int(tenths)) : String(tenths)
    }

    /// As people say it: no more than two figures that matter.
    static func span(_ span: Duration) -> String {
        let milliseconds = max(0, span.inMilliseconds)
        if milliseconds < 1000 { return "\(Int(milliseconds.rounded())) ms" }
        if milliseconds < 10_000 { return "\(Self.number(milliseconds / 1000)) s" }
        if milliseconds < 120_000 { return "\(Int((milliseconds / 1000).rounded())) s" }
        if milliseconds < 7_200_000 { return "\(Int((milliseconds / 60_000).rounded())) min" }
        return "\(Self.number(min(1e12, milliseconds / 3_600_000))) h"
    }
}
