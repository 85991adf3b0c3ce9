import SluiceBasics
import SluiceCore
import SluiceTelemetry
import Testing

@testable import SluiceStores

/// Questions that take too long, that nobody waits for any more, or that come from far away; and the end of a store.
@Suite struct SQLiteQuestionTests {
    /// Time passes whenever somebody looks at it.
    private final class SteppingClock: TimeSource {
        private let step: Duration
        private let time = Lock(Instant.zero)

        init(_ step: Duration) { self.step = step }

        func now() -> Instant {
            self.time.withLock { time in
                defer { time = time + self.step }
                return time
            }
        }

        func wallClockNanoseconds() -> Int64 { 1_767_225_600_000_000_000 }
    }

    private func store(
        _ clock: any TimeSource = SystemClock(),
        timeout: Duration = .seconds(10)
    ) throws -> SQLiteExecutionStore {
        var configuration = SQLiteHistoryConfiguration(path: ":memory:", keep: .seconds(20 * 365 * 86_400))
        configuration.timeout = timeout
        return try SQLiteExecutionStore(configuration, identity: RuntimeIdentity(), clock: clock, log: { _ in })
    }

    @Test func `a question that takes too long is given up`() async throws {
        let store = try self.store(SteppingClock(.milliseconds(1)), timeout: .milliseconds(20))
        defer { store.close() }
        var random = RandomExecutions(seed: 8)
        for _ in 0..<100 { try await store.insert(random.rows(100)) }
        var query = ExecutionQuery()
        query.sort = .latency
        query.text = "found in none of them"
        let wanted = query
        let error = await #expect(throws: ExecutionStoreError.self) { _ = try await store.page(wanted) }
        #expect(error?.message.contains("takes longer") == true)
        #expect(try await store.find("req_unknown") == nil)
    }

    @Test func `time that a question waits for its turn counts`() async throws {
        // 20 s lie between the question and its turn.
        let store = try self.store(SteppingClock(.seconds(20)))
        defer { store.close() }
        let error = await #expect(throws: ExecutionStoreError.self) { _ = try await store.find("req_1") }
        #expect(error?.message.contains("busy") == true)
    }

    @Test func `nothing is read for who has gone`() async throws {
        let store = try self.store()
        defer { store.close() }
        let asking = Task {
            // Until it is cancelled.
            while !Task.isCancelled { await Task.yield() }
            return try await store.find("req_1")
        }
        asking.cancel()
        await #expect(throws: ExecutionStoreError.unavailable("The question was withdrawn.")) {
            _ = try await asking.value
        }
    }

    @Test(arguments: [ExecutionSort.ended, .latency], [true, false])
    func `a place at the end of time has a next page`(sort: ExecutionSort, isDescending: Bool) async throws {
        let store = try self.store()
        defer { store.close() }
        var random = RandomExecutions(seed: 3)
        let rows = random.rows(10)
        try await store.insert(rows)
        var query = ExecutionQuery()
        (query.sort, query.isDescending) = (sort, isDescending)
        for endedAt in [0, 1 << 53] as [Int64] {
            query.after = ExecutionPosition(value: endedAt, endedAt: endedAt, id: "x")
            let text = ExecutionCursor(try #require(query.after), of: query).text
            #expect(ExecutionCursor(text)?.position == query.after)
            #expect(try await store.page(query) == ExecutionRows(rows).page(query))
        }
    }

    @Test func `a trace is found by its index`() throws {
        let database = try SQLiteDatabase(path: ":memory:")
        try SQLiteSchema.migrate(database)
        var query = ExecutionQuery()
        query.matches[.traceID] = ExecutionMatch(anyOf: ["0af7651916cd43dd8448eb211c80319c"])
        let condition = try SQLiteCondition(query, try SQLiteNames(database))
        let plan = try database.prepare(
            "EXPLAIN QUERY PLAN SELECT key FROM executions\(condition.text) ORDER BY key DESC LIMIT 51"
        )
        condition.bind(to: plan)
        #expect(try plan.step() && plan.text(3).contains("USING COVERING INDEX executions_by_trace"))
    }

    @Test func `what cannot be written at the end is said`() throws {
        let store = try self.store()
        // More than there are places for in a microsecond: together they cannot be written.
        for number in 1...1_100 as ClosedRange<UInt64> {
            store.record(Execution.done(number))
        }
        // However many of them went together.
        #expect((76...1_100).contains(store.close()))
        #expect(store.close() == 0)
    }
}
