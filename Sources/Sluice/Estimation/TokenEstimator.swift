import SluiceCore

/// Estimates the tokens of texts, images and whole requests for one model, and gets better with every answer whose
/// usage it is told.
///
///     var estimator = TokenEstimator(model: "gpt-4o")
///     let estimate = estimator.estimate(messages: ["Summarise this: …"], limit: 300)
///     // … after the answer:
///     estimator.learn(estimate, promptTokens: 412, completionTokens: 188)
///
/// With a vocabulary texts are counted exactly, at about a fiftieth of the speed. A value: keep it in a lock or an
/// actor when several tasks use it.
public struct TokenEstimator: Sendable {
    public let model: String
    public let family: TokenizerFamily
    /// What images cost.
    public var imageRule: ImageRule
    /// Counts texts exactly when there is one.
    public var vocabulary: TokenVocabulary?
    /// What has been learned. May be shared between estimators of several models.
    public var correction: EstimateCorrection

    /// - Parameters:
    ///   - model: decides about vocabulary family and image rule.
    ///   - vocabulary: read from a file in tiktoken's format.
    public init(
        model: String,
        vocabulary: TokenVocabulary? = nil,
        correction: EstimateCorrection = EstimateCorrection()
    ) {
        self.model = model
        self.family = vocabulary?.family ?? TokenizerFamily(model: model)
        self.imageRule = ImageRule(model: model)
        self.vocabulary = vocabulary
        self.correction = correction
    }

    /// Tokens of a text: 0 for an empty one, else at least 1. Without a vocabulary texts beyond 32 KiB are sampled.
    public func tokens(in text: String) -> Int {
        var text = text
        text.makeContiguousUTF8()
        return self.tokens(in: text.utf8.span)
    }

    /// As the other, for UTF-8.
    public func tokens(in text: Span<UInt8>) -> Int {
        if let vocabulary = self.vocabulary { return vocabulary.count(text) }
        var census = TextCensus()
        census.add(text)
        return census.tokens(self.family)
    }

    /// Tokens of an image; `nil`: of unknown size.
    public func tokens(in image: ImageSize?, detail: ImageRule.Detail = .auto) -> Int {
        self.imageRule.tokens(image, detail: detail)
    }

    /// What a chat is expected to cost, before correction.
    /// - Parameters:
    ///   - messages: their texts. Four tokens for the frame of each and three for the answer's beginning are added.
    ///   - otherTokens: of images, tools and whatever else is no text.
    ///   - limit: of the completion; `nil`: `TokenEstimate.defaultCompletion` until something is learned.
    ///   - choices: how many answers are asked for.
    public func estimate(
        messages: [String],
        otherTokens: Int = 0,
        limit: Int? = nil,
        choices: Int = 1
    ) -> TokenEstimate {
        var prompt = FrameTokens.answer + min(max(0, otherTokens), TokenEstimate.maximum)
        for message in messages {
            prompt = min(TokenEstimate.maximum, prompt + FrameTokens.message + self.tokens(in: message))
        }
        return TokenEstimate(prompt: prompt, limit: limit, choices: choices)
    }

    /// The estimate by what has been learned: this is what to charge.
    public func corrected(_ estimate: TokenEstimate) -> TokenEstimate {
        self.correction.corrected(estimate, model: self.model)
    }

    /// Takes note of what the backend counted.
    /// - Parameter estimate: as `estimate` gave it, not corrected.
    public mutating func learn(_ estimate: TokenEstimate, promptTokens: Int, completionTokens: Int) {
        self.correction.learn(estimate, prompt: promptTokens, completion: completionTokens, model: self.model)
    }
}
