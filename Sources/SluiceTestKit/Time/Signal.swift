import SluiceBasics

/// Something that happens once and that a test waits for.
package final class Signal: Sendable {
    private struct State {
        var isSet = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Lock(State())

    package init() {}

    package var isSet: Bool { self.state.withLock { $0.isSet } }

    package func set() {
        let waiters = self.state.withLock { state in
            state.isSet = true
            let waiters = state.waiters
            state.waiters = []
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    package func wait() async {
        await withCheckedContinuation { continuation in
            let isSet = self.state.withLock { state in
                if !state.isSet { state.waiters.append(continuation) }
                return state.isSet
            }
            if isSet { continuation.resume() }
        }
    }

    /// Waits until the task is cancelled.
    package func waitForCancellation() async {
        await withTaskCancellationHandler {
            await self.wait()
        } onCancel: {
            self.set()
        }
    }
}
