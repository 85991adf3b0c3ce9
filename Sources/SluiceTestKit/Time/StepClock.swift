import SluiceBasics

/// A Swift clock that stands still until a test moves it.
package final class StepClock: Clock, Sendable {
    package struct Instant: InstantProtocol {
        package var offset: Duration

        package func advanced(by duration: Duration) -> Instant { Instant(offset: self.offset + duration) }

        package func duration(to other: Instant) -> Duration { other.offset - self.offset }

        package static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct State {
        var now = Instant(offset: .seconds(1_000))
        var sleepers: [UInt64: (until: Instant, waiter: CheckedContinuation<Void, any Error>)] = [:]
        var next: UInt64 = 0
        var cancelled: Set<UInt64> = []
    }

    private let state = Lock(State())

    package init() {}

    package var now: Instant { self.state.withLock { $0.now } }

    package var minimumResolution: Duration { .nanoseconds(1) }

    /// How many tasks sleep by this clock.
    package var sleepers: Int { self.state.withLock { $0.sleepers.count } }

    package func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let number = self.state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (waiter: CheckedContinuation<Void, any Error>) in
                let answer = self.state.withLock { state -> Result<Void, any Error>? in
                    if state.cancelled.remove(number) != nil { return .failure(CancellationError()) }
                    if deadline <= state.now { return .success(()) }
                    state.sleepers[number] = (deadline, waiter)
                    return nil
                }
                if let answer { waiter.resume(with: answer) }
            }
        } onCancel: {
            let waiter = self.state.withLock { state in
                if let sleeper = state.sleepers.removeValue(forKey: number) { return sleeper.waiter as Optional }
                state.cancelled.insert(number)
                return nil
            }
            waiter?.resume(throwing: CancellationError())
        }
        self.state.withLock { _ = $0.cancelled.remove(number) }
    }

    /// Moves time forward and wakes everybody on the way, each at its own time.
    package func advance(by span: Duration) {
        let end = self.now.advanced(by: span)
        while let waiter = self.nextSleeper(until: end) { waiter.resume() }
        self.state.withLock { $0.now = max($0.now, end) }
    }

    private func nextSleeper(until end: Instant) -> CheckedContinuation<Void, any Error>? {
        self.state.withLock { state in
            guard let next = state.sleepers.min(by: { $0.value.until < $1.value.until }), next.value.until <= end
            else { return nil }
            state.sleepers[next.key] = nil
            state.now = max(state.now, next.value.until)
            return next.value.waiter
        }
    }
}
