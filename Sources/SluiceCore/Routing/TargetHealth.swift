import SluiceBasics

/// Leave to call a target, as the router gave it; has to come back.
package struct RoutePermit: Sendable, Equatable {
    /// Index in the plan.
    package let target: Int
    /// Of the target's health; what was asked before its last turn says nothing about it.
    let generation: UInt32
    /// The single call that tests a target which was left alone.
    package let isProbe: Bool
    package let isHedge: Bool
    package let at: Instant
    /// The longest that the answer, of a stream the first content, may take by our own clocks.
    package let patience: Duration?
    /// Which of the request's attempts it became; 0: none yet.
    var attempt = 0
}

/// Whether a target may be called.
///
/// `ready` → `cooling` when it fails; `cooling` → `probing` with the first call after that; `probing` → `ready` at an
/// answer, → `cooling` for twice as long at a failure. One probe is out at a time.
struct TargetHealth: Sendable {
    enum Phase: Sendable, Equatable {
        case ready
        case cooling(until: Instant)
        case probing(isOut: Bool)
    }

    private(set) var phase = Phase.ready
    private(set) var generation: UInt32 = 0
    private(set) var failures = 0
    /// How often it has been left alone without an answer in between.
    private(set) var streak = 0
    private(set) var timesCooled: UInt64 = 0
    /// Why it was last left alone.
    private(set) var cause: FailureClass?

    /// So many times as long a target is left alone in the end.
    private static let mostDoublings = 3

    func admits(at now: Instant) -> Bool {
        switch self.phase {
        case .ready: true
        case .cooling(let until): until <= now
        case .probing(let isOut): !isOut
        }
    }

    var isReady: Bool { self.phase == .ready }

    /// When it admits somebody again, as far as that is known: an answer to a probe comes when it comes.
    func opens(after now: Instant) -> Instant? {
        switch self.phase {
        case .ready: now
        case .cooling(let until): max(until, now)
        case .probing(let isOut): isOut ? nil : now
        }
    }

    /// Returns whether the call is a probe.
    mutating func depart(at now: Instant) -> Bool {
        switch self.phase {
        case .ready: return false
        case .cooling(let until):
            // Nobody else is left, so it is asked before its time.
            guard until <= now else { return false }
            self.generation &+= 1
        case .probing(let isOut):
            guard !isOut else { return false }
        }
        self.phase = .probing(isOut: true)
        return true
    }

    mutating func settle(
        _ permit: RoutePermit,
        _ sign: HealthSign,
        coolDown: Duration,
        threshold: Int,
        at now: Instant
    ) {
        guard permit.generation == self.generation else {
            // Slow news of earlier days; but that it asks for patience holds from now.
            if case .unusable(let cause, let asked?) = sign { self.extend(asked, cause, at: now) }
            return
        }
        switch (self.phase, sign) {
        case (.ready, .healthy): self.failures = 0
        case (.ready, .failing(let cause)):
            self.failures += 1
            if self.failures >= max(1, threshold) { self.cool(for: nil, cause, coolDown, at: now) }
        case (.ready, .unusable(let cause, let asked)): self.cool(for: asked, cause, coolDown, at: now)
        case (.probing, .failing(let cause)) where permit.isProbe: self.cool(for: nil, cause, coolDown, at: now)
        case (.probing, .unusable(let cause, let asked)) where permit.isProbe:
            self.cool(for: asked, cause, coolDown, at: now)
        case (.probing, .neutral) where permit.isProbe: self.phase = .probing(isOut: false)
        case (.probing, .healthy), (.cooling, .healthy): self.recover()
        case (.cooling, .unusable(let cause, let asked?)): self.extend(asked, cause, at: now)
        case (.ready, .neutral), (.probing, _), (.cooling, _): break
        }
    }

    private mutating func recover() {
        self.generation &+= 1
        self.phase = .ready
        self.failures = 0
        self.streak = 0
    }

    private mutating func cool(for asked: Duration?, _ cause: FailureClass, _ usual: Duration, at now: Instant) {
        let doubled = usual * (1 << min(self.streak, Self.mostDoublings))
        let span = asked.map { $0 > .zero ? $0 : usual } ?? doubled
        self.generation &+= 1
        self.streak += 1
        self.timesCooled &+= 1
        self.failures = 0
        self.cause = cause
        self.phase = .cooling(until: now + span)
    }

    private mutating func extend(_ asked: Duration, _ cause: FailureClass, at now: Instant) {
        guard case .cooling(let until) = self.phase, now + asked > until else { return }
        self.cause = cause
        self.phase = .cooling(until: now + asked)
    }
}
