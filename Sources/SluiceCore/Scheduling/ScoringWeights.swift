/// How much each of the six scorers counts. The weights need not sum to 1.
public struct ScoringWeights: Sendable, Hashable {
    public var priority: Double
    public var efficiency: Double
    public var waitTime: Double
    public var retry: Double
    public var tokenFit: Double
    public var processingTime: Double

    public init(
        priority: Double = 0.25,
        efficiency: Double = 0.20,
        waitTime: Double = 0.20,
        retry: Double = 0.10,
        tokenFit: Double = 0.15,
        processingTime: Double = 0.10
    ) {
        self.priority = priority
        self.efficiency = efficiency
        self.waitTime = waitTime
        self.retry = retry
        self.tokenFit = tokenFit
        self.processingTime = processingTime
    }

    /// A bit of everything.
    public static let balanced = ScoringWeights()
    /// Priority before all else.
    public static let simplePriority = ScoringWeights(
        priority: 0.80,
        efficiency: 0.05,
        waitTime: 0.10,
        retry: 0.05,
        tokenFit: 0,
        processingTime: 0
    )
    /// Fills the token budget as well as it can.
    public static let throughputOptimized = ScoringWeights(
        priority: 0.15,
        efficiency: 0.35,
        waitTime: 0.10,
        retry: 0.05,
        tokenFit: 0.25,
        processingTime: 0.10
    )
    /// Who has waited longest counts most.
    public static let fair = ScoringWeights(
        priority: 0.20,
        efficiency: 0.10,
        waitTime: 0.50,
        retry: 0.15,
        tokenFit: 0.05,
        processingTime: 0
    )
}
