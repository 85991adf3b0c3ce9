import SluiceBasics
import SluiceEngine

/// Any number of times to be woken at, on one timer.
///
/// The fabric reads no clock of its own and sleeps nowhere else than here, so that tests move time by hand.
package final class Alarms: Sendable {
    /// Names an alarm that was set; stale ones do nothing.
    package struct Handle: Sendable, Equatable {
        let index: UInt32
        let generation: UInt32
    }

    private struct Slot: Sendable {
        var generation: UInt32 = 0
        var action: (@Sendable () -> Void)?
    }

    private struct State: Sendable {
        var times = IndexedHeap()
        var slots: [Slot] = []
        var free: [UInt32] = []
        /// When the timer will ring.
        var armed = Instant.distantFuture
    }

    package let clock: any TimeSource
    private let timer: any WakeTimer
    private let state = Lock(State())

    package init(clock: any TimeSource, timer: any WakeTimer) {
        self.clock = clock
        self.timer = timer
    }

    /// Alarms that are set.
    package var count: Int { self.state.withLock { $0.times.count } }

    /// Runs `action` once `at` is reached, on the timer's thread. It must be brief.
    package func set(at: Instant, _ action: @escaping @Sendable () -> Void) -> Handle {
        let (handle, wake) = self.state.withLock { state in
            let index = state.free.popLast() ?? UInt32(state.slots.count)
            if Int(index) == state.slots.count { state.slots.append(Slot()) }
            state.slots[Int(index)].action = action
            state.times.set(index, at: at)
            let isSooner = at < state.armed
            if isSooner { state.armed = at }
            return (Handle(index: index, generation: state.slots[Int(index)].generation), isSooner)
        }
        if wake { self.timer.wake(at: at) { [weak self] in self?.ring() } }
        return handle
    }

    /// Takes an alarm back. Harmless after it has rung.
    package func cancel(_ handle: Handle) {
        self.state.withLock { state in
            guard state.slots[Int(handle.index)].generation == handle.generation else { return }
            Self.release(handle.index, &state)
        }
    }

    private static func release(_ index: UInt32, _ state: inout State) {
        state.times.remove(index)
        state.slots[Int(index)].action = nil
        state.slots[Int(index)].generation &+= 1
        state.free.append(index)
    }

    /// Runs what has become due. The timer calls it; calling it more often is harmless.
    package func ring() {
        let now = self.clock.now()
        while let action = self.takeDue(now) { action() }
        let next = self.state.withLock { state -> Instant? in
            // A wake that was not ours to come must not arm the timer a second time.
            if state.armed <= now { state.armed = .distantFuture }
            guard let next = state.times.first?.at, next < state.armed else { return nil }
            state.armed = next
            return next
        }
        if let next { self.timer.wake(at: next) { [weak self] in self?.ring() } }
    }

    private func takeDue(_ now: Instant) -> (@Sendable () -> Void)? {
        self.state.withLock { state in
            guard let due = state.times.first, due.at <= now else { return nil }
            let action = state.slots[Int(due.item)].action
            Self.release(due.item, &state)
            return action
        }
    }
}
