import SluiceWire

/// What `/api/pools` said of one pool. What was missing or null is `nil`: unknown, never zero.
package struct PoolReading: Sendable, Equatable {
    package var id: String
    package var mode: String?
    package var queued: Int?
    package var inFlight: Int?
    package var slots: Int?
    /// What the backend's latency allows; `nil`: all slots.
    package var concurrencyLimit: Int?
    package var isShedding: Bool?
    package var oldestQueuedMilliseconds: Double?
    package var waitingReason: String?
    package var meanServiceMilliseconds: Double?
    package var address: String?
    package var breaker: String?
    package var consecutiveFailures: Int?
    package var timesOpened: Int?
    /// By `outcome/reason`; `nil` when the pool has no books.
    package var ended: [String: Int]?
    package var attempts: Int?
    package var retries: Int?

    package init(id: String) { self.id = id }

    /// Whether the gateway puts this pool's work onto a list for others, so that its own slots and counts say little.
    package var isServedByFabric: Bool { self.address?.hasPrefix("fabric:") ?? false }

    /// Ended requests whose outcome is one of these; an outcome without an entry has not happened.
    package func ended(_ outcomes: Set<String>) -> Int? {
        self.ended?.reduce(0) { total, entry in
            let outcome = entry.key.prefix { $0 != "/" }
            return outcomes.contains(String(outcome)) ? total + entry.value : total
        }
    }

    package static let failures: Set<String> = ["failed", "expired", "dead", "lost"]

    package var done: Int? { self.ended(["done"]) }
    package var failed: Int? { self.ended(Self.failures) }
    /// Everything that ended after it had been accepted.
    package var completed: Int? { self.ended(["done", "failed", "cancelled", "expired", "dropped", "lost", "dead"]) }
}

extension PoolReading {
    private static let maximumPools = 10_000
    private static let maximumReasons = 256

    package static func read(_ body: [UInt8]) throws -> [PoolReading] {
        try JSON.read(body) { root in
            var pools: [PoolReading] = []
            root["pools"]?.forEachElement { element in
                if let pool = PoolReading(element) { pools.append(pool) }
                return pools.count < Self.maximumPools
            }
            return pools
        }
    }

    package init?(_ json: JSONValue) {
        guard let id = json["id"]?.string else { return nil }
        self.init(id: id)
        self.mode = json["mode"]?.string
        self.queued = json["queued"]?.counted
        self.inFlight = json["in_flight"]?.counted
        self.slots = json["slots"]?.counted
        self.concurrencyLimit = json["concurrency_limit"]?.counted
        self.isShedding = json["is_shedding"]?.bool
        self.oldestQueuedMilliseconds = json["oldest_queued_ms"]?.measured
        self.waitingReason = json["waiting_reason"]?.string
        self.meanServiceMilliseconds = json["mean_service_ms"]?.measured
        self.address = json["backend_address"]?.string
        self.breaker = json["breaker"]?["state"]?.string
        self.consecutiveFailures = json["breaker"]?["consecutive_failures"]?.counted
        self.timesOpened = json["breaker"]?["times_opened"]?.counted
        self.attempts = json["attempts"]?.counted
        self.retries = json["retries"]?.counted
        guard let ended = json["books"]?["ended"], ended.kind == .object else { return }
        var counts: [String: Int] = [:]
        ended.forEachMember { name, value in
            counts[name] = value.counted
            return counts.count < Self.maximumReasons
        }
        self.ended = counts
    }
}
