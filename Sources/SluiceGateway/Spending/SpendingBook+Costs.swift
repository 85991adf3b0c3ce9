import SluiceCore
import SluiceProviders

// What requests may cost, and what they did cost.
extension SpendingBook {
    /// What is known of a model.
    func entry(_ model: String, pool: String) -> PriceTable.Entry? {
        self.prices.entry(self.names.byPool[pool]?[model] ?? model)
    }

    private func prices(_ model: String, at backend: String) -> TokenPrices? {
        self.prices.entry(self.names.byBackend[backend]?[model] ?? model)?.prices
    }

    // MARK: Afterwards

    /// All calls of it together: those of which nobody said what they took, as far as they may have been worked on, by
    /// the estimate.
    ///
    /// - Returns: `nil` when no model that it met has a price.
    package func cost(_ record: RequestRecord) -> Money? {
        let submission = record.submission
        guard let decisive = record.decisiveAttempt else {
            guard let prices = self.entry(submission.model, pool: submission.pool)?.prices else { return nil }
            return record.usage.map { prices.cost($0) } ?? .zero
        }
        var sum: Money?
        for attempt in record.attempts {
            guard let prices = self.prices(attempt.model ?? submission.model, at: attempt.backend) else { continue }
            let usage = attempt.number == decisive.number ? record.usage : nil
            sum = (sum ?? .zero) + (usage.map { prices.cost($0) } ?? Self.estimate(attempt, submission, prices))
        }
        return sum
    }

    /// Of a call of which nobody said what it took.
    private static func estimate(_ attempt: AttemptRecord, _ submission: Submission, _ prices: TokenPrices) -> Money {
        guard attempt.failure?.wasWorkedOn ?? true else { return .zero }
        let isAnswered = attempt.failure == nil || attempt.failure == .responseTooLarge || attempt.firstByteAt != nil
        return prices.cost(
            prompt: submission.tokenEstimate - submission.completionEstimate,
            completion: isAnswered ? submission.completionEstimate : 0
        )
    }

    // MARK: Before

    /// What an estimate of the prompt may be wrong by.
    private static let margin = 1.25

    /// The prices of everything that the request may be sent to; `nil` for a model without a price.
    private func candidates(_ submission: Submission) -> [TokenPrices?] {
        guard let route = self.names.routes[submission.pool] else {
            return [self.entry(submission.model, pool: submission.pool)?.prices]
        }
        return route.targets.map { self.prices($0.model ?? submission.model, at: $0.backend) }
    }

    /// Whether the price of every model is known that it may be sent to.
    func isPriced(_ submission: Submission) -> Bool { self.candidates(submission).allSatisfy { $0 != nil } }

    /// The most that a request can cost at the dearest of its targets, if it bounds its answer; else what it probably
    /// costs, doubled. Twice that where a second call may be made while the first one runs.
    func most(_ submission: Submission) -> Money? {
        let prompt = Double(max(0, submission.tokenEstimate - submission.completionEstimate)) * Self.margin
        let completion =
            submission.isCompletionLimited
            ? submission.completionEstimate
            : Self.doubled(submission.completionEstimate)
        let most = self.candidates(submission).compactMap { $0 }.map { prices in
            // A write to the provider's cache costs more than plain input.
            let bound = TokenPrices(input: max(prices.input, prices.cacheWrite ?? 0), output: prices.output)
            return bound.cost(prompt: Int(exactly: prompt.rounded(.up)) ?? .max, completion: completion)
        }
        .max()
        let isHedged = (self.names.routes[submission.pool]?.hedgeRatio ?? 0) > 0
        return most.map { isHedged ? $0 + $0 : $0 }
    }

    private static func doubled(_ count: Int) -> Int {
        let (twice, overflow) = count.multipliedReportingOverflow(by: 2)
        return overflow ? .max : twice
    }
}

extension TokenPrices {
    fileprivate func cost(_ usage: TokenUsage) -> Money {
        self.cost(prompt: usage.prompt, completion: usage.completion, cached: usage.cached, written: usage.cacheWritten)
    }
}

extension FailureClass {
    /// Whether the provider may have begun to work, and charge, before it came to nothing. Who refuses charges nothing.
    fileprivate var wasWorkedOn: Bool {
        switch self {
        case .serverError, .readTimeout, .reset, .malformedResponse, .responseTooLarge, .deadline, .cancelled: true
        case .connectRefused, .connectTimeout, .connectError, .rateLimited, .overloaded, .authentication,
            .invalidRequest, .routeOrModel, .providerRejected:
            false
        }
    }
}
