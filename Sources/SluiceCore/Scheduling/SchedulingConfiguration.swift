/// How a pool decides what runs next, under which limits.
package struct SchedulingConfiguration: Sendable, Equatable {
    package var policy: SchedulingPolicy
    package var tenants: TenantPolicy
    /// Of all the pool's requests together; `nil`: none.
    package var limit: RateLimit?
    /// Whether the limits that the backend states in its answers are kept too, per model.
    package var followsProviderLimits: Bool
    /// Whether the pool's concurrency follows the backend's latency; the slots are its upper bound.
    package var isAdaptive: Bool
    package var shedding: SheddingPolicy

    package init(
        policy: SchedulingPolicy = SchedulingPolicy(),
        tenants: TenantPolicy = TenantPolicy(),
        limit: RateLimit? = nil,
        followsProviderLimits: Bool = true,
        isAdaptive: Bool = false,
        shedding: SheddingPolicy = SheddingPolicy()
    ) {
        self.policy = policy
        self.tenants = tenants
        self.limit = limit
        self.followsProviderLimits = followsProviderLimits
        self.isAdaptive = isAdaptive
        self.shedding = shedding
    }
}

/// How many requests of a pool may run at once, in words of configuration and API.
package enum ConcurrencyMode: String, Sendable, CaseIterable {
    /// As many as there are slots.
    case fixed
    /// As many as the backend's latency bears, up to the slots.
    case adaptive
}
