import SluiceBasics

/// Growing pauses with full jitter, so that many clients do not come back at once.
package struct Backoff: Sendable {
    private let least: Duration
    private let most: Duration
    private var random: SeededRandom
    private var failures = 0

    package init(least: Duration, most: Duration, seed: UInt64) {
        self.least = least
        self.most = most
        self.random = SeededRandom(seed: seed)
    }

    /// How long to wait after one more failure: between `least` and what has doubled with each, `most` at last.
    package mutating func next() -> Duration {
        let ceiling = min(self.least * (1 << min(self.failures, 16)), self.most)
        self.failures += 1
        let span = max(0, (ceiling - self.least).wholeNanoseconds)
        return self.least + .nanoseconds(Int64(Double(span) * self.random.unit()))
    }

    package mutating func reset() { self.failures = 0 }
}
