import SluiceBasics
import SluiceCore

/// Everything that a lab session can be set to. All of it but the seed and the trace may change while it runs.
package struct LabScenario: Sendable, Equatable {
    package struct Tenant: Sendable, Equatable {
        package var name: String
        /// Share of the service, relative to the others.
        package var weight: Double
        /// Share of the arrivals, relative to the others.
        package var share: Double

        package init(_ name: String, weight: Double = 1, share: Double = 1) {
            self.name = name
            self.weight = weight
            self.share = share
        }
    }

    /// When requests arrive.
    package enum Pattern: String, Sendable, CaseIterable {
        /// Independently of one another.
        case poisson
        /// A quarter of the time at 3.4 times the rate.
        case bursty
        /// Up and down within an hour.
        case diurnal
        /// None but those that are added by hand.
        case none

        package var process: ArrivalProcess {
            switch self {
            case .poisson, .none: .poisson
            case .bursty: .bursty()
            case .diurnal: .diurnal()
            }
        }
    }

    /// Medians of log-normal distributions, in tokens.
    package struct Lengths: Sendable, Equatable {
        package var prompt = 400
        package var completion = 150
        /// Spread of the logarithm; 0: all alike.
        package var spread = 0.8
        /// Share of documents, which are longer.
        package var longShare = 0.0
        package var longPrompt = 6_000
        package var longCompletion = 1_500

        package init() {}
    }

    /// One of the presets' names, or `custom`: the weights below.
    package var policy = SchedulingPreset.standard.rawValue
    package var weights = ScoringWeights.balanced
    package var minimumScore = 0.1
    package var candidates = 20
    /// Seconds.
    package var maximumWait = 300.0
    package var limit = RateLimit()
    package var slots = 8
    /// Whether tenants are served in turn.
    package var isFair = true
    package var tenantInFlight: Int?
    package var tenants = [Tenant("alpha"), Tenant("beta")]
    package var pattern = Pattern.poisson
    /// Arrivals per second, of all tenants.
    package var rate = 1.0
    /// How often each priority occurs, relative to one another, from urgent to low.
    package var priorities = [1.0, 2, 5, 2]
    package var lengths = Lengths()
    package var backend = BackendModel()
    /// Share of the calls that end in the backend's error and are repeated.
    package var failureRate = 0.0
    /// Seconds that clients wait in all; `nil`: for ever.
    package var deadline: Double?
    /// Spread of the logarithm of estimated over actual completion tokens.
    package var estimateError = 0.3
    /// Name of a recorded trace that arrives instead of what is drawn.
    package var trace: String?
    /// How many times faster than it was recorded.
    package var pace = 1.0
    /// Whether the trace begins again at its end.
    package var repeatsTrace = false
    package var seed: UInt64 = 1

    package init() {}

    package static let customPolicy = "custom"
}

extension LabScenario {
    static let poolName = "lab"
    static let backendName = "model"
    /// Queued and running requests at most: more are refused at the door.
    package static let mostLive = 20_000

    private var policyInForce: SchedulingPolicy {
        let preset = SchedulingPreset(rawValue: self.policy)
        return SchedulingPolicy(
            order: preset?.order ?? .scored(self.weights),
            minimumScore: self.minimumScore,
            candidates: self.candidates,
            maximumWait: Self.span(self.maximumWait)
        )
    }

    /// What a preset scores by, or the scenario's own weights.
    package var weightsInForce: ScoringWeights? {
        guard let preset = SchedulingPreset(rawValue: self.policy) else { return self.weights }
        return preset.weights
    }

    var scheduling: SchedulingConfiguration {
        var weights: [String: Double] = [:]
        for tenant in self.tenants { weights[tenant.name] = tenant.weight }
        return SchedulingConfiguration(
            policy: self.policyInForce,
            tenants: TenantPolicy(isFair: self.isFair, weights: weights, maximumInFlight: self.tenantInFlight),
            limit: self.limit.isUnlimited ? nil : self.limit
        )
    }

    var pool: PoolConfiguration {
        PoolConfiguration(
            name: Self.poolName,
            backend: Self.backendName,
            slots: self.slots,
            maximumRequests: Self.mostLive,
            maximumBytes: .max,
            scheduling: self.scheduling
        )
    }

    /// What is drawn, as the simulator's workloads have it.
    package var kinds: [RequestKind] {
        let shares = zip(Priority.allCases, self.priorities).map { RequestKind.PriorityShare($0, share: $1) }
        func kind(_ share: Double, _ isShort: Bool, _ prompt: Int, _ completion: Int) -> RequestKind {
            RequestKind(
                share: share,
                isShort: isShort,
                prompt: Self.length(prompt, self.lengths.spread),
                completion: Self.length(completion, self.lengths.spread),
                priorities: shares,
                deadline: self.deadline.map { Self.span($0) }
            )
        }
        var kinds: [RequestKind] = []
        if self.lengths.longShare < 1 {
            kinds.append(kind(1 - self.lengths.longShare, true, self.lengths.prompt, self.lengths.completion))
        }
        if self.lengths.longShare > 0 {
            kinds.append(kind(self.lengths.longShare, false, self.lengths.longPrompt, self.lengths.longCompletion))
        }
        return kinds
    }

    /// Longest request that is drawn, over its median.
    private static let longestOverMedian = 50

    private static func length(_ median: Int, _ spread: Double) -> LengthDistribution {
        guard spread > 0, median > 0 else { return .fixed(median) }
        return .heavyTailed(median: Double(median), sigma: spread, longest: median * Self.longestOverMedian)
    }

    package var shape: WorkloadShape {
        WorkloadShape(
            process: self.pattern.process,
            kinds: self.kinds,
            tenants: self.tenants.map { WorkloadShape.Tenant($0.name, share: $0.share) },
            estimateError: self.estimateError
        )
    }

    static func span(_ seconds: Double) -> Duration {
        .nanoseconds(Int64(min(9e18, max(0, seconds) * 1e9).rounded()))
    }
}
