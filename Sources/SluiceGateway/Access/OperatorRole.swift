/// What a key may do beside sending requests and seeing its own. Each may do what those before it may.
package enum OperatorRole: String, Sendable, CaseIterable, Comparable {
    /// Sees everything but prompts and answers.
    case viewer
    /// Pauses, resumes, drains and changes pools, cancels, redrives and retries.
    case `operator`
    /// Sees prompts and answers where they are kept, and purges.
    case admin

    private var rank: Int {
        switch self {
        case .viewer: 0
        case .operator: 1
        case .admin: 2
        }
    }

    package static func < (left: OperatorRole, right: OperatorRole) -> Bool { left.rank < right.rank }
}
