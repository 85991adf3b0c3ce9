import SluiceBasics

/// What a provider said about its limits in the headers of one answer.
///
/// A reference, because it travels in results that are copied around; it never changes.
package final class ProviderObservation: Sendable, Equatable {
    /// One of its limits.
    package struct Budget: Sendable, Equatable {
        /// What it is when nothing has been used; per minute with most, per day with some.
        package var limit: Int?
        /// What is left of it now.
        package var remaining: Int?
        /// Until it is whole again. `nil`: not said.
        package var resetsIn: Duration?

        package init(limit: Int? = nil, remaining: Int? = nil, resetsIn: Duration? = nil) {
            self.limit = limit
            self.remaining = remaining
            self.resetsIn = resetsIn
        }

        package var isEmpty: Bool { self.limit == nil && self.remaining == nil && self.resetsIn == nil }
    }

    package let requests: Budget?
    /// Of all tokens together.
    package let tokens: Budget?
    /// Counted apart by some providers.
    package let inputTokens: Budget?
    package let outputTokens: Budget?
    /// How long to send nothing at all.
    package let retryAfter: Duration?

    package init(
        requests: Budget? = nil,
        tokens: Budget? = nil,
        inputTokens: Budget? = nil,
        outputTokens: Budget? = nil,
        retryAfter: Duration? = nil
    ) {
        self.requests = requests
        self.tokens = tokens
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.retryAfter = retryAfter
    }

    /// Whether a limit of its rate is used up: then a refusal says nothing about how much runs at once.
    package var isUsedUp: Bool {
        self.requests?.remaining == 0 || self.tokens?.remaining == 0 || self.inputTokens?.remaining == 0
            || self.outputTokens?.remaining == 0
    }

    package static func == (left: ProviderObservation, right: ProviderObservation) -> Bool {
        left === right
            || (left.requests == right.requests && left.tokens == right.tokens && left.inputTokens == right.inputTokens
                && left.outputTokens == right.outputTokens && left.retryAfter == right.retryAfter)
    }
}
