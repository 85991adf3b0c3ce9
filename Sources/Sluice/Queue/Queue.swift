import SluiceBasics
import SluiceCore

/// Work that waits, and the choice of what runs next.
///
///     let queue = try Queue<Prompt>.inMemory()
///     let limiter = try RateLimiter(RateLimit(requestsPerMinute: 60, tokensPerMinute: 10_000))
///     try await queue.enqueue(QueueRequest(payload: prompt, priority: .high, estimatedTokens: 150))
///     while let message = try await queue.next(under: limiter) {
///         do {
///             let answer = try await callModel(message.payload)
///             try await message.complete(actualTokens: answer.tokens)
///         } catch {
///             try await message.fail(error)
///         }
///     }
///
/// A message that was handed out is leased: nobody else gets it until it is settled, or its lease lapses because its
/// consumer is gone. It was reserved with the limiter when it was chosen, and is settled there with the tokens that it
/// really used.
///
/// DESIGN. The store keeps the messages; the queue keeps what concerns this process alone, behind one lock: which
/// messages its consumers work on, when their leases have to be renewed, counts. Nothing outside is called while the
/// lock is held. Dequeues of several consumers do not wait for one another: each looks, reserves, claims, and begins
/// anew when somebody else was faster, which means that somebody got work.
public final class Queue<Payload: Sendable>: Sendable {
    /// Where the messages lie.
    public let storage: any QueueStorage<Payload>
    /// The same, if it chooses itself.
    let chooser: (any ChoosingStorage<Payload>)?
    let scorers: [any QueueScorer<Payload>]
    let observer: (@Sendable (QueueEvent) -> Void)?
    let clock: QueueClock
    let bell = Doorbell()
    let state: Lock<QueueState<Payload>>
    let caretaker: Caretaker
    /// Whether the store says when it changes.
    let storageTells: Bool
    /// Rung when a stopped queue's last message is settled.
    let drained = Doorbell()
    let ear: Ear

    /// - Parameters:
    ///   - storage: where messages lie; several queues may share one.
    ///   - policy: how to choose, see the presets of ``QueuePolicy``.
    ///   - scorers: scorers of the program's own, beside the six.
    ///   - clock: the time that leases, delays and waits are measured by; the store's, too.
    ///   - observer: told what happens, on whatever thread it happens, outside of all locks.
    /// - Throws: the first setting of the policy that makes no sense.
    public init(
        storage: any QueueStorage<Payload>,
        policy: QueuePolicy = .default,
        scorers: [any QueueScorer<Payload>] = [],
        clock: any Clock<Duration> = ContinuousClock(),
        observer: (@Sendable (QueueEvent) -> Void)? = nil
    ) throws(PolicyFault) {
        try policy.validate()
        if let scorer = scorers.first(where: { !$0.weight.isFinite }) {
            throw PolicyFault("weight of scorer \(scorer.name)", "\(scorer.weight)", "finite")
        }
        self.storage = storage
        self.chooser = storage as? any ChoosingStorage<Payload>
        self.scorers = scorers
        self.observer = observer
        self.clock = QueueClock(clock)
        var generator = SystemRandomNumberGenerator()
        self.state = Lock(QueueState(policy: policy, seed: generator.next()))
        self.caretaker = Caretaker()
        self.ear = Ear(bell: self.bell)
        self.storageTells = storage.listen(self.ear)
        storage.adopt(policy)
    }

    deinit { self.caretaker.stop() }

    /// What the store tells; the store must not keep the queue alive.
    final class Ear: StorageListener {
        private let bell: Doorbell
        private let count = Lock<UInt64>(0)

        init(bell: Doorbell) { self.bell = bell }

        var changes: UInt64 { self.count.withLock { $0 } }

        func storageChanged() {
            self.count.withLock { $0 &+= 1 }
            self.bell.ring()
        }
    }

    /// How the queue chooses now.
    public var policy: QueuePolicy { self.state.withLock { $0.policy } }

    /// Goes by another policy from now on. Nothing that waits or is worked on is lost; leases that were given keep
    /// their length until they are renewed.
    public func configure(_ policy: QueuePolicy) throws(PolicyFault) {
        try policy.validate()
        self.state.withLock { state in
            if policy.metricsRetention != state.policy.metricsRetention {
                state.book.wait = RecentHistogram(retention: policy.metricsRetention)
                state.book.service = RecentHistogram(retention: policy.metricsRetention)
            }
            state.policy = policy
        }
        self.storage.adopt(policy)
        self.bell.ringAll()
    }

    @inline(__always)
    func tell(_ event: @autoclosure () -> QueueEvent) {
        if let observer = self.observer { observer(event()) }
    }
}

// Presets.
extension Queue {
    /// A queue in the memory of this process. The policy is the caller's, preset or not.
    public static func inMemory(
        policy: QueuePolicy = .default,
        scorers: [any QueueScorer<Payload>] = [],
        clock: any Clock<Duration> = ContinuousClock()
    ) throws(PolicyFault) -> Queue {
        try Queue(storage: InMemoryStorage(clock: clock), policy: policy, scorers: scorers, clock: clock)
    }

    /// ``QueuePolicy/prefetching``; `change` has the last word on every setting.
    public static func prefetching(
        storage: any QueueStorage<Payload>,
        scorers: [any QueueScorer<Payload>] = [],
        clock: any Clock<Duration> = ContinuousClock(),
        _ change: (inout QueuePolicy) -> Void = { _ in }
    ) throws(PolicyFault) -> Queue {
        try Queue(storage: storage, policy: QueuePolicy.prefetching.with(change), scorers: scorers, clock: clock)
    }

    /// ``QueuePolicy/simplePriority``; `change` has the last word on every setting.
    public static func simplePriority(
        storage: any QueueStorage<Payload>,
        scorers: [any QueueScorer<Payload>] = [],
        clock: any Clock<Duration> = ContinuousClock(),
        _ change: (inout QueuePolicy) -> Void = { _ in }
    ) throws(PolicyFault) -> Queue {
        try Queue(storage: storage, policy: QueuePolicy.simplePriority.with(change), scorers: scorers, clock: clock)
    }

    /// ``QueuePolicy/throughputOptimized``; `change` has the last word on every setting.
    public static func throughputOptimized(
        storage: any QueueStorage<Payload>,
        scorers: [any QueueScorer<Payload>] = [],
        clock: any Clock<Duration> = ContinuousClock(),
        _ change: (inout QueuePolicy) -> Void = { _ in }
    ) throws(PolicyFault) -> Queue {
        let policy = QueuePolicy.throughputOptimized.with(change)
        return try Queue(storage: storage, policy: policy, scorers: scorers, clock: clock)
    }

    /// ``QueuePolicy/fair``; `change` has the last word on every setting.
    public static func fair(
        storage: any QueueStorage<Payload>,
        scorers: [any QueueScorer<Payload>] = [],
        clock: any Clock<Duration> = ContinuousClock(),
        _ change: (inout QueuePolicy) -> Void = { _ in }
    ) throws(PolicyFault) -> Queue {
        try Queue(storage: storage, policy: QueuePolicy.fair.with(change), scorers: scorers, clock: clock)
    }
}
