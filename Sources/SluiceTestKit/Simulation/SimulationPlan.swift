import SluiceBasics
import SluiceCore

/// Everything about one run that follows from its seed.
package struct SimulationPlan: Sendable {
    var pools: [PoolConfiguration]
    var backends: [BackendPolicy]
    var leaseMode: LeaseMode
    var requests: Int
    var tenants: Int
    /// Mean time between arrivals.
    var spacing: Duration
    /// Mean time of a healthy call.
    var service: Duration
    var cancelShare: Double
    var operatorShare: Double
    /// Of deadlines that are a few seconds instead of minutes.
    var hurryShare: Double
    /// Of claims whose holder stops extending its lease.
    var zombieShare: Double
    /// The longest that a wake may be late.
    var lateness: Duration

    init(seed: UInt64, random: inout SeededRandom, requests: Int?) {
        let backendCount = Int.random(in: 1...3, using: &random)
        self.backends = (0..<backendCount).map { index in
            BackendPolicy(
                name: "backend-\(index)",
                breaker: BreakerConfiguration(
                    consecutiveFailures: Int.random(in: 2...8, using: &random),
                    failureRatio: 0.5,
                    minimumCalls: Int.random(in: 5...20, using: &random),
                    window: .seconds(30),
                    openFor: .milliseconds(Int.random(in: 500...20_000, using: &random)),
                    probesToClose: Int.random(in: 1...3, using: &random)
                )
            )
        }
        let poolCount = Int.random(in: 1...4, using: &random)
        self.pools = (0..<poolCount).map { index in
            PoolConfiguration(
                name: "pool-\(index)",
                backend: "backend-\(index % backendCount)",
                slots: Int.random(in: 1...8, using: &random),
                maximumRequests: Int.random(in: 20...400, using: &random),
                maximumBytes: Int.random(in: 4_000...80_000, using: &random),
                maximumRequestsPerTenant: random.unit() < 0.5 ? Int.random(in: 5...60, using: &random) : nil,
                retry: Self.retry(&random),
                lease: .seconds(10),
                scheduling: Self.scheduling(&random)
            )
        }
        self.leaseMode = random.unit() < 0.6 ? .held : .expiring
        self.requests = requests ?? (seed % 100 == 99 ? 3_000 : Int.random(in: 120...400, using: &random))
        self.tenants = Int.random(in: 1...6, using: &random)
        self.spacing = .milliseconds(Int.random(in: 5...300, using: &random))
        self.service = .milliseconds(Int.random(in: 20...2_000, using: &random))
        self.cancelShare = [0, 0.05, 0.3][Int.random(in: 0..<3, using: &random)]
        self.operatorShare = [0, 0.01, 0.05][Int.random(in: 0..<3, using: &random)]
        self.hurryShare = [0, 0.2, 0.8][Int.random(in: 0..<3, using: &random)]
        self.lateness = random.unit() < 0.3 ? .milliseconds(Int.random(in: 1...200, using: &random)) : .zero
        self.zombieShare = self.leaseMode == .expiring ? [0.1, 0.6][Int.random(in: 0..<2, using: &random)] : 0
    }

    /// Half of the pools keep a line, exactly; the others have everything that a scheduler has.
    private static func scheduling(_ random: inout SeededRandom) -> SchedulingConfiguration {
        if random.unit() < 0.5 {
            return SchedulingConfiguration(
                policy: SchedulingPolicy(
                    order: random.unit() < 0.5 ? .fifo : .priority,
                    maximumWait: .seconds(1_000_000)
                ),
                tenants: TenantPolicy(isFair: false),
                followsProviderLimits: false,
                shedding: Self.shedding(&random)
            )
        }
        let presets: [ScoringWeights] = [.balanced, .simplePriority, .throughputOptimized, .fair]
        return SchedulingConfiguration(
            policy: SchedulingPolicy(
                order: .scored(presets[Int.random(in: 0..<4, using: &random)]),
                maximumWait: .seconds(Int.random(in: 1...100, using: &random))
            ),
            tenants: TenantPolicy(
                isFair: random.unit() < 0.7,
                weights: ["tenant-0": 0.5 + 3 * random.unit()],
                maximumInFlight: random.unit() < 0.3 ? Int.random(in: 1...4, using: &random) : nil
            ),
            limit: random.unit() < 0.6 ? Self.limit(&random) : nil,
            followsProviderLimits: random.unit() < 0.5,
            isAdaptive: random.unit() < 0.4,
            shedding: Self.shedding(&random)
        )
    }

    static func shedding(_ random: inout SeededRandom) -> SheddingPolicy {
        guard random.unit() < 0.3 else { return SheddingPolicy() }
        return SheddingPolicy(
            target: .milliseconds(Int.random(in: 1...5_000, using: &random)),
            interval: .milliseconds(Int.random(in: 10...5_000, using: &random))
        )
    }

    /// What a backend says about its limits: anything.
    static func observation(_ random: inout SeededRandom) -> ProviderObservation? {
        guard random.unit() < 0.5 else { return nil }
        func budget(_ largest: Int, _ random: inout SeededRandom) -> ProviderObservation.Budget? {
            guard random.unit() < 0.6 else { return nil }
            return ProviderObservation.Budget(
                limit: random.unit() < 0.8 ? Int.random(in: 0...largest, using: &random) : nil,
                remaining: random.unit() < 0.9 ? Int.random(in: 0...largest, using: &random) : nil,
                resetsIn: random.unit() < 0.8 ? .milliseconds(Int.random(in: 0...90_000, using: &random)) : nil
            )
        }
        return ProviderObservation(
            requests: budget(500, &random),
            tokens: budget(1_000_000, &random),
            inputTokens: budget(500_000, &random),
            outputTokens: budget(500_000, &random)
        )
    }

    static func limit(_ random: inout SeededRandom) -> RateLimit {
        let requests = Int.random(in: 60...6_000, using: &random)
        let tokens = Int.random(in: 30_000...400_000, using: &random)
        return RateLimit(
            requestsPerMinute: random.unit() < 0.5 ? requests : nil,
            tokensPerMinute: random.unit() < 0.8 ? tokens : nil,
            burstTokens: random.unit() < 0.5 ? tokens * 2 : nil,
            mode: random.unit() < 0.7 ? .smooth : .strict
        )
    }

    private static func retry(_ random: inout SeededRandom) -> RetryPolicy {
        RetryPolicy(
            mode: random.unit() < 0.7 ? .auto : .neverAfterSend,
            maximumAttempts: Int.random(in: 1...5, using: &random),
            baseDelay: .milliseconds(Int.random(in: 10...1_000, using: &random)),
            maximumDelay: .seconds(20),
            maximumRetryAfter: .seconds(30),
            budgetRatio: 0.2,
            budgetFloor: [1, 10, 60][Int.random(in: 0..<3, using: &random)],
            maximumThrottles: Int.random(in: 3...50, using: &random)
        )
    }
}

