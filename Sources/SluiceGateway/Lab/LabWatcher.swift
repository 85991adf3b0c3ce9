import SluiceBasics

/// Somebody who is shown a session. What is not taken in time is replaced by what is newer: nothing piles up.
final class LabWatcher: Sendable {
    private struct State {
        var frame: [UInt8] = []
        var series: [UInt8] = []
        /// Scenario and notes, of which none may be lost; few and small.
        var notes: [UInt8] = []
        var isClosed = false
        var waiter: CheckedContinuation<Void, Never>?

        mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
            defer { self.waiter = nil }
            return self.waiter
        }
    }

    /// Notes that a watcher has not taken; beyond, it is gone.
    private static let mostNotes = 1 << 20

    private let state = Lock(State())

    func show(frame: [UInt8]? = nil, series: [UInt8]? = nil, note: [UInt8]? = nil) {
        let waiter = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            if let frame { state.frame = frame }
            if let series { state.series = series }
            if let note { state.notes += note }
            if state.notes.count > Self.mostNotes { state.isClosed = true }
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    func close() {
        let waiter = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.isClosed = true
            return state.takeWaiter()
        }
        waiter?.resume()
    }

    /// What is new; `nil` when there will be nothing any more.
    func next() async -> [UInt8]? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let ready = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
                    let hasNews = !state.frame.isEmpty || !state.series.isEmpty || !state.notes.isEmpty
                    if hasNews || state.isClosed { return continuation }
                    let earlier = state.takeWaiter()
                    state.waiter = continuation
                    return earlier
                }
                ready?.resume()
            }
        } onCancel: {
            self.close()
        }
        return self.state.withLock { state -> [UInt8]? in
            let bytes = state.notes + state.frame + state.series
            if bytes.isEmpty && state.isClosed { return nil }
            (state.notes, state.frame, state.series) = ([], [], [])
            return bytes
        }
    }
}
