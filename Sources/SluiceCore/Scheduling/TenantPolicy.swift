/// How the capacity of a pool is shared between its tenants.
package struct TenantPolicy: Sendable, Equatable {
    /// Whether tenants are served in turn by a virtual token counter; otherwise all requests are one crowd.
    package var isFair: Bool
    /// Shares, relative to one another; who is not named has `defaultWeight`. More than 0.
    package var weights: [String: Double]
    package var defaultWeight: Double
    /// Requests of one tenant that run at once; `nil`: as many as there are slots.
    package var maximumInFlight: Int?
    /// What a completion token counts compared with a prompt token. VTC (Sheng et al., OSDI 2024) uses 2.
    package var completionWeight: Double

    /// What a share may be: a wider spread could not be told from starvation.
    package static let weightRange = 0.001...1_000_000

    package init(
        isFair: Bool = true,
        weights: [String: Double] = [:],
        defaultWeight: Double = 1,
        maximumInFlight: Int? = nil,
        completionWeight: Double = 2
    ) {
        self.isFair = isFair
        self.weights = weights
        self.defaultWeight = defaultWeight
        self.maximumInFlight = maximumInFlight
        self.completionWeight = completionWeight
    }
}
