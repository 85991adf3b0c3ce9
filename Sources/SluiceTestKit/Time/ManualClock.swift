import SluiceBasics
import SluiceEngine

/// A clock that stands still until a test moves it, and the timer that belongs to it.
package final class ManualClock: TimeSource, WakeTimer {
    private struct State {
        var now: Instant
        var alarms: [(at: Instant, action: @Sendable () -> Void)] = []
    }

    private let state: Lock<State>
    /// 2026-01-01T00:00:00Z at the start.
    private static let wallClockStart: Int64 = 1_767_225_600_000_000_000
    private let start: Instant

    package init(start: Instant = Instant(nanoseconds: 1_000_000_000)) {
        self.start = start
        self.state = Lock(State(now: start))
    }

    package func now() -> Instant {
        self.state.withLock { $0.now }
    }

    package func wallClockNanoseconds() -> Int64 {
        Self.wallClockStart + (self.now() - self.start).wholeNanoseconds
    }

    package func wake(at: Instant, _ action: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.alarms.append((at, action)) }
    }

    /// Times for which somebody waits, soonest first.
    package var alarms: [Instant] {
        self.state.withLock { state in state.alarms.map(\.at).sorted() }
    }

    /// Moves time forward and rings every alarm on the way, each at its own time.
    package func advance(by span: Duration) {
        let end = self.now() + span
        while let action = self.nextAlarm(until: end) { action() }
        self.state.withLock { $0.now = max($0.now, end) }
    }

    private func nextAlarm(until end: Instant) -> (@Sendable () -> Void)? {
        self.state.withLock { state in
            guard
                let index = state.alarms.indices.min(by: { state.alarms[$0].at < state.alarms[$1].at }),
                state.alarms[index].at <= end
            else { return nil }
            let alarm = state.alarms.remove(at: index)
            state.now = max(state.now, alarm.at)
            return alarm.action
        }
    }
}
