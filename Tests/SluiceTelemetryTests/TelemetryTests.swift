import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import Testing

struct TelemetryTests {
    private let clock = ManualClock()

    private func record(_ number: UInt64, _ reason: OutcomeReason = .ok, pool: String = "default") -> RequestRecord {
        let submission = Submission(
            id: RequestID(high: 1, low: number),
            pool: pool,
            tenant: "t",
            model: "m",
            operation: "chat/completions",
            deadline: .distantFuture
        )
        var record = RequestRecord(submission: submission, submittedAt: .zero)
        record.startedAt = Instant(nanoseconds: 2_000_000)
        record.endedAt = Instant(nanoseconds: 30_000_000)
        record.reason = reason
        record.state = .ended
        record.usage = TokenUsage(prompt: 5, completion: 7)
        return record
    }

    private func telemetry(_ configuration: TelemetryConfiguration = TelemetryConfiguration()) -> Telemetry {
        Telemetry(configuration: configuration, clock: self.clock)
    }

    @Test func `counts outcomes, tokens and times`() {
        let telemetry = self.telemetry()
        for number in 0..<3 { telemetry.ended(self.record(UInt64(number))) }
        telemetry.ended(self.record(9, .backend))
        var page = telemetry.metrics.newPage()
        telemetry.metrics.write(to: &page, pools: [])
        let text = String(decoding: PrometheusText.write(page, as: .prometheus), as: UTF8.self)
        #expect(text.contains(#"sluice_requests_ended_total{pool="default",outcome="done",reason="ok"} 3"#))
        #expect(text.contains(#"sluice_requests_ended_total{pool="default",outcome="failed",reason="backend"} 1"#))
        #expect(text.contains(#"sluice_tokens_total{pool="default",kind="prompt"} 20"#))
        #expect(text.contains(#"sluice_queue_wait_seconds_bucket{pool="default",le="0.0025"} 4"#))
        #expect(text.contains(#"sluice_execution_seconds_bucket{pool="default",le="0.025"} 0"#))
        #expect(text.contains(#"sluice_execution_seconds_count{pool="default"} 4"#))
    }

    @Test func `keeps the newest records and pages through them`() {
        let telemetry = self.telemetry(TelemetryConfiguration(historyCapacity: 5))
        for number in 0..<8 { telemetry.ended(self.record(UInt64(number))) }
        let first = telemetry.history.query(HistoryFilter(), limit: 3)
        #expect(first.records.map(\.submission.id.low) == [7, 6, 5])
        let second = telemetry.history.query(HistoryFilter(), limit: 3, before: first.next)
        #expect(second.records.map(\.submission.id.low) == [4, 3])
        #expect(second.next == nil)
        #expect(telemetry.history.find(RequestID(high: 1, low: 2)) == nil)
        #expect(telemetry.history.query(HistoryFilter(outcome: .failed), limit: 3).records.isEmpty)
    }

    private func step(_ number: UInt64) -> RequestEvent {
        RequestEvent(
            id: RequestID(high: 1, low: number),
            pool: "p",
            tenant: "t",
            model: "m",
            state: .queued,
            at: .zero
        )
    }

    @Test func `tells watchers, and says how much it had to drop`() async throws {
        let telemetry = self.telemetry(TelemetryConfiguration(feedCapacity: 2, maximumWatchers: 1))
        #expect(!telemetry.wantsSteps)
        let watcher = try #require(telemetry.feed.subscribe())
        #expect(telemetry.wantsSteps)
        #expect(telemetry.feed.subscribe() == nil)
        for number in 0..<5 { telemetry.stepped(self.step(UInt64(number))) }
        let items = try #require(await watcher.next())
        #expect(items.count == 3)
        guard case .missed(let count) = items[0] else { return #expect(Bool(false), "the drop is not reported") }
        #expect(count == 3)
        telemetry.feed.unsubscribe(watcher)
        #expect(await watcher.next() == nil)
        #expect(!telemetry.wantsSteps)
    }
}
