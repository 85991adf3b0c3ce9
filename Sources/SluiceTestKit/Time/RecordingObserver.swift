import SluiceBasics
import SluiceCore

/// Keeps everything that dispatch reports.
package final class RecordingObserver: DispatchObserver {
    private struct State {
        var steps: [RequestEvent] = []
        var changes: [PoolEvent] = []
        var ended: [RequestRecord] = []
        var rejections: [Rejection] = []
        var refused: [Submission] = []
    }

    private let state = Lock(State())
    package let wantsSteps: Bool

    package init(wantsSteps: Bool = true) {
        self.wantsSteps = wantsSteps
    }

    package var steps: [RequestEvent] { self.state.withLock { $0.steps } }
    package var changes: [PoolEvent] { self.state.withLock { $0.changes } }
    package var ended: [RequestRecord] { self.state.withLock { $0.ended } }
    package var rejections: [Rejection] { self.state.withLock { $0.rejections } }
    /// What the rejections were about.
    package var refused: [Submission] { self.state.withLock { $0.refused } }

    package func stepped(_ event: RequestEvent) { self.state.withLock { $0.steps.append(event) } }
    package func changed(_ event: PoolEvent) { self.state.withLock { $0.changes.append(event) } }
    package func ended(_ record: RequestRecord) { self.state.withLock { $0.ended.append(record) } }
    package func rejected(_ submission: Submission, _ rejection: Rejection, at: Instant) {
        self.state.withLock { state in
            state.rejections.append(rejection)
            state.refused.append(submission)
        }
    }
}
