package enum CancelCause: Sendable, CaseIterable {
    case clientGone
    case operatorRequest
    case shutdown
    /// Only for running work whose deadline passed.
    case deadline

    package var reason: OutcomeReason {
        switch self {
        case .clientGone: .clientGone
        case .operatorRequest: .operatorRequest
        case .shutdown: .shutdown
        case .deadline: .deadline
        }
    }

    /// For people.
    package var explanation: String {
        switch self {
        case .clientGone: "The client disconnected before the answer was ready."
        case .operatorRequest: "Cancelled by an operator."
        case .shutdown: "Sluice is shutting down."
        case .deadline: "The deadline passed while the backend was working on it."
        }
    }
}

package enum CancelAnswer: Sendable, Equatable {
    case cancelled
    /// It runs; its task was told to stop.
    case cancelling
    case alreadyEnded(OutcomeReason?)
    case unknown
}
