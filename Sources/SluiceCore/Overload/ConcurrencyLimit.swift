import SluiceBasics

/// How many requests a backend gets at once, so that it works at full rate and no more waits inside it.
///
/// DESIGN. The measure is the stretch: how many times longer requests take than they would alone (`LatencyModel`, so
/// that their lengths do not matter). Up to the backend's capacity the stretch is 1; beyond, it grows with what is in
/// flight, so that `in flight / stretch` is the capacity. It is the inverse of the gradient of Netflix's gradient2
/// (limit · clamp(longRTT · tolerance / shortRTT, 0.5, 1) + √limit), but against the unloaded latency rather than the
/// long-term mean, which would drift up with the congestion that it is to show. Samples are taken in windows: what has
/// started since the limit last changed, as many as it takes to know the stretch within some hundredths, so that a
/// decision sees the effect of the one before.
///
/// - *Growth* only when the window made use of the limit: doubling until the first sign of congestion, then by half of
///   √limit, more the longer it goes well.
/// - *Shrinking* to what the stretch says, at most to half.
/// - *Between* `calm` and `congested` nothing changes.
/// - *Pushback* (429, 503) and failures that are more than a tenth: 0.8 of the limit, once for what was in flight.
/// - *Probing*: now and then one window at half of the limit. What it measures is the unloaded latency. And when the
///   limit has been halved without the stretch following, the backend itself has become slower, and the unloaded
///   latency is taken anew.
package struct ConcurrencyLimit: Sendable {
    /// What the end of a request says about its backend.
    package enum Ending: Sendable {
        case served
        /// The backend asked for less: 429, 503 with `Retry-After`. Not for limits of its rate, which no smaller
        /// concurrency would meet.
        case refused
        /// 5xx, timeout, broken connection.
        case failed
        /// The client's doing: cancelled, invalid.
        case neutral
    }

    package enum Movement: String, Sendable, CaseIterable {
        case learning
        case growing
        case steady
        case unused
        case shrinking
        case refused
        case failing
        case probing
    }

    package private(set) var policy: AdaptiveConcurrencyPolicy
    package var limit: Int { max(1, Int(self.isProbing ? self.probeLimit : self.exact)) }
    /// How many times longer than unloaded requests take now; `nil` before it is known.
    package private(set) var stretch: Double?
    package private(set) var movement = Movement.learning

    private var exact: Double
    private var model = LatencyModel()
    private var window: StretchWindow
    /// Outcomes of requests that started before this are old news: the limit was changed because of their like.
    private var heardUntil = Instant.zero
    /// A moving share of failures.
    private var failures = 0.0
    private var isFirstGrowth = true
    /// Windows that went well one after another.
    private var calmWindows = 0
    /// Where pushback was last met: above nine tenths of it, growth is by one.
    private var refusedAt: Double?
    private var windowsUntilProbe = Self.windowsBetweenProbes
    private var isProbing = false
    /// The limit and the stretch when the limit last began to shrink.
    private var descent: (from: Double, stretch: Double)?

    private static let calm = 1.05
    private static let congested = 1.14
    private static let windowsBetweenProbes = 40
    private static let failureShare = 0.1
    private static let decrease = 0.8

    package init(_ policy: AdaptiveConcurrencyPolicy, now: Instant) {
        self.policy = policy
        self.exact = Self.within(policy, 8)
        self.window = StretchWindow(now: now)
    }

    private static func within(_ policy: AdaptiveConcurrencyPolicy, _ limit: Double) -> Double {
        let least = Double(max(1, policy.minimum))
        return min(max(least, Double(policy.maximum)), max(least, limit))
    }

    package mutating func configure(_ policy: AdaptiveConcurrencyPolicy) {
        self.policy = policy
        self.exact = Self.within(policy, self.exact)
    }

    private var probeLimit: Double { Self.within(self.policy, self.exact / 2) }

    /// How long a request of so many tokens takes when the backend is not loaded.
    package func unloadedLatency(tokens: Int) -> Duration? {
        self.model.expected(tokens: tokens).map { .seconds($0) }
    }

    // MARK: What happened

    /// - Parameter inFlight: with this one.
    package mutating func started(inFlight: Int, at now: Instant) {
        self.window.follow(inFlight: inFlight, at: now)
    }

    /// - Parameters:
    ///   - latency: from sending to the end.
    ///   - tokens: written by the backend; of the estimate when it did not say.
    ///   - inFlight: without this one.
    /// - Returns: whether `limit` has changed.
    @discardableResult
    package mutating func ended(
        _ ending: Ending,
        latency: Duration,
        tokens: Int,
        inFlight: Int,
        at now: Instant
    ) -> Bool {
        let before = self.limit
        self.window.follow(inFlight: inFlight, at: now)
        let startedAt = now - latency
        switch ending {
        case .neutral: break
        case .refused:
            if startedAt >= self.heardUntil { self.back(off: .refused, at: now) }
        case .failed:
            if startedAt >= self.heardUntil {
                self.failures += (1 - self.failures) * 0.05
                if self.failures > Self.failureShare { self.back(off: .failing, at: now) }
            }
        case .served:
            self.failures *= 0.95
            self.take(seconds: latency.inSeconds, tokens: tokens, startedAt: startedAt)
            if self.window.isTelling { self.decide(at: now) }
        }
        return self.limit != before
    }

    private mutating func take(seconds: Double, tokens: Int, startedAt: Instant) {
        let seen = self.model.stretch(seconds: seconds, tokens: tokens)
        self.model.learn(seconds: seconds, tokens: tokens, stretch: max(1, self.stretch ?? 1))
        if let seen, startedAt >= self.window.openedAt { self.window.add(stretch: seen) }
    }

    private mutating func back(off movement: Movement, at now: Instant) {
        if movement == .refused { self.refusedAt = self.exact }
        self.endProbe()
        // What was in use is what was too much, not what would have been allowed.
        let used = min(self.exact, max(self.window.mean(at: now), self.exact / 2) + 1)
        self.exact = Self.within(self.policy, used * Self.decrease)
        self.isFirstGrowth = false
        self.calmWindows = 0
        self.failures = 0
        self.movement = movement
        self.heardUntil = now
        self.window.reopen(at: now)
    }
}

