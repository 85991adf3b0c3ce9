/// Why a request was not taken in.
public enum EnqueueError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A field of the request makes no sense.
    case invalid(field: String, value: String, expected: String)
    /// The request needs more tokens than any limiter will ever admit: it could never run.
    case neverFits(tokens: Int, capacity: Int)
    /// A request of this id waits, is worked on, is dead, or ended within the deduplication window.
    case duplicate(id: String)
    /// The store has no room.
    case full
    /// The store did not answer, and what it did is not known.
    case storage(StorageError)

    /// One sentence.
    public var description: String {
        switch self {
        case .invalid(let field, let value, let expected): "\(field) is \(value), and has to be \(expected)"
        case .neverFits(let tokens, let capacity):
            "The request needs \(tokens) tokens, and never more than \(capacity) are let through at once"
        case .duplicate(let id): "A request named \(id) is known already"
        case .full: "The store has no room for another request"
        case .storage(let error): "The store did not answer: \(error)"
        }
    }
}

/// Why a message could not be settled.
public enum MessageError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The message does not belong to this consumer any more: its lease lapsed, or it was purged. Somebody else may
    /// work on it. Nothing was changed.
    case stale
    /// It was completed, failed or released before.
    case alreadySettled
    /// The store did not answer. The message still belongs to this consumer: try again.
    case storage(StorageError)

    /// One sentence.
    public var description: String {
        switch self {
        case .stale: "The message does not belong to this consumer any more"
        case .alreadySettled: "The message was settled before"
        case .storage(let error): "The store did not answer: \(error)"
        }
    }
}

/// What happened to a message, for whoever listens.
public enum QueueEvent: Sendable, Hashable {
    /// It was taken in.
    case enqueued(id: String)
    /// It was refused at the door.
    case refused(EnqueueError)
    /// It was handed out, for the `receiveCount`-th time, so long after it came in.
    case delivered(id: String, receiveCount: Int, wait: Duration)
    /// It is done, so long after it was handed out, with so many tokens.
    case completed(id: String, service: Duration, tokens: Int)
    /// It has failed and comes back after a while.
    case retried(id: String, receiveCount: Int, delay: Duration, error: String)
    /// It was given back without having been worked on.
    case released(id: String)
    /// It became a dead letter.
    case deadLettered(id: String, reason: String)
    /// It was cancelled.
    case cancelled(id: String)
    /// Its time to live ended while it waited.
    case expired(id: String)
    /// A message was worked on that belonged to somebody else by then.
    case leaseLost(id: String)
    /// A scorer threw, or answered something that is not a finite number.
    case scorerFailed(name: String, id: String, failure: String)
    /// Nothing is handed out until `resume`.
    case paused
    /// Work is handed out again.
    case resumed
    /// Nothing is handed out any more.
    case stopped
    /// Everything was removed.
    case purged(messages: Int)
}

/// Why a dequeue has no work.
public struct NoWork: Sendable, Hashable {
    /// What stands in the way.
    public enum Reason: Sendable, Hashable {
        /// Nothing is ready.
        case empty
        /// What is ready does not fit what the limiter lets through now.
        case rateLimited(LimitKind)
        /// What is ready needs more than this limiter ever lets through at once; the smallest needs so many tokens.
        case allRefused(needs: Int)
        /// As many messages are worked on as the policy allows, of all or of every tenant that waits.
        case atCapacity
        /// The queue is paused.
        case paused
        /// The queue is stopped.
        case stopped
        /// The store did not answer.
        case unavailable(String)
    }

    /// When to try again at the earliest.
    public enum Retry: Sendable, Hashable {
        /// After so much time; sooner only when something changes, or a message that is smaller becomes ready.
        case after(Duration)
        /// When something changes: a request comes in, a message is settled, the queue is resumed.
        case onChange
    }

    /// What stands in the way.
    public var reason: Reason
    /// When to try again at the earliest.
    public var retry: Retry

    /// An answer without work.
    public init(reason: Reason, retry: Retry) {
        self.reason = reason
        self.retry = retry
    }
}

/// What a dequeue answers.
public enum DequeueAnswer<Payload: Sendable>: Sendable {
    /// A message to work on, reserved with every limiter.
    case work(ProcessableMessage<Payload>)
    /// None, and why.
    case nothing(NoWork)

    /// The message, if there is one.
    public var message: ProcessableMessage<Payload>? {
        if case .work(let message) = self { return message }
        return nil
    }

    /// Why there is none.
    public var refusal: NoWork? {
        if case .nothing(let reason) = self { return reason }
        return nil
    }
}
