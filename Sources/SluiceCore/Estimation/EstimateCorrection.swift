/// Learns, for each model, by how much estimates miss what backends count, and corrects the next ones.
///
/// A factor is the sum of actual tokens over the sum of estimated ones, both forgotten exponentially: half after
/// `halfLife` requests. Prompts, limited completions and open ones have factors of their own. One answer cannot do
/// much: each sample's own ratio is bounded, and so is its weight. A factor is used after `minimumSamples`.
///
/// A plain value: the same calls give the same factors.
public struct EstimateCorrection: Sendable {
    /// Requests after which a sample weighs half.
    public static let halfLife = 32.0
    /// Samples before a factor is used.
    public static let minimumSamples = 4
    /// What a factor may be. Open completions have no limit to keep to, and differ more.
    public static let range = 0.25...4.0
    public static let openCompletionRange = 1.0 / 64...64.0
    /// The ratio that one sample may show.
    private static let sampleRange = 1.0 / 64...64.0
    /// Estimated tokens beyond which a sample weighs no more.
    private static let maximumWeight = 16_384.0
    /// What remains of the sums with each sample: 0.5 to the power of 1 / `halfLife`.
    private static let decay = 0.978572062087700

    private struct Ratio {
        var estimated = 0.0
        var actual = 0.0
        var samples = 0

        mutating func add(_ estimate: Int, _ count: Int) {
            // A backend that counts nothing says 0; no answer has fewer.
            guard estimate > 0, count > 0 else { return }
            let weight = min(Double(estimate), EstimateCorrection.maximumWeight)
            let bounds = EstimateCorrection.sampleRange
            let ratio = min(max(Double(count) / Double(estimate), bounds.lowerBound), bounds.upperBound)
            self.estimated = self.estimated * EstimateCorrection.decay + weight
            self.actual = self.actual * EstimateCorrection.decay + weight * ratio
            self.samples = min(self.samples + 1, EstimateCorrection.minimumSamples)
        }

        func factor(in bounds: ClosedRange<Double>) -> Double? {
            guard self.samples >= EstimateCorrection.minimumSamples, self.estimated > 0 else { return nil }
            return min(max(self.actual / self.estimated, bounds.lowerBound), bounds.upperBound)
        }
    }

    private struct Model {
        var prompt = Ratio()
        var limited = Ratio()
        var open = Ratio()
        var usedAt: UInt64 = 0
    }

    /// How many models are remembered; the one that was learned from longest ago leaves for a new one.
    public let maximumModels: Int
    private var models: [String: Model] = [:]
    private var clock: UInt64 = 0

    /// - Parameter maximumModels: at least 1.
    public init(maximumModels: Int = 256) { self.maximumModels = max(1, maximumModels) }

    /// How many models are known.
    public var modelCount: Int { self.models.count }

    /// Takes note of what a backend counted.
    /// - Parameters:
    ///   - estimate: as it was before it was corrected.
    ///   - prompt: actual tokens; 0 and less are ignored, as is what lies 64 times beside the estimate beyond that.
    ///   - completion: as for `prompt`.
    public mutating func learn(_ estimate: TokenEstimate, prompt: Int, completion: Int, model: String) {
        guard prompt > 0 || completion > 0 else { return }
        if self.models[model] == nil, self.models.count >= self.maximumModels { self.forgetOldest() }
        self.clock += 1
        let now = self.clock
        Self.update(&self.models[model, default: Model()]) { known in
            known.usedAt = now
            known.prompt.add(estimate.prompt, prompt)
            if estimate.isCompletionLimited {
                known.limited.add(estimate.completion, completion)
            } else {
                known.open.add(estimate.completion, completion)
            }
        }
    }

    /// The estimate, corrected by what is known of the model; unchanged where nothing is. Never more than what the
    /// client allows.
    public func corrected(_ estimate: TokenEstimate, model: String) -> TokenEstimate {
        guard let known = self.models[model] else { return estimate }
        var result = estimate
        if let factor = known.prompt.factor(in: Self.range) {
            result.prompt = Self.scaled(estimate.prompt, factor)
        }
        if estimate.isCompletionLimited {
            if let factor = known.limited.factor(in: Self.range) {
                result.completion = min(estimate.completion, Self.scaled(estimate.completion, factor))
            }
        } else if let factor = known.open.factor(in: Self.openCompletionRange) {
            result.completion = Self.scaled(estimate.completion, factor)
        }
        return result
    }

    /// The factors in use for a model; 1 where too little is known. For people to look at.
    public func factors(model: String) -> (prompt: Double, limitedCompletion: Double, openCompletion: Double) {
        let known = self.models[model]
        return (
            known?.prompt.factor(in: Self.range) ?? 1, known?.limited.factor(in: Self.range) ?? 1,
            known?.open.factor(in: Self.openCompletionRange) ?? 1
        )
    }

    private static func update(_ model: inout Model, _ body: (inout Model) -> Void) { body(&model) }

    /// At least 1 for what is not nothing.
    private static func scaled(_ tokens: Int, _ factor: Double) -> Int {
        guard tokens > 0 else { return 0 }
        return max(1, min(TokenEstimate.maximum, Int((Double(min(tokens, TokenEstimate.maximum)) * factor).rounded())))
    }

    private mutating func forgetOldest() {
        guard let oldest = self.models.min(by: { $0.value.usedAt < $1.value.usedAt }) else { return }
        self.models[oldest.key] = nil
    }
}
