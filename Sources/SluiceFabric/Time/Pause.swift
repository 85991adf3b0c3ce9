import SluiceBasics

/// Where a loop sleeps between two rounds. Somebody else can cut a round's sleep short, or end all of them.
package final class Pause: Sendable {
    private struct State: Sendable {
        var isEnded = false
        var canBePoked = false
        var isPoked = false
        var current: Promise<Void>?
    }

    private let alarms: Alarms
    private let state = Lock(State())

    package init(_ alarms: Alarms) { self.alarms = alarms }

    /// Sleeps until then. One loop at a time.
    ///
    /// - Parameter canBePoked: false for a back-off, which has to last.
    package func wait(until end: Instant, canBePoked: Bool) async {
        let promise = Promise<Void>()
        let sleeps = self.state.withLock { state in
            if canBePoked && state.isPoked {
                state.isPoked = false
                return false
            }
            state.current = promise
            state.canBePoked = canBePoked
            return !state.isEnded
        }
        guard sleeps else { return }
        let alarm = self.alarms.set(at: end) { promise.fulfil(()) }
        await promise.value()
        self.alarms.cancel(alarm)
        self.state.withLock { $0.current = nil }
    }

    /// Ends the present sleep, or the next, unless it is a back-off.
    package func poke() {
        let promise = self.state.withLock { state -> Promise<Void>? in
            if state.canBePoked, let current = state.current { return current }
            state.isPoked = true
            return nil
        }
        promise?.fulfil(())
    }

    /// Ends the present sleep and all that follow.
    package func end() {
        let promise = self.state.withLock { state in
            state.isEnded = true
            return state.current
        }
        promise?.fulfil(())
    }
}
