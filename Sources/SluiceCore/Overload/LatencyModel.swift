import SluiceBasics

/// How long a request of so many tokens takes at a backend that nobody else is using: `overhead + perToken · tokens`.
///
/// The lengths of answers are spread over three orders of magnitude. Without this, a few long ones after many short
/// ones would look like congestion.
///
/// DESIGN. Level and shape are kept apart. The level is fixed by the first samples and then changed by `scale` alone,
/// by whoever knows that what was seen was the backend unloaded. The shape is learned from all samples, divided by the
/// stretch of their time, so that congestion does not change it. The fit is weighted least squares of relative errors,
/// with exponential forgetting and two samples' worth of belief in what was known before, which keeps it determined
/// when all requests are alike.
package struct LatencyModel: Sendable {
    /// Seconds that do not depend on tokens.
    private(set) var overhead = 0.0
    private(set) var perToken = 0.0
    private(set) var count = 0

    /// Weighted sums: 1, tokens, tokens², seconds, tokens · seconds.
    private var weight = 0.0
    private var tokens = 0.0
    private var squares = 0.0
    private var seconds = 0.0
    private var products = 0.0

    /// How many samples the sums remember.
    private static let memory = 512.0
    /// Until then the samples also set the level.
    static let firstSamples = 16
    /// With nothing known: the overhead is as long as the writing of so many tokens.
    private static let firstOverheadTokens = 100.0

    init() {}

    /// Seconds; `nil` before the first sample. Never zero.
    func expected(tokens: Int) -> Double? {
        guard self.count > 0 else { return nil }
        return max(1e-9, self.overhead + self.perToken * Self.size(tokens))
    }

    /// How much longer a request took than it would have alone; within 1/16...16, so that no single one weighs much.
    func stretch(seconds: Double, tokens: Int) -> Double? {
        self.expected(tokens: tokens).map { min(16, max(1 / 16, seconds / $0)) }
    }

    /// - Parameter stretch: of the time in which the request ran; its latency is divided by this.
    mutating func learn(seconds: Double, tokens: Int, stretch: Double) {
        let size = Self.size(tokens)
        let unloaded = min(1e6, max(1e-6, seconds)) / stretch
        if self.count == 0 {
            self.perToken = unloaded / (Self.firstOverheadTokens + size)
            self.overhead = self.perToken * Self.firstOverheadTokens
        }
        self.count += 1
        let expected = max(1e-9, self.overhead + self.perToken * size)
        // An outlier counts as no more than four times what was expected.
        let taken = min(unloaded, 4 * expected)
        let relative = 1 / (expected * expected)
        let keep = 1 - 1 / Self.memory
        self.weight = self.weight * keep + relative
        self.tokens = self.tokens * keep + relative * size
        self.squares = self.squares * keep + relative * size * size
        self.seconds = self.seconds * keep + relative * taken
        self.products = self.products * keep + relative * size * taken
        self.solve(size: size, expected: expected)
    }

    /// Changes the level, not the shape.
    mutating func scale(by factor: Double) {
        self.overhead *= factor
        self.perToken *= factor
        // Sums of weights are in 1/seconds², those with one factor of seconds in 1/seconds.
        self.weight /= factor * factor
        self.tokens /= factor * factor
        self.squares /= factor * factor
        self.seconds /= factor
        self.products /= factor
    }

    private mutating func solve(size: Double, expected: Double) {
        // The belief: what was known of an empty request, and of this one.
        let empty = max(1e-9, self.overhead)
        let emptyWeight = 1 / max(empty * empty, 1e-4 * expected * expected)
        let sizeWeight = 1 / (expected * expected)
        let weight = self.weight + emptyWeight + sizeWeight
        let tokens = self.tokens + sizeWeight * size
        let squares = self.squares + sizeWeight * size * size
        let seconds = self.seconds + emptyWeight * empty + sizeWeight * expected
        let products = self.products + sizeWeight * size * expected
        let determinant = weight * squares - tokens * tokens
        guard determinant > 1e-12 * weight * squares else { return }
        let slope = max(0, (weight * products - tokens * seconds) / determinant)
        let intercept = max(0, (seconds - slope * tokens) / weight)
        let usual = tokens / weight
        let level = intercept + slope * usual
        guard level.isFinite, level > 0 else { return }
        // Requests of the usual size stay where they were.
        let anchor = self.count > Self.firstSamples ? (self.overhead + self.perToken * usual) / level : 1
        guard anchor.isFinite, anchor > 0 else { return }
        self.perToken = slope * anchor
        self.overhead = intercept * anchor
    }

    private static func size(_ tokens: Int) -> Double { Double(min(10_000_000, max(0, tokens))) }
}
