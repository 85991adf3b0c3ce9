import SluiceBasics

/// How a queue chooses, for how long it leases, what it refuses, and what it does about failures.
///
/// Start from a preset and change what you like: nothing that you set is overridden.
///
///     var policy = QueuePolicy.throughputOptimized
///     policy.candidates = 30
///     policy.weights.merge(priority: 0.3)
public struct QueuePolicy: Sendable, Hashable {
    /// Which of the messages that wait is next.
    public enum Order: Sendable, Hashable {
        /// By age alone.
        case fifo
        /// By priority, then age.
        case priority
        /// By the sum of the weighted scorers; equal scores by priority, then age.
        case scored
    }

    /// How leases are kept alive while a message is worked on.
    public enum Renewal: Sendable, Hashable {
        /// By the queue, every third of the lease, until the message is settled or let go of, for at most `limit`.
        case automatic(limit: Duration)
        /// By whoever works on it, with `extend(by:)`.
        case manual
    }

    /// Fetching ahead, for stores that are far away.
    public struct Prefetch: Sendable, Hashable {
        /// Messages that are held ready at most, 1 to 10,000.
        public var bufferSize: Int
        /// Messages that nobody has taken for so long are given back.
        public var patience: Duration

        /// A buffer of 50.
        public init(bufferSize: Int = 50, patience: Duration = .milliseconds(500)) {
            self.bufferSize = bufferSize
            self.patience = patience
        }
    }

    /// How capacity is shared between tenants, by virtual token counters, in stores that can: ``InMemoryStorage`` does.
    public struct Sharing: Sendable, Hashable {
        /// Shares relative to one another, more than 0; who is not named has `defaultWeight`.
        public var weights: [String: Double]
        /// Share of tenants that are not named.
        public var defaultWeight: Double
        /// Messages of one tenant that may be worked on at once; `nil`: any number.
        public var maximumInFlight: Int?

        /// Equal shares.
        public init(weights: [String: Double] = [:], defaultWeight: Double = 1, maximumInFlight: Int? = nil) {
            self.weights = weights
            self.defaultWeight = defaultWeight
            self.maximumInFlight = maximumInFlight
        }
    }

    /// What a queue refuses at the door.
    public struct Bounds: Sendable, Hashable {
        /// More than any limiter will ever admit at once: work that needs more could never run. `nil`: not known.
        public var capacity: Int?
        /// Largest `payloadBytes` of a request; `nil`: any.
        public var payloadBytes: Int?
        /// Longest id, in bytes of UTF-8.
        public var idBytes: Int
        /// Longest delay and longest time to live.
        public var delay: Duration

        /// No capacity, ids of up to 256 bytes, delays of up to 15 days.
        public init(
            capacity: Int? = nil,
            payloadBytes: Int? = nil,
            idBytes: Int = 256,
            delay: Duration = .seconds(15 * 86_400)
        ) {
            self.capacity = capacity
            self.payloadBytes = payloadBytes
            self.idBytes = idBytes
            self.delay = delay
        }
    }

    /// Which message is next.
    public var order: Order
    /// How much each of the six scorers counts when `order` is scored. At least one is more than 0; all are finite.
    public var weights: ScoringWeights
    /// A message that scores less is handed out only when nothing scores more; it is never held back while there is
    /// room. The answer says so.
    public var minimumScore: Double
    /// How many messages are scored in order of priority and age, 1 to 1,000. Something that fits is found beyond.
    public var candidates: Int
    /// Who has waited longer goes by age alone, and tokens are kept for it.
    public var maximumWait: Duration
    /// How long a message belongs to the consumer that got it, at least a millisecond.
    public var lease: Duration
    /// Who keeps leases alive.
    public var renewal: Renewal
    /// What happens after failures.
    public var retry: RetryRules
    /// Messages worked on at once by consumers of this queue; `nil`: any number.
    public var maximumInFlight: Int?
    /// Fetching ahead; `nil`: none.
    public var prefetch: Prefetch?
    /// How capacity is shared between tenants; `nil`: all requests are one crowd.
    public var sharing: Sharing?
    /// What is refused.
    public var bounds: Bounds
    /// For how long the id of a request that has ended is refused a second time.
    public var deduplicationWindow: Duration
    /// For how long percentiles of waiting and service times remember, a second at least.
    public var metricsRetention: Duration
    /// How often somebody who waits asks a store that cannot tell when it changes.
    public var storagePolling: Duration

    /// The default preset, unless said otherwise.
    public init(
        order: Order = .scored,
        weights: ScoringWeights = .balanced,
        minimumScore: Double = 0.1,
        candidates: Int = 20,
        maximumWait: Duration = .seconds(300),
        lease: Duration = .seconds(30),
        renewal: Renewal = .automatic(limit: .seconds(3_600)),
        retry: RetryRules = RetryRules(),
        maximumInFlight: Int? = nil,
        prefetch: Prefetch? = nil,
        sharing: Sharing? = nil,
        bounds: Bounds = Bounds(),
        deduplicationWindow: Duration = .seconds(300),
        metricsRetention: Duration = .seconds(300),
        storagePolling: Duration = .seconds(1)
    ) {
        self.order = order
        self.weights = weights
        self.minimumScore = minimumScore
        self.candidates = candidates
        self.maximumWait = maximumWait
        self.lease = lease
        self.renewal = renewal
        self.retry = retry
        self.maximumInFlight = maximumInFlight
        self.prefetch = prefetch
        self.sharing = sharing
        self.bounds = bounds
        self.deduplicationWindow = deduplicationWindow
        self.metricsRetention = metricsRetention
        self.storagePolling = storagePolling
    }
}

