import SluiceBasics

/// Counts how often it was told to stop.
package final class RecordedCancellation: Cancellable {
    private let state = Lock(0)

    package init() {}

    package var count: Int { self.state.withLock { $0 } }

    package func cancel() { self.state.withLock { $0 += 1 } }
}
