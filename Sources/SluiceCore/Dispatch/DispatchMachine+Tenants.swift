/// What a tenant has of a pool at one moment.
package struct TenantReadout: Sendable, Equatable {
    package var name: String
    package var weight: Double
    package var queued: Int
    package var inFlight: Int
    /// Virtual service: tokens over its weight.
    package var service: Double
}

extension DispatchMachine {
    /// Tenants with requests in a pool, the busiest first. O(tenants).
    package func tenants(pool name: String, limit: Int) -> [TenantReadout] {
        guard let pool = self.poolIndex(name) else { return [] }
        let readouts = self.pools[pool].queue.lineup.ledger.accounts.lazy
            .filter { !$0.isFree && $0.live > 0 }
            .map { account in
                TenantReadout(
                    name: account.name,
                    weight: Double(account.weight) / Double(TenantLedger.unit),
                    queued: account.waiting,
                    inFlight: account.inFlight,
                    service: Double(account.counter) / Double(TenantLedger.unit)
                )
            }
        let sorted = readouts.sorted { ($1.queued + $1.inFlight, $0.name) < ($0.queued + $0.inFlight, $1.name) }
        return Array(sorted.prefix(limit))
    }

    /// A tenant's weight, also while it has nothing here.
    package func weight(of tenant: String, pool name: String) -> Double? {
        self.poolIndex(name).map {
            Double(self.pools[$0].queue.lineup.ledger.weight(of: tenant)) / Double(TenantLedger.unit)
        }
    }
}
