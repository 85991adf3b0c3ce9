import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import Testing

struct HistoryTests {
    private let clock = ManualClock()

    private func telemetry(capacity: Int, age: Duration = .seconds(3600)) -> Telemetry {
        Telemetry(
            configuration: TelemetryConfiguration(historyCapacity: capacity, historyAge: age),
            clock: self.clock
        )
    }

    private func record(_ number: UInt64, _ reason: OutcomeReason = .ok, pool: String = "p") -> RequestRecord {
        let submission = Submission(
            id: RequestID(high: 1, low: number),
            pool: pool,
            tenant: "t\(number % 3)",
            model: "m\(number % 2)",
            operation: "chat/completions",
            deadline: .distantFuture
        )
        var record = RequestRecord(submission: submission, submittedAt: self.clock.now())
        record.endedAt = self.clock.now()
        record.reason = reason
        return record
    }

    private func numbers(_ records: [RequestRecord]) -> [UInt64] { records.map(\.submission.id.low) }

    @Test func `gives up what is too old, in lists, look-ups and memory`() {
        let telemetry = self.telemetry(capacity: 100, age: .seconds(60))
        for number in 0..<10 { telemetry.ended(self.record(UInt64(number))) }
        self.clock.advance(by: .seconds(61))
        #expect(telemetry.history.query(HistoryFilter(), limit: 10).records.isEmpty)
        #expect(telemetry.history.find(RequestID(high: 1, low: 9)) == nil)
        for number in 10..<13 { telemetry.ended(self.record(UInt64(number))) }
        #expect(telemetry.history.count == 3)
        #expect(self.numbers(telemetry.history.query(HistoryFilter(), limit: 10).records) == [12, 11, 10])
    }

    @Test func `finds by id until the ring comes round`() {
        let telemetry = self.telemetry(capacity: 4)
        for number in 0..<11 {
            telemetry.ended(self.record(UInt64(number)))
            for other in 0...number {
                let found = telemetry.history.find(RequestID(high: 1, low: UInt64(other)))
                #expect((found != nil) == (other > number - 4))
                #expect(found.map { $0.submission.id.low == UInt64(other) } ?? true)
            }
        }
    }

    @Test func `a request that ended twice is found as it ended last`() {
        let telemetry = self.telemetry(capacity: 3)
        telemetry.ended(self.record(1, .outcomeUnknown))
        telemetry.ended(self.record(1, .ok))
        telemetry.ended(self.record(2))
        #expect(telemetry.history.find(RequestID(high: 1, low: 1))?.reason == .ok)
        telemetry.ended(self.record(3))
        #expect(telemetry.history.find(RequestID(high: 1, low: 1))?.reason == .ok)
    }

    /// Against a plain list, with filters, pages and ends that come between two pages.
    @Test(arguments: 0..<10)
    func `pages through all that match, once each, whatever comes in between`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let capacity = Int.random(in: 1...700, using: &random)
        let telemetry = self.telemetry(capacity: capacity)
        var all: [RequestRecord] = []
        func end(_ count: Int) {
            for _ in 0..<count {
                let reason: OutcomeReason = Int.random(in: 0..<10, using: &random) == 0 ? .backend : .ok
                all.append(self.record(UInt64(all.count), reason))
                if let last = all.last { telemetry.ended(last) }
            }
        }
        end(Int.random(in: 0..<1500, using: &random))
        for filter in [
            HistoryFilter(), HistoryFilter(outcome: .failed), HistoryFilter(reason: .ok, tenant: "t1"),
            HistoryFilter(pool: "none"), HistoryFilter(model: "m0"),
        ] {
            let kept = self.numbers(all.suffix(capacity).reversed().filter { self.matches(filter, $0) })
            let newest = UInt64(all.count)
            let limit = Int.random(in: 1...80, using: &random)
            var seen: [UInt64] = []
            var cursor: UInt64?
            repeat {
                let page = telemetry.history.query(filter, limit: limit, before: cursor)
                #expect(page.records.count <= limit)
                seen += self.numbers(page.records)
                cursor = page.next
                end(Int.random(in: 0..<3, using: &random))
            } while cursor != nil
            // The oldest may have gone meanwhile; nothing is missed or doubled before that, and nothing new creeps in.
            #expect(seen == Array(kept.prefix(seen.count)))
            #expect(seen.allSatisfy { $0 < newest })
            let surviving = kept.filter { $0 + UInt64(capacity) >= UInt64(all.count) }
            #expect(seen.count >= surviving.count)
        }
    }

    private func matches(_ filter: HistoryFilter, _ record: RequestRecord) -> Bool {
        (filter.outcome == nil || record.reason?.outcome == filter.outcome)
            && (filter.reason == nil || record.reason == filter.reason)
            && (filter.pool == nil || record.submission.pool == filter.pool)
            && (filter.tenant == nil || record.submission.tenant == filter.tenant)
            && (filter.model == nil || record.submission.model == filter.model)
    }
}
