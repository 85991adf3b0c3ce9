/// A counter for each reason, without hashing.
package struct OutcomeCounts: Sendable, Equatable {
    private var counts: [UInt64]

    /// Requests that were accepted and have ended.
    package private(set) var ended: UInt64 = 0

    package init() {
        self.counts = Array(repeating: 0, count: OutcomeReason.allCases.count)
    }

    package subscript(reason: OutcomeReason) -> UInt64 { self.counts[reason.ordinal] }

    package mutating func add(_ reason: OutcomeReason) {
        self.counts[reason.ordinal] += 1
        if reason.outcome != .rejected { self.ended += 1 }
    }

    /// Books one end under another reason. Both are of requests that were accepted.
    mutating func move(_ old: OutcomeReason, to new: OutcomeReason) {
        guard self.counts[old.ordinal] > 0, old.outcome != .rejected, new.outcome != .rejected else { return }
        self.counts[old.ordinal] -= 1
        self.counts[new.ordinal] += 1
    }

    /// Takes one end back. Returns whether there was one.
    mutating func remove(_ reason: OutcomeReason) -> Bool {
        guard self.counts[reason.ordinal] > 0, reason.outcome != .rejected else { return false }
        self.counts[reason.ordinal] -= 1
        self.ended -= 1
        return true
    }

    /// The reasons that occurred.
    package var table: [OutcomeReason: UInt64] {
        var table: [OutcomeReason: UInt64] = [:]
        for reason in OutcomeReason.allCases where self[reason] > 0 { table[reason] = self[reason] }
        return table
    }
}

extension OutcomeReason {
    /// Position in `allCases`.
    package var ordinal: Int {
        switch self {
        case .ok: 0
        case .late: 1
        case .backend: 2
        case .malformedResponse: 3
        case .resultTooLarge: 4
        case .clientGone: 5
        case .operatorRequest: 6
        case .shutdown: 7
        case .deadline: 8
        case .full: 9
        case .tenantFull: 10
        case .oversize: 11
        case .paused: 12
        case .wouldMissDeadline: 13
        case .overloaded: 14
        case .malformed: 15
        case .duplicateConflict: 16
        case .budget: 17
        case .notCached: 18
        case .offlineProducerBeforeDispatch: 19
        case .offlineProducerBeforeReply: 20
        case .shed: 21
        case .dispatcherCrash: 22
        case .attempts: 23
        case .poison: 24
        case .outcomeUnknown: 25
        case .cached: 26
        case .shared: 27
        }
    }
}
