/// Where messages lie: the port behind which every database is.
///
/// An adapter implements these functions, each as one atomic step of its database, and passes `StorageConformance` of
/// the product `SluiceConformance`. ``InMemoryStorage`` is the reference. The rules:
///
/// - **Nothing is lost.** A message that was accepted is queued, leased, or a dead letter, until it is completed,
///   cancelled or purged.
/// - **Fencing.** Every claim gives a receipt whose token is greater than those of all before. `extend`, `complete`,
///   `release` and `bury` with any other receipt than the newest, or after its lease has lapsed and the message was
///   given to somebody else, change nothing and answer `false`.
/// - **Time is the store's.** Delays, leases and times to live arrive as spans from now and are measured by one clock,
///   that of the store. What is due at an instant is due at exactly that instant: one rule, for every function.
/// - **Lapsed is ready.** When a lease lapses or a delay ends the message is a candidate again without anybody doing
///   anything. Its receive count stays; its place is the one that its age gives it.
/// - **Order.** Candidates come by priority, then by sequence.
/// - **A lost connection is not an answer.** Throw ``StorageError``: the queue tells its caller, and repeats with the
///   same receipt, which must be harmless.
public protocol QueueStorage<Payload>: Sendable {
    /// What is kept for each message.
    associatedtype Payload: Sendable

    /// Takes messages in, all of the accepted ones at once, in this order. One answer each.
    func enqueue(_ messages: [NewMessage<Payload>]) async throws(StorageError) -> [EnqueueResult]

    /// Describes what could be handed out, and claims nothing.
    func candidates(_ query: CandidateQuery) async throws(StorageError) -> CandidateList<Payload>

    /// Leases those of the messages that are still ready, counts one receive for each, and answers them in order.
    func claim(_ ids: [String], lease: Duration) async throws(StorageError) -> [ClaimedMessage<Payload>]

    /// Lets leases run for `lease` from now, not longer and not in addition. One answer each: whether it is still held.
    func extend(_ receipts: [Receipt], lease: Duration) async throws(StorageError) -> [Bool]

    /// Ends the message. `actualTokens` is what it used, if known, for stores that share capacity between tenants.
    /// `false`: the receipt is stale, nothing happened. Repeated after a success it may answer either.
    func complete(_ receipt: Receipt, actualTokens: Int?) async throws(StorageError) -> Bool

    /// Gives the message back: it is ready after `delay`. `undoesReceive` takes the last receive off its count.
    func release(
        _ receipt: Receipt,
        after delay: Duration,
        undoesReceive: Bool,
        error: String?
    ) async throws(StorageError) -> Bool

    /// Makes the message a dead letter.
    func bury(
        _ receipt: Receipt,
        reason: DeadLetterReason,
        error: String?
    ) async throws(StorageError) -> Bool

    /// Removes a message that waits or is a dead letter.
    func cancel(_ id: String) async throws(StorageError) -> CancelResult

    /// Makes messages whose time to live has ended while they waited dead letters, at most `limit`; answers their ids.
    func expire(limit: Int) async throws(StorageError) -> [String]

    /// Dead letters, the longest dead first.
    func deadLetters(limit: Int) async throws(StorageError) -> [DeadLetter<Payload>]

    /// Puts a dead letter back in line with a receive count of 0 and no time to live; `false` if there is none.
    func redrive(_ id: String) async throws(StorageError) -> Bool

    /// Removes everything, leased messages and dead letters too; answers how many messages there were. Receipts stay
    /// unique: tokens go on from where they were.
    func purge() async throws(StorageError) -> Int

    /// Counts, all of one instant.
    func statistics() async throws(StorageError) -> StorageStatistics

    /// Told once by every queue that uses the store. Calls the listener, from any thread and outside of all locks,
    /// after anything that may make a message ready sooner than `nextChange` said: enqueue, release, redrive, extend if
    /// it makes a lease shorter; in a store that caps tenants also complete and bury.
    /// `false`: the store cannot tell; queues then look again every now and then while somebody waits.
    func listen(_ listener: any StorageListener) -> Bool

    /// Told by a queue about the policy that it goes by, for stores that choose themselves.
    func adopt(_ policy: QueuePolicy)
}

extension QueueStorage {
    /// This store cannot tell.
    public func listen(_ listener: any StorageListener) -> Bool { false }

    /// This store leaves the choice to the queue.
    public func adopt(_ policy: QueuePolicy) {}
}

/// Somebody who wants to know when it is worth asking a store again.
public protocol StorageListener: AnyObject, Sendable {
    /// Something may have become ready. Quick, and harmless if it is wrong.
    func storageChanged()
}

/// Why a store did not answer.
public struct StorageError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What happened, for a log.
    public var description: String
    /// Whether asking again may help.
    public var isTransient: Bool

    /// The store did not answer, and what it did is not known.
    public static func unavailable(_ description: String) -> StorageError {
        StorageError(description: description, isTransient: true)
    }

    /// The store answered something that it must not.
    public static func corrupt(_ description: String) -> StorageError {
        StorageError(description: description, isTransient: false)
    }
}

/// What became of a message that was to be enqueued.
public enum EnqueueResult: Sendable, Hashable {
    /// It waits; greater numbers came later.
    case accepted(sequence: UInt64)
    /// Its name is known: a message of this name waits, is leased, is a dead letter, or ended a short while ago.
    case duplicate
    /// The store has no room for it.
    case full
}

/// What became of a wish to cancel.
public enum CancelResult: Sendable, Hashable {
    /// The message is gone.
    case cancelled
    /// Somebody works on it; nothing happened.
    case inFlight
    /// There is no such message.
    case unknown
}
