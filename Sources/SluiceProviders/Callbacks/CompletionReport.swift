/// What is known of one call at one moment of its life.
///
/// Made of plain values: keeping it keeps nothing of the call alive.
public struct CompletionReport: Sendable, Equatable {
    /// Whose answer it was.
    public enum CacheUse: String, Sendable, CaseIterable {
        /// Kept from an earlier call.
        case hit
        /// Made for this call.
        case miss
        /// Made for another call that ran at the same time.
        case shared
        /// The cache was not asked.
        case bypass
    }

    /// Names the call for ever.
    public var id: String
    /// As the caller named it.
    public var model: String
    /// The provider's name in the registry; `nil`: not known, or nobody was asked.
    public var provider: String?
    /// The configured backend that was asked last; `nil`: none was.
    public var backend: String?
    public var pool: String?
    public var tenant: String?
    /// Name of the caller's key, never the key.
    public var keyName: String?
    /// What was called, e.g. `chat/completions`.
    public var operation: String
    public var isStream: Bool
    /// Seconds since 1970 at which it came.
    public var startedAt: Double
    /// From its coming to the first call of a backend.
    public var waited: Duration?
    /// From its coming to the first content of a stream.
    public var timeToFirstToken: Duration?
    /// From its coming to its end; `nil`: it has not ended.
    public var total: Duration?
    /// Calls of backends so far.
    public var attempts: Int
    public var promptTokens: Int?
    public var completionTokens: Int?
    /// US dollars; `nil`: not known.
    public var cost: Double?
    /// `nil`: there is no cache for it.
    public var cache: CacheUse?
    /// What the last backend answered with.
    public var status: Int?
    /// How it ended, e.g. `done`, `failed`, `cancelled`; `nil`: it has not.
    public var outcome: String?
    /// Why, e.g. `ok`, `backend`, `deadline`.
    public var reason: String?
    /// The class of the last failure, e.g. `rate_limited`; `nil`: none.
    public var errorClass: String?
    /// What went wrong, in words. Holds no prompts, answers or keys.
    public var errorMessage: String?
    /// The W3C trace that the call belongs to.
    public var traceparent: String?
    /// The request's JSON; `nil` unless the observer wants content.
    public var request: [UInt8]?
    /// The answer's JSON, or the text of its stream; `nil` unless the observer wants content and there is one.
    public var answer: [UInt8]?

    public init(id: String, model: String, operation: String, isStream: Bool = false, startedAt: Double) {
        self.id = id
        self.model = model
        self.operation = operation
        self.isStream = isStream
        self.startedAt = startedAt
        self.attempts = 0
    }
}

/// One piece of a streamed answer.
public struct CompletionChunk: Sendable, Equatable {
    /// Counts from 0 within its call.
    public var index: Int
    /// The piece's size.
    public var byteCount: Int
    /// Server-sent events, or parts of some, as they came; `nil` unless the observer wants content.
    public var bytes: [UInt8]?

    public init(index: Int, byteCount: Int, bytes: [UInt8]? = nil) {
        self.index = index
        self.byteCount = byteCount
        self.bytes = bytes
    }
}
