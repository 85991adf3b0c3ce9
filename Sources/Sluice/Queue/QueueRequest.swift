/// Work to be queued.
public struct QueueRequest<Payload: Sendable>: Sendable {
    /// The name under which the request can be cancelled and under which it is refused a second time; 1 to 256 bytes.
    /// `nil`: the queue gives it one.
    public var id: String?
    /// Whatever the program needs to do the work. The queue never looks at it.
    public var payload: Payload
    /// How important the request is.
    public var priority: Priority
    /// Tokens that the request will probably use, prompt and completion; 0 or more. Limits are kept with this number
    /// until `complete(actualTokens:)` says what was used.
    public var estimatedTokens: Int
    /// The model that the request is for, where limits are kept per model.
    public var model: String?
    /// On whose behalf the request is; capacity is shared between tenants if the policy says so.
    public var tenant: String
    /// How long the work will probably take; `nil`: 10 ms per token are assumed.
    public var expectedProcessing: Duration?
    /// How long the request waits before it may be handed out.
    public var delay: Duration
    /// How long after it was enqueued the request may still be handed out; then it becomes a dead letter.
    /// `nil`: for ever.
    public var timeToLive: Duration?
    /// Size that counts against the policy's bound, in bytes; 0: not stated.
    public var payloadBytes: Int
    /// Anything that scorers of the program's own look at.
    public var metadata: [String: String]

    /// A request of ordinary priority that can run at once, unless said otherwise.
    public init(
        id: String? = nil,
        payload: Payload,
        priority: Priority = .normal,
        estimatedTokens: Int,
        model: String? = nil,
        tenant: String = "",
        expectedProcessing: Duration? = nil,
        delay: Duration = .zero,
        timeToLive: Duration? = nil,
        payloadBytes: Int = 0,
        metadata: [String: String] = [:]
    ) {
        self.id = id
        self.payload = payload
        self.priority = priority
        self.estimatedTokens = estimatedTokens
        self.model = model
        self.tenant = tenant
        self.expectedProcessing = expectedProcessing
        self.delay = delay
        self.timeToLive = timeToLive
        self.payloadBytes = payloadBytes
        self.metadata = metadata
    }
}
