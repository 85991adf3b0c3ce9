/// What the six scorers know about a request that waits.
public struct ScoringFacts: Sendable, Hashable {
    /// How important the request is.
    public var priority: Priority
    /// Tokens that the request is expected to use; less than 0 counts as 0.
    public var tokens: Int
    /// Tokens that could be reserved now, negative when overdrawn; `nil`: tokens are not limited.
    public var availableTokens: Int?
    /// Time since the request was enqueued; less than zero counts as zero.
    public var wait: Duration
    /// How often the request was handed out before.
    public var receiveCount: Int
    /// How long the work is expected to take; `nil` or zero: 10 ms per token.
    public var expectedProcessing: Duration?

    /// Facts of a request that has just arrived, unless said otherwise.
    public init(
        priority: Priority,
        tokens: Int,
        availableTokens: Int?,
        wait: Duration = .zero,
        receiveCount: Int = 0,
        expectedProcessing: Duration? = nil
    ) {
        self.priority = priority
        self.tokens = tokens
        self.availableTokens = availableTokens
        self.wait = wait
        self.receiveCount = receiveCount
        self.expectedProcessing = expectedProcessing
    }
}
