import SluiceBasics
import SluiceCore
import Testing

struct EstimateCorrectionTests {
    private func estimate(_ prompt: Int, limit: Int? = nil) -> TokenEstimate {
        TokenEstimate(prompt: prompt, limit: limit)
    }

    @Test func `nothing is corrected before enough samples`() {
        var correction = EstimateCorrection()
        for count in 1...EstimateCorrection.minimumSamples {
            correction.learn(self.estimate(100), prompt: 200, completion: 50, model: "m")
            let corrected = correction.corrected(self.estimate(100), model: "m")
            #expect(corrected.prompt == (count < EstimateCorrection.minimumSamples ? 100 : 200))
            #expect(corrected.completion == (count < EstimateCorrection.minimumSamples ? 500 : 50))
        }
        #expect(correction.corrected(self.estimate(100), model: "other") == self.estimate(100))
    }

    /// Whatever the true ratio within the range, noise of ±50 % and lengths over three decades.
    @Test(arguments: [0.3, 0.5, 0.8, 1, 1.3, 2, 3.5])
    func `estimates converge to what is counted`(ratio: Double) {
        for seed in 1...20 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            var correction = EstimateCorrection()
            var charged = 0
            var actual = 0
            for step in 0..<400 {
                let raw = self.estimate(Int.random(in: 10...10_000, using: &random))
                let noise = Double.random(in: 0.5...1.5, using: &random)
                let truth = max(1, Int(Double(raw.prompt) * ratio * noise))
                if step >= 100 {
                    charged += correction.corrected(raw, model: "m").prompt
                    actual += truth
                }
                correction.learn(raw, prompt: truth, completion: 20, model: "m")
            }
            let error = Double(charged - actual) / Double(actual)
            #expect(abs(error) < 0.1, "ratio \(ratio), seed \(seed): \(error)")
            #expect(abs(correction.factors(model: "m").prompt / ratio - 1) < 0.25)
        }
    }

    @Test func `a change is followed within three half-lives`() {
        var correction = EstimateCorrection()
        for _ in 0..<500 { correction.learn(self.estimate(1_000), prompt: 500, completion: 100, model: "m") }
        #expect(abs(correction.factors(model: "m").prompt - 0.5) < 0.001)
        for _ in 0..<96 { correction.learn(self.estimate(1_000), prompt: 2_000, completion: 100, model: "m") }
        #expect(correction.factors(model: "m").prompt > 1.8)
    }

    @Test func `hostile usage stays within bounds`() {
        let numbers = [0, -1, Int.min, Int.max, 1, 1 << 40]
        var random = SeededRandom(seed: 5)
        var correction = EstimateCorrection(maximumModels: 10)
        for step in 0..<5_000 {
            let raw = TokenEstimate(
                prompt: numbers.randomElement(using: &random) ?? 0,
                limit: Bool.random(using: &random) ? numbers.randomElement(using: &random) : nil,
                choices: numbers.randomElement(using: &random) ?? 1
            )
            correction.learn(
                raw,
                prompt: numbers.randomElement(using: &random) ?? 0,
                completion: numbers.randomElement(using: &random) ?? 0,
                model: "m\(step % 37)"
            )
            let corrected = correction.corrected(raw, model: "m\(step % 37)")
            #expect((0...TokenEstimate.maximum).contains(corrected.prompt))
            #expect((0...TokenEstimate.maximum).contains(corrected.completion))
            #expect(!raw.isCompletionLimited || corrected.completion <= raw.completion)
            let factors = correction.factors(model: "m\(step % 37)")
            #expect((0.25...4).contains(factors.prompt) && (0.25...4).contains(factors.limitedCompletion))
            #expect(correction.modelCount <= 10)
        }
    }

    @Test func `one mad answer does not undo what was learned`() {
        var correction = EstimateCorrection()
        for _ in 0..<200 { correction.learn(self.estimate(1_000), prompt: 1_000, completion: 500, model: "m") }
        correction.learn(self.estimate(TokenEstimate.maximum), prompt: Int.max, completion: Int.max, model: "m")
        // It is bounded, and forgotten within a few hundred requests.
        #expect(correction.factors(model: "m").prompt <= 4)
        for _ in 0..<300 { correction.learn(self.estimate(1_000), prompt: 1_000, completion: 500, model: "m") }
        #expect(abs(correction.factors(model: "m").prompt - 1) < 0.05)
    }

    @Test func `a limit is never exceeded, and guessed answers are corrected apart from it`() {
        var correction = EstimateCorrection()
        for _ in 0..<100 {
            correction.learn(self.estimate(10, limit: 4_096), prompt: 10, completion: 2_048, model: "m")
            correction.learn(self.estimate(10), prompt: 10, completion: 30, model: "m")
        }
        #expect(correction.corrected(self.estimate(10, limit: 1_000), model: "m").completion == 500)
        #expect(correction.corrected(self.estimate(10), model: "m").completion == 30)
        for _ in 0..<100 { correction.learn(self.estimate(10, limit: 10), prompt: 10, completion: 40, model: "k") }
        #expect(correction.corrected(self.estimate(10, limit: 10), model: "k").completion == 10)
    }

    @Test func `the model learned from longest ago is forgotten first`() {
        var correction = EstimateCorrection(maximumModels: 2)
        for _ in 0..<8 { correction.learn(self.estimate(10), prompt: 20, completion: 5, model: "a") }
        for _ in 0..<8 { correction.learn(self.estimate(10), prompt: 20, completion: 5, model: "b") }
        correction.learn(self.estimate(10), prompt: 20, completion: 5, model: "a")
        correction.learn(self.estimate(10), prompt: 20, completion: 5, model: "c")
        #expect(correction.factors(model: "a").prompt == 2)
        #expect(correction.factors(model: "b").prompt == 1)
        #expect(correction.modelCount == 2)
    }

    @Test func `several choices cost several answers`() {
        #expect(TokenEstimate(prompt: 5, limit: 100, choices: 3).completion == 300)
        #expect(TokenEstimate(prompt: 5, limit: nil).completion == TokenEstimate.defaultCompletion)
        #expect(TokenEstimate(prompt: -5, limit: -1, choices: -7).total == 0)
    }
}
