import SluiceBasics
import SluiceCore

/// The limit of a pool kept a second time, in the plainest way: says when something that waits could have started, so
/// that capacity which lies idle is told from capacity that may not be used.
struct ShadowBudget {
    private struct Charge {
        var at: Instant
        var tokens: Int
    }

    private static let window = Duration.seconds(60)

    private let limit: RateLimit
    /// Who has waited longer is not passed by: tokens are kept for it.
    private let maximumWait: Duration
    private let tokenCapacity: Double
    private let requestCapacity: Double
    private var now: Instant
    /// Smooth: what the buckets hold.
    private var tokens: Double
    private var requests: Double
    /// Strict: what was admitted in the last minute.
    private var charges: [Charge] = []
    private var oldest = 0
    private var admitted = 0
    /// By request: what it was charged, and where that stands in `charges`.
    private var reservations: [Int: (estimate: Int, place: Int)] = [:]
    /// By size.
    private var waiting = CountedTree()
    /// By group and arrival, for each request that waits: a group's oldest may be kept tokens for.
    private var ages: [CountedTree]
    private var waiters: [Int: (sequence: UInt64, since: Instant, estimate: Int)] = [:]
    private var arrivals: UInt64 = 0

    /// - Parameter groups: crowds in each of which the oldest counts: tenants, or one.
    init(_ limit: RateLimit, maximumWait: Duration, groups: Int, now: Instant) {
        self.limit = limit
        self.maximumWait = maximumWait
        self.ages = Array(repeating: CountedTree(), count: groups)
        self.now = now
        self.tokenCapacity = Double(limit.burstTokens ?? limit.tokensPerMinute ?? 0)
        self.requestCapacity = Double(limit.burstRequests ?? limit.requestsPerMinute ?? 0)
        self.tokens = self.tokenCapacity
        self.requests = self.requestCapacity
    }

    // MARK: What waits

    private func key(_ request: Int, _ estimate: Int) -> OrderKey {
        OrderKey(rank: UInt64(max(0, estimate)), sequence: UInt64(request))
    }

    mutating func waits(_ request: Int, estimate: Int, group: Int) {
        self.waiting.insert(self.key(request, estimate), UInt32(request))
        self.arrivals += 1
        self.waiters[request] = (self.arrivals, self.now, estimate)
        self.ages[group].insert(OrderKey(rank: 0, sequence: self.arrivals), UInt32(request))
    }

    mutating func leaves(_ request: Int, estimate: Int, group: Int) {
        self.waiting.remove(self.key(request, estimate))
        guard let waiter = self.waiters.removeValue(forKey: request) else { return }
        self.ages[group].remove(OrderKey(rank: 0, sequence: waiter.sequence))
    }

    // MARK: What is used

    mutating func advance(to now: Instant) {
        let elapsed = (now - self.now).inSeconds
        self.now = now
        switch self.limit.mode {
        case .smooth:
            let (perMinute, requests) = (self.limit.tokensPerMinute ?? 0, self.limit.requestsPerMinute ?? 0)
            self.tokens = min(self.tokenCapacity, self.tokens + elapsed * Double(perMinute) / 60)
            self.requests = min(self.requestCapacity, self.requests + elapsed * Double(requests) / 60)
        case .strict:
            while self.oldest < self.charges.count, self.charges[self.oldest].at + Self.window <= now {
                self.admitted -= self.charges[self.oldest].tokens
                self.oldest += 1
            }
        }
    }

    mutating func start(_ request: Int, estimate: Int, at now: Instant) {
        self.tokens -= Double(estimate)
        self.requests -= 1
        self.reservations[request] = (estimate, self.charges.count)
        guard self.limit.mode == .strict else { return }
        self.charges.append(Charge(at: now, tokens: estimate))
        self.admitted += estimate
    }

    mutating func stop(_ request: Int, actual: Int, at now: Instant) {
        guard let (estimate, place) = self.reservations.removeValue(forKey: request) else { return }
        self.tokens = min(self.tokenCapacity, self.tokens + Double(estimate - actual))
        guard self.limit.mode == .strict, place >= self.oldest else { return }
        self.charges[place].tokens = actual
        self.admitted += actual - estimate
    }

    // MARK: What would fit

    /// When something that waits could have started if nothing else had happened since `now`: the smallest, unless
    /// tokens are kept for somebody who is overdue.
    func feasibleFrom(_ now: Instant) -> Instant {
        guard let least = self.waiting.first else { return .distantFuture }
        var from = self.fits(Int(least.key.rank), from: now)
        for group in self.ages {
            guard let oldest = group.first, let waiter = self.waiters[Int(oldest.value)],
                now - waiter.since >= self.maximumWait
            else { continue }
            from = max(from, self.fits(waiter.estimate, from: now))
        }
        return from
    }

    private func fits(_ need: Int, from now: Instant) -> Instant {
        switch self.limit.mode {
        case .smooth: self.refilled(need, from: now)
        case .strict: self.expired(need, from: now)
        }
    }

    private func refilled(_ need: Int, from now: Instant) -> Instant {
        var seconds = 0.0
        if let perMinute = self.limit.tokensPerMinute {
            guard Double(need) <= self.tokenCapacity else { return .distantFuture }
            seconds = max(seconds, (Double(need) - self.tokens) * 60 / Double(max(1, perMinute)))
        }
        if let perMinute = self.limit.requestsPerMinute {
            seconds = max(seconds, (1 - self.requests) * 60 / Double(max(1, perMinute)))
        }
        return now + .nanoseconds(Int64(min(9e18, max(0, seconds) * 1e9).rounded(.up)))
    }

    private func expired(_ need: Int, from now: Instant) -> Instant {
        var tokens = self.admitted
        var requests = self.charges.count - self.oldest
        var place = self.oldest
        while true {
            let tokensFit = self.limit.tokensPerMinute.map { need <= $0 - tokens } ?? true
            let requestsFit = self.limit.requestsPerMinute.map { requests < $0 } ?? true
            if tokensFit, requestsFit { return place == self.oldest ? now : self.charges[place - 1].at + Self.window }
            guard place < self.charges.count else { return .distantFuture }
            tokens -= self.charges[place].tokens
            requests -= 1
            place += 1
        }
    }
}
