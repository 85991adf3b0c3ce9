import SluiceBasics

package enum BreakerState: String, Sendable, CaseIterable {
    case closed
    case open
    case halfOpen = "half_open"
}

package struct BreakerStatus: Sendable, Equatable {
    package var backend: String
    package var state: BreakerState
    package var consecutiveFailures: Int
    /// Until the next probe; `nil` unless open.
    package var opensProbeIn: Duration?
    /// How often it has opened since start.
    package var timesOpened: Int

    package init(
        backend: String,
        state: BreakerState,
        consecutiveFailures: Int,
        opensProbeIn: Duration?,
        timesOpened: Int
    ) {
        self.backend = backend
        self.state = state
        self.consecutiveFailures = consecutiveFailures
        self.opensProbeIn = opensProbeIn
        self.timesOpened = timesOpened
    }
}

package enum PoolMode: String, Sendable, CaseIterable {
    case running
    /// Accepts, does not start.
    case paused
    /// Finishes what it has, accepts nothing.
    case draining
}

/// How many requests a backend gets at once, when that follows from its latency.
package struct ConcurrencyStatus: Sendable, Equatable {
    /// Requests in flight at most, at the backend; its pools share them.
    package var limit: Int
    /// How many times longer than on an unloaded backend requests take; `nil` while that is not known.
    package var stretch: Double?
    /// What the limit is doing: learning, growing, steady, unused, shrinking, refused, failing or probing.
    package var movement: String

    package init(limit: Int, stretch: Double?, movement: String) {
        self.limit = limit
        self.stretch = stretch
        self.movement = movement
    }
}

/// A pool at one instant. Its books balance: `accepted + redriven = live + sum(outcomes)`.
package struct PoolStatus: Sendable, Equatable {
    package var configuration: PoolConfiguration
    package var mode: PoolMode
    package var queued: Int
    /// Claimed, started or streaming.
    package var inFlight: Int
    package var bytes: Int
    package var oldestQueuedAge: Duration?
    package var breaker: BreakerStatus
    package var accepted: UInt64
    package var redriven: UInt64
    /// Count per reason, rejections included, in the order of `OutcomeReason.allCases`.
    package var ended: [OutcomeReason: UInt64]
    package var attemptsStarted: UInt64
    package var retries: UInt64
    /// Mean time from claim to end of recent requests; `nil` before the first.
    package var meanServiceTime: Duration?
    /// `nil`: as many as there are slots.
    package var concurrency: ConcurrencyStatus?
    /// Requests in flight at most at the backend, of all its pools that share such a limit; `nil`: this one does not.
    package var backendLimit: Int?
    /// Whether what is least important is being given up, because the rest waits too long.
    package var isShedding = false
    /// What holds back the head of the queue; `nil` when nothing is queued.
    package var waitingReason: WaitingReason?
    /// Empty when there is only the one backend.
    package var targets: [RouteTargetStatus] = []
    /// Second calls, and how many of them came first.
    package var hedges: UInt64 = 0
    package var hedgesWon: UInt64 = 0

    package init(configuration: PoolConfiguration, breaker: BreakerStatus) {
        self.configuration = configuration
        self.mode = .running
        self.queued = 0
        self.inFlight = 0
        self.bytes = 0
        self.breaker = breaker
        self.accepted = 0
        self.redriven = 0
        self.ended = [:]
        self.attemptsStarted = 0
        self.retries = 0
    }
}
