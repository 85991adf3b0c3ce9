import SluiceBasics
import SluiceCore

// What may be changed while it runs.
extension LabSimulation {
    /// Goes on under another scenario; nobody who waits or runs is lost. Seed and trace stay what they are: they need
    /// a new beginning.
    package mutating func change(to scenario: LabScenario) {
        var adopted = scenario
        adopted.seed = self.scenario.seed
        adopted.trace = self.scenario.trace
        guard adopted != self.scenario else { return }
        let pool = adopted.pool
        let isOther = pool != self.scenario.pool
        self.scenario = adopted
        self.arrivals.change(to: adopted, at: self.now)
        self.followTenants()
        self.followWeights()
        guard isOther else { return }
        var effects = DispatchEffects()
        _ = self.machine.configure(pool, now: self.now, &effects)
        self.absorb(&effects)
    }

    /// Lets requests of somebody's own arrive now.
    ///
    /// - Parameter tokens: prompt and completion together, a quarter of it completion; `nil`: as the scenario draws.
    /// - Returns: their numbers; fewer than asked for when there is no such tenant.
    package mutating func add(
        _ count: Int,
        tenant name: String?,
        priority: Priority?,
        tokens: Int?
    ) -> ClosedRange<UInt64>? {
        let tenant = name.map { self.arrivals.names.firstIndex(of: $0) } ?? 0
        guard let tenant, count > 0, tenant < self.arrivals.names.count else { return nil }
        let first = UInt64(self.totals.arrived) + 1
        for _ in 0..<count {
            var arrival = self.arrivals.draw(tenant)
            if let priority { arrival.priority = priority }
            if let tokens {
                arrival.completionTokens = tokens / 4
                arrival.promptTokens = tokens - tokens / 4
                arrival.tokenEstimate = tokens
            }
            self.submit(arrival)
        }
        return first...UInt64(self.totals.arrived)
    }

    /// Names of everybody who has sent something, or may.
    package var tenantNames: [String] { self.arrivals.names }

    /// Whether a change would bring more tenants than are remembered.
    package func hasRoom(for scenario: LabScenario) -> Bool {
        let fresh = scenario.tenants.count { tenant in !self.arrivals.names.contains(tenant.name) }
        return self.arrivals.names.count + fresh <= LabArrivals.mostNames
    }

    package static func mayReplay(_ trace: Workload) -> Bool {
        trace.tenants.count + LabScenario.mostTenants <= LabArrivals.mostNames
    }
}
