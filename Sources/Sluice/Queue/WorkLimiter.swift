/// What a dequeue has to keep to: one ``RateLimiter``, several of them, or something of the program's own.
///
/// A dequeue asks what may be spent, chooses, and reserves; when somebody else was faster it chooses again. So an
/// answer with work always has its reservation.
public protocol WorkLimiter: Sendable {
    /// What may be spent now.
    func budget() -> WorkBudget
    /// Whether `reserve` would succeed.
    func check(tokens: Int, model: String?) -> ThrottleAnswer
    /// Takes one request and its tokens from every limit that applies, or nothing from any.
    func reserve(tokens: Int, model: String?) -> Result<WorkReservation, ThrottleRefusal>
    /// The work has used so many tokens.
    func settle(_ reservation: WorkReservation, actualTokens: Int)
    /// The work was never sent: gives request and tokens back.
    func cancel(_ reservation: WorkReservation)
}

/// What a limiter leaves to a choice.
public struct WorkBudget: Sendable, Hashable {
    /// Tokens that may be spent on any message; less than 0: none at all, `nil`: any number.
    public var tokens: Int?
    /// For models with limits of their own, what is left of these.
    public var modelTokens: [String: Int]
    /// The most tokens that one message could ever get; `nil`: any number.
    public var capacity: Int?
    /// Whether the limits on requests are exhausted: nothing may start, whatever its tokens.
    public var isExhausted: Bool

    /// No limits, unless said otherwise.
    public init(
        tokens: Int? = nil,
        modelTokens: [String: Int] = [:],
        capacity: Int? = nil,
        isExhausted: Bool = false
    ) {
        self.tokens = tokens
        self.modelTokens = modelTokens
        self.capacity = capacity
        self.isExhausted = isExhausted
    }
}

/// What was reserved for one message.
public struct WorkReservation: Sendable, Hashable {
    /// What was reserved.
    public var tokens: Int
    /// The handle of the first limit that was charged; most have no other, and need no array for it.
    public var handle: ThrottleReservation?
    /// Those of further limits.
    public var others: [ThrottleReservation]

    /// What a limiter hands out; without handles if nothing applied.
    public init(tokens: Int, handle: ThrottleReservation? = nil, others: [ThrottleReservation] = []) {
        self.tokens = tokens
        self.handle = handle
        self.others = others
    }

    /// What several limiters hand out, in their order.
    public init(tokens: Int, handles: [ThrottleReservation]) {
        self.init(tokens: tokens, handle: handles.first, others: Array(handles.dropFirst()))
    }

    /// All handles, in the limiters' order.
    public var handles: [ThrottleReservation] { [self.handle].compactMap(\.self) + self.others }
}
