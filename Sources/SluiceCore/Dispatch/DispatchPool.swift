import SluiceBasics

/// One pool inside the dispatch machine.
struct DispatchPool: Sendable {
    var configuration: PoolConfiguration
    var mode = PoolMode.running
    /// Index of its backend.
    let backend: Int
    var queue: InMemoryQueue
    /// The backend asked for patience until then.
    var throttledUntil = Instant.zero
    var service = ServiceRate()
    /// Starts, and retries as marks, within the last minute.
    var budget = RollingRatio(window: .seconds(60))
    var attemptsStarted: UInt64 = 0
    var retries: UInt64 = 0
    var rejections = OutcomeCounts()
    var limit: PoolLimit
    /// Nothing of what waits fits what the backend's provider allows before.
    var laneDue: Instant?
    /// How many more requests the backend takes, and how many in all, if its concurrency adapts.
    var room = Int.max
    var ceiling = Int.max
    var shedding: SheddingController
    /// `nil`: everything goes to the one backend.
    var router: Router?

    init(_ configuration: PoolConfiguration, index: Int, backend: Int) {
        self.limit = PoolLimit(configuration.scheduling.limit, now: .zero)
        self.shedding = SheddingController(configuration.scheduling.shedding)
        self.configuration = configuration
        self.router = configuration.route.map { Router($0) }
        self.backend = backend
        self.queue = InMemoryQueue(rules: Self.rules(configuration, self.limit), pool: UInt16(index))
    }

    static func rules(_ configuration: PoolConfiguration, _ limit: PoolLimit) -> QueueRules {
        QueueRules(
            order: configuration.order,
            policy: configuration.scheduling.policy,
            tenants: configuration.scheduling.tenants,
            tokenCapacity: limit.tokenCapacity,
            maximumRequests: configuration.maximumRequests,
            maximumBytes: configuration.maximumBytes,
            maximumRequestsPerTenant: configuration.maximumRequestsPerTenant,
            // The machine decides on attempts, and its shell keeps no payload that could be driven again.
            maximumAttempts: .max,
            replay: configuration.retry.mode,
            maximumDead: 0
        )
    }

    // `mutating` though they change nothing: a mutable path to an element of an array borrows it, a plain one copies
    // all of its collections, always in debug builds and often in others.

    mutating func freeSlots() -> Int { max(0, min(self.room, self.configuration.slots - self.queue.stats.inFlight)) }
    /// As many as can be in flight.
    mutating func slots() -> Int { min(self.ceiling, self.configuration.slots) }
    mutating func readyCount() -> Int { self.queue.stats.queued - self.queue.stats.delayed }

    mutating func mayClaim(at now: Instant) -> Bool {
        self.readyCount() > 0 && self.freeSlots() > 0 && self.mode != .paused && self.throttledUntil <= now
            && self.limit.mayStart(at: now) && self.routeAdmits(at: now)
    }

    /// Whether one of its targets can be asked.
    mutating func routeAdmits(at now: Instant) -> Bool { self.router?.admits(at: now) ?? true }

    /// When one of them can be; `nil` when one can now, or nobody knows.
    mutating func routeOpens(after now: Instant) -> Instant? {
        self.routeAdmits(at: now) ? nil : self.router?.opens(after: now)
    }

    mutating func balances() -> Bool { self.queue.stats.balances }
    mutating func stats() -> QueueStats { self.queue.stats }

    /// When time alone changes something here, not counting the breaker.
    mutating func nextDue(after now: Instant) -> Instant {
        var due = self.queue.nextDue.map { max($0, now) } ?? .distantFuture
        guard self.readyCount() > 0 else { return due }
        if let shed = self.shedding.due { due = min(due, max(shed, now)) }
        if let lane = self.laneDue, lane > now { due = min(due, lane) }
        if let open = self.routeOpens(after: now) { due = min(due, open) }
        let gate = max(self.throttledUntil, self.limit.due ?? .zero)
        return gate > now ? min(due, gate) : due
    }

    mutating func budgetAllowsRetry(at now: Instant) -> Bool {
        self.budget.advance(to: now)
        let allowed = Int(Double(self.budget.total) * self.configuration.retry.budgetRatio)
        return self.budget.marked < max(self.configuration.retry.budgetFloor, allowed)
    }

    /// When half of a full queue should have drained, for `Retry-After`.
    var relief: Duration {
        guard let mean = self.service.average, self.configuration.slots > 0 else { return .seconds(1) }
        let backlog = Double(self.queue.stats.queued) / 2 / Double(self.configuration.slots)
        return .nanoseconds(min(60_000_000_000, max(1_000_000_000, Int64(Double(mean.wholeNanoseconds) * backlog))))
    }
}

/// One backend inside the dispatch machine.
struct DispatchBackend: Sendable {
    let name: String
    var breaker: CircuitBreaker
    var lanes = ProviderLanes()
    /// `nil`: as many as its pools have slots.
    var concurrency: ConcurrencyLimit?
    /// Pools that call it, in order of configuration.
    var pools: [Int] = []
    /// Which of them is asked first next time, so that none starves the others of probes.
    var turn = 0
    /// The breaker changed since all of them were last asked.
    var hasChanged = false
}
