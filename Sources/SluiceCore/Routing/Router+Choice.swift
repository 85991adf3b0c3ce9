import SluiceBasics

// Which target is next.
extension Router {
    /// Calls of which the times must be known before anything is concluded from them.
    static let leastSamples = 20
    /// A target of which less is known is tried before others.
    private static let leastMeasured = 3
    /// So many calls go elsewhere than to the fastest.
    private static let exploration = 0.05
    /// What is no slower than this, relative to the fastest, is as fast.
    private static let nearness = 1.1
    /// A second call is not made sooner.
    private static let leastHedgeDelay = Duration.milliseconds(10)

    /// Never one that the request has tried, unless nothing else is left.
    mutating func choose(
        _ trail: RouteTrail,
        _ facts: RouteFacts,
        now: Instant,
        _ random: inout SeededRandom
    ) -> Int {
        if let list = trail.list { return self.inOrder(self.plan.fallbacks(list), trail, now) }
        if self.collect(now, where: { !trail.hasTried($0) }) { return self.pick(facts, &random) }
        let fallbacks = self.plan.fallbacks(trail.last ?? (self.isRateLimited ? .rateLimit : .error))
        for target in fallbacks where !trail.hasTried(target) && self.states[target].health.admits(at: now) {
            return target
        }
        if self.collect(now, where: { $0 != trail.lastTarget }) { return self.pick(facts, &random) }
        if self.collect(now, where: { _ in true }) { return self.pick(facts, &random) }
        for target in fallbacks where self.states[target].health.admits(at: now) { return target }
        return self.soonest(Array(0..<self.plan.mainCount) + fallbacks, trail, now)
    }

    private func inOrder(_ list: [Int], _ trail: RouteTrail, _ now: Instant) -> Int {
        for target in list where !trail.hasTried(target) && self.states[target].health.admits(at: now) { return target }
        if let untried = list.filter({ !trail.hasTried($0) }).first { return untried }
        for target in list where self.states[target].health.admits(at: now) { return target }
        return self.soonest(list, trail, now)
    }

    /// Whose time comes first, when nobody's has come.
    private func soonest(_ list: [Int], _ trail: RouteTrail, _ now: Instant) -> Int {
        var best = list.first ?? 0
        var bestAt = Instant.distantFuture
        for target in list {
            let opens = self.states[target].health.opens(after: now) ?? .distantFuture
            guard opens < bestAt || (opens == bestAt && trail.hasTried(best) && !trail.hasTried(target)) else {
                continue
            }
            best = target
            bestAt = opens
        }
        return best
    }

    /// Gathers the ordinary targets of the lowest order that admit a call; `false` when there is none.
    private mutating func collect(_ now: Instant, where isWanted: (Int) -> Bool) -> Bool {
        self.candidates.removeAll(keepingCapacity: true)
        var order = Int.max
        for target in 0..<self.plan.mainCount {
            guard isWanted(target), self.states[target].health.admits(at: now) else { continue }
            let own = self.plan.targets[target].order
            if own < order {
                order = own
                self.candidates.removeAll(keepingCapacity: true)
            }
            if own == order { self.candidates.append(target) }
        }
        return !self.candidates.isEmpty
    }

    /// Gathers whom to ask as well: only who is known to be well.
    mutating func collectHedges(_ trail: RouteTrail) -> Bool {
        self.candidates.removeAll(keepingCapacity: true)
        guard trail.list == nil else { return false }
        var order = Int.max
        for target in 0..<self.plan.mainCount where !trail.hasTried(target) && self.states[target].health.isReady {
            let own = self.plan.targets[target].order
            if own < order {
                order = own
                self.candidates.removeAll(keepingCapacity: true)
            }
            if own == order { self.candidates.append(target) }
        }
        return !self.candidates.isEmpty
    }

    // MARK: Strategies

    /// One of `candidates`, of which there is at least one.
    mutating func pick(_ facts: RouteFacts, _ random: inout SeededRandom) -> Int {
        guard self.candidates.count > 1 else { return self.candidates.first ?? 0 }
        switch self.plan.strategy {
        case .weighted: return self.byWeight(&random)
        case .leastBusy: return self.lessBusy(&random)
        case .latency: return self.fastest(facts, &random)
        }
    }

