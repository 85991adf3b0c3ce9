import SluiceBasics
import SluiceCore

package struct TelemetryConfiguration: Sendable {
    /// Ended requests kept in memory.
    package var historyCapacity: Int
    package var historyAge: Duration
    /// Items that wait for a slow watcher before some are dropped.
    package var feedCapacity: Int
    package var maximumWatchers: Int

    package init(
        historyCapacity: Int = 10_000,
        historyAge: Duration = .seconds(24 * 3600),
        feedCapacity: Int = 4096,
        maximumWatchers: Int = 64
    ) {
        self.historyCapacity = historyCapacity
        self.historyAge = historyAge
        self.feedCapacity = feedCapacity
        self.maximumWatchers = maximumWatchers
    }
}

/// Records what dispatch does.
package final class Telemetry: DispatchObserver {
    package let metrics: Metrics
    package let history: History
    package let feed: EventFeed

    package init(configuration: TelemetryConfiguration, clock: any TimeSource) {
        self.metrics = Metrics()
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
        self.metrics.ended(record)
        self.history.append(record)
    }

    package func rejected(_ submission: Submission, _ rejection: Rejection, at: Instant) {
        self.metrics.rejected(submission.pool, rejection.reason)
    }
}
