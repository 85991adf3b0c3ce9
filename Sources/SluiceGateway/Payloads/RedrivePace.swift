import SluiceBasics
import SluiceCore

/// One pace for everything that is driven again, whoever asked for it and in however many calls: what has failed once
/// for want of room should not do so again.
final class RedrivePace: Sendable {
    struct Pair: Sendable {
        let from: RequestID
        let to: RequestID
    }

    private struct State: Sendable {
        var second: Instant?
        var used = 0
        var waiting: [Pair] = []
        /// The first that still waits.
        var first = 0
        var isDriven = false
    }

    private let state = Lock(State())
    /// Requests a second.
    let rate: Int
    private static let mostWaiting = 10_000

    init(rate: Int) { self.rate = max(1, rate) }

    /// Takes a place in this second. Nobody goes before those that wait.
    func enter(at now: Instant) -> Bool {
        self.state.withLock { state in
            guard state.first == state.waiting.count else { return false }
            if state.second.map({ now - $0 >= .seconds(1) }) ?? true { (state.second, state.used) = (now, 0) }
            guard state.used < self.rate else { return false }
            state.used += 1
            return true
        }
    }

    /// - Returns: `false` when as many as may wait do already.
    func wait(_ pair: Pair) -> Bool {
        self.state.withLock { state in
            guard state.waiting.count - state.first < Self.mostWaiting else { return false }
            state.waiting.append(pair)
            return true
        }
    }

    /// Whether those that wait need somebody to drive them, who is then the only one until `ends`.
    func begins() -> Bool {
        self.state.withLock { state in
            guard !state.isDriven, state.first < state.waiting.count else { return false }
            state.isDriven = true
            return true
        }
    }

    func beginSecond(at now: Instant) { self.state.withLock { ($0.second, $0.used) = (now, 0) } }

    /// The next that waits; `nil` when nobody does or the second is full.
    func next() -> Pair? {
        self.state.withLock { state in
            guard state.first < state.waiting.count, state.used < self.rate else { return nil }
            state.used += 1
            state.first += 1
            let pair = state.waiting[state.first - 1]
            if state.first > 1_024 && state.first * 2 > state.waiting.count || state.first == state.waiting.count {
                state.waiting.removeFirst(state.first)
                state.first = 0
            }
            return pair
        }
    }

    /// A place that was not needed after all.
    func giveBack() { self.state.withLock { $0.used = max(0, $0.used - 1) } }

    /// Whether nobody waits any more; driving is over then.
    func ends() -> Bool {
        self.state.withLock { state in
            guard state.first == state.waiting.count else { return false }
            state.isDriven = false
            return true
        }
    }

    /// Those that still wait; driving is over.
    func giveUp() -> [Pair] {
        self.state.withLock { state in
            defer { (state.waiting, state.first, state.isDriven) = ([], 0, false) }
            return Array(state.waiting[state.first...])
        }
    }
}
