import SluiceBasics
import SluiceCore

/// How each backend has answered, lately and since the start. Bounded in backends.
package final class BackendFigures: Sendable {
    /// Calls within a window of time.
    package struct Calls: Sendable {
        package var requests: UInt64 = 0
        package var failures: UInt64 = 0
        /// From the call to its end, and to the first content of streams; of those that succeeded.
        package var answer = Histogram()
        package var firstToken = Histogram()

        mutating func add(_ other: Calls) {
            self.requests += other.requests
            self.failures += other.failures
            self.answer.add(other.answer)
            self.firstToken.add(other.firstToken)
        }
    }

    package struct Figures: Sendable {
        /// Since the start.
        package var requests: UInt64 = 0
        package var failures: UInt64 = 0
        /// Of the window under way, and of the one before it.
        fileprivate var current = Calls()
        fileprivate var previous = Calls()
        fileprivate var began = Instant.zero

        /// Of the last five to ten minutes.
        package func recent(at now: Instant) -> Calls {
            var calls = now - self.began < BackendFigures.window ? self.previous : Calls()
            if now - self.began < BackendFigures.window * 2 { calls.add(self.current) }
            return calls
        }

        fileprivate mutating func roll(to now: Instant) {
            let age = now - self.began
            guard age >= BackendFigures.window else { return }
            self.previous = age < BackendFigures.window * 2 ? self.current : Calls()
            self.current = Calls()
            self.began = now
        }
    }

    private static let window = Duration.seconds(300)
    private static let maximumBackends = 1_024
    private let figures = Lock<[String: Figures]>([:])

    func ended(_ record: RequestRecord) {
        guard !record.attempts.isEmpty else { return }
        self.figures.withLock { figures in
            for attempt in record.attempts {
                guard let end = attempt.endedAt,
                    figures[attempt.backend] != nil || figures.count < Self.maximumBackends
                else { continue }
                figures[attempt.backend, default: Figures()].note(
                    attempt,
                    end: end,
                    isStream: record.submission.isStream
                )
            }
        }
    }

    package func snapshot() -> [String: Figures] { self.figures.withLock { $0 } }
}

extension BackendFigures.Figures {
    fileprivate mutating func note(_ attempt: AttemptRecord, end: Instant, isStream: Bool) {
        self.roll(to: end)
        self.requests += 1
        self.current.requests += 1
        guard let failure = attempt.failure else {
            self.current.answer.record(end - attempt.startedAt)
            if isStream, let first = attempt.firstByteAt { self.current.firstToken.record(first - attempt.startedAt) }
            return
        }
        // What the client or an operator broke off says nothing of the backend.
        guard failure != .cancelled && failure != .invalidRequest else { return }
        self.failures += 1
        self.current.failures += 1
    }
}