/// A setting that makes no sense.
public struct PolicyFault: Error, Sendable, Hashable, CustomStringConvertible {
    /// Name of the setting.
    public var setting: String
    /// What it was set to.
    public var value: String
    /// What it has to be.
    public var expected: String

    init(_ setting: String, _ value: String, _ expected: String) {
        self.setting = setting
        self.value = value
        self.expected = expected
    }

    /// One sentence.
    public var description: String { "\(self.setting) is \(self.value), and has to be \(self.expected)" }
}

extension QueuePolicy {
    /// A bit of everything.
    public static let `default` = QueuePolicy()
    /// Fetches ahead, up to 100 messages.
    public static let prefetching = QueuePolicy(prefetch: Prefetch(bufferSize: 100))
    /// Priority before all else.
    public static let simplePriority = QueuePolicy(weights: .simplePriority)
    /// Fills the token budget as well as it can: 50 candidates, a buffer of 200.
    public static let throughputOptimized = QueuePolicy(
        weights: .throughputOptimized,
        candidates: 50,
        prefetch: Prefetch(bufferSize: 200)
    )
    /// Who has waited longest counts most.
    public static let fair = QueuePolicy(weights: .fair)

    /// This policy with some settings changed.
    public func with(_ change: (inout QueuePolicy) -> Void) -> QueuePolicy {
        var changed = self
        change(&changed)
        return changed
    }

    /// Throws the first setting that makes no sense.
    public func validate() throws(PolicyFault) {
        if let fault = self.fault { throw fault }
    }

    private var fault: PolicyFault? {
        let weights = [
            self.weights.priority, self.weights.efficiency, self.weights.waitTime, self.weights.retry,
            self.weights.tokenFit, self.weights.processingTime,
        ]
        if !weights.allSatisfy({ $0.isFinite && $0.magnitude <= 1e9 }) {
            return PolicyFault("weights", "\(weights)", "six finite numbers")
        }
        if !self.minimumScore.isFinite { return PolicyFault("minimumScore", "\(self.minimumScore)", "finite") }
        if !(1...1_000).contains(self.candidates) {
            return PolicyFault("candidates", "\(self.candidates)", "between 1 and 1000")
        }
        if self.maximumWait < .zero { return PolicyFault("maximumWait", "\(self.maximumWait)", "not negative") }
        if self.lease < .milliseconds(1) { return PolicyFault("lease", "\(self.lease)", "at least a millisecond") }
        if case .automatic(let limit) = self.renewal, limit < .zero {
            return PolicyFault("renewal", "\(limit)", "not negative")
        }
        if let maximum = self.maximumInFlight, maximum < 1 {
            return PolicyFault("maximumInFlight", "\(maximum)", "at least 1")
        }
        if let prefetch = self.prefetch, !(1...10_000).contains(prefetch.bufferSize) || prefetch.patience <= .zero {
            return PolicyFault("prefetch", "\(prefetch)", "a buffer of 1 to 10000, and a patience of more than zero")
        }
        if let sharing = self.sharing {
            let shares = Array(sharing.weights.values) + [sharing.defaultWeight]
            if !shares.allSatisfy({ $0.isFinite && $0 > 0 }) || (sharing.maximumInFlight ?? 1) < 1 {
                return PolicyFault("sharing", "\(shares)", "weights of more than 0, and a cap of at least 1")
            }
        }
        if let capacity = self.bounds.capacity, capacity < 0 {
            return PolicyFault("bounds.capacity", "\(capacity)", "not negative")
        }
        if !(1...4_096).contains(self.bounds.idBytes) {
            return PolicyFault("bounds.idBytes", "\(self.bounds.idBytes)", "between 1 and 4096")
        }
        if self.metricsRetention < .seconds(1) {
            return PolicyFault("metricsRetention", "\(self.metricsRetention)", "at least a second")
        }
        if self.storagePolling < .milliseconds(1) {
            return PolicyFault("storagePolling", "\(self.storagePolling)", "at least a millisecond")
        }
        return self.retry.fault
    }

    /// The same for an index of what waits.
    var scheduling: SchedulingPolicy {
        let order: SchedulingPolicy.Order =
            switch self.order {
            case .fifo: .fifo
            case .priority: .priority
            case .scored: .scored(self.weights)
            }
        return SchedulingPolicy(
            order: order,
            minimumScore: self.minimumScore,
            candidates: self.candidates,
            maximumWait: self.maximumWait
        )
    }

    var tenants: TenantPolicy {
        guard let sharing = self.sharing else { return TenantPolicy(isFair: false) }
        return TenantPolicy(
            isFair: true,
            weights: sharing.weights,
            defaultWeight: sharing.defaultWeight,
            maximumInFlight: sharing.maximumInFlight
        )
    }
}

extension ScoringWeights {
    /// Sets the weights that are given and keeps the others. To replace all six, assign a new value.
    public mutating func merge(
        priority: Double? = nil,
        efficiency: Double? = nil,
        waitTime: Double? = nil,
        retry: Double? = nil,
        tokenFit: Double? = nil,
        processingTime: Double? = nil
    ) {
        self.priority = priority ?? self.priority
        self.efficiency = efficiency ?? self.efficiency
        self.waitTime = waitTime ?? self.waitTime
        self.retry = retry ?? self.retry
        self.tokenFit = tokenFit ?? self.tokenFit
        self.processingTime = processingTime ?? self.processingTime
    }
}
