/// What a queue asks of a store before it chooses.
public struct CandidateQuery: Sendable, Hashable {
    /// How many candidates to answer at most.
    public var limit: Int
    /// Candidates need no more tokens than this; `nil`: any number.
    public var maximumTokens: Int?
    /// For candidates of the models named here, what is left of these models' own limits; less than 0: none may start.
    public var modelTokens: [String: Int]
    /// The oldest message is looked for among those that need no more than this; `nil`: among all.
    public var capacity: Int?
    /// Whether candidates carry their payloads.
    public var needsPayloads: Bool

    /// A query for any candidates, unless said otherwise.
    public init(
        limit: Int,
        maximumTokens: Int? = nil,
        modelTokens: [String: Int] = [:],
        capacity: Int? = nil,
        needsPayloads: Bool = false
    ) {
        self.limit = limit
        self.maximumTokens = maximumTokens
        self.modelTokens = modelTokens
        self.capacity = capacity
        self.needsPayloads = needsPayloads
    }

    /// Whether a message may be among the candidates.
    public func admits(tokens: Int, model: String?) -> Bool {
        if let maximumTokens = self.maximumTokens, tokens > maximumTokens { return false }
        guard let model, let room = self.modelTokens[model] else { return true }
        return room >= 0 && tokens <= room
    }
}

/// What a store has to offer.
public struct CandidateList<Payload: Sendable>: Sendable {
    /// Messages that wait and fit the query, the first by priority and age; nothing is claimed.
    public var candidates: [Candidate<Payload>]
    /// The oldest message that waits, whether it fits `maximumTokens` or not, of those within the query's `capacity`
    /// that their model's own limit lets through: tokens are saved for it when it has waited for too long.
    public var oldest: Candidate<Payload>?
    /// The oldest message that waits and that the query admits; `nil`: there is none, or the store cannot tell.
    public var oldestAdmitted: Candidate<Payload>?
    /// Tokens of the smallest message that waits, whether it fits or not: for each model that the query names, and
    /// under `""` for all others together. Without those of which none waits.
    public var smallest: [String: Int]
    /// Time until a message becomes ready by itself: its delay ends, or the lease of a lost consumer lapses.
    /// `nil`: nothing is delayed or leased.
    public var nextChange: Duration?

    /// An empty list, unless said otherwise.
    public init(
        candidates: [Candidate<Payload>] = [],
        oldest: Candidate<Payload>? = nil,
        oldestAdmitted: Candidate<Payload>? = nil,
        smallest: [String: Int] = [:],
        nextChange: Duration? = nil
    ) {
        self.candidates = candidates
        self.oldest = oldest
        self.oldestAdmitted = oldestAdmitted
        self.smallest = smallest
        self.nextChange = nextChange
    }
}

/// What a store counts.
public struct StorageStatistics: Sendable, Hashable {
    /// Messages that can be handed out now, by priority from urgent to low.
    public var readyByPriority: [Int]
    /// Messages whose delay has not ended.
    public var delayed: Int
    /// Messages under a lease.
    public var inFlight: Int
    /// Dead letters.
    public var dead: Int
    /// Age of the oldest message that can be handed out now; `nil`: none.
    public var oldestAge: Duration?
    /// Time until a delay ends or a lease lapses.
    public var nextChange: Duration?

    /// An empty store, unless said otherwise.
    public init(
        readyByPriority: [Int] = [0, 0, 0, 0],
        delayed: Int = 0,
        inFlight: Int = 0,
        dead: Int = 0,
        oldestAge: Duration? = nil,
        nextChange: Duration? = nil
    ) {
        self.readyByPriority = readyByPriority
        self.delayed = delayed
        self.inFlight = inFlight
        self.dead = dead
        self.oldestAge = oldestAge
        self.nextChange = nextChange
    }

    /// Messages that can be handed out now.
    public var ready: Int { self.readyByPriority.reduce(0, +) }

    /// Messages that wait, now or until their delay ends.
    public var queued: Int { self.ready + self.delayed }
}
