import SluiceBasics
import SluiceCore

package struct TelemetryConfiguration: Sendable {
    /// Ended requests kept in memory.
    package var historyCapacity: Int
    package var historyAge: Duration
    /// Items that wait for a slow watcher before some are dropped.
    package var feedCapacity: Int
    package var maximumWatchers: Int
    /// Rejections a second that the history takes: a flood of them must not push out the work that was done.
    package var rejectionsPerSecond: Int

    package init(
        historyCapacity: Int = 10_000,
        historyAge: Duration = .seconds(24 * 3600),
        feedCapacity: Int = 4096,
        maximumWatchers: Int = 64,
        rejectionsPerSecond: Int = 20
    ) {
        self.historyCapacity = historyCapacity
        self.historyAge = historyAge
        self.feedCapacity = feedCapacity
        self.maximumWatchers = maximumWatchers
        self.rejectionsPerSecond = rejectionsPerSecond
    }
}

/// Records what dispatch does.
package final class Telemetry: DispatchObserver {
    package let metrics: Metrics
    package let history: History
    package let feed: EventFeed
    package let tenants = TenantCounts()
    package let backends = BackendFigures()
    private let rejectionsPerSecond: Int
    /// Says what a request cost, and books it. Called once for each that has ended; must be quick.
    private let pricing: (@Sendable (RequestRecord) -> Money?)?
    /// Who keeps or exports what has ended.
    private let sinks: [any ExecutionSink]
    private let clock: any TimeSource
    /// Rejections that the history has taken since a moment less than a second ago.
    private let rejections = Lock((since: Instant.zero, count: 0))

    package init(
        configuration: TelemetryConfiguration,
        clock: any TimeSource,
        metrics: Metrics? = nil,
        pricing: (@Sendable (RequestRecord) -> Money?)? = nil,
        sinks: [any ExecutionSink] = []
    ) {
        self.pricing = pricing
        self.sinks = sinks
        self.clock = clock
        self.metrics = metrics ?? Metrics(clock: clock)
        self.rejectionsPerSecond = configuration.rejectionsPerSecond
        self.history = History(
            capacity: configuration.historyCapacity,
            maximumAge: configuration.historyAge,
            clock: clock
        )
        self.feed = EventFeed(
            capacity: configuration.feedCapacity,
            maximumSubscriptions: configuration.maximumWatchers
        )
    }

    package var wantsSteps: Bool { self.feed.hasSubscribers }

    package func stepped(_ event: RequestEvent) { self.feed.publish(.request(event)) }

    package func changed(_ event: PoolEvent) { self.feed.publish(.pool(event)) }

    package func ended(_ record: RequestRecord) {
        var record = record
        if let pricing = self.pricing { record.cost = pricing(record) }
        self.metrics.ended(record)
        self.tenants.ended(record)
        self.backends.ended(record)
        self.history.append(record)
        self.export(record)
    }

    private func export(_ record: RequestRecord) {
        guard !self.sinks.isEmpty else { return }
        let age = (self.clock.now() - record.submittedAt).wholeNanoseconds
        let execution = Execution(record: record, submittedAt: self.clock.wallClockNanoseconds() &- age)
        for sink in self.sinks { sink.record(execution) }
    }

    package func rejected(_ submission: Submission, _ rejection: Rejection, at: Instant) {
        self.metrics.rejected(submission, rejection.reason)
        guard self.historyTakesRejection(at) else { return }
        var record = RequestRecord(submission: submission, submittedAt: at)
        // Its answer has gone to whoever asked; there is none to be fetched.
        record.submission.respondsLater = false
        record.state = .ended
        record.endedAt = at
        record.reason = rejection.reason
        record.message = rejection.message
        self.history.append(record)
        self.export(record)
    }

    private func historyTakesRejection(_ now: Instant) -> Bool {
        self.rejections.withLock { rejections in
            if now - rejections.since >= .seconds(1) { rejections = (now, 0) }
            rejections.count += 1
            return rejections.count <= self.rejectionsPerSecond
        }
    }
}
