import SluiceBasics
import SluiceCore

/// How many tokens a prompt or a completion has.
package enum LengthDistribution: Sendable, Equatable {
    case fixed(Int)
    /// Of this mean; what M/M/c formulas assume.
    case exponential(mean: Double)
    /// A log-normal bulk and, with probability `tailShare`, a Pareto tail that begins at `tailFrom`: the usual shape of
    /// traffic to language models. The smaller the index, the heavier the tail; below 2 the variance has no bound but
    /// `longest`.
    case heavyTailed(
        median: Double,
        sigma: Double,
        tailShare: Double = 0,
        tailFrom: Double = 1,
        tailIndex: Double = 1.5,
        longest: Int
    )

    /// At least 1, except where `fixed` says otherwise.
    package func sample(_ random: inout SeededRandom) -> Int {
        switch self {
        case .fixed(let count): return max(0, count)
        case .exponential(let mean): return max(1, Int(min(1e9, mean * random.exponential()).rounded()))
        case .heavyTailed(let median, let sigma, let tailShare, let tailFrom, let tailIndex, let longest):
            let isTail = random.unit() < tailShare
            let drawn =
                isTail
                ? random.pareto(least: tailFrom, index: tailIndex) : random.logNormal(median: median, sigma: sigma)
            return max(1, Int(min(Double(longest), drawn).rounded()))
        }
    }
}

/// A kind of request: a chat, a document.
package struct RequestKind: Sendable, Equatable {
    package struct PriorityShare: Sendable, Equatable {
        package var priority: Priority
        package var share: Double

        package init(_ priority: Priority, share: Double = 1) {
            self.priority = priority
            self.share = share
        }
    }

    /// How much of the requests is of this kind, relative to the others.
    package var share: Double
    /// `nil`: it depends on the tokens, `Arrival.shortUpTo`.
    package var isShort: Bool?
    package var prompt: LengthDistribution
    package var completion: LengthDistribution
    /// How often each priority occurs, relative to one another.
    package var priorities: [PriorityShare]
    /// Time that a client waits in all; `nil`: for ever.
    package var deadline: Duration?

    package init(
        share: Double = 1,
        isShort: Bool? = nil,
        prompt: LengthDistribution,
        completion: LengthDistribution,
        priorities: [PriorityShare] = [PriorityShare(.normal)],
        deadline: Duration? = nil
    ) {
        self.share = share
        self.isShort = isShort
        self.prompt = prompt
        self.completion = completion
        self.priorities = priorities
        self.deadline = deadline
    }

    func priority(_ random: inout SeededRandom) -> Priority {
        // One draw in any case, so that other priorities do not change the lengths.
        var place = random.unit() * self.priorities.reduce(0) { $0 + $1.share }
        for one in self.priorities {
            place -= one.share
            if place < 0 { return one.priority }
        }
        return self.priorities.last?.priority ?? .normal
    }
}
