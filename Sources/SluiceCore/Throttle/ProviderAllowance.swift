import SluiceBasics

/// What a provider still allows, as far as its answers have told. Lies over a `Throttle`: what both allow may go.
///
/// A limit comes back evenly until it is whole at its reset, as the large providers' do. What is sent after an answer
/// counts against what that answer said. A fact holds until its reset, but never longer than `maximumHold`; then it is
/// forgotten, so that something is sent and new facts come back, whatever a header said. Nothing said: nothing limited.
package struct ProviderAllowance: Sendable, Equatable {
    /// The limits that providers count apart.
    package enum Budget: Int, Sendable, CaseIterable {
        case requests
        /// Of all tokens together.
        case tokens
        case inputTokens
        case outputTokens
    }

    private struct Fact: Sendable, Equatable {
        var limit: Int?
        var remaining: Int
        /// Sent since.
        var charged = 0
        var learnedAt: Instant
        /// When the provider says that it is whole again, in nanoseconds after `learnedAt`; at least 1.
        var resetAfter: Int64
        var forgottenAt: Instant

        /// What comes back until the reset.
        private var missing: Int { max(0, (self.limit ?? 0) &- self.remaining) }

        /// Rounded down.
        func available(at now: Instant) -> Int {
            let elapsed = min(max((now - self.learnedAt).wholeNanoseconds, 0), self.resetAfter)
            let gained = Int128(self.missing) * Int128(elapsed) / Int128(self.resetAfter)
            return self.remaining &+ Int(gained) &- self.charged
        }

        /// Nanoseconds until `amount` is there. More than the limit is not waited for: it would be for ever.
        func wait(for amount: Int, at now: Instant) -> Int64 {
            let amount = self.limit.map { min(amount, $0) } ?? amount
            let forgotten = (self.forgottenAt - now).wholeNanoseconds
            guard forgotten > 0, amount > self.available(at: now) else { return 0 }
            let need = amount &+ self.charged &- self.remaining
            guard need <= self.missing else { return forgotten }
            let (quotient, remainder) = (Int128(need) * Int128(self.resetAfter))
                .quotientAndRemainder(dividingBy: Int128(self.missing))
            let due = self.learnedAt + .nanoseconds(Int64(clamping: remainder > 0 ? quotient + 1 : quotient))
            return min(max((due - now).wholeNanoseconds, 1), forgotten)
        }
    }

    /// What a limit without a reset is taken to need.
    private static let assumedReset: Int64 = 60_000_000_000

    private let maximumHold: Int64
    private var facts: [Fact?] = Array(repeating: nil, count: Budget.allCases.count)
    private var pausedUntil: Instant?

    /// - Parameter maximumHold: The longest that anything a provider says is believed.
    package init(maximumHold: Duration = .seconds(60)) {
        self.maximumHold = min(max(maximumHold.wholeNanoseconds, 1), Throttle.year)
    }

    /// Learns what an answer said.
    package mutating func note(_ observation: ProviderObservation, at now: Instant) {
        let said: [(Budget, ProviderObservation.Budget?)] = [
            (.requests, observation.requests),
            (.tokens, observation.tokens),
            (.inputTokens, observation.inputTokens),
            (.outputTokens, observation.outputTokens),
        ]
        for case (let budget, let facts?) in said {
            self.note(budget, limit: facts.limit, remaining: facts.remaining, resetsIn: facts.resetsIn, at: now)
        }
        if let retryAfter = observation.retryAfter { self.note(retryAfter: retryAfter, at: now) }
    }

    /// Learns one limit from an answer. What is not said stays as it was known; without `remaining` nothing is learned.
    package mutating func note(
        _ budget: Budget,
        limit: Int?,
        remaining: Int?,
        resetsIn: Duration?,
        at now: Instant
    ) {
        guard let remaining else { return }
        let known = self.facts[budget.rawValue]?.limit
        let reset = resetsIn.map { min(max($0.wholeNanoseconds, 1), Throttle.year) } ?? Self.assumedReset
        self.facts[budget.rawValue] = Fact(
            limit: (limit ?? known).map { TokenBucket.bounded($0) }.flatMap { $0 > 0 ? $0 : nil },
            remaining: TokenBucket.bounded(remaining),
            learnedAt: now,
            resetAfter: reset,
            forgottenAt: now + .nanoseconds(min(reset, self.maximumHold))
        )
    }

    /// Learns that nothing at all shall be sent for a while. A shorter while does not end a longer one.
    package mutating func note(retryAfter: Duration, at now: Instant) {
        guard retryAfter > .zero else { return }
        let until = now + .nanoseconds(min(retryAfter.wholeNanoseconds, self.maximumHold))
        self.pausedUntil = max(self.pausedUntil ?? until, until)
    }

    /// Counts what is sent against what is known. Input and output are what the tokens consist of; `nil`: not known.
    package mutating func charge(_ tokens: Int, requests: Int = 1, input: Int? = nil, output: Int? = nil) {
        for budget in Budget.allCases {
            let amount =
                budget == .requests
                ? TokenBucket.bounded(requests)
                : Self.amount(budget, tokens: tokens, input: input, output: output)
            guard let charged = self.facts[budget.rawValue]?.charged else { continue }
            self.facts[budget.rawValue]?.charged = min(charged &+ amount, TokenBucket.largest)
        }
    }

    private static func amount(_ budget: Budget, tokens: Int, input: Int?, output: Int?) -> Int {
        switch budget {
        case .requests: 1
        case .tokens: TokenBucket.bounded(tokens)
        case .inputTokens: TokenBucket.bounded(input ?? tokens)
        case .outputTokens: TokenBucket.bounded(output ?? tokens)
        }
    }

    /// Tokens that the provider takes now, input and output alike; 0 or less: none, `nil`: nothing is known.
    package func availableTokens(at now: Instant) -> Int? {
        if self.isPaused(at: now) { return 0 }
        let budgets: [Budget] = [.tokens, .inputTokens, .outputTokens]
        return budgets.compactMap { self.available($0, at: now) }.min()
    }

    /// Requests that the provider takes now; `nil`: nothing is known.
    package func availableRequests(at now: Instant) -> Int? {
        self.isPaused(at: now) ? 0 : self.available(.requests, at: now)
    }

    package func available(_ budget: Budget, at now: Instant) -> Int? {
        guard let fact = self.facts[budget.rawValue], now < fact.forgottenAt else { return nil }
        return fact.available(at: now)
    }

    package func isPaused(at now: Instant) -> Bool {
        self.pausedUntil.map { now < $0 } ?? false
    }

    /// Whether a request may be sent now as far as is known. A request that is larger than a limit may when the limit
    /// is whole: the provider will judge it.
    package func check(_ tokens: Int, input: Int? = nil, output: Int? = nil, at now: Instant) -> ThrottleAnswer {
        var limit = LimitKind.requests
        var longest = self.pausedUntil.map { max(($0 - now).wholeNanoseconds, 0) } ?? 0
        for budget in Budget.allCases {
            let amount = Self.amount(budget, tokens: tokens, input: input, output: output)
            guard let wait = self.facts[budget.rawValue]?.wait(for: amount, at: now), wait > longest else { continue }
            longest = wait
            limit = budget == .requests ? .requests : .tokens
        }
        return longest == 0
            ? .allowed
            : .refused(ThrottleRefusal(limit: limit, availableIn: .nanoseconds(longest), limiter: "provider"))
    }
}
