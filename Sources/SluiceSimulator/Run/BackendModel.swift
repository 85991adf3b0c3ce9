import SluiceBasics
import SluiceCore

/// How long a backend takes: a fixed part, the prompt, then one completion token after the other.
package struct BackendModel: Sendable, Equatable {
    /// Network, tokeniser and whatever else does not depend on length.
    package var overhead: Duration
    package var perPromptToken: Duration
    package var perCompletionToken: Duration
    /// How much longer a request takes that starts when all slots are busy than one that is alone: 1 is twice as long.
    /// In between it is proportional to the busy slots.
    package var slowDown: Double

    /// A mid-size model on one accelerator: 8,000 prompt tokens and 50 completion tokens a second.
    package init(
        overhead: Duration = .milliseconds(50),
        perPromptToken: Duration = .microseconds(125),
        perCompletionToken: Duration = .milliseconds(20),
        slowDown: Double = 0
    ) {
        self.overhead = overhead
        self.perPromptToken = perPromptToken
        self.perCompletionToken = perCompletionToken
        self.slowDown = slowDown
    }

    /// - Parameter running: requests in service with this one.
    package func service(of arrival: Arrival, running: Int, slots: Int) -> Duration {
        if let recorded = arrival.service { return recorded }
        let alone =
            self.overhead.inSeconds + self.perPromptToken.inSeconds * Double(arrival.promptTokens)
            + self.perCompletionToken.inSeconds * Double(arrival.completionTokens)
        let company = slots > 1 ? Double(max(0, running - 1)) / Double(slots - 1) : 0
        return .nanoseconds(Int64(min(9e18, max(0, alone * (1 + self.slowDown * company) * 1e9).rounded())))
    }
}
