import SluiceBasics

/// Where a pool's requests may go, in what proportion, and where they go next when that fails.
package struct RoutePlan: Sendable, Equatable {
    /// One place to send a request to.
    package struct Target: Sendable, Equatable {
        package var backend: String
        /// What the model is called there; `nil`: as the client calls it.
        package var model: String?
        /// Its share, relative to the others of the same order. At least 1.
        package var weight: Int
        /// Those of a higher order are asked only when none of a lower one can be.
        package var order: Int
        /// It stands for several providers, of which the client's name of the model chooses one. What one of them does
        /// says nothing about the others.
        package var standsForMany = false

        package init(backend: String, model: String? = nil, weight: Int = 1, order: Int = 0) {
            self.backend = backend
            self.model = model
            self.weight = max(1, weight)
            self.order = order
        }

        /// `backend` or `backend/model`.
        package var name: String { self.model.map { "\(self.backend)/\($0)" } ?? self.backend }
    }

    package enum Strategy: String, Sendable, CaseIterable {
        /// At random, in proportion to the weights.
        case weighted
        /// Of two at random the one with fewer calls in flight for its weight.
        case leastBusy = "least-busy"
        /// Whose answers come soonest; now and then another, to see whether that still holds.
        case latency
    }

    package enum FirstTokenTimeout: Sendable, Equatable {
        case off
        /// From what is usual for the target and the model.
        case learned
        case fixed(Duration)
    }

    /// So many places are told apart, fallbacks included.
    package static let maximumTargets = 64

    /// The ordinary ones first, then those that only fallbacks name.
    package let targets: [Target]
    package let mainCount: Int
    /// Indices of targets, by class, in the order in which they are tried.
    private let fallbacks: [[Int]]
    package var strategy: Strategy
    /// How long a target is left alone that failed; twice as long after each failed probe, up to eight times.
    package var coolDown: Duration
    /// Server errors, broken answers and timeouts in a row after which a target is left alone. A refused connection, a
    /// 401 and a 429 do it at once.
    package var failuresToCoolDown: Int
    /// The longest that one call may take, a stream to its first content; `nil`: only the request's deadline.
    package var attemptTimeout: Duration?
    package var firstTokenTimeout: FirstTokenTimeout
    /// The learned timeout is the 99th percentile times this, between floor and ceiling.
    package var firstTokenFactor: Double
    package var firstTokenFloor: Duration
    package var firstTokenCeiling: Duration
    /// Second calls over requests; 0: none.
    package var hedgeRatio: Double

    package init(
        targets: [Target],
        fallbacks: [FallbackClass: [Target]] = [:],
        strategy: Strategy = .weighted,
        coolDown: Duration = .seconds(5),
        failuresToCoolDown: Int = 3,
        attemptTimeout: Duration? = nil,
        firstTokenTimeout: FirstTokenTimeout = .learned,
        firstTokenFactor: Double = 3,
        firstTokenFloor: Duration = .seconds(5),
        firstTokenCeiling: Duration = .seconds(120),
        hedgeRatio: Double = 0
    ) {
        var all = Array(targets.prefix(Self.maximumTargets))
        self.mainCount = all.count
        self.fallbacks = FallbackClass.allCases.map { kind in
            (fallbacks[kind] ?? []).compactMap { Self.index(of: $0, in: &all) }
        }
        self.targets = all
        self.strategy = strategy
        self.coolDown = coolDown
        self.failuresToCoolDown = failuresToCoolDown
        self.attemptTimeout = attemptTimeout
        self.firstTokenTimeout = firstTokenTimeout
        self.firstTokenFactor = firstTokenFactor
        self.firstTokenFloor = firstTokenFloor
        self.firstTokenCeiling = firstTokenCeiling
        self.hedgeRatio = hedgeRatio
    }

    private static func index(of target: Target, in all: inout [Target]) -> Int? {
        if let known = all.firstIndex(where: { $0.backend == target.backend && $0.model == target.model }) {
            return known
        }
        guard all.count < Self.maximumTargets else { return nil }
        all.append(target)
        return all.count - 1
    }

    /// Where requests go that met a failure of this class. Without a list of its own, a refused rate goes where errors
    /// go.
    package func fallbacks(_ kind: FallbackClass) -> [Int] {
        let own = self.fallbacks[kind.ordinal]
        return own.isEmpty && kind == .rateLimit ? self.fallbacks[FallbackClass.error.ordinal] : own
    }
}

/// What kind of failure a list of fallbacks is for.
package enum FallbackClass: String, Sendable, CaseIterable {
    /// The prompt is longer than the model can read.
    case contextWindow = "context_window"
    case contentPolicy = "content_policy"
    case rateLimit = "rate_limit"
    /// Everything else that another target might do better.
    case error

    var ordinal: Int {
        switch self {
        case .contextWindow: 0
        case .contentPolicy: 1
        case .rateLimit: 2
        case .error: 3
        }
    }

    /// Whether every target of the ordinary kind would say the same.
    var isAboutRequest: Bool { self == .contextWindow || self == .contentPolicy }
}