// MARK: Decisions

extension ConcurrencyLimit {
    /// At the end of a window.
    private mutating func decide(at now: Instant) {
        let measured = self.window.stretch
        let used = self.window.mean(at: now)
        let smoothed = self.stretch.map { $0 + (measured - $0) * 0.6 } ?? measured
        self.stretch = smoothed
        defer { self.window.reopen(at: now) }
        if self.isProbing { return self.conclude(probe: measured) }
        if measured < 0.93 {
            // Faster than the unloaded latency was thought to be.
            self.rebase(by: measured.squareRoot())
        } else if self.isAtFloor && measured > Self.calm {
            // Nothing lower is left to compare with.
            self.rebase(by: measured)
        } else if used < self.exact / 2 {
            // As good as a probe.
            self.rebase(by: 1 + (min(measured, 2) - 1) * 0.3)
        }
        let level = self.stretch ?? 1
        guard used >= self.exact / 2 else { return self.hold(.unused) }
        guard level <= Self.congested else { return self.shrink(used: used, stretch: level) }
        self.descent = nil
        guard level > Self.calm || used >= self.exact * 0.7 else { return self.hold(.unused) }
        self.windowsUntilProbe -= 1
        if self.windowsUntilProbe <= 0 && self.probeLimit < self.exact {
            self.isProbing = true
            self.movement = .probing
        } else if level > Self.calm {
            self.isFirstGrowth = false
            self.hold(.steady)
        } else {
            self.grow()
        }
    }

    private var isAtFloor: Bool { self.exact < Double(max(1, self.policy.minimum)) + 1 }

    private mutating func hold(_ movement: Movement) {
        self.movement = movement
        self.calmWindows = 0
    }

    private mutating func grow() {
        self.calmWindows += 1
        self.movement = .growing
        var step = max(1, self.exact.squareRoot() / 2)
        if self.isFirstGrowth {
            step = self.exact
        } else if let refusedAt = self.refusedAt, self.exact + step > refusedAt * 0.9 {
            step = 1
            if self.exact > refusedAt * 1.1 { self.refusedAt = nil }
        } else if self.calmWindows > 3 {
            step = min(step * Double(self.calmWindows - 2), max(step, self.exact / 4))
        }
        self.exact = Self.within(self.policy, self.exact + step)
    }

    private mutating func shrink(used: Double, stretch: Double) {
        self.isFirstGrowth = false
        self.calmWindows = 0
        self.movement = .shrinking
        if let descent = self.descent {
            if self.exact <= descent.from * 0.6 && stretch > descent.stretch * 0.85 {
                // It was not our load that made it slow.
                self.descent = nil
                self.rebase(by: stretch)
                return
            }
        } else {
            self.descent = (self.exact, stretch)
        }
        let target = used / stretch
        self.exact = Self.within(self.policy, max(self.exact / 2, min(self.exact, target)))
        // What was measured holds for what was in flight then.
        self.stretch = nil
    }

    private mutating func conclude(probe measured: Double) {
        self.endProbe()
        self.movement = .steady
        // Noise within a few hundredths is no news.
        if abs(measured - 1) > 0.03 { self.rebase(by: 1 + (min(measured, 2) - 1) * 0.7) }
        self.stretch = nil
    }

    private mutating func endProbe() {
        self.isProbing = false
        self.windowsUntilProbe = Self.windowsBetweenProbes
    }

    /// Takes what is seen now as unloaded, in part or in full.
    private mutating func rebase(by factor: Double) {
        self.model.scale(by: factor)
        self.stretch = self.stretch.map { $0 / factor }
    }
}
