import SluiceBasics
import SluiceCore

/// Counters and histograms per pool. Labels come from closed sets only: a client cannot grow them.
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

    /// Whose requests of which model cost how much.
    struct Spender: Hashable, Sendable {
        var tenant: String
        var model: String
    }

    private let pools: Lock<[(name: String, pool: Pool)]>
    private let spending = Lock<[Spender: Money]>([:])
    private static let maximumPools = 1024
    /// Pairs of tenant and model that are told apart; what clients make up beyond goes to `other`.
    private static let maximumSpenders = 1_000

    package init() { self.pools = Lock([]) }

    func spendingSnapshot() -> [(spender: Spender, cost: Money)] {
        let spending = self.spending.withLock { $0 }
        return spending.sorted { ($0.key.tenant, $0.key.model) < ($1.key.tenant, $1.key.model) }
            .map { ($0.key, $0.value) }
    }

    private func spent(_ record: RequestRecord) {
        guard let cost = record.cost, cost > .zero else { return }
        let spender = Spender(tenant: record.submission.tenant, model: record.submission.model)
        self.spending.withLock { spending in
            let isKnown = spending[spender] != nil || spending.count < Self.maximumSpenders
            spending[isKnown ? spender : Spender(tenant: "other", model: "other"), default: .zero] += cost
        }
    }

    func snapshot() -> [(name: String, pool: Pool)] { self.pools.withLock { $0 } }

    /// Time from the first backend call to the end, of requests of a pool.
    package func execution(pool name: String) -> Histogram? {
        self.pools.withLock { $0.first { $0.name == name }?.pool.execution }
    }

    func ended(_ record: RequestRecord) {
        self.spent(record)
        self.update(record.submission.pool) { pool in
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
            // What was answered at once says nothing of queues and backends.
            guard let end = record.endedAt, record.reason != .cached, record.reason != .shared else { return }
            pool.queueWait.record((record.startedAt ?? end) - record.submittedAt)
            if let started = record.startedAt {
                pool.execution.record(end - started)
                if record.submission.isStream, let first = record.firstByteAt {
                    pool.timeToFirstToken.record(first - record.submittedAt)
                }
            }
            pool.total.record(end - record.submittedAt)
        }
    }

    func rejected(_ pool: String, _ reason: OutcomeReason) {
        self.update(pool) { $0.ended[reason.ordinal] &+= 1 }
    }

    private func update(_ name: String, _ change: (inout Pool) -> Void) {
        self.pools.withLock { pools in
            if let index = pools.firstIndex(where: { $0.name == name }) {
                change(&pools[index].pool)
            } else if pools.count < Self.maximumPools {
                var pool = Pool()
                change(&pool)
                pools.append((name, pool))
            } else if let index = pools.firstIndex(where: { $0.name == Self.otherPools }) {
                change(&pools[index].pool)
            } else {
                var pool = Pool()
                change(&pool)
                pools.append((Self.otherPools, pool))
            }
        }
    }

    /// The label of all pools beyond the limit together.
    private static let otherPools = "other"
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