    private func byWeight(_ random: inout SeededRandom) -> Int {
        var sum = 0
        for target in self.candidates { sum += self.plan.targets[target].weight }
        var rest = Int(random.unit() * Double(sum))
        for target in self.candidates {
            rest -= self.plan.targets[target].weight
            if rest < 0 { return target }
        }
        return self.candidates.last ?? 0
    }

    /// "The power of two choices" (Mitzenmacher 1996): nearly as even as looking at all, and no stampede towards one.
    private func lessBusy(_ random: inout SeededRandom) -> Int {
        let first = Int(random.unit() * Double(self.candidates.count))
        var second = Int(random.unit() * Double(self.candidates.count - 1))
        if second >= first { second += 1 }
        let (one, other) = (self.candidates[first], self.candidates[second])
        let (load, otherLoad) = (self.load(one), self.load(other))
        return load <= otherLoad ? one : other
    }

    /// Calls in flight with the next one, for its weight.
    private func load(_ target: Int) -> Double {
        Double(self.states[target].inFlight + 1) / Double(self.plan.targets[target].weight)
    }

    private mutating func fastest(_ facts: RouteFacts, _ random: inout SeededRandom) -> Int {
        for target in self.candidates {
            let samples = self.states[target].times.kind(isStream: facts.isStream).mean.samples
            if samples < Self.leastMeasured && self.states[target].inFlight < Self.leastMeasured { return target }
        }
        if random.unit() < Self.exploration { return self.byWeight(&random) }
        var best = Double.infinity
        for target in self.candidates {
            let mean = self.states[target].times.kind(isStream: facts.isStream).mean
            if mean.samples > 0 { best = min(best, mean.nanoseconds) }
        }
        guard best.isFinite else { return self.byWeight(&random) }
        self.candidates.removeAll { target in
            let mean = self.states[target].times.kind(isStream: facts.isStream).mean
            return mean.samples == 0 || mean.nanoseconds > best * Self.nearness
        }
        return self.candidates.count > 1 ? self.lessBusy(&random) : self.candidates.first ?? 0
    }

    // MARK: Patience

    /// What was learned cuts a call short only while there is somebody else to ask: the last resort has all the time
    /// that is left, so that a request which really takes long is answered by somebody.
    func timeout(_ target: Int, _ trail: RouteTrail, _ facts: RouteFacts, now: Instant) -> Duration? {
        let whole = self.plan.attemptTimeout
        guard facts.isStream else { return whole }
        var first: Duration?
        switch self.plan.firstTokenTimeout {
        case .off: break
        case .fixed(let span): first = span
        case .learned:
            let profile = self.states[target].times.firstToken.profile(facts.model)
            guard facts.mayRepeat, facts.attemptsLeft > 0, profile.samples >= Self.leastSamples,
                self.hasAlternative(trail, now), let usual = profile.quantile(0.99)
            else { break }
            let nanoseconds = Double(usual.wholeNanoseconds) * self.plan.firstTokenFactor
            first = min(
                max(.nanoseconds(Int64(min(nanoseconds, 1e18))), self.plan.firstTokenFloor),
                self.plan.firstTokenCeiling
            )
        }
        guard let first, let whole else { return first ?? whole }
        return min(first, whole)
    }

    /// Somebody else whom the request has not tried.
    private func hasAlternative(_ trail: RouteTrail, _ now: Instant) -> Bool {
        let fallbacks = self.plan.fallbacks(trail.list ?? .error)
        if trail.list == nil {
            for target in 0..<self.plan.mainCount
            where !trail.hasTried(target) && self.states[target].health.admits(at: now) { return true }
        }
        return fallbacks.contains { !trail.hasTried($0) && self.states[$0].health.admits(at: now) }
    }

    func hedgeDelay(_ target: Int, _ trail: RouteTrail, _ facts: RouteFacts, now: Instant) -> Duration? {
        guard self.hedges.isOn, facts.mayRepeat, facts.attemptsLeft > 0, trail.list == nil else { return nil }
        let profile = self.states[target].times.kind(isStream: facts.isStream).profile(facts.model)
        guard profile.samples >= Self.leastSamples, let usual = profile.quantile(0.95) else { return nil }
        return max(usual, Self.leastHedgeDelay)
    }
}
