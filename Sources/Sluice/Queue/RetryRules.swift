import SluiceBasics

/// What happens after a failure.
public struct RetryRules: Sendable, Hashable {
    /// How often a message is handed out before it becomes a dead letter, 1 or more. Lost consumers count too.
    public var maximumReceives: Int
    /// Delay before the second attempt, zero or more.
    public var baseDelay: Duration
    /// What the delay is multiplied by for each further attempt; 1 or more.
    public var multiplier: Double
    /// The delay grows no longer than this.
    public var maximumDelay: Duration
    /// The share of the delay that is drawn at random, from 0 (none) to 1 (anything between nothing and the whole), so
    /// that what failed together does not come back together.
    public var jitter: Double

    /// Five attempts, after 1, 2, 4, 8 seconds, half of it at random.
    public init(
        maximumReceives: Int = 5,
        baseDelay: Duration = .seconds(1),
        multiplier: Double = 2,
        maximumDelay: Duration = .seconds(60),
        jitter: Double = 0.5
    ) {
        self.maximumReceives = maximumReceives
        self.baseDelay = baseDelay
        self.multiplier = multiplier
        self.maximumDelay = maximumDelay
        self.jitter = jitter
    }

    /// Delay after the `receives`-th attempt has failed, before jitter is taken off.
    func ceiling(afterReceives receives: Int) -> Duration {
        let base = Double(max(0, self.baseDelay.wholeNanoseconds))
        let maximum = Double(max(0, self.maximumDelay.wholeNanoseconds))
        var delay = base
        // The delay reaches the maximum, or never grows: no need to count to a large number.
        for _ in 1..<max(2, min(receives, 1_100)) where delay < maximum { delay *= self.multiplier }
        if receives <= 1 { delay = base }
        return .nanoseconds(Int64(min(delay, maximum, 9e18)))
    }

    /// Delay after the `receives`-th attempt has failed; `unit` is uniform in [0, 1).
    func delay(afterReceives receives: Int, unit: Double) -> Duration {
        let ceiling = Double(self.ceiling(afterReceives: receives).wholeNanoseconds)
        return .nanoseconds(Int64(ceiling * (1 - self.jitter * unit)))
    }

    /// Why the rules make no sense; `nil`: they do.
    var fault: PolicyFault? {
        if self.maximumReceives < 1 { return .init("retry.maximumReceives", "\(self.maximumReceives)", "at least 1") }
        if self.baseDelay < .zero { return .init("retry.baseDelay", "\(self.baseDelay)", "not negative") }
        if self.maximumDelay < self.baseDelay {
            return .init("retry.maximumDelay", "\(self.maximumDelay)", "at least baseDelay")
        }
        if !(self.multiplier >= 1 && self.multiplier.isFinite) {
            return .init("retry.multiplier", "\(self.multiplier)", "a number of at least 1")
        }
        if !(self.jitter >= 0 && self.jitter <= 1) { return .init("retry.jitter", "\(self.jitter)", "between 0 and 1") }
        return nil
    }
}

/// How a consumer says what to do about a failure.
public enum FailureAdvice: Sendable, Hashable {
    /// As the retry rules say.
    case retry
    /// As the retry rules say, but not sooner than this from now; for a provider that says when to come back.
    case retryAfter(Duration)
    /// Another attempt would not help: at once a dead letter.
    case giveUp
}
