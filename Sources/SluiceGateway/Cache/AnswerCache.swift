import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceProviders
import SluiceTelemetry
import SluiceWire

/// The cache as the gateway has it: where answers are kept, which calls are shared, and what has been counted.
final class AnswerCache: Sendable {
    private struct Counts: Sendable {
        var requests = [UInt64](repeating: 0, count: CacheState.allCases.count)
    }

    let store: any CacheStore
    let flights: FlightTable
    private let policies: [String: CachePolicy]
    private let counts = Lock<[String: Counts]>([:])

    init(policies: [String: CachePolicy], limits: CacheLimits, store: any CacheStore) {
        self.policies = policies
        self.store = store
        self.flights = FlightTable(
            maximumPassengers: max(2, limits.maximumFollowers),
            maximumBytes: limits.maximumEntry
        )
    }

    /// `nil`: the pool's answers are not kept.
    func policy(_ pool: String) -> CachePolicy? { self.policies[pool] }

    /// Counts a request; the pools are those of the configuration, so that nobody can grow them.
    func count(_ state: CacheState, _ pool: String) {
        self.counts.withLock { $0[pool, default: Counts()].requests[state.ordinal] &+= 1 }
    }

    func counted(_ state: CacheState, _ pool: String) -> UInt64 {
        self.counts.withLock { $0[pool]?.requests[state.ordinal] ?? 0 }
    }

    /// For `/metrics`.
    func write(to page: inout MetricPage) {
        page.family(
            "sluice_cache_requests_total",
            .counter,
            "Requests of pools with a cache, by what it had for them."
        )
        for pool in self.policies.keys.sorted() {
            for state in CacheState.allCases {
                let labels = [("pool", pool), ("state", state.rawValue)]
                page.sample(labels, Double(self.counted(state, pool)))
            }
        }
        let figures = self.store.figures
        page.single("sluice_cache_stored_total", .counter, "Answers that were kept.", Double(figures.stored))
        page.single("sluice_cache_evicted_total", .counter, "Answers that had to make room.", Double(figures.evicted))
        page.single("sluice_cache_too_large_total", .counter, "Answers too large to be kept.", Double(figures.tooLarge))
        page.single(
            "sluice_cache_failures_total",
            .counter,
            "Failed calls of the cache's store.",
            Double(figures.failed)
        )
        page.single("sluice_cache_entries", .gauge, "Answers in this process's memory.", Double(figures.entries))
        page.single("sluice_cache_bytes", .gauge, "What they take.", Double(figures.bytes))
        page.single("sluice_cache_flights", .gauge, "Calls under way that can be shared.", Double(self.flights.count))
    }
}

extension CacheState {
    /// Position in `allCases`.
    fileprivate var ordinal: Int {
        switch self {
        case .hit: 0
        case .miss: 1
        case .shared: 2
        case .bypass: 3
        }
    }
}
