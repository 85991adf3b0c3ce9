import SluiceBasics
import SluiceCore

/// Counters and histograms of what has ended. Labels come from closed or bounded sets only: a client cannot grow them.
///
/// Each pool has a lock of its own; what is common to all is only who has which.
package final class Metrics: Sendable {
    struct Pool: Sendable {
        var ended = [UInt64](repeating: 0, count: OutcomeReason.allCases.count)
        var failedAttempts = [UInt64](repeating: 0, count: FailureClass.allCases.count)
        var attempts: UInt64 = 0
        var retries: UInt64 = 0
        var promptTokens: UInt64 = 0
        var completionTokens: UInt64 = 0
        var queueWait = Histogram()
        var timeToFirstToken = Histogram()
        var execution = Histogram()
        var total = Histogram()
    }

    private struct Directory {
        var names: [String] = []
        var byName: [String: Lock<Pool>] = [:]
    }

    private let pools = Lock(Directory())
    let spenders = SpenderMetrics()
    let calls: GenAIMetrics
    private let clock: any TimeSource
    /// Nanoseconds since 1970 when counting began.
    package let startedAt: Int64
    private static let maximumPools = 1024
    /// The label of all pools beyond the limit together.
    private static let otherPools = "other"

    /// - Parameter provider: who answers for a model behind a backend, in the words of GenAI's conventions; `nil`: not
    ///   a server of models.
    package init(
        clock: any TimeSource,
        provider: @escaping @Sendable (_ backend: String, _ model: String) -> String? = { _, _ in GenAI.otherProvider }
    ) {
        self.clock = clock
        self.startedAt = clock.wallClockNanoseconds()
        self.calls = GenAIMetrics(provider: provider)
    }

    package func newPage() -> MetricPage { MetricPage(clock: self.clock) }

    /// Pools in the order in which they were first heard of.
    func snapshot() -> [(name: String, pool: Pool)] {
        let directory = self.pools.withLock { $0 }
        return directory.names.compactMap { name in
            directory.byName[name].map { (name, $0.withLock { $0 }) }
        }
    }

    /// Time from the first backend call to the end, of requests of a pool.
    package func execution(pool name: String) -> Histogram? {
        self.pools.withLock { $0.byName[name] }?.withLock { $0.execution }
    }

    /// Time from submission to the end, and tokens, of ended requests of a pool.
    package func ended(pool name: String) -> (latency: Histogram, tokens: UInt64)? {
        self.pools.withLock { $0.byName[name] }?
            .withLock { ($0.total, $0.promptTokens &+ $0.completionTokens) }
    }

    /// Failed calls of backends since the start, over all pools.
    package var failuresByClass: [String: Int] {
        var counts: [String: Int] = [:]
        for (_, pool) in self.snapshot() {
            for failure in FailureClass.allCases where pool.failedAttempts[failure.ordinal] > 0 {
                counts[failure.rawValue, default: 0] += Int(clamping: pool.failedAttempts[failure.ordinal])
            }
        }
        return counts
    }

    func ended(_ record: RequestRecord) {
        self.spenders.ended(record)
        self.calls.ended(record)
        self.pool(record.submission.pool).withLock { pool in
            if let reason = record.reason { pool.ended[reason.ordinal] &+= 1 }
            for attempt in record.attempts {
                pool.attempts &+= 1
                if attempt.number > 1 && !attempt.isHedge { pool.retries &+= 1 }
                if let failure = attempt.failure { pool.failedAttempts[failure.ordinal] &+= 1 }
            }
            if let usage = record.usage {
                pool.promptTokens &+= UInt64(clamping: usage.prompt)
                pool.completionTokens &+= UInt64(clamping: usage.completion)
            }
            pool.recordTimes(record)
        }
    }

    func rejected(_ submission: Submission, _ reason: OutcomeReason) {
        self.pool(submission.pool).withLock { $0.ended[reason.ordinal] &+= 1 }
        self.spenders.rejected(submission)
    }

    private func pool(_ name: String) -> Lock<Pool> {
        self.pools.withLock { directory in
            if let pool = directory.byName[name] { return pool }
            let name = directory.names.count < Self.maximumPools ? name : Self.otherPools
            if let pool = directory.byName[name] { return pool }
            let pool = Lock(Pool())
            directory.names.append(name)
            directory.byName[name] = pool
            return pool
        }
    }
}

extension Metrics.Pool {
    fileprivate mutating func recordTimes(_ record: RequestRecord) {
        // What was answered at once says nothing of queues and backends.
        guard let end = record.endedAt, record.reason != .cached, record.reason != .shared else { return }
        let submission = record.submission
        func span(_ from: Instant, _ to: Instant) -> Int64 { (to - from).wholeNanoseconds }
        self.queueWait.record(span(record.submittedAt, record.startedAt ?? end), of: submission, at: end)
        if let started = record.startedAt {
            self.execution.record(span(started, end), of: submission, at: end)
            if submission.isStream, let first = record.firstByteAt {
                self.timeToFirstToken.record(span(record.submittedAt, first), of: submission, at: end)
            }
        }
        self.total.record(span(record.submittedAt, end), of: submission, at: end)
    }
}

extension FailureClass {
    /// Position in `allCases`.
    var ordinal: Int {
        switch self {
        case .connectRefused: 0
        case .connectTimeout: 1
        case .connectError: 2
        case .rateLimited: 3
        case .overloaded: 4
        case .serverError: 5
        case .readTimeout: 6
        case .reset: 7
        case .malformedResponse: 8
        case .responseTooLarge: 9
        case .authentication: 10
        case .invalidRequest: 11
        case .routeOrModel: 12
        case .providerRejected: 13
        case .deadline: 14
        case .cancelled: 15
        }
    }
}
