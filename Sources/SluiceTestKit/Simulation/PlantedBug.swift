/// A defect that the harness puts between itself and the machine, to show that its checks would notice.
package enum PlantedBug: String, Sendable, CaseIterable {
    /// Queued work is not taken out when its client goes.
    case cancelIsForgotten = "cancel_is_forgotten"
    /// Deadlines lie an hour later than agreed.
    case deadlineIsIgnored = "deadline_is_ignored"
    case oneSlotTooMany = "one_slot_too_many"
    /// The least urgent runs first.
    case orderIsReversed = "order_is_reversed"
    case outcomeIsReportedTwice = "outcome_is_reported_twice"
    case outcomeIsLost = "outcome_is_lost"
    /// A zombie's calls are taken for those of whoever holds the request now.
    case staleTokenIsAccepted = "stale_token_is_accepted"
    case oneAttemptTooMany = "one_attempt_too_many"
    /// `never-after-send` is treated as `auto`.
    case repeatsWhatWasSent = "repeats_what_was_sent"
    case retryBudgetIsIgnored = "retry_budget_is_ignored"
    case bytesAreMiscounted = "bytes_are_miscounted"
    case circuitClosesAtOnce = "circuit_closes_at_once"
    case retryAfterIsIgnored = "retry_after_is_ignored"
    /// Freed slots are not filled: a grant is swallowed.
    case grantIsLost = "grant_is_lost"
    case tenantLimitIsIgnored = "tenant_limit_is_ignored"
    case pauseIsIgnored = "pause_is_ignored"
    /// Twice the tokens a minute are let through.
    case tokenLimitIsDoubled = "token_limit_is_doubled"
    /// One more of a tenant's requests runs than may.
    case tenantCapIsExceeded = "tenant_cap_is_exceeded"
}

/// A rule that did not hold.
package struct Violation: Error, CustomStringConvertible {
    package let seed: UInt64
    package let step: Int
    package let milliseconds: Double
    package let message: String

    package var description: String {
        "seed \(self.seed), step \(self.step), at \(self.milliseconds) ms: \(self.message) "
            + "(replay: SLUICE_SIMULATION_SEED=\(self.seed))"
    }
}
