import SluiceBasics

/// Why a request does not run yet: everything that stands between it and its start, measured at one instant.
package struct Explanation: Sendable, Equatable {
    /// What a request has to pass before it starts: a closed list, because it is shown to programs as well.
    package enum Gate: String, Sendable, CaseIterable {
        /// `running`; a pool that is paused starts nothing.
        case poolMode = "pool_mode"
        /// A retry or a throttled request is due at a time.
        case backOff = "back_off"
        case circuitBreaker = "circuit_breaker"
        /// Of a pool with several targets: whether one of them can be asked.
        case targets
        /// The backend asked for patience (429, 503 with Retry-After): the pool waits until then.
        case backendPatience = "backend_patience"
        /// Requests or tokens that the backend's own headers leave, per model.
        case providerLimit = "provider_limit"
        /// Of the pool, or, where dispatchers share a limit, of what this one has leased.
        case requestsPerMinute = "requests_per_minute"
        case tokensPerMinute = "tokens_per_minute"
        case slots
        /// The backend's concurrency as it follows the latency.
        case adaptiveLimit = "adaptive_limit"
        /// One tenant's requests that run at once.
        case tenantInFlight = "tenant_in_flight"
        /// The tenant's virtual counter against the least of those who wait.
        case tenantTurn = "tenant_turn"
        /// Requests that run before it as things stand.
        case order
        /// Its score against that of the request of its tenant that would be taken now.
        case score
        /// Not a gate that closes: once passed, nothing but age decides and the request overtakes.
        case ageing
        /// Its place on a list in Valkey.
        case list
    }

    package enum Unit: String, Sendable, CaseIterable {
        case requests
        case tokens
        case slots
        /// Weighted tokens served, divided by the tenant's share.
        case virtualTokens = "virtual_tokens"
        case milliseconds
        case failures
        case targets
    }

    package struct Reading: Sendable, Equatable {
        package var gate: Gate
        package var isOpen: Bool
        /// What was measured; `nil` where the state says it all.
        package var value: Double?
        /// What it is compared with.
        package var threshold: Double?
        package var unit: Unit?
        /// `nil`: open already, or nobody knows.
        package var reopensIn: Duration?
        /// Mode, breaker state, model, name of another tenant.
        package var detail: String?

        package init(
            _ gate: Gate,
            isOpen: Bool,
            value: Double? = nil,
            threshold: Double? = nil,
            unit: Unit? = nil,
            reopensIn: Duration? = nil,
            detail: String? = nil
        ) {
            self.gate = gate
            self.isOpen = isOpen
            self.value = value
            self.threshold = threshold
            self.unit = unit
            self.reopensIn = reopensIn
            self.detail = detail
        }
    }

    /// The request that would be taken now, or would be if a slot were free.
    package struct Winner: Sendable, Equatable {
        /// These two are `nil` for whoever may not know.
        package var id: RequestID?
        package var tenant: String?
        package var priority: Priority
        package var waited: Duration
        /// `nil` where no scores are made.
        package var score: ScoreBreakdown?

        package init(
            id: RequestID?,
            tenant: String?,
            priority: Priority,
            waited: Duration,
            score: ScoreBreakdown? = nil
        ) {
            self.id = id
            self.tenant = tenant
            self.priority = priority
            self.waited = waited
            self.score = score
        }
    }

    /// The requester's share of the pool.
    package struct TenantFacts: Sendable, Equatable {
        package var name: String
        package var weight: Double
        /// Weighted tokens served, divided by the weight; the least is served next. `nil`: tenants take no turns.
        package var counter: Double?
        /// Of those who have ready requests.
        package var leastCounter: Double?
        package var leastTenant: String?
        package var queued: Int
        package var inFlight: Int
        /// `nil`: as many as there are slots.
        package var maximumInFlight: Int?

        package init(
            name: String,
            weight: Double = 1,
            counter: Double? = nil,
            leastCounter: Double? = nil,
            leastTenant: String? = nil,
            queued: Int = 0,
            inFlight: Int = 0,
            maximumInFlight: Int? = nil
        ) {
            self.name = name
            self.weight = weight
            self.counter = counter
            self.leastCounter = leastCounter
            self.leastTenant = leastTenant
            self.queued = queued
            self.inFlight = inFlight
            self.maximumInFlight = maximumInFlight
        }
    }

    package var pool: String
    package var state: RequestState
    /// What would have to change first; `nil` unless queued.
    package var reason: WaitingReason?
    /// 1 is next; `nil` unless queued.
    package var position: Int?
    /// How many wait in the pool.
    package var queued: Int
    /// `nil` when nothing has been measured or no end is in sight.
    package var predictedStart: Duration?
    /// In the queue so far, or until its start.
    package var waited: Duration
    /// Until its deadline.
    package var remaining: Duration
    /// Each gate that applies to the request, open or closed, in the order in which they are passed.
    package var gates: [Reading]
    /// `nil` where no scores are made.
    package var score: ScoreBreakdown?
    package var winner: Winner?
    package var tenant: TenantFacts?

    package init(
        pool: String,
        state: RequestState,
        reason: WaitingReason? = nil,
        position: Int? = nil,
        queued: Int = 0,
        predictedStart: Duration? = nil,
        waited: Duration = .zero,
        remaining: Duration = .zero,
        gates: [Reading] = [],
        score: ScoreBreakdown? = nil,
        winner: Winner? = nil,
        tenant: TenantFacts? = nil
    ) {
        self.pool = pool
        self.state = state
        self.reason = reason
        self.position = position
        self.queued = queued
        self.predictedStart = predictedStart
        self.waited = waited
        self.remaining = remaining
        self.gates = gates
        self.score = score
        self.winner = winner
        self.tenant = tenant
    }

    /// The first closed gate, which names the reason.
    package var firstClosed: Reading? { self.gates.first { !$0.isOpen } }
}
