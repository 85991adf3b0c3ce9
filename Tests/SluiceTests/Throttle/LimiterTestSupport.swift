import Sluice
import SluiceBasics

/// A clock and a wall clock that stand still until a test moves them.
final class LimiterClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration

        func advanced(by duration: Duration) -> Instant { Instant(offset: self.offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - self.offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private let time: Lock<Duration>

    init(at start: Duration = .seconds(10_000)) {
        self.time = Lock(start)
    }

    var now: Instant { Instant(offset: self.time.withLock { $0 }) }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {}

    func advance(by span: Duration) { self.time.withLock { $0 += span } }
}

extension Result where Failure == ThrottleRefusal {
    var refusal: ThrottleRefusal? {
        guard case .failure(let refusal) = self else { return nil }
        return refusal
    }

    var isSuccess: Bool { self.refusal == nil }
}

struct StorageFailure: Error {}

/// Keeps snapshots in memory; saving can be held up and made to fail.
final class MemoryThrottleStorage: ThrottleStorage {
    private struct State {
        var snapshots: [String: ThrottleSnapshot] = [:]
        var sequences: [UInt64] = []
        var saving = 0
        var mostAtOnce = 0
        var failures = 0
    }

    private let state = Lock(State())

    func fail(_ times: Int) { self.state.withLock { $0.failures = times } }

    /// Sequence numbers in the order in which they arrived.
    var sequences: [UInt64] { self.state.withLock { $0.sequences } }
    var mostAtOnce: Int { self.state.withLock { $0.mostAtOnce } }

    func save(_ snapshot: ThrottleSnapshot, for key: String) async throws {
        self.state.withLock { state in
            state.saving += 1
            state.mostAtOnce = max(state.mostAtOnce, state.saving)
        }
        for _ in 0..<20 { await Task.yield() }
        let fails = self.state.withLock { state in
            state.saving -= 1
            state.failures -= 1
            guard state.failures < 0 else { return true }
            state.snapshots[key] = snapshot
            state.sequences.append(snapshot.sequence)
            return false
        }
        if fails { throw StorageFailure() }
    }

    func load(_ key: String) async throws -> ThrottleSnapshot? {
        self.state.withLock { $0.snapshots[key] }
    }
}
