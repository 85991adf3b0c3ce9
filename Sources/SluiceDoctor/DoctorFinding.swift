/// Something that is wrong, what shows it, and where to look first.
package struct DoctorFinding: Sendable, Equatable {
    package enum Code: String, Sendable, CaseIterable {
        case gatewayUnreachable = "gateway_unreachable"
        case keyRefused = "key_refused"
        case answerUnreadable = "answer_unreadable"
        case gatewayStuck = "gateway_stuck"
        case gatewayDraining = "gateway_draining"
        case valkeyTrouble = "valkey_trouble"
        case clockSkew = "clock_skew"
        case dispatcherGone = "dispatcher_gone"
        case pendingGrows = "pending_grows"
        case inFlightSticks = "in_flight_sticks"
        case requestsVanish = "requests_vanish"
        case backendErrors = "backend_errors"
        case budgetRejections = "budget_rejections"
        case admissionRefuses = "admission_refuses"
        case historyMissing = "history_missing"

        package var symptom: String {
            switch self {
            case .gatewayUnreachable: "The gateway cannot be reached"
            case .keyRefused: "The gateway refuses the key"
            case .answerUnreadable: "What answers is no gateway that can be read"
            case .gatewayStuck: "The gateway has work and free slots, but starts nothing"
            case .gatewayDraining: "The gateway is shutting down"
            case .valkeyTrouble: "Valkey does not do its part"
            case .clockSkew: "Clocks disagree"
            case .dispatcherGone: "A dispatcher has no heartbeat"
            case .pendingGrows: "Requests wait and do not get their turn"
            case .inFlightSticks: "Requests stick in flight"
            case .requestsVanish: "Requests disappear without a completion"
            case .backendErrors: "The backend fails"
            case .budgetRejections: "The provider rejects for a budget or a rate limit"
            case .admissionRefuses: "The gateway itself turns work away"
            case .historyMissing: "Ended requests are missing from history"
            }
        }
    }

    package var code: Code
    package var pool: String?
    /// What was seen, with its numbers.
    package var evidence: [String]
    package var look: [String]
    /// The same numbers, for machines.
    package var numbers: [String: Double] = [:]
}

extension DoctorFinding {
    package enum Severity: String, Sendable, CaseIterable {
        /// Requests fail or stand still.
        case critical
        /// They suffer, or will.
        case warning
        case info

        /// The most urgent is 0.
        package var rank: Int {
            switch self {
            case .critical: 0
            case .warning: 1
            case .info: 2
            }
        }
    }
}

extension DoctorFinding.Code {
    package var severity: DoctorFinding.Severity {
        switch self {
        case .gatewayUnreachable, .keyRefused, .answerUnreadable, .gatewayStuck, .valkeyTrouble, .dispatcherGone,
            .backendErrors:
            .critical
        case .clockSkew, .pendingGrows, .inFlightSticks, .requestsVanish, .budgetRejections, .admissionRefuses: .warning
        case .gatewayDraining, .historyMissing: .info
        }
    }
}

/// What no gateway can see, and so no check can find.
package enum DoctorBlindSpot {
    package static let fallback =
        "Whether the provider fell back to another model: to Sluice every answer of the backend counts. When it did "
        + "not, look at router_settings.fallbacks and the log of LiteLLM (or the routing of OpenRouter, vLLM), and at "
        + "'model' in the answer's body."
}