/// What a simulated backend does with one call.
struct Fate: Sendable {
    var after: Duration
    var firstByteAfter: Duration?
    var result: AttemptResult
    /// Never answers: ends when the deadline does, or when it is told to stop.
    var hangs = false
}

/// A backend with good days and bad days.
struct SimulatedBackend: Sendable {
    enum Mood: CaseIterable {
        case healthy
        case down
        case flaky
        case limiting
        case hanging
        case slow
    }

    var mood = Mood.healthy
    var changesAt = Instant.zero

    mutating func advance(to now: Instant, random: inout SeededRandom) {
        while self.changesAt <= now {
            self.mood = random.unit() < 0.5 ? .healthy : Mood.allCases.randomElement(using: &random) ?? .healthy
            self.changesAt = self.changesAt + .milliseconds(Int.random(in: 500...20_000, using: &random))
        }
    }

    func fate(service: Duration, random: inout SeededRandom) -> Fate {
        let span = service * (0.1 + 2 * random.unit())
        switch self.mood {
        case .healthy: return random.unit() < 0.97 ? self.success(span, &random) : self.fault(span, &random)
        case .slow: return self.success(span * 10, &random)
        case .down: return self.failure(.connectRefused, after: .milliseconds(1))
        case .flaky: return random.unit() < 0.5 ? self.success(span, &random) : self.fault(span, &random)
        case .hanging:
            var fate = self.failure(.readTimeout, after: .zero)
            fate.hangs = random.unit() < 0.7
            return fate.hangs ? fate : self.success(span, &random)
        case .limiting:
            guard random.unit() < 0.6 else { return self.success(span, &random) }
            let asked = random.unit() < 0.7 ? Duration.milliseconds(Int.random(in: 100...8_000, using: &random)) : nil
            let isLimit = random.unit() < 0.5
            return Fate(
                after: .milliseconds(2),
                result: .failure(
                    AttemptFailure(
                        isLimit ? .rateLimited : .overloaded,
                        status: isLimit ? 429 : 503,
                        retryAfter: asked,
                        message: "later",
                        limits: SimulationPlan.observation(&random)
                    )
                )
            )
        }
    }

    private func success(_ span: Duration, _ random: inout SeededRandom) -> Fate {
        let streams = random.unit() < 0.4
        // A client that reads slowly keeps its slot for as long.
        let isReadSlowly = streams && random.unit() < 0.1
        return Fate(
            after: isReadSlowly ? span * 8 : span,
            firstByteAfter: streams ? span * 0.3 : nil,
            result: .success(
                status: 200,
                usage: TokenUsage(prompt: Int.random(in: 0...10_000, using: &random), completion: 20),
                limits: SimulationPlan.observation(&random)
            )
        )
    }

    private func fault(_ span: Duration, _ random: inout SeededRandom) -> Fate {
        let classes: [FailureClass] = [
            .serverError, .serverError, .reset, .reset, .malformedResponse, .connectTimeout, .connectError,
            .invalidRequest, .authentication, .responseTooLarge, .readTimeout, .providerRejected,
        ]
        var fate = self.failure(classes.randomElement(using: &random) ?? .reset, after: span)
        if random.unit() < 0.2, case .failure(var failure) = fate.result, failure.failureClass.mayHaveExecuted {
            // Broke in the middle of a stream.
            failure.committed = true
            fate.result = .failure(failure)
            fate.firstByteAfter = span * 0.5
        }
        return fate
    }

    private func failure(_ failureClass: FailureClass, after span: Duration) -> Fate {
        Fate(after: span, result: .failure(AttemptFailure(failureClass, message: "simulated")))
    }
}
