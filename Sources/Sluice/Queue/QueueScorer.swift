/// A scorer of the program's own, beside the six.
///
/// What it answers is multiplied by its weight and added to the score. One that throws, or answers something that is
/// not a finite number, counts zero for that message, is counted in the metrics, and is named with its failure in the
/// breakdown: it never stops a dequeue. It is called outside of all locks.
public protocol QueueScorer<Payload>: Sendable {
    /// The payload that the scorer can look at.
    associatedtype Payload: Sendable

    /// Name in the breakdown.
    var name: String { get }
    /// What the answer is multiplied by; less than zero pushes back.
    var weight: Double { get }

    /// How good a choice the message would be; between 0 and 1 to be comparable with the six.
    func score(_ attributes: MessageAttributes, _ payload: Payload, _ context: ScorerContext) throws -> Double
}

/// What a scorer knows beside the message.
public struct ScorerContext: Sendable, Hashable {
    /// Tokens that could be reserved now; `nil`: not limited.
    public var availableTokens: Int?
    /// The message's number among those that are compared, from 1.
    public var candidates: Int
}

/// A scorer made of a closure.
public struct ClosureScorer<Payload: Sendable>: QueueScorer {
    public let name: String
    public let weight: Double
    private let body: @Sendable (MessageAttributes, Payload, ScorerContext) throws -> Double

    /// - Parameter body: see ``QueueScorer/score(_:_:_:)``.
    public init(
        name: String,
        weight: Double,
        _ body: @escaping @Sendable (MessageAttributes, Payload, ScorerContext) throws -> Double
    ) {
        self.name = name
        self.weight = weight
        self.body = body
    }

    public func score(
        _ attributes: MessageAttributes,
        _ payload: Payload,
        _ context: ScorerContext
    ) throws -> Double {
        try self.body(attributes, payload, context)
    }
}
