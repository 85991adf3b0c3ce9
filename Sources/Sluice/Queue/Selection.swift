/// Why a message was handed out and not another.
public struct Selection: Sendable, Hashable {
    /// The rule that decided.
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        /// First in line: the policy's order does not score.
        case order
        /// The best score.
        case score
        /// The best score, although below the policy's minimum: there was nothing better, and there was room.
        case belowMinimum = "below_minimum"
        /// It had waited for the policy's `maximumWait`.
        case overdue
    }

    /// The rule that decided.
    public var reason: Reason
    /// What the message scored when it was chosen; 0 when nothing was scored.
    public var score: Double
    /// How many messages were compared.
    public var compared: Int
    /// What the six scorers were told.
    public var facts: ScoringFacts
    /// What they were multiplied by.
    public var weights: ScoringWeights
    /// What scorers of the program's own added.
    public var customScores: [ScoreBreakdown.Custom]

    /// The score in its parts, under whatever rule the message was chosen.
    public var breakdown: ScoreBreakdown {
        var breakdown = self.weights.breakdown(self.facts)
        breakdown.customScores = self.customScores
        return breakdown
    }
}
