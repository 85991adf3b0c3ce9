import SluiceBasics

/// How the answers of one pool are kept.
package struct CachePolicy: Sendable, Equatable {
    package var timeToLive: Duration
    /// Says which server answers, by which rules and with which credential: a digest of its configuration.
    package var backend: [UInt8]

    package init(timeToLive: Duration, backend: [UInt8]) {
        self.timeToLive = timeToLive
        self.backend = backend
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
