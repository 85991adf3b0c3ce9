/// What a store knows of a message beside its payload.
public struct MessageAttributes: Sendable, Hashable {
    /// The name of the message, unique among those in the store.
    public var id: String
    /// Place by age: unique in the store, greater than those of all messages before, kept when the message is retried.
    public var sequence: UInt64
    /// How important the message is.
    public var priority: Priority
    /// Tokens that it will probably use.
    public var estimatedTokens: Int
    /// The model that it is for.
    public var model: String?
    /// On whose behalf it is.
    public var tenant: String
    /// How long the work will probably take.
    public var expectedProcessing: Duration?
    /// Anything that scorers of the program's own look at.
    public var metadata: [String: String]
    /// Time since it was enqueued, when the store answered.
    public var age: Duration
    /// How often it has been handed out; a message that is being handed out counts this time too.
    public var receiveCount: Int
    /// What went wrong last time.
    public var lastError: String?

    /// Attributes of a message that has just arrived, unless said otherwise.
    public init(
        id: String,
        sequence: UInt64,
        priority: Priority,
        estimatedTokens: Int,
        model: String? = nil,
        tenant: String = "",
        expectedProcessing: Duration? = nil,
        metadata: [String: String] = [:],
        age: Duration = .zero,
        receiveCount: Int = 0,
        lastError: String? = nil
    ) {
        self.id = id
        self.sequence = sequence
        self.priority = priority
        self.estimatedTokens = estimatedTokens
        self.model = model
        self.tenant = tenant
        self.expectedProcessing = expectedProcessing
        self.metadata = metadata
        self.age = age
        self.receiveCount = receiveCount
        self.lastError = lastError
    }
}

/// The right to work on a message: whoever shows another receipt than the newest changes nothing.
public struct Receipt: Sendable, Hashable {
    /// The message.
    public let id: String
    /// Greater than those of all receipts that the store gave before, of any message.
    public let token: UInt64

    /// A receipt as the store gives it.
    public init(id: String, token: UInt64) {
        self.id = id
        self.token = token
    }
}

/// A message on its way into a store.
public struct NewMessage<Payload: Sendable>: Sendable {
    /// Name; the store refuses it if it is known.
    public var id: String
    /// What to keep.
    public var payload: Payload
    /// How important the message is.
    public var priority: Priority
    /// Tokens that it will probably use.
    public var estimatedTokens: Int
    /// The model that it is for.
    public var model: String?
    /// On whose behalf it is.
    public var tenant: String
    /// How long the work will probably take.
    public var expectedProcessing: Duration?
    /// How long the message waits, from now, before it may be handed out.
    public var delay: Duration
    /// How long, from now, it may be handed out; `nil`: for ever.
    public var timeToLive: Duration?
    /// Anything that scorers of the program's own look at.
    public var metadata: [String: String]
    /// For how long after it has ended the name is refused a second time.
    public var remembered: Duration

    /// A message that can be handed out at once, unless said otherwise.
    public init(
        id: String,
        payload: Payload,
        priority: Priority = .normal,
        estimatedTokens: Int = 0,
        model: String? = nil,
        tenant: String = "",
        expectedProcessing: Duration? = nil,
        delay: Duration = .zero,
        timeToLive: Duration? = nil,
        metadata: [String: String] = [:],
        remembered: Duration = .zero
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
        self.metadata = metadata
        self.remembered = remembered
    }
}

/// A message that waits, as a store describes it to whoever chooses.
public struct Candidate<Payload: Sendable>: Sendable {
    /// What is known of it.
    public var attributes: MessageAttributes
    /// Its payload, if the query asked for payloads.
    public var payload: Payload?

    /// One row of an answer.
    public init(attributes: MessageAttributes, payload: Payload?) {
        self.attributes = attributes
        self.payload = payload
    }
}

/// A message and the right to work on it.
public struct ClaimedMessage<Payload: Sendable>: Sendable {
    /// The right to work on it, until the lease lapses.
    public var receipt: Receipt
    /// What is known of it; `receiveCount` counts this time.
    public var attributes: MessageAttributes
    /// What was enqueued.
    public var payload: Payload

    /// What `claim` answers.
    public init(receipt: Receipt, attributes: MessageAttributes, payload: Payload) {
        self.receipt = receipt
        self.attributes = attributes
        self.payload = payload
    }
}

/// Why a message will not be handed out again by itself.
public enum DeadLetterReason: String, Sendable, Hashable, CaseIterable {
    /// It failed, or its consumer vanished, as often as the policy allows.
    case tooManyReceives = "too_many_receives"
    /// It failed in a way that another attempt does not change.
    case permanentFailure = "permanent_failure"
    /// Its time to live ended while it waited.
    case expired
}

/// A message that will not be handed out again by itself.
public struct DeadLetter<Payload: Sendable>: Sendable {
    /// What is known of it.
    public var attributes: MessageAttributes
    /// What was enqueued.
    public var payload: Payload
    /// Why it died.
    public var reason: DeadLetterReason

    /// One row of an answer.
    public init(attributes: MessageAttributes, payload: Payload, reason: DeadLetterReason) {
        self.attributes = attributes
        self.payload = payload
        self.reason = reason
    }
}
