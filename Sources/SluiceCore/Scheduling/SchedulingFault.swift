/// Settings of a pool's scheduling that contradict one another, whoever gave them.
package enum SchedulingFault: Sendable, Equatable, CaseIterable {
    case burstOfUnlimitedRequests
    case burstOfUnlimitedTokens
    case burstRequestsInStrictMode
    case burstTokensInStrictMode

    package var message: String {
        switch self {
        case .burstOfUnlimitedRequests: "has no meaning without requests_per_minute; set that, or leave this out"
        case .burstOfUnlimitedTokens: "has no meaning without tokens_per_minute; set that, or leave this out"
        case .burstRequestsInStrictMode, .burstTokensInStrictMode:
            "has no meaning in strict mode, which never admits more than the limit in any 60 s; leave it out, or use "
                + "smooth"
        }
    }

    /// The setting to mend, by its name in configuration and API.
    package var name: String {
        switch self {
        case .burstOfUnlimitedRequests, .burstRequestsInStrictMode: "burst_requests"
        case .burstOfUnlimitedTokens, .burstTokensInStrictMode: "burst_tokens"
        }
    }
}

extension RateLimit {
    /// What of it cannot be meant.
    package var faults: [SchedulingFault] {
        var faults: [SchedulingFault] = []
        if self.burstRequests != nil {
            if self.requestsPerMinute == nil {
                faults.append(.burstOfUnlimitedRequests)
            } else if self.mode == .strict {
                faults.append(.burstRequestsInStrictMode)
            }
        }
        if self.burstTokens != nil {
            if self.tokensPerMinute == nil {
                faults.append(.burstOfUnlimitedTokens)
            } else if self.mode == .strict {
                faults.append(.burstTokensInStrictMode)
            }
        }
        return faults
    }

    /// Limits nothing.
    package var isUnlimited: Bool { self.requestsPerMinute == nil && self.tokensPerMinute == nil }
}
