import SluiceBasics

/// When a request will start, as far as can be told.
package struct StartPrediction: Sendable, Equatable {
    /// From now.
    package var expected: Duration
    /// Four times out of five it starts between these, as long as the backend stays as it is.
    package var earliest: Duration
    package var latest: Duration

    package init(expected: Duration, earliest: Duration, latest: Duration) {
        self.expected = expected
        self.earliest = earliest
        self.latest = latest
    }
}

/// What has to happen before a request can start.
package struct StartQuestion: Sendable {
    /// Requests before it that wait.
    package var ahead: Int
    /// Their tokens together, as estimated; `nil`: as many as usual.
    package var tokensAhead: Int?
    /// Its own.
    package var tokens = 0
    package var slots: Int
    package var freeSlots: Int
    /// Nothing starts before.
    package var gate = Duration.zero
    package var limit: Budget?

    /// What a limit of the rate leaves.
    package struct Budget: Sendable {
        /// Tokens that may be spent now; less than 0: owed. `nil`: not limited.
        package var tokens: Int?
        package var tokensPerMinute: Int
        /// Requests that may be sent now; `nil`: not limited.
        package var requests: Int?
        package var requestsPerMinute: Int

        package init(tokens: Int?, tokensPerMinute: Int, requests: Int?, requestsPerMinute: Int) {
            self.tokens = tokens
            self.tokensPerMinute = tokensPerMinute
            self.requests = requests
            self.requestsPerMinute = requestsPerMinute
        }
    }

    package init(ahead: Int, slots: Int, freeSlots: Int) {
        self.ahead = max(0, ahead)
        self.slots = slots
        self.freeSlots = max(0, freeSlots)
    }
}

