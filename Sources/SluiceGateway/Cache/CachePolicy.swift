import SluiceBasics
import SluiceCore

/// How the answers of one pool are kept.
package struct CachePolicy: Sendable, Equatable {
    package var timeToLive: Duration
    /// Says which server answers, by which rules and with which credential: a digest of its configuration.
    package var backend: [UInt8]
    /// Where the pool's requests go; `nil`: to one backend.
    package var route: RoutePlan?

    package init(timeToLive: Duration, backend: [UInt8], route: RoutePlan? = nil) {
        self.timeToLive = timeToLive
        self.backend = backend
        self.route = route
    }

    /// Whether the request was answered by a target that only stands in for the pool's own while those fail. One that
    /// is there for long prompts alone is the pool's own for those.
    func isStandIn(_ record: RequestRecord) -> Bool {
        guard let route, let attempt = record.attempts.last(where: { $0.failure == nil && $0.endedAt != nil }) else {
            return false
        }
        let asked = record.submission.model
        func isThere(_ index: Int) -> Bool {
            guard route.targets.indices.contains(index) else { return false }
            let target = route.targets[index]
            return target.backend == attempt.backend && (target.model ?? asked) == (attempt.model ?? asked)
        }
        if (0..<route.mainCount).contains(where: isThere) { return false }
        let classes = FallbackClass.allCases.filter { $0 != .contextWindow }
        return classes.contains { route.fallbacks($0).contains(where: isThere) }
    }
}

/// What all pools' answers together may take.
package struct CacheLimits: Sendable, Equatable {
    /// Of all answers in memory.
    package var maximumBytes: Int
    /// Of one answer.
    package var maximumEntry: Int
    /// Requests that share one call.
    package var maximumFollowers: Int

    package init(maximumBytes: Int = 256 << 20, maximumEntry: Int = 4 << 20, maximumFollowers: Int = 1_000) {
        self.maximumBytes = maximumBytes
        self.maximumEntry = maximumEntry
        self.maximumFollowers = maximumFollowers
    }
}
