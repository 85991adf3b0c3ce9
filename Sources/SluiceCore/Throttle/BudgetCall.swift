import SluiceBasics

/// The limits of a budget that several dispatchers share, as plain numbers; -1: not limited.
package struct BudgetLimits: Sendable, Equatable {
    package var isStrict: Bool
    /// Tokens per minute.
    package var tokenRate: Int
    /// Tokens at once: the bucket's capacity, or the whole limit of a minute where it is strict.
    package var tokenCapacity: Int
    package var requestRate: Int
    package var requestCapacity: Int

    /// More does not fit into the exact arithmetic of a script: a number there has 53 bits, and a token 60,000 parts.
    package static let most = 100_000_000_000

    package init(isStrict: Bool, tokenRate: Int, tokenCapacity: Int, requestRate: Int, requestCapacity: Int) {
        self.isStrict = isStrict
        self.tokenRate = tokenRate
        self.tokenCapacity = tokenCapacity
        self.requestRate = requestRate
        self.requestCapacity = requestCapacity
    }

    /// Whether anything is limited at all.
    package var isLimited: Bool { self.tokenRate >= 0 || self.requestRate >= 0 }

    /// What keeps both: the smaller of each number, and strict if either is.
    func stricter(_ other: BudgetLimits) -> BudgetLimits {
        func least(_ one: Int, _ two: Int) -> Int { one < 0 ? two : two < 0 ? one : min(one, two) }
        return BudgetLimits(
            isStrict: self.isStrict || other.isStrict,
            tokenRate: least(self.tokenRate, other.tokenRate),
            tokenCapacity: least(self.tokenCapacity, other.tokenCapacity),
            requestRate: least(self.requestRate, other.requestRate),
            requestCapacity: least(self.requestCapacity, other.requestCapacity)
        )
    }

    package init(_ limit: RateLimit) {
        func rate(_ perMinute: Int?) -> Int { perMinute.map { min(max(0, $0), Self.most) } ?? -1 }
        func capacity(_ burst: Int?, _ rate: Int) -> Int {
            guard rate >= 0 else { return -1 }
            return limit.mode == .strict ? rate : min(max(0, burst ?? rate), Self.most)
        }
        let (tokens, requests) = (rate(limit.tokensPerMinute), rate(limit.requestsPerMinute))
        self.init(
            isStrict: limit.mode == .strict,
            tokenRate: tokens,
            tokenCapacity: capacity(limit.burstTokens, tokens),
            requestRate: requests,
            requestCapacity: capacity(limit.burstRequests, requests)
        )
    }
}

/// Tokens and requests.
package struct BudgetAmount: Sendable, Equatable {
    package var tokens: Int
    package var requests: Int

    package static let zero = BudgetAmount(tokens: 0, requests: 0)

    package init(tokens: Int, requests: Int) {
        self.tokens = tokens
        self.requests = requests
    }
}

/// What a dispatcher tells the keeper of a budget, and what it asks for. One call does all of it at once.
package struct BudgetQuestion: Sendable, Equatable {
    /// What was reserved, reported, and turned out not to be needed.
    package struct Refund: Sendable, Equatable {
        /// The slot in which it was reported (`BudgetAnswer.slot`); -1: not known any more.
        package var slot: Int
        package var amount: BudgetAmount

        package init(slot: Int, amount: BudgetAmount) {
            self.slot = slot
            self.amount = amount
        }
    }

    /// Grows by one with each question. The same number again is the same question, whose answer was lost.
    package var number: Int
    /// The budget that was known last; 0: none. Another one there means that the budget was lost, and who knows what
    /// has been used.
    package var epoch: Int
    package var limits: BudgetLimits
    /// How long a lease is to last, in milliseconds.
    package var leaseMilliseconds: Int
    /// Unused and still wanted: goes on being used while the question is on its way.
    package var kept: BudgetAmount
    /// Unused and given back; not used from the moment of asking.
    package var returned: BudgetAmount
    /// Used beyond what was leased.
    package var owed: BudgetAmount
    /// How much is wanted in all, `kept` included.
    package var target: BudgetAmount
    /// Less than this would be of no use; 0: anything is welcome.
    package var least: BudgetAmount
    /// The last word of this dispatcher.
    package var isLast: Bool
    package var refunds: [Refund]
}

/// What the keeper of a budget answers.
package struct BudgetAnswer: Sendable, Equatable {
    package var epoch: Int
    /// What the dispatcher holds now, as of the moment of asking.
    package var held: BudgetAmount
    /// Whether `least` was there.
    package var isMet: Bool
    /// Where what this question reported is counted.
    package var slot: Int
    /// What nobody holds.
    package var left: BudgetAmount
    /// Dispatchers that asked within the last second, this one included.
    package var holders: Int
    /// What is in force: the least of what the dispatchers were told.
    package var limits: BudgetLimits
    /// Whether the dispatchers were told different limits.
    package var differs: Bool

    package init(
        epoch: Int,
        held: BudgetAmount,
        isMet: Bool,
        slot: Int,
        left: BudgetAmount,
        holders: Int,
        limits: BudgetLimits,
        differs: Bool
    ) {
        self.epoch = epoch
        self.held = held
        self.isMet = isMet
        self.slot = slot
        self.left = left
        self.holders = holders
        self.limits = limits
        self.differs = differs
    }
}
