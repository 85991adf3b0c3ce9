/// A score and what it is made of. Every number is finite and already multiplied by its weight.
public struct ScoreBreakdown: Sendable, Hashable {
    /// The share of one scorer of the program's own.
    public struct Custom: Sendable, Hashable {
        /// What the scorer calls itself.
        public var name: String
        /// Value times weight; 0 when the scorer failed.
        public var score: Double
        /// Why the scorer counts zero although it was asked; `nil`: it answered with a finite number.
        public var failure: String?

        /// One line of the breakdown.
        public init(name: String, score: Double, failure: String? = nil) {
            self.name = name
            self.score = score
            self.failure = failure
        }
    }

    /// More for more important requests.
    public var priority: Double
    /// More for requests that use 70 to 90 % of the tokens that are there.
    public var efficiency: Double
    /// Grows with the time that the request has waited, faster for important ones.
    public var waitTime: Double
    /// Less for each time that the request was handed out before.
    public var retry: Double
    /// More for requests that use 10 to 50 % of the tokens that are there.
    public var tokenFit: Double
    /// More for work that is done soon.
    public var processingTime: Double
    /// The scorers of the program's own, in the order in which they were given.
    public var customScores: [Custom]

    /// A breakdown without scorers of the program's own, unless they are given.
    public init(
        priority: Double = 0,
        efficiency: Double = 0,
        waitTime: Double = 0,
        retry: Double = 0,
        tokenFit: Double = 0,
        processingTime: Double = 0,
        customScores: [Custom] = []
    ) {
        self.priority = priority
        self.efficiency = efficiency
        self.waitTime = waitTime
        self.retry = retry
        self.tokenFit = tokenFit
        self.processingTime = processingTime
        self.customScores = customScores
    }

    /// The sum of the scorers of the program's own.
    public var custom: Double { self.customScores.reduce(0) { $0 + $1.score } }

    /// The six scorers alone.
    public var builtin: Double {
        let sum =
            self.priority + self.efficiency + self.waitTime + self.retry + self.tokenFit + self.processingTime
        return sum.isFinite ? sum : 0
    }

    /// What requests are compared by.
    public var total: Double {
        let sum = self.builtin + self.custom
        return sum.isFinite ? sum : 0
    }
}
