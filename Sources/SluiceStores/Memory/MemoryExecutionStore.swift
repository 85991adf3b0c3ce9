import SluiceBasics
import SluiceCore
import SluiceTelemetry

/// The ended requests that the process remembers anyway, as a store: keeping them costs nothing more.
///
/// They have no index: every question looks at all of them, on a thread of its own.
package final class MemoryExecutionStore: ExecutionStore {
    package let kind = "memory"
    private let history: History
    private let identity: RuntimeIdentity
    private let queue: StoreQueue<MemoryExecutionStore>
    /// Nanoseconds from the monotonic clock to the wall's: the same for all questions, so that rows keep their times.
    private let offset: Int64

    package init(_ history: History, identity: RuntimeIdentity, clock: any TimeSource) {
        self.history = history
        self.identity = identity
        self.offset = clock.wallClockNanoseconds() &- clock.now().nanoseconds
        let queue = StoreQueue<MemoryExecutionStore>(maximumWaiting: 0, linger: .zero)
        self.queue = queue
        let thread = StoreThread.start { [weak self] in
            while let work = queue.next(waits: true) {
                guard let self else { return }
                work.question?(self)
            }
        }
        // Without a thread nobody would answer: whoever asks is told at once.
        if thread == nil { queue.stop() }
    }

    deinit { self.queue.stop() }

    package func page(_ query: ExecutionQuery) async throws(ExecutionStoreError) -> ExecutionPage {
        try await self.ask { .success($0.rows(query).page(query)) }
    }

    package func find(_ id: String) async throws(ExecutionStoreError) -> ExecutionRow? {
        guard let id = RequestID(id), let record = self.history.find(id) else { return nil }
        return self.row(record)
    }

    package func aggregate(
        _ aggregation: ExecutionAggregation
    ) async throws(ExecutionStoreError) -> ExecutionAggregate {
        try await self.ask { store in
            do throws(ExecutionStoreError) {
                return .success(try store.rows(aggregation.query).aggregate(aggregation))
            } catch {
                return .failure(error)
            }
        }
    }

    package func statistics() async throws(ExecutionStoreError) -> ExecutionStatistics {
        try await self.ask { store in
            let oldest = store.history.query(HistoryFilter(), limit: .max).records.last.map { store.row($0).endedAt }
            return .success(ExecutionStatistics(rows: store.history.count, bytes: nil, oldest: oldest, lost: 0))
        }
    }

    private func ask<Answer: Sendable>(
        _ work: @escaping @Sendable (MemoryExecutionStore) -> Result<Answer, ExecutionStoreError>
    ) async throws(ExecutionStoreError) -> Answer {
        let answer = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Answer, ExecutionStoreError>, Never>) in
            if !self.queue.ask({ store in continuation.resume(returning: work(store)) }) {
                continuation.resume(
                    returning: .failure(.unavailable("History is busy. Try again in a few seconds."))
                )
            }
        }
        return try answer.get()
    }

    /// Those that can be among the wanted ones: what is cheap to see is looked at before a row is made.
    private func rows(_ query: ExecutionQuery) -> ExecutionRows {
        func only(_ field: ExecutionField) -> String? {
            guard let match = query.matches[field], match.anyOf.count == 1 else { return nil }
            return match.anyOf.first
        }
        var filter = HistoryFilter(pool: only(.pool), tenant: only(.tenant), model: only(.model))
        filter.outcome = only(.outcome).flatMap { Outcome(rawValue: $0) }
        filter.reason = only(.reason).flatMap { OutcomeReason(rawValue: $0) }
        return ExecutionRows(self.history.query(filter, limit: .max).records.map { self.row($0) })
    }

    private func row(_ record: RequestRecord) -> ExecutionRow {
        let execution = Execution(record: record, submittedAt: record.submittedAt.nanoseconds &+ self.offset)
        return ExecutionRow(execution, self.identity)
    }
}