/// How fast a pool serves: the time that requests spend in its slots, by their size, and what follows for who waits.
///
/// DESIGN. Time in slots is divided by what was finished in it, so that requests that have been running for long count
/// before they end. The sums forget slowly, because lengths have heavy tails and a mean of few means little; a second
/// set that forgets fast takes over when it contradicts the first beyond doubt, because the backend has changed.
package struct ServiceRate: Sendable {
    /// Measurements before anything is decided on them.
    package static let trustworthyCount = 8
    private static let slowMemory = 256.0
    private static let fastMemory = 24.0
    /// 80 % of a normal distribution lie within so many standard deviations.
    private static let spread = 1.28

    private struct Sums: Sendable {
        let memory: Double
        var count = 0.0
        /// Seconds in slots, of requests that have ended.
        var spans = 0.0
        /// Seconds in slots, all of them.
        var area = 0.0
        /// Expected seconds of what has ended.
        var expected = 0.0
        /// Squares of the differences from what was expected.
        var errors = 0.0
        /// Squares of the seconds in slots.
        var squares = 0.0
        var tokens = 0.0

        mutating func add(span: Double, area: Double, expected: Double, tokens: Double) {
            let keep = 1 - 1 / self.memory
            let error = span - expected * self.level
            self.count = self.count * keep + 1
            self.spans = self.spans * keep + span
            self.area = self.area * keep + area
            self.expected = self.expected * keep + expected
            self.errors = self.errors * keep + error * error
            self.squares = self.squares * keep + span * span
            self.tokens = self.tokens * keep + tokens
        }

        /// How much slower than the model says.
        var level: Double { self.expected > 0 ? self.spans / self.expected : 1 }
        /// Of one request from what was expected of its size.
        var deviation: Double { self.count > 1 ? (self.errors / self.count).squareRoot() : 0 }
        /// Of one request of unknown size from the mean.
        var scatter: Double {
            guard self.count > 1 else { return 0 }
            let mean = self.spans / self.count
            return max(0, self.squares / self.count - mean * mean).squareRoot()
        }
        /// Relative standard error of the mean.
        var doubt: Double {
            let mean = self.spans / max(1, self.count)
            return mean > 0 ? self.deviation / mean / max(1, self.count).squareRoot() : 0
        }
    }

    private var shape = LatencyModel()
    private var slow = Sums(memory: Self.slowMemory)
    private var fast = Sums(memory: Self.fastMemory)
    package private(set) var count = 0
    private var inFlight = 0
    private var peak = 0
    private var followedTo = Instant.zero
    /// Slot-seconds since the last end.
    private var pending = 0.0

    package init() {}

    // MARK: What happened

    /// To be told whenever the number of requests in slots changes.
    package mutating func follow(inFlight: Int, at now: Instant) {
        if now > self.followedTo {
            self.pending += Double(self.inFlight) * (now - self.followedTo).inSeconds
            self.followedTo = now
        }
        self.inFlight = max(0, inFlight)
        self.peak = max(self.inFlight, self.peak)
    }

    /// - Parameters:
    ///   - span: in a slot.
    ///   - tokens: as they had been estimated: those of who waits are too.
    package mutating func record(_ span: Duration, tokens: Int) {
        let seconds = min(1e6, max(0, span.inSeconds))
        self.count += 1
        self.shape.learn(seconds: seconds, tokens: tokens, stretch: 1)
        let expected = self.shape.expected(tokens: tokens) ?? seconds
        let size = Double(min(10_000_000, max(0, tokens)))
        self.slow.add(span: seconds, area: self.pending, expected: expected, tokens: size)
        self.fast.add(span: seconds, area: self.pending, expected: expected, tokens: size)
        self.pending = 0
        self.considerChange()
    }

    private mutating func considerChange() {
        guard self.fast.count >= Self.fastMemory / 2, self.count % 8 == 0 else { return }
        let ratio = self.fast.level / max(1e-12, self.slow.level)
        let doubt = 3 * (self.fast.doubt + self.slow.doubt) + 0.05
        guard ratio > 1 + doubt || ratio * (1 + doubt) < 1 else { return }
        let memory = self.slow.memory
        self.slow = Sums(memory: memory)
        self.slow.count = self.fast.count
        self.slow.spans = self.fast.spans
        self.slow.area = self.fast.area
        self.slow.expected = self.fast.expected
        self.slow.errors = self.fast.errors
        self.slow.squares = self.fast.squares
        self.slow.tokens = self.fast.tokens
    }

    // MARK: What follows

    /// Mean time in a slot; `nil` before the first end.
    package var average: Duration? {
        guard self.slow.count > 0 else { return nil }
        return .seconds(self.slow.spans / self.slow.count * self.backlogFactor)
    }

    /// `nil` without enough measurements.
    package var trusted: Duration? { self.count >= Self.trustworthyCount ? self.average : nil }

    /// By how much the requests that are still running show that the mean of those that have ended is too short. At
    /// first they all began at the same time, and their time in slots says nothing yet.
    private var backlogFactor: Double {
        guard Double(self.count) >= 4 * Double(self.peak), self.slow.spans > 0 else { return 1 }
        return min(4, max(1, (self.slow.area + self.pending) / self.slow.spans))
    }

    /// Tokens of a request, on average.
    package var meanTokens: Double { self.slow.count > 0 ? self.slow.tokens / self.slow.count : 0 }

    /// Estimated tokens that so many slots get done in a second.
    package func tokensPerSecond(slots: Int) -> Double? {
        guard self.count >= Self.trustworthyCount, self.slow.spans > 0 else { return nil }
        return self.slow.tokens / self.slow.spans * Double(max(0, slots)) / self.backlogFactor
    }

    /// Requests that so many slots get done in a second.
    package func requestsPerSecond(slots: Int) -> Double? {
        guard let mean = self.trusted?.inSeconds, mean > 0 else { return nil }
        return Double(max(0, slots)) / mean
    }

    /// The later of slots and limits; `nil` when nothing can be said: without slots, or before enough has ended.
    package func start(_ question: StartQuestion) -> StartPrediction? {
        guard question.slots > 0 else { return nil }
        var expected = question.gate.inSeconds
        var deviation = 0.0
        if question.ahead >= question.freeSlots {
            guard self.count >= Self.trustworthyCount else { return nil }
            let work = self.work(question)
            let slots = Double(question.slots)
            expected += work.expected / slots
            let own = self.slow.deviation * self.slow.deviation * work.count
            // How long those will take that run now, and those that will run then.
            let others = question.tokensAhead == nil ? 0 : self.slow.scatter * self.slow.scatter * 2 * slots
            // The shape is a line, which latency is not quite.
            let mean = work.expected * (self.slow.doubt + 0.05)
            deviation = (own + others + mean * mean).squareRoot() / slots
        }
        let limited = self.limited(question)
        guard limited.isFinite else { return nil }
        expected = min(1e9, max(expected, limited))
        let spread = Self.spread * min(1e9, deviation)
        return StartPrediction(
            expected: Self.span(expected),
            earliest: Self.span(max(question.gate.inSeconds, limited, expected - spread)),
            latest: Self.span(expected + spread)
        )
    }

    /// To the microsecond.
    private static func span(_ seconds: Double) -> Duration {
        .microseconds(Int64((min(1e9, max(0, seconds)) * 1e6).rounded()))
    }

    /// Seconds in slots that have to pass, and how many requests that is.
    private func work(_ question: StartQuestion) -> (expected: Double, count: Double) {
        let mean = self.slow.spans / max(1, self.slow.count)
        let turns = Double(question.ahead) - Double(question.freeSlots) + 1
        var work = mean * turns
        if let tokens = question.tokensAhead, question.ahead > 0 {
            let each = Double(max(0, tokens)) / Double(question.ahead)
            let sized = (self.shape.overhead + self.shape.perToken * each) * self.slow.level
            // Who runs now is of the usual size, who is ahead of the size that is known.
            work = sized * (turns - 1) + mean
        }
        return (work * self.backlogFactor, turns)
    }

    /// Seconds until the limits let it through; infinite: never.
    private func limited(_ question: StartQuestion) -> Double {
        guard let limit = question.limit else { return 0 }
        var seconds = 0.0
        if let available = limit.tokens {
            let ahead = question.tokensAhead.map(Double.init) ?? self.meanTokens * Double(question.ahead)
            let missing = ahead + Double(question.tokens) - Double(available)
            if missing > 0 { seconds = missing / (Double(limit.tokensPerMinute) / 60) }
        }
        if let available = limit.requests {
            let missing = Double(question.ahead) + 1 - Double(available)
            if missing > 0 { seconds = max(seconds, missing / (Double(limit.requestsPerMinute) / 60)) }
        }
        return seconds
    }
}
