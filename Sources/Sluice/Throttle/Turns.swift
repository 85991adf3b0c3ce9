import SluiceBasics

/// Lets one at a time do something that serves everybody who waits for it to begin.
///
/// Whoever asks while nobody works does the work. Whoever asks meanwhile waits; when the work is done, the first of
/// those does it once more, for all of them.
final class Turns: Sendable {
    private enum Answer: Sendable {
        /// Do it, for yourself and for these.
        case work(for: [CheckedContinuation<Answer, Never>])
        case done(Result<Void, any Error>)
    }

    private struct State: Sendable {
        var isWorking = false
        var waiting: [CheckedContinuation<Answer, Never>] = []
    }

    private let state = Lock(State())

    /// Returns when a run of `work` that began after the call has ended, and throws what it threw.
    func take(_ work: () async throws -> Void) async throws {
        let answer = await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
            let isFirst = self.state.withLock { state in
                guard state.isWorking else {
                    state.isWorking = true
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFirst { continuation.resume(returning: .work(for: [])) }
        }
        switch answer {
        case .done(let result): try result.get()
        case .work(let others):
            var result = Result<Void, any Error>.success(())
            do { try await work() } catch { result = .failure(error) }
            self.passOn()
            for other in others { other.resume(returning: .done(result)) }
            try result.get()
        }
    }

    /// The next run begins with all who wait now.
    private func passOn() {
        let waiting = self.state.withLock { state in
            let waiting = state.waiting
            state.waiting = []
            state.isWorking = !waiting.isEmpty
            return waiting
        }
        waiting.first?.resume(returning: .work(for: Array(waiting.dropFirst())))
    }
}
