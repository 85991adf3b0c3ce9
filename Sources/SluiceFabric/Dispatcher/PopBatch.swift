import SluiceBasics
import SluiceTelemetry

/// What one pop brought, until the last of it is settled.
final class PopBatch: Sendable {
    private let left = Lock(0)
    private let poppedAt: Instant

    init(poppedAt: Instant) { self.poppedAt = poppedAt }

    /// One more of it is held. Not once the first has been let go.
    func joined() { self.left.withLock { $0 += 1 } }

    /// One of it is settled, or goes back to its list.
    ///
    /// - Returns: how long the whole of it took, with the last one.
    func left(at now: Instant) -> Duration? {
        let isLast = self.left.withLock { left in
            left -= 1
            return left == 0
        }
        return isLast ? now - self.poppedAt : nil
    }
}

/// Pops of one list as they are told to whoever watches the first dispatchers' metrics.
package struct BatchFigures: Sendable {
    /// Requests of a pop.
    package var sizes = Histogram(.batchSizes)
    /// From a pop to the end of its last request.
    package var times = Histogram()
}

extension FabricDispatcher {
    package func batches(pool: String) -> BatchFigures? {
        self.pools.first { $0.name == pool }?.batches.withLock { $0 }
    }

    /// Since the last heartbeat that Valkey took was sent; `nil` before the first.
    package var heartbeatAge: Duration? {
        let now = self.clock.now()
        return self.state.withLock { $0.lastBeat }.map { now - $0 }
    }
}
