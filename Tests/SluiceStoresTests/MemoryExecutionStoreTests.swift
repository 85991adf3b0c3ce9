import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import Testing

@testable import SluiceStores

@Suite struct MemoryExecutionStoreTests {
    @Test func `what the process remembers can be asked as any history`() async throws {
        let clock = ManualClock()
        let telemetry = Telemetry(configuration: TelemetryConfiguration(historyCapacity: 100), clock: clock)
        let identity = RuntimeIdentity(fabricGroup: "g", dispatcher: "d")
        let store = MemoryExecutionStore(telemetry.history, identity: identity, clock: clock)
        for number in 1...150 as ClosedRange<UInt64> {
            var record = RequestRecord(
                submission: Submission(
                    id: RequestID(high: 1, low: number),
                    pool: number.isMultiple(of: 2) ? "even" : "odd",
                    tenant: "t\(number % 3)",
                    model: "m",
                    operation: "chat/completions",
                    deadline: .distantFuture
                ),
                submittedAt: clock.now()
            )
            clock.advance(by: .milliseconds(10))
            record.state = .ended
            record.endedAt = clock.now()
            record.reason = number.isMultiple(of: 5) ? .backend : .ok
            telemetry.ended(record)
        }
        var query = ExecutionQuery()
        query.limit = 10
        query.matches[.pool] = ExecutionMatch(anyOf: ["even"])
        let page = try await store.page(query)
        #expect(page.rows.map(\.id).first == RequestID(high: 1, low: 150).description)
        #expect(page.rows.count == 10 && page.next != nil)
        #expect(page.rows[0].total == 10_000 && page.rows[0].fabricGroup == "g" && page.rows[0].dispatcher == "d")
        var aggregation = ExecutionAggregation()
        aggregation.by = [.outcome]
        let figures = try await store.aggregate(aggregation)
        #expect(figures.groups.map(\.key) == [["done"], ["failed"]])
        #expect(figures.groups.map { $0.buckets[0].cell.count } == [80, 20])
        #expect(try await store.find(RequestID(high: 1, low: 51).description)?.pool == "odd")
        #expect(try await store.find(RequestID(high: 1, low: 50).description) == nil)
        #expect(try await store.statistics().rows == 100)
    }
}
