import SluiceBasics

/// Cancels a task that is started after somebody may already have asked for it.
package final class LateCancellation: Cancellable {
    private struct State {
        var task: (any Cancellable)?
        var isCancelled = false
    }

    private let state = Lock(State())

    package init() {}

    package func set(_ task: any Cancellable) {
        let isCancelled = self.state.withLock { state in
            state.task = task
            return state.isCancelled
        }
        if isCancelled { task.cancel() }
    }

    package func cancel() {
        let task = self.state.withLock { state in
            state.isCancelled = true
            return state.task
        }
        task?.cancel()
    }
}
