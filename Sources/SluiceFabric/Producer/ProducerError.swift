import SluiceWire

/// Why a request got no reply from a dispatcher. An error reply is not one of these: it is a reply.
package enum ProducerError: Error, Sendable, Equatable {
    /// Nothing of the batch was queued.
    case oversize(requestID: String, bytes: Int, limit: Int)
    /// An id that already waits, or stands twice in its batch. Nothing of the batch was queued.
    case duplicate(requestID: String)
    /// Something that the contract does not allow. Nothing of the batch was queued.
    case invalid(EnvelopeError)
    /// This process waits for too much already. Nothing was queued.
    case overloaded(limit: Int)
    /// The pool's list is full. `bytes` is an estimate, 0 if only the number is bounded.
    case queueFull(pool: String, depth: Int, bytes: Int)
    /// The store is out of memory.
    case storeFull
    /// `mayBeQueued`: the request may run although nobody waits for it any more.
    case store(ValkeyError, mayBeQueued: Bool)
    /// The deadline, which includes all waiting, has passed.
    case timedOut
    case cancelled
    case closed
    /// The stream's reader let more than this many bytes lie.
    case slowReader(limit: Int)
    /// A piece of the stream was lost, or its end.
    case brokenStream(expected: Int)
    /// The dispatcher streamed what was not asked for as a stream.
    case unexpectedStream

    /// Whether the request may run although nobody waits for it any more.
    package var mayBeQueued: Bool {
        switch self {
        case .oversize, .duplicate, .invalid, .overloaded, .queueFull, .storeFull: false
        case .store(_, let mayBeQueued): mayBeQueued
        case .timedOut, .cancelled, .closed, .slowReader, .brokenStream, .unexpectedStream: true
        }
    }

    /// A sentence that says what to do.
    package var message: String {
        switch self {
        case .oversize(let id, let bytes, let limit):
            "Queued request \(id) is \(bytes) bytes; max inline payload is \(limit) bytes."
        case .duplicate(let id): "The request id \(id) already waits for a reply; use another."
        case .invalid(let error): error.message
        case .overloaded(let limit):
            "This process already waits for as much as it may: \(limit) (fabric.max_waiting). Try again in about 1 s."
        case .queueFull(let pool, let depth, let bytes):
            "The queue of pool '\(pool)' is full: \(depth) requests of \(bytes) bytes wait (fabric.max_queued, "
                + "fabric.max_queued_bytes). Try again in about 1 s."
        case .storeFull:
            "Valkey is out of memory (its maxmemory) and takes no more requests. Try again in about 1 s."
        case .store(let error, mayBeQueued: true): error.message + " The request may run nevertheless."
        case .store(let error, mayBeQueued: false): error.message + " The request was not queued."
        case .timedOut: "No reply came within the time that the request was given."
        case .cancelled: "The request was cancelled while it waited for its reply."
        case .closed: "The producer has been closed."
        case .slowReader(let limit): "The stream was given up: its reader left more than \(limit) bytes unread."
        case .brokenStream(let expected): "The stream was cut: piece \(expected) did not come."
        case .unexpectedStream: "The dispatcher streamed an answer that was to come in one piece."
        }
    }
}

/// What a producer has done since its start.
package struct ProducerCounts: Sendable, Equatable {
    package var pushed = 0
    package var replies = 0
    package var errorReplies = 0
    package var frames = 0
    /// Replies and frames for requests that were given up.
    package var lateReplies = 0
    /// Replies and frames that were never asked for.
    package var unknownReplies = 0
    package var malformedReplies = 0
    /// Frames that came again after a lost connection.
    package var repeatedFrames = 0
    package var timedOut = 0
    package var cancelled = 0
    package var slowReaders = 0
    package var brokenStreams = 0
    package var oversize = 0
    package var overloaded = 0
    package var queueFull = 0
    package var storeErrors = 0
    package var refreshFailures = 0
    package var popFailures = 0

    package init() {}
}
