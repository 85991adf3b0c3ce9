import SluiceBasics

/// How long something took lately.
public struct DurationSummary: Sendable, Hashable {
    /// Measurements within the policy's `metricsRetention`, counted in sixths of it.
    public var count: Int
    /// Exact.
    public var mean: Duration
    /// Half took no longer. Percentiles are upper bounds, at most 1/32 too great.
    public var p50: Duration
    /// Nine of ten took no longer.
    public var p90: Duration
    /// Nineteen of twenty took no longer.
    public var p95: Duration
    /// 99 of a hundred took no longer.
    public var p99: Duration
    /// Exact.
    public var maximum: Duration
}

/// What a queue has to say about itself.
public struct QueueMetrics: Sendable, Hashable {
    /// Since the queue was made.
    public struct Totals: Sendable, Hashable {
        /// Requests taken in by this queue.
        public var enqueued = 0
        /// Requests refused at the door, by whatever rule.
        public var refused = 0
        /// Messages handed out; retries count again.
        public var delivered = 0
        /// Messages that were completed.
        public var completed = 0
        /// Tokens of completed messages: actual where known, estimated otherwise.
        public var tokens = 0
        /// Failures that consumers reported.
        public var failed = 0
        /// Failures that were put back in line.
        public var retried = 0
        /// Messages given back without having been worked on.
        public var released = 0
        /// Messages that became dead letters by too many receives or a permanent failure.
        public var deadLettered = 0
        /// Messages whose time to live ended while they waited.
        public var expired = 0
        /// Messages cancelled by id.
        public var cancelled = 0
        /// Messages that somebody removed with everything else.
        public var purged = 0
        /// Messages that were settled too late: they belonged to somebody else by then.
        public var leasesLost = 0
        /// Messages that consumers let go of without settling them.
        public var abandoned = 0
        /// Answers of custom scorers that counted zero because they failed.
        public var scorerFailures = 0
    }

    /// A message that is worked on.
    public struct Active: Sendable, Hashable {
        /// Its id.
        public var id: String
        /// How important it is.
        public var priority: Priority
        /// Since it was handed out.
        public var running: Duration
    }

    /// Messages that wait, ready or delayed, in the store.
    public var depth: Int
    /// Messages that are ready, by priority from urgent to low.
    public var readyByPriority: [Int]
    /// Messages whose delay has not ended.
    public var delayed: Int
    /// Messages under a lease, of any consumer, buffered ones included.
    public var inFlight: Int
    /// Dead letters in the store.
    public var dead: Int
    /// Age of the oldest message that is ready; `nil`: none.
    public var oldestAge: Duration?
    /// From enqueue to first delivery.
    public var wait: DurationSummary
    /// From delivery to completion.
    public var service: DurationSummary
    /// Messages completed in the current second of the queue's clock and the 59 before it.
    public var messagesPerMinute: Int
    /// Their tokens: actual where known, estimated otherwise.
    public var tokensPerMinute: Int
    /// What this queue's consumers work on, the longest running first.
    public var active: [Active]
    /// Whether messages are fetched ahead.
    public var isPrefetching: Bool
    /// Messages fetched ahead and not handed out yet.
    public var buffered: Int
    /// Share of the buffer that is filled; 0 without prefetching.
    public var bufferUtilization: Double
    /// Consumers that wait in `next`.
    public var waitingConsumers: Int
    /// Counts since the queue was made.
    public var totals: Totals
}

/// What a queue remembers for its metrics. Recording is O(1) amortised.
struct MetricsBook: Sendable {
    private static let seconds: Int64 = 60

    var totals = QueueMetrics.Totals()
    var wait: RecentHistogram
    var service: RecentHistogram
    private var completed = [(second: Int64, count: Int, tokens: Int)](
        repeating: (-1, 0, 0),
        count: Int(Self.seconds)
    )

    init(retention: Duration) {
        self.wait = RecentHistogram(retention: retention)
        self.service = RecentHistogram(retention: retention)
    }

    mutating func complete(tokens: Int, service: Duration, at now: Instant) {
        self.totals.completed += 1
        self.totals.tokens = self.totals.tokens.addingReportingOverflow(tokens).partialValue
        self.service.record(service, at: now)
        let second = max(0, now.nanoseconds) / 1_000_000_000
        let index = Int(second % Self.seconds)
        if self.completed[index].second != second { self.completed[index] = (second, 0, 0) }
        self.completed[index].count += 1
        self.completed[index].tokens += tokens
    }

    func perMinute(at now: Instant) -> (messages: Int, tokens: Int) {
        let second = max(0, now.nanoseconds) / 1_000_000_000
        return self.completed.reduce(into: (0, 0)) { sum, slot in
            guard slot.second > second - Self.seconds, slot.second <= second else { return }
            sum.0 += slot.count
            sum.1 += slot.tokens
        }
    }
}
