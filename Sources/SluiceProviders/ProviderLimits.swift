import SluiceBasics
import SluiceCore
import SluiceWire

/// Reads what providers say about their limits in the headers of every answer.
///
///     x-ratelimit-limit-requests: 500              OpenAI, Azure, Groq, vLLM's and LiteLLM's proxies; also -tokens
///     x-ratelimit-remaining-requests: 499
///     x-ratelimit-reset-requests: 6m0s             Go's way of writing durations; or seconds
///     anthropic-ratelimit-tokens-limit: 40000      also requests, input-tokens, output-tokens
///     anthropic-ratelimit-tokens-remaining: 39000
///     anthropic-ratelimit-tokens-reset: 2025-01-01T00:00:00Z
///     llm_provider-x-ratelimit-remaining-tokens    LiteLLM's word for what its provider said
///
/// What is not a number in bounds is not there. The first of several fields of one meaning counts.
package enum ProviderLimits {
    /// No count is larger.
    package static let largestCount = 1_000_000_000_000
    /// No span is longer.
    package static let longestSpan = Duration.seconds(86_400)

    /// - Parameters:
    ///   - retryAfter: as it has been read already, if it has.
    ///   - nowNanoseconds: since 1970, for resets that are given as dates.
    /// - Returns: `nil` when the headers say nothing about limits. Looks at every name once; makes no string.
    package static func read(
        _ headers: HTTPFields,
        retryAfter: Duration? = nil,
        nowNanoseconds: Int64
    ) -> ProviderObservation? {
        var reading = Reading(nowNanoseconds: nowNanoseconds)
        headers.forEach { name, value in reading.take(name, value) }
        if let wait = retryAfter { reading.wait(min(max(.zero, wait), Self.longestSpan)) }
        return reading.observation
    }

    private enum Quantity {
        case requests
        case tokens
        case inputTokens
        case outputTokens

        init?(_ word: ArraySlice<UInt8>) {
            if Bytes.equals(word, "requests") {
                self = .requests
            } else if Bytes.equals(word, "tokens") {
                self = .tokens
            } else if Bytes.equals(word, "input-tokens") {
                self = .inputTokens
            } else if Bytes.equals(word, "output-tokens") {
                self = .outputTokens
            } else {
                return nil
            }
        }
    }

    fileprivate enum Facet {
        case limit
        case remaining
        case reset

        /// The facet that the word begins with, and what follows it.
        static func leading(_ word: ArraySlice<UInt8>) -> (Facet, ArraySlice<UInt8>)? {
            if Bytes.hasPrefix(word, "limit") { return (.limit, word.dropFirst(5)) }
            if Bytes.hasPrefix(word, "remaining") { return (.remaining, word.dropFirst(9)) }
            if Bytes.hasPrefix(word, "reset") { return (.reset, word.dropFirst(5)) }
            return nil
        }
    }

    fileprivate struct Reading {
        let nowNanoseconds: Int64
        var requests = ProviderObservation.Budget()
        var tokens = ProviderObservation.Budget()
        var inputTokens = ProviderObservation.Budget()
        var outputTokens = ProviderObservation.Budget()
        var retryAfter: Duration?
        fileprivate var isEmpty = true

        init(nowNanoseconds: Int64) {
            self.nowNanoseconds = nowNanoseconds
        }

        mutating func wait(_ span: Duration) {
            self.retryAfter = span
            self.isEmpty = false
        }

        var observation: ProviderObservation? {
            guard !self.isEmpty else { return nil }
            return ProviderObservation(
                requests: self.requests.isEmpty ? nil : self.requests,
                tokens: self.tokens.isEmpty ? nil : self.tokens,
                inputTokens: self.inputTokens.isEmpty ? nil : self.inputTokens,
                outputTokens: self.outputTokens.isEmpty ? nil : self.outputTokens,
                retryAfter: self.retryAfter
            )
        }

        mutating func take(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
            // The first letter sorts out nearly all.
            switch name.first.map({ $0 | 0x20 }) {
            case UInt8(ascii: "x"):
                if Bytes.hasPrefix(name, "x-ratelimit-") { self.openAI(name.dropFirst(12), value) }
            case UInt8(ascii: "a"):
                if Bytes.hasPrefix(name, "anthropic-ratelimit-") { self.anthropic(name.dropFirst(20), value) }
            case UInt8(ascii: "l"):
                if Bytes.hasPrefix(name, "llm_provider-x-ratelimit-") {
                    self.openAI(name.dropFirst(25), value)
                } else if Bytes.hasPrefix(name, "llm_provider-anthropic-ratelimit-") {
                    self.anthropic(name.dropFirst(33), value)
                }
            default: break
            }
        }

        /// `remaining-tokens`; without the quantity it is of requests.
        private mutating func openAI(_ word: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
            guard let (facet, rest) = Facet.leading(word) else { return }
            if rest.isEmpty { return self.set(facet, .requests, value) }
            guard rest.first == UInt8(ascii: "-"), let quantity = Quantity(rest.dropFirst()) else { return }
            self.set(facet, quantity, value)
        }

        /// `input-tokens-remaining`.
        private mutating func anthropic(_ word: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
            guard let dash = word.lastIndex(of: UInt8(ascii: "-")), let quantity = Quantity(word[..<dash]),
                let (facet, rest) = Facet.leading(word[word.index(after: dash)...]), rest.isEmpty
            else { return }
            self.set(facet, quantity, value)
        }

        private mutating func set(_ facet: Facet, _ quantity: Quantity, _ value: ArraySlice<UInt8>) {
            switch quantity {
            case .requests: self.requests = self.set(facet, of: self.requests, value)
            case .tokens: self.tokens = self.set(facet, of: self.tokens, value)
            case .inputTokens: self.inputTokens = self.set(facet, of: self.inputTokens, value)
            case .outputTokens: self.outputTokens = self.set(facet, of: self.outputTokens, value)
            }
        }
    }
}

extension ProviderLimits.Reading {
    /// The budget with what the value says.
    fileprivate mutating func set(
        _ facet: ProviderLimits.Facet,
        of budget: ProviderObservation.Budget,
        _ value: ArraySlice<UInt8>
    ) -> ProviderObservation.Budget {
        var budget = budget
        let text = StatedNumber.trimmed(value)
        switch facet {
        case .limit: budget.limit = budget.limit ?? StatedNumber.count(text)
        case .remaining: budget.remaining = budget.remaining ?? StatedNumber.count(text)
        case .reset:
            budget.resetsIn = budget.resetsIn ?? StatedNumber.span(text, nowNanoseconds: self.nowNanoseconds)
        }
        if !budget.isEmpty { self.isEmpty = false }
        return budget
    }
}
