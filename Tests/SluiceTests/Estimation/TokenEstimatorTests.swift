import Sluice
import Testing

struct TokenEstimatorTests {
    @Test func `estimates a chat and learns from what it really cost`() {
        var estimator = TokenEstimator(model: "gpt-4o")
        let text = "The harbour was quiet when we arrived, and nobody knew whether the ferry would leave."
        #expect((13...21).contains(estimator.tokens(in: text)))
        #expect(estimator.tokens(in: "") == 0)
        let estimate = estimator.estimate(messages: [text, text], limit: 300)
        #expect(estimate.prompt == 2 * estimator.tokens(in: text) + 11)
        #expect(estimate.completion == 300)
        #expect(estimator.corrected(estimate) == estimate)
        for _ in 0..<10 {
            estimator.learn(estimate, promptTokens: estimate.prompt * 2, completionTokens: 100)
        }
        #expect(estimator.corrected(estimate).prompt == estimate.prompt * 2)
        #expect(estimator.corrected(estimate).completion == 100)
    }

    @Test func `knows images by the model's rule`() {
        let size = ImageSize(width: 1_024, height: 1_024)
        #expect(TokenEstimator(model: "gpt-4o").tokens(in: size) == 765)
        #expect(TokenEstimator(model: "gpt-4o").tokens(in: size, detail: .low) == 85)
        #expect(TokenEstimator(model: "gpt-4o").tokens(in: nil) == 765)
        #expect(TokenEstimator(model: "o4-mini").tokens(in: size) == (1_024 * 172 + 99) / 100)
    }

    @Test func `counts exactly with a vocabulary`() throws {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        let bytes = (0..<256).map { "\(alphabet[$0 >> 2])\(alphabet[$0 << 4 & 63])== \($0)\n" }.joined()
        let vocabulary = try TokenVocabulary(tiktoken: Array((bytes + "aGVsbG8= 256\n").utf8), family: .cl100k)
        let estimator = TokenEstimator(model: "mine", vocabulary: vocabulary)
        #expect(estimator.family == .cl100k)
        #expect(estimator.tokens(in: "hello") == 1)
        #expect(estimator.tokens(in: "hello hi") == 4)
        #expect(estimator.tokens(in: [UInt8]("hello".utf8).span) == 1)
    }

    @Test func `hostile numbers do no harm`() {
        let estimator = TokenEstimator(model: "m")
        let estimate = estimator.estimate(messages: ["a"], otherTokens: .max, limit: .max, choices: .max)
        #expect(estimate.prompt <= TokenEstimate.maximum && estimate.completion <= TokenEstimate.maximum)
        #expect(estimator.estimate(messages: [], otherTokens: .min, limit: .min, choices: .min).total == 3)
    }
}
