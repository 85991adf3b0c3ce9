import SluiceBasics

/// The six formulas by which requests that wait are compared, each between 0 and 1.
///
/// They come from the queue that Sluice grew out of and are kept exactly. Arguments are numbers that were validated
/// when the request was admitted; what is out of range all the same is clamped, so that no result is ever less than 0,
/// more than 1 or not a number.
@usableFromInline
package enum Scorers {
    /// 1.0, 0.7, 0.4, 0.1 from urgent to low.
    @inlinable @inline(always)
    package static func priority(_ priority: Priority) -> Double {
        switch priority {
        case .urgent: 1
        case .high: 0.7
        case .normal: 0.4
        case .low: 0.1
        }
    }

    /// How well the request fills what is available: best between 70 and 90 %.
    @inlinable @inline(always)
    package static func efficiency(tokens: Double, available: Double) -> Double {
        guard available > 0, tokens > 0 else { return 0 }
        let usage = tokens / available
        if usage < 0.7 { return usage / 0.7 }
        if usage <= 0.9 { return 1 }
        return usage <= 1 ? 0.9 : 0
    }

    /// Grows to 1 within 10, 30, 60 or 300 seconds; for urgent requests with the square root.
    @inlinable @inline(always)
    package static func waitTime(milliseconds: Double, priority: Priority) -> Double {
        guard milliseconds > 0 else { return 0 }
        switch priority {
        case .urgent: return min(milliseconds / 10_000, 1).squareRoot()
        case .high: return min(milliseconds / 30_000, 1)
        case .normal: return min(milliseconds / 60_000, 1)
        case .low: return min(milliseconds / 300_000, 1)
        }
    }

    /// 0.7 to the power of the number of times that the request was handed out, at least 0.1.
    @inlinable @inline(always)
    package static func retry(receiveCount: Int) -> Double {
        switch receiveCount {
        case ...0: 1
        case 1: 0.7
        case 2: 0.49
        case 3: 0.343
        case 4: 0.2401
        case 5: 0.16807
        case 6: 0.117649
        default: 0.1
        }
    }

    /// Whether the request leaves room for others: best between 10 and 50 % of what is available.
    @inlinable @inline(always)
    package static func tokenFit(tokens: Double, available: Double) -> Double {
        guard available > 0, tokens > 0 else { return 0 }
        let ratio = tokens / available
        if ratio < 0.1 { return 10 * ratio }
        if ratio <= 0.5 { return 1 }
        return ratio <= 1 ? 1 - 0.4 * (ratio - 0.5) : 0
    }

    /// 1 up to a second, 0.7 at 5 s, 0.1 from 30 s on. Without an expectation, 10 ms per token are assumed.
    @inlinable @inline(always)
    package static func processingTime(expectedMilliseconds: Double, tokens: Double) -> Double {
        let time = expectedMilliseconds > 0 ? expectedMilliseconds : 10 * tokens
        if time <= 1_000 { return 1 }
        if time <= 5_000 { return 1 - 0.3 * (time - 1_000) / 4_000 }
        return time <= 30_000 ? 0.7 - 0.6 * (time - 5_000) / 25_000 : 0.1
    }
}

extension ScoringWeights {
    /// The sum of the weighted scorers, for comparing many requests: nothing is allocated, no `Duration` taken apart.
    /// Finite for any weights.
    ///
    /// - Parameters:
    ///   - waitNanoseconds: less than 0 counts as 0.
    ///   - expectedNanoseconds: 0 or less: not known.
    @inlinable @inline(always)
    package func score(
        priority: Priority,
        tokens: Int,
        availableTokens: Int?,
        waitNanoseconds: Int64,
        receiveCount: Int,
        expectedNanoseconds: Int64
    ) -> Double {
        let amount = Double(max(0, tokens))
        let milliseconds = Double(waitNanoseconds) / 1e6
        let expected = Double(expectedNanoseconds) / 1e6
        var sum = self.priority * Scorers.priority(priority)
        sum += self.waitTime * Scorers.waitTime(milliseconds: milliseconds, priority: priority)
        sum += self.retry * Scorers.retry(receiveCount: receiveCount)
        sum += self.processingTime * Scorers.processingTime(expectedMilliseconds: expected, tokens: amount)
        if let availableTokens {
            let available = Double(availableTokens)
            sum += self.efficiency * Scorers.efficiency(tokens: amount, available: available)
            sum += self.tokenFit * Scorers.tokenFit(tokens: amount, available: available)
        }
        return sum.isFinite ? sum : 0
    }

    /// The sum of the weighted scorers. Finite for any weights.
    package func score(_ facts: ScoringFacts) -> Double {
        self.score(
            priority: facts.priority,
            tokens: facts.tokens,
            availableTokens: facts.availableTokens,
            waitNanoseconds: facts.wait.wholeNanoseconds,
            receiveCount: facts.receiveCount,
            expectedNanoseconds: facts.expectedProcessing?.wholeNanoseconds ?? 0
        )
    }

    /// The weighted scorers one by one.
    public func breakdown(_ facts: ScoringFacts) -> ScoreBreakdown {
        let tokens = Double(max(0, facts.tokens))
        let expected = facts.expectedProcessing?.inMilliseconds ?? 0
        var breakdown = ScoreBreakdown(
            priority: self.priority * Scorers.priority(facts.priority),
            waitTime: self.waitTime
                * Scorers.waitTime(milliseconds: facts.wait.inMilliseconds, priority: facts.priority),
            retry: self.retry * Scorers.retry(receiveCount: facts.receiveCount),
            processingTime: self.processingTime
                * Scorers.processingTime(expectedMilliseconds: expected, tokens: tokens)
        )
        if let available = facts.availableTokens {
            breakdown.efficiency = self.efficiency * Scorers.efficiency(tokens: tokens, available: Double(available))
            breakdown.tokenFit = self.tokenFit * Scorers.tokenFit(tokens: tokens, available: Double(available))
        }
        return breakdown
    }
}
