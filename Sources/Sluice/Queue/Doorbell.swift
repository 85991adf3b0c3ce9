import SluiceBasics

/// Where consumers wait until it may be worth looking again.
///
/// DESIGN. A ring wakes the one who has waited longest, who passes it on when it was of no use to it: a thousand
/// waiting consumers do not all run because one message came. Rings are counted, so that one which comes between a look
/// and the wait that follows it is not lost.
final class Doorbell: Sendable {
    private struct State {
        var rings: UInt64 = 0
        var waiters: [UInt64: (waiter: CheckedContinuation<Void, Never>, since: UInt64)] = [:]
        /// Waiters have numbers from `first` on; some of them have gone. Who has looked later has a greater number.
        var first: UInt64 = 0
        var next: UInt64 = 0

        /// Takes out the one who has waited longest, if he looked before `rings`.
        mutating func popFirst(before rings: UInt64) -> CheckedContinuation<Void, Never>? {
            while self.first < self.next {
                guard let entry = self.waiters[self.first] else {
                    self.first += 1
                    continue
                }
                guard entry.since < rings else { return nil }
                self.waiters[self.first] = nil
                self.first += 1
                return entry.waiter
            }
            return nil
        }
        /// Those that were cancelled before they began to wait.
        var cancelled: Set<UInt64> = []
    }

    private let state = Lock(State())

    /// To be read before looking, and handed to `wait`.
    var rings: UInt64 { self.state.withLock { $0.rings } }

    var waiters: Int { self.state.withLock { $0.waiters.count } }

    /// Something may have changed: wakes one waiter.
    func ring() {
        let woken = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.rings &+= 1
            return state.popFirst(before: state.rings)
        }
        woken?.resume()
    }

    /// What was rung may be of use to somebody who has not looked since: wakes him. Who has looked is left in peace, so
    /// that waiters do not wake one another in turn for ever.
    func passOn(_ rings: UInt64) {
        self.state.withLock { $0.popFirst(before: rings) }?.resume()
    }

    /// Somebody was refused because of a look that brought nothing: wakes the one who has waited longest. Not a ring,
    /// which would make the one who has looked look again.
    func wake() {
        self.state.withLock { $0.popFirst(before: .max) }?.resume()
    }

    /// What changed concerns everybody.
    func ringAll() {
        let woken = self.state.withLock { state in
            state.rings &+= 1
            let all = state.waiters.values.map(\.waiter)
            state.waiters = [:]
            state.first = state.next
            return all
        }
        for waiter in woken { waiter.resume() }
    }

    /// Returns at the next ring, at once if there was one since `rings` was read or the task is cancelled.
    func wait(since rings: UInt64) async {
        let number = self.state.withLock { state in
            state.next += 1
            return state.next - 1
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = self.state.withLock { state in
                    if state.cancelled.remove(number) != nil || state.rings != rings { return true }
                    state.waiters[number] = (continuation, rings)
                    // Rings may have gone past this number while it was not there yet.
                    state.first = min(state.first, number)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiter = self.state.withLock { state in
                if let entry = state.waiters.removeValue(forKey: number) { return entry.waiter as Optional }
                state.cancelled.insert(number)
                return nil
            }
            waiter?.resume()
        }
        self.state.withLock { state in
            state.cancelled.remove(number)
            if state.waiters.isEmpty { state.first = state.next }
        }
    }
}
