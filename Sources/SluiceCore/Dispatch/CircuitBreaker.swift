import SluiceBasics

/// What an attempt says about the backend's health.
package enum BackendVerdict: Sendable, Equatable {
    case healthy
    case failing
    /// Says nothing: the client's fault, a request for patience, or cut short by us.
    case neutral
}

/// Keeps work from a backend that fails, and lets it back one probe at a time.
///
/// `closed` → `open` on consecutive failures or on the failure ratio of a window; `open` → `half_open` after a while;
/// `half_open` → `closed` after enough healthy probes, → `open` at the first failing one. Verdicts of calls that began
/// before the last transition are ignored: a slow failure of yesterday's outage says nothing about today.
package struct CircuitBreaker: Sendable {
    private enum Phase: Sendable {
        case closed
        case open(until: Instant)
        case halfOpen(isProbing: Bool, healthy: Int)
    }

    package let configuration: BreakerConfiguration
    private var phase = Phase.closed
    private var generation: UInt32 = 0
    private var window: RollingRatio
    package private(set) var consecutiveFailures = 0
    package private(set) var timesOpened = 0

    package init(_ configuration: BreakerConfiguration) {
        self.configuration = configuration
        self.window = RollingRatio(window: configuration.window)
    }

    package var state: BreakerState {
        switch self.phase {
        case .closed: .closed
        case .open: .open
        case .halfOpen: .halfOpen
        }
    }

    package var openUntil: Instant? {
        guard case .open(let until) = self.phase else { return nil }
        return until
    }

    /// Whether a call could be made now.
    package func admits(at now: Instant) -> Bool {
        switch self.phase {
        case .closed: true
        case .open(let until): until <= now
        case .halfOpen(let isProbing, _): !isProbing
        }
    }

    /// Leave for one call; has to come back through `settle`.
    package mutating func permit(at now: Instant) -> BreakerPermit? {
        switch self.phase {
        case .closed:
            return BreakerPermit(generation: self.generation, isProbe: false)
        case .open(let until):
            guard until <= now else { return nil }
            self.generation &+= 1
            self.phase = .halfOpen(isProbing: true, healthy: 0)
            return BreakerPermit(generation: self.generation, isProbe: true)
        case .halfOpen(let isProbing, let healthy):
            guard !isProbing else { return nil }
            self.phase = .halfOpen(isProbing: true, healthy: healthy)
            return BreakerPermit(generation: self.generation, isProbe: true)
        }
    }

    package mutating func settle(_ permit: BreakerPermit, _ verdict: BackendVerdict, at now: Instant) {
        guard permit.generation == self.generation else { return }
        switch self.phase {
        case .closed: self.settleClosed(verdict, at: now)
        case .open: break
        case .halfOpen(_, let healthy):
            switch verdict {
            case .neutral: self.phase = .halfOpen(isProbing: false, healthy: healthy)
            case .failing:
                self.consecutiveFailures += 1
                self.open(at: now)
            case .healthy:
                guard healthy + 1 >= self.configuration.probesToClose else {
                    self.phase = .halfOpen(isProbing: false, healthy: healthy + 1)
                    return
                }
                self.generation &+= 1
                self.phase = .closed
                self.consecutiveFailures = 0
                self.window.clear()
            }
        }
    }

    private mutating func settleClosed(_ verdict: BackendVerdict, at now: Instant) {
        switch verdict {
        case .neutral: return
        case .healthy:
            self.consecutiveFailures = 0
            self.window.count(at: now)
            return
        case .failing:
            self.consecutiveFailures += 1
            self.window.count(at: now)
            self.window.mark(at: now)
        }
        let calls = self.window.total
        let isRatioExceeded =
            calls >= self.configuration.minimumCalls
            && Double(self.window.marked) >= self.configuration.failureRatio * Double(calls)
        if self.consecutiveFailures >= self.configuration.consecutiveFailures || isRatioExceeded { self.open(at: now) }
    }

    private mutating func open(at now: Instant) {
        self.generation &+= 1
        self.timesOpened += 1
        self.phase = .open(until: now + self.configuration.openFor)
        self.window.clear()
    }
}
