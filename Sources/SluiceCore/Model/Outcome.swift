/// How a request ended: every accepted request reaches exactly one of these (`rejected`: it was never accepted).
package enum Outcome: String, Sendable, CaseIterable {
    case done
    case failed
    case cancelled
    case expired
    case rejected
    case dropped
    case lost
    case dead
}

/// Why it ended so: a closed list, because it labels metrics, rows and errors alike.
package enum OutcomeReason: String, Sendable, CaseIterable {
    // done
    case ok
    case late
    // failed
    case backend
    case malformedResponse = "malformed_response"
    case resultTooLarge = "result_too_large"
    // cancelled
    case clientGone = "client_gone"
    case operatorRequest = "operator_request"
    case shutdown
    // expired
    case deadline
    // rejected
    case full
    case tenantFull = "tenant_full"
    case oversize
    case paused
    case wouldMissDeadline = "would_miss_deadline"
    /// The pool is shedding, and this would be among the first.
    case overloaded
    case malformed
    case duplicateConflict = "duplicate_conflict"
    /// A budget of its key or tenant does not cover what it may cost.
    case budget
    /// It wants a kept answer or none, and none is kept.
    case notCached = "not_cached"
    // dropped
    case offlineProducerBeforeDispatch = "offline_producer_before_dispatch"
    case offlineProducerBeforeReply = "offline_producer_before_reply"
    /// Accepted, but never sent: others have been waiting too long. Not `rejected`, which was never accepted, nor
    /// `expired`, which is the clock's doing.
    case shed
    // lost
    case dispatcherCrash = "dispatcher_crash"
    // dead
    case attempts
    case poison
    case outcomeUnknown = "outcome_unknown"
    // done, without a call of its own
    /// Answered with what an earlier request was answered.
    case cached
    /// Answered with what another request was answered that ran at the same time.
    case shared

    package var outcome: Outcome {
        switch self {
        case .ok, .late, .cached, .shared: .done
        case .backend, .malformedResponse, .resultTooLarge: .failed
        case .clientGone, .operatorRequest, .shutdown: .cancelled
        case .deadline: .expired
        case .full, .tenantFull, .oversize, .paused, .wouldMissDeadline, .overloaded, .malformed, .duplicateConflict,
            .budget, .notCached:
            .rejected
        case .offlineProducerBeforeDispatch, .offlineProducerBeforeReply, .shed: .dropped
        case .dispatcherCrash: .lost
        case .attempts, .poison, .outcomeUnknown: .dead
        }
    }
}

/// Why a queued request is not running.
package enum WaitingReason: String, Sendable, CaseIterable {
    case slotsFull = "slots_full"
    case circuitOpen = "circuit_open"
    case poolPaused = "pool_paused"
    case rateLimited = "rate_limited"
    case backoff
    /// Its tenant has as many in flight as one may have.
    case tenantSlotsFull = "tenant_slots_full"
    case aheadInQueue = "ahead_in_queue"
}

/// Where a request is in its life. Outcomes follow `started` or `streaming`, or end the wait.
package enum RequestState: String, Sendable, CaseIterable {
    case queued
    /// A slot has it, nothing has been sent.
    case claimed
    /// The backend call may have been sent.
    case started
    /// The first content byte came back; no retry is possible any more.
    case streaming
    case ended
}
