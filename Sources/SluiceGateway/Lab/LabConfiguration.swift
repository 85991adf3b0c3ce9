import SluiceBasics

/// What the lab may take of the process.
package struct LabConfiguration: Sendable {
    /// Sessions at once; who comes when there are as many takes the place of one that nobody watches.
    package var maximumSessions = 8
    /// A session that nobody has watched or changed for so long goes.
    package var idle = Duration.seconds(600)
    /// Of traces that were sent here, as they are kept; the one that was not used for the longest makes room.
    package var maximumTraceBytes = 64 << 20
    /// Time that one comparison may take.
    package var maximumRun = Duration.seconds(30)

    package init() {}

    /// Watchers of one session.
    static let mostWatchers = 8
    /// Comparisons at once.
    static let mostRuns = 2
    /// Steps of sessions at once.
    static let mostStepping = 4
    /// Longest piece of work without a pause.
    static let slice = Duration.milliseconds(4)
    /// Events between two looks at the clock.
    static let eventsPerLook = 32
    /// Looks in one slice, for clocks that stand still.
    static let mostLooks = 4_096
    /// The same in one slice of a step, each of so many events.
    static let mostStepLooks = 256
    /// Least time between two frames.
    static let framePeriod = Duration.milliseconds(100)
    static let seriesPeriod = Duration.milliseconds(500)
    static let tick = Duration.milliseconds(20)
    static let heartbeat = Duration.seconds(15)
    /// Simulated time after which a session stands still: ten years.
    static let longest = Duration.seconds(10 * 365 * 86_400)
    /// Simulated time that is asked for at once at top speed.
    static let stride = Duration.seconds(60)
    static let speeds = 0.01...100_000.0
    /// Wall time that a step of a session may take, half of it pauses.
    static let longestStep = Duration.seconds(10)
}
