import SluiceBasics

/// Where the requests of one pool wait, and who may work on them: the port behind which every queue lies.
///
/// An adapter for another database implements these functions, each as one atomic step of that database, and passes
/// `QueueStoreConformance` of the test kit. `InMemoryQueueStore` is the reference. The rules:
///
/// - **Every accepted request ends exactly once.** `stats` balances at every instant:
///   `accepted + redriven + resolved = live + ended`.
/// - **Two steps before the call.** `claim` reserves, `start` says that the backend call is about to be sent. After a
///   crash it is known which of the two had happened: what was not started is always safe to run again, what was
///   started is repeated only under `RetryMode.auto`.
/// - **Fencing.** Each claim gets a token greater than all before it. `start`, `extend` and `finish` with another
///   token than the newest change nothing and answer `fenced`. One exception: a success is accepted, as `done/late`,
///   while nobody else holds the request, because it is paid for. A stale failure never is.
/// - **Time is the store's.** Leases, delays and deadlines are measured on the clock of the store, not of its
///   clients: a `Submission.deadline` is turned into a remaining time when it arrives. `reap` acts on what has become
///   due; anybody may call it, at any time, any number of times at once.
/// - **Order.** By the key of `QueueOrder`: priority if asked for, then age. A request that is retried, released or
///   recovered returns to its place.
/// - **A lost connection is not an answer.** Throw `unavailable`; the caller repeats `start` and `finish` with the
///   same token, which must be harmless, and `enqueue` with the same id, which answers `duplicate`.
package protocol QueueStore: Sendable {
    /// Takes a request in, unless its id is known or a bound is reached.
    func enqueue(_ submission: Submission, payload: [UInt8]) async throws(QueueStoreError) -> StoreAdmission
    /// The next requests in line, not claimed; for schedulers that choose among them.
    func peek(limit: Int) async throws(QueueStoreError) -> [RequestRecord]
    /// Claims the next in line, or those of `ids` that are still free, at most `limit`. A passed deadline ends a
    /// request.
    func claim(_ ids: [RequestID]?, limit: Int, lease: Duration) async throws(QueueStoreError) -> [StoreLease]
    /// The last stop before money is spent. Idempotent.
    func start(_ lease: StoreLease, backend: String) async throws(QueueStoreError) -> StoreStart
    /// Keeps leases alive, from now on for `span`; one answer each. This is how a holder learns of a cancellation.
    func extend(_ leases: [StoreLease], by span: Duration) async throws(QueueStoreError) -> [ExtendAnswer]
    /// Ends an attempt with the caller's verdict. `Verdict.release` gives the attempt back.
    func finish(
        _ lease: StoreLease,
        _ result: AttemptResult?,
        _ verdict: Verdict
    ) async throws(QueueStoreError)
        -> StoreFinish
    /// Ends what waits; flags what is held.
    func cancel(_ id: RequestID, cause: CancelCause) async throws(QueueStoreError) -> StoreCancel
    /// Recovers lapsed leases, readies delayed requests, ends what is past its deadline; at most `limit` of each.
    func reap(limit: Int) async throws(QueueStoreError) -> StoreReaped
    /// Puts a dead request back in line with a new deadline and a clean slate; `false` if it is not dead.
    func redrive(_ id: RequestID, timeout: Duration) async throws(QueueStoreError) -> Bool
    /// Forgets requests that died longer ago than `age`, at most `limit`; returns how many.
    func purge(olderThan age: Duration, limit: Int) async throws(QueueStoreError) -> Int
    func stats() async throws(QueueStoreError) -> QueueStats
    /// A live or dead request.
    func find(_ id: RequestID) async throws(QueueStoreError) -> RequestRecord?
}

package enum QueueStoreError: Error, Sendable, Equatable {
    /// The store did not answer, and what it did is not known: ask again.
    case unavailable(String)
    /// The store answered something that it must not; nothing can be done at run time.
    case corrupt(String)
}

package enum StoreAdmission: Sendable, Equatable {
    case accepted
    case duplicate(RequestState)
    case full(QueueBound)
}

package struct StoreLease: Sendable, Equatable {
    package let id: RequestID
    package let token: LeaseToken
    package let submission: Submission
    package let payload: [UInt8]

    package init(id: RequestID, token: LeaseToken, submission: Submission, payload: [UInt8]) {
        self.id = id
        self.token = token
        self.submission = submission
        self.payload = payload
    }

    package static func == (left: StoreLease, right: StoreLease) -> Bool {
        left.id == right.id && left.token == right.token
    }
}

package enum StoreStart: Sendable {
    case proceed(attempt: Int)
    case fenced
    case ended(RequestRecord)
}

package enum StoreFinish: Sendable {
    case ended(RequestRecord)
    /// In line again, after the delay that the verdict asked for.
    case requeued
    case fenced
    case unknown
}

package enum StoreCancel: Sendable {
    case ended(RequestRecord)
    case pending
    case unknown
}

package struct StoreReaped: Sendable {
    package var ended: [RequestRecord]
    package var recovered: Int
    package var ready: Int

    package init(ended: [RequestRecord], recovered: Int, ready: Int) {
        self.ended = ended
        self.recovered = recovered
        self.ready = ready
    }
}
