/// How many requests and tokens may be admitted per minute, and how many at once.
public struct RateLimit: Sendable, Hashable, Codable {
    public enum Mode: String, Sendable, Hashable, Codable, CaseIterable {
        /// A token bucket: at most `burst + rate · t` in every span of length t.
        case smooth
        /// Never more than the limit in any 60 s, as providers count; bursts are ignored.
        case strict
    }

    /// `nil`: requests are not limited.
    public var requestsPerMinute: Int?
    /// `nil`: tokens are not limited.
    public var tokensPerMinute: Int?
    /// Capacity of the bucket of requests; `nil`: `requestsPerMinute`.
    public var burstRequests: Int?
    /// Capacity of the bucket of tokens; `nil`: `tokensPerMinute`.
    public var burstTokens: Int?
    public var mode: Mode

    public init(
        requestsPerMinute: Int? = nil,
        tokensPerMinute: Int? = nil,
        burstRequests: Int? = nil,
        burstTokens: Int? = nil,
        mode: Mode = .smooth
    ) {
        self.requestsPerMinute = requestsPerMinute
        self.tokensPerMinute = tokensPerMinute
        self.burstRequests = burstRequests
        self.burstTokens = burstTokens
        self.mode = mode
    }
}
