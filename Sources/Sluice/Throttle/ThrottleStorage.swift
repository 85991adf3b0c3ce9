/// Keeps snapshots of limiters, so that a restart does not hand out a second budget.
///
/// ``RateLimiter`` never has more than one `save` of a key under way and starts the next only when the one before has
/// returned or thrown.
public protocol ThrottleStorage: Sendable {
    /// Returns when the snapshot will survive; throws when that is not sure. Replaces the one before.
    func save(_ snapshot: ThrottleSnapshot, for key: String) async throws
    /// `nil`: there is none.
    func load(_ key: String) async throws -> ThrottleSnapshot?
}

/// Where a limiter keeps its snapshots.
public struct ThrottlePersistence: Sendable {
    public let key: String
    let storage: any ThrottleStorage
    let turns = Turns()

    /// - Parameter key: Names the limiter in the storage. Only one limiter at a time may use it.
    public init(_ storage: any ThrottleStorage, key: String) {
        self.storage = storage
        self.key = key
    }
}
