/// Which of the requests that wait runs next.
package struct SchedulingPolicy: Sendable, Equatable {
    package enum Order: Sendable, Equatable {
        /// By age alone.
        case fifo
        /// By priority, then age.
        case priority
        /// By the sum of the weighted scorers; equal scores by priority, then age.
        case scored(ScoringWeights)
    }

    package var order: Order
    /// A request that scores less is taken only when nothing scores more. It is never held back while capacity is idle.
    package var minimumScore: Double
    /// How many requests are scored in order of priority and age among those that fit, beyond the first of each
    /// priority and size, which always are.
    package var candidates: Int
    /// Who has waited longer is served by age alone, whatever the scores, and tokens are kept for it.
    package var maximumWait: Duration

    package init(
        order: Order = .scored(.balanced),
        minimumScore: Double = 0.1,
        candidates: Int = 20,
        maximumWait: Duration = .seconds(300)
    ) {
        self.order = order
        self.minimumScore = minimumScore
        self.candidates = candidates
        self.maximumWait = maximumWait
    }
}
