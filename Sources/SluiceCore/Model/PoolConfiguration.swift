/// The order in which a pool's requests run.
package enum QueueOrder: String, Sendable, CaseIterable {
    /// By age alone.
    case fifo
    /// By priority, then age.
    case priority
}

/// Whether an attempt that may have reached the backend is repeated.
package enum RetryMode: String, Sendable, CaseIterable {
    /// Connection failures, 5xx, timeouts and broken answers are retried.
    case auto
    /// At most once: only failures before anything was sent, and refusals by status 429 or 503, are retried.
    case neverAfterSend = "never-after-send"
}

package struct RetryPolicy: Sendable, Equatable {
    package var mode: RetryMode
    /// Backend calls per request, the first included. At least 1.
    package var maximumAttempts: Int
    /// Delay before attempt n+1 is uniform in 0...min(maximumDelay, baseDelay · 2ⁿ⁻¹).
    package var baseDelay: Duration
    package var maximumDelay: Duration
    /// Longest `Retry-After` that is honoured as it is.
    package var maximumRetryAfter: Duration
    /// Retries over starts within a minute; beyond it failures are final. 0.2 is 20 %.
    package var budgetRatio: Double
    /// Retries a minute that are always allowed, so that a quiet pool can retry at all.
    package var budgetFloor: Int
    /// Refusals by 429 or 503 that do not count as attempts; the next one ends the request, however far its deadline
    /// is. With the other defaults 20 are ten minutes at least: refusal n+1 comes no sooner than
    /// min(maximumDelay, baseDelay · 2ⁿ) / 2 after the one before.
    package var maximumThrottles: Int

    package init(
        mode: RetryMode = .auto,
        maximumAttempts: Int = 3,
        baseDelay: Duration = .seconds(1),
        maximumDelay: Duration = .seconds(60),
        maximumRetryAfter: Duration = .seconds(300),
        budgetRatio: Double = 0.2,
        budgetFloor: Int = 10,
        maximumThrottles: Int = 20
    ) {
        self.mode = mode
        self.maximumAttempts = maximumAttempts
        self.baseDelay = baseDelay
        self.maximumDelay = maximumDelay
        self.maximumRetryAfter = maximumRetryAfter
        self.budgetRatio = budgetRatio
        self.budgetFloor = budgetFloor
        self.maximumThrottles = maximumThrottles
    }
}

package struct BreakerConfiguration: Sendable, Equatable {
    /// Opens after this many failures in a row.
    package var consecutiveFailures: Int
    /// Opens when this share of the calls in the window failed ...
    package var failureRatio: Double
    /// ... and the window holds at least this many calls.
    package var minimumCalls: Int
    package var window: Duration
    /// How long it stays open before a probe.
    package var openFor: Duration
    /// Successful probes, one at a time, that close it.
    package var probesToClose: Int

    package init(
        consecutiveFailures: Int = 5,
        failureRatio: Double = 0.5,
        minimumCalls: Int = 20,
        window: Duration = .seconds(30),
        openFor: Duration = .seconds(30),
        probesToClose: Int = 3
    ) {
        self.consecutiveFailures = consecutiveFailures
        self.failureRatio = failureRatio
        self.minimumCalls = minimumCalls
        self.window = window
        self.openFor = openFor
        self.probesToClose = probesToClose
    }
}

/// What a pool holds and how fast it runs.
package struct PoolConfiguration: Sendable, Equatable {
    package var name: String
    /// Name of the backend that it calls.
    package var backend: String
    /// The line in which requests stand; setting it makes it the policy as well.
    package var order: QueueOrder {
        get { self.scheduling.policy.queueOrder }
        set { self.scheduling.policy.order = newValue == .fifo ? .fifo : .priority }
    }
    /// Requests that run at once.
    package var slots: Int
    /// Queued and running requests together.
    package var maximumRequests: Int
    /// Their payloads together.
    package var maximumBytes: Int
    /// One tenant's requests, queued and running; `nil`: only the pool's own limit.
    package var maximumRequestsPerTenant: Int?
    package var retry: RetryPolicy
    /// How long a claim lasts without being extended.
    package var lease: Duration
    package var scheduling: SchedulingConfiguration
    /// Several targets instead of the one backend; stays as it is while the pool works.
    package var route: RoutePlan?

    package init(
        name: String,
        backend: String,
        order: QueueOrder? = nil,
        slots: Int = 64,
        maximumRequests: Int = 10_000,
        maximumBytes: Int = 256 << 20,
        maximumRequestsPerTenant: Int? = nil,
        retry: RetryPolicy = RetryPolicy(),
        lease: Duration = .seconds(30),
        scheduling: SchedulingConfiguration = SchedulingConfiguration(),
        route: RoutePlan? = nil
    ) {
        self.name = name
        self.backend = backend
        self.slots = slots
        self.maximumRequests = maximumRequests
        self.maximumBytes = maximumBytes
        self.maximumRequestsPerTenant = maximumRequestsPerTenant
        self.retry = retry
        self.lease = lease
        self.scheduling = scheduling
        self.route = route
        if let order { self.order = order }
    }
}

/// A backend as dispatch sees it: a name and a breaker. Addresses and keys belong to whoever calls it.
package struct BackendPolicy: Sendable, Equatable {
    package var name: String
    package var breaker: BreakerConfiguration

    package init(name: String, breaker: BreakerConfiguration = BreakerConfiguration()) {
        self.name = name
        self.breaker = breaker
    }
}
