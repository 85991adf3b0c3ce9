/// The names of everything that the fabric keeps in Valkey.
///
/// The first three are the contract's and shared with foreign executors and dispatchers; the others are ours, and
/// nobody else has to know them. Each has a time to live or an owner who removes it: see docs/wire-contract.md.
package enum DispatchKeys {
    /// LIST of requests that wait; producers push right, dispatchers take left.
    package static func requests(pool: String) -> String { "list:llm:requests:\(pool)" }

    /// LIST of one producer's replies; expires some minutes after the last one.
    package static func replies(producer: String) -> String { "list:llm:replies:\(producer)" }

    /// STRING that a producer keeps fresh while it waits for replies; its value is the producer's id.
    package static func producerAlive(_ producer: String) -> String { "key:llm:producer:\(producer):alive" }

    /// LIST of the requests that a dispatcher has popped and not settled, oldest left. Owned by the dispatcher; once
    /// its heartbeat is gone, by whoever sweeps.
    package static func inflight(pool: String, dispatcher: String) -> String {
        "list:llm:inflight:\(pool):\(dispatcher)"
    }

    /// HASH from request id to `InflightRecord`, over all dispatchers of a pool.
    package static func inflightIndex(pool: String) -> String { "hash:llm:inflight-index:\(pool)" }

    /// LIST of `cancelledElement`s, newest right: requests that nobody waits for any more; whoever holds one stops it.
    package static func cancelled(pool: String) -> String { "list:llm:cancelled:\(pool)" }

    /// Producer and request, told apart by a line break, which no id may hold.
    package static func cancelledElement(producer: String, request: String) -> String { "\(producer)\n\(request)" }

    /// STRING that a dispatcher keeps fresh while it lives; its value is a `DispatcherHeartbeat`.
    package static func dispatcherAlive(_ dispatcher: String) -> String { "key:llm:dispatcher:\(dispatcher):alive" }

    /// LIST with what a dispatcher's last sweep found, for a minute: the answer itself may be lost.
    package static func swept(dispatcher: String) -> String { "list:llm:dispatcher:\(dispatcher):swept" }

    /// HASH from dispatcher id to the second of its last beat: where to look for dispatchers of a pool, dead ones
    /// included until they have been swept.
    package static func dispatchers(pool: String) -> String { "hash:llm:dispatchers:\(pool)" }

    /// HASH of what is left of a pool's limit, what each dispatcher holds of it, and, where it is strict, what was used
    /// in the last minute. Expires two minutes after the last question, or when its bucket would be full.
    package static func budget(pool: String) -> String { "hash:llm:budget:\(pool)" }
}

/// The version of the wire contract that is spoken here.
package enum DispatchContract {
    package static let version = "v2"
    /// What an envelope may weigh before it is pushed (`LLM_QUEUE_MAX_INLINE_PAYLOAD_BYTES`), in bytes.
    package static let defaultMaximumPayloadBytes = 16_777_216
    /// The only `error_source` of the contract.
    package static let errorSource = "llm_dispatcher"
}
