import SluiceBasics

/// Where answers are kept. Whatever goes wrong in it is a miss, never an error of a request.
package protocol CacheStore: Sendable {
    /// The answer, unless there is none or its time is up.
    func find(_ key: CacheKey) async -> CacheEntry?
    /// Keeps an answer for a while, in place of an earlier one. One that is too large is not kept.
    func keep(_ entry: CacheEntry, for key: CacheKey, timeToLive: Duration) async
    var figures: CacheStoreFigures { get }
}

/// What a store has done and holds.
package struct CacheStoreFigures: Sendable, Equatable {
    /// Answers that were kept since the start.
    package var stored: UInt64 = 0
    /// Answers that had to make room before their time was up.
    package var evicted: UInt64 = 0
    /// Answers that were not kept because one alone may not be so large.
    package var tooLarge: UInt64 = 0
    /// Questions to the store, or answers for it, that failed.
    package var failed: UInt64 = 0
    /// Answers that are held now; 0 when only the store outside knows.
    package var entries = 0
    /// What they take; 0 when only the store outside knows.
    package var bytes = 0

    package init() {}
}
