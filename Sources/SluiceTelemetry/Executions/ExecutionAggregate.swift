/// A figure about many executions.
package enum ExecutionMetric: String, Sendable, CaseIterable {
    case count
    /// Per second.
    case rate
    /// Milliseconds from submission to end.
    case p50
    case p95
    case p99
    case queueP50 = "queue_p50"
    case queueP95 = "queue_p95"
    case queueP99 = "queue_p99"
    /// Of those that had any content.
    case firstTokenP50 = "first_token_p50"
    case firstTokenP95 = "first_token_p95"
    case firstTokenP99 = "first_token_p99"
    case tokens
    case promptTokens = "prompt_tokens"
    case completionTokens = "completion_tokens"
    /// Dollars.
    case cost
    /// Those that were wanted and brought nothing: see `ExecutionAggregation.failures`.
    case failed
    case failedRatio = "failed_ratio"

    package static let standard: [ExecutionMetric] = [
        .count, .rate, .p50, .p95, .p99, .tokens, .cost, .failed, .failedRatio,
    ]
}

/// What is measured in microseconds and has percentiles.
package enum ExecutionSpan: Int, Sendable, CaseIterable {
    case total
    case queued
    case firstToken

    package static let percentiles = [0.5, 0.95, 0.99]

    package var metrics: [ExecutionMetric] {
        switch self {
        case .total: [.p50, .p95, .p99]
        case .queued: [.queueP50, .queueP95, .queueP99]
        case .firstToken: [.firstTokenP50, .firstTokenP95, .firstTokenP99]
        }
    }
}

/// Which figures, about which executions, by what.
package struct ExecutionAggregation: Sendable, Equatable {
    /// Its order, place and limit mean nothing here.
    package var query = ExecutionQuery()
    package var by: [ExecutionField] = []
    /// Microseconds; `nil`: all of the time together.
    package var bucket: Int64?
    package var metrics = ExecutionMetric.standard
    /// The groups with the most executions are answered, so many of them.
    package var maximumGroups = Self.standardGroups

    package static let standardGroups = 50
    package static let greatestGroups = 500
    package static let maximumBuckets = 2_000
    package static let maximumFields = 3
    /// Groups times buckets.
    package static let maximumCells = 50_000
    /// Ends that count as failed: it was accepted and brought no answer, and nobody had called it off.
    package static let failures = ["failed", "expired", "dropped", "lost", "dead"]

    package init() {}

    package func wants(_ span: ExecutionSpan) -> Bool { span.metrics.contains { self.metrics.contains($0) } }

    /// Seconds that a bucket's rate is over; `nil` when it is not known.
    package var seconds: Double? {
        if let bucket { return Double(bucket) / 1e6 }
        guard let from = self.query.from, let to = self.query.to else { return nil }
        return Double(to - from) / 1e6
    }

    /// Seconds that the rate of the bucket that begins at a time is over: those of them that are asked about.
    package func seconds(of start: Int64) -> Double? {
        guard let bucket else { return self.seconds }
        let (from, to) = (max(start, self.query.from ?? start), min(start + bucket, self.query.to ?? start + bucket))
        return Double(max(0, to - from)) / 1e6
    }

    /// The beginning of the bucket that a time is in.
    package func start(of time: Int64) -> Int64 { self.bucket.map { time / $0 * $0 } ?? 0 }
}

/// The answer.
package struct ExecutionAggregate: Sendable, Equatable {
    package struct Bucket: Sendable, Equatable {
        /// Microseconds since 1970; 0 when there is only one.
        package var at: Int64
        package var cell: ExecutionCell

        package init(at: Int64, cell: ExecutionCell) {
            self.at = at
            self.cell = cell
        }
    }

    package struct Group: Sendable, Equatable {
        /// As in `by`; empty text: they have none.
        package var key: [String]
        /// Only those in which something ended, in order.
        package var buckets: [Bucket]

        package init(key: [String], buckets: [Bucket]) {
            self.key = key
            self.buckets = buckets
        }
    }

    /// The largest first; among equals by key.
    package var groups: [Group]
    /// There are more groups than these.
    package var isTruncated: Bool

    package init(groups: [Group], isTruncated: Bool) {
        self.groups = groups
        self.isTruncated = isTruncated
    }
}

/// What is known of the executions of one group in one bucket.
package struct ExecutionCell: Sendable, Equatable {
    package var count: Int64 = 0
    package var failed: Int64 = 0
    package var promptTokens: Int64 = 0
    package var completionTokens: Int64 = 0
    /// Billionths of a dollar.
    package var cost: Int64 = 0
    /// What its rate is over, where that is known.
    package var seconds: Double?
    /// Microseconds by span and percentile; empty where the span was not asked for or no row has it.
    package var percentiles: [[Int64]] = [[], [], []]

    package init() {}

    /// `nil` when it is not known.
    ///
    /// - Parameter seconds: what a rate is over, if the cell does not know.
    package func value(of metric: ExecutionMetric, seconds: Double?) -> Double? {
        switch metric {
        case .count: return Double(self.count)
        case .rate: return (self.seconds ?? seconds).flatMap { $0 > 0 ? Double(self.count) / $0 : nil }
        case .tokens: return Double(self.promptTokens &+ self.completionTokens)
        case .promptTokens: return Double(self.promptTokens)
        case .completionTokens: return Double(self.completionTokens)
        case .cost: return Double(self.cost) / 1e9
        case .failed: return Double(self.failed)
        case .failedRatio: return self.count > 0 ? Double(self.failed) / Double(self.count) : nil
        case .p50, .p95, .p99, .queueP50, .queueP95, .queueP99, .firstTokenP50, .firstTokenP95, .firstTokenP99:
            for span in ExecutionSpan.allCases {
                guard let index = span.metrics.firstIndex(of: metric) else { continue }
                let values = self.percentiles[span.rawValue]
                return index < values.count ? Double(values[index]) / 1_000 : nil
            }
            return nil
        }
    }
}
