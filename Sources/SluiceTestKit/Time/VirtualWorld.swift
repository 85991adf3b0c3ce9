import SluiceBasics

/// Runs tasks one after the other on the calling thread, when it is told to: the same order in every run.
package final class StepExecutor: TaskExecutor {
    private struct State: Sendable {
        var jobs: [UnownedJob] = []
        var next = 0
    }

    private let state = Lock(State())

    package init() {}

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.state.withLock { $0.jobs.append(job) }
    }

    /// Runs everything that can run.
    package func run() {
        while let job = self.take() { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    private func take() -> UnownedJob? {
        self.state.withLock { state in
            guard state.next < state.jobs.count else {
                state.jobs.removeAll(keepingCapacity: true)
                state.next = 0
                return nil
            }
            state.next += 1
            return state.jobs[state.next - 1]
        }
    }
}

/// Tasks and time in the hand of a test.
package final class VirtualWorld: Sendable {
    package let clock: ManualClock
    package let executor = StepExecutor()

    package init() { self.clock = ManualClock() }

    /// Starts a task; it makes no step before the test lets it.
    @discardableResult
    package func spawn<Value: Sendable>(
        _ operation: @escaping @Sendable () async -> Value
    ) -> Task<Value, Never> {
        Task(executorPreference: self.executor) { await operation() }
    }

    /// Lets tasks run until all of them wait.
    package func settle() { self.executor.run() }

    /// Moves time, alarm by alarm, and lets tasks run at each.
    package func advance(by span: Duration) {
        self.settle()
        let end = self.clock.now() + span
        while let next = self.clock.alarms.first, next <= end {
            self.clock.advance(by: max(.zero, next - self.clock.now()))
            self.settle()
        }
        self.clock.advance(by: end - self.clock.now())
        self.settle()
    }
}
