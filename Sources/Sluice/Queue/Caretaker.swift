import SluiceBasics

/// Renews the leases of what a queue holds, with one task that sleeps until the next one is due.
final class Caretaker: Sendable {
    private struct State {
        var task: Task<Void, Never>?
        var isStopped = false
        /// Until when the task sleeps; `nil`: until somebody rings.
        var sleepsUntil: Instant?
    }

    private let state = Lock(State())
    private let bell = Doorbell()

    /// Makes sure that somebody is awake at that time.
    func attend<Payload: Sendable>(_ queue: Queue<Payload>, before due: Instant) {
        let (wakes, starts) = self.state.withLock { state -> (Bool, Bool) in
            guard !state.isStopped else { return (false, false) }
            guard state.task != nil else { return (false, true) }
            guard due < state.sleepsUntil ?? .distantFuture else { return (false, false) }
            state.sleepsUntil = due
            return (true, false)
        }
        if wakes { self.bell.ring() }
        if starts { self.start(queue) }
    }

    private func start<Payload: Sendable>(_ queue: Queue<Payload>) {
        let clock = queue.clock
        let task = Task { [weak queue, weak self] in
            while !Task.isCancelled {
                guard let rings = self?.awake(), let due = queue?.nextRenewal() else { return }
                guard due > clock.now() else {
                    await queue?.renewLeases()
                    continue
                }
                guard let bell = self?.noteSleep(until: due) else { return }
                await bell.wait(since: rings, until: due, clock)
            }
        }
        let isLate = self.state.withLock { state in
            guard state.task == nil, !state.isStopped else { return true }
            state.task = task
            return false
        }
        if isLate { task.cancel() }
    }

    /// From here on everything that comes rings.
    private func awake() -> UInt64 {
        self.state.withLock { $0.sleepsUntil = nil }
        return self.bell.rings
    }

    private func noteSleep(until due: Instant) -> Doorbell {
        self.state.withLock { $0.sleepsUntil = due }
        return self.bell
    }

    func stop() {
        let task = self.state.withLock { state in
            state.isStopped = true
            defer { state.task = nil }
            return state.task
        }
        task?.cancel()
    }
}

extension Doorbell {
    /// Returns at the next ring, at the given time, or when the task is cancelled. Nothing is left running.
    func wait(since rings: UInt64, until end: Instant?, _ clock: QueueClock) async {
        guard let end, end < .distantFuture else { return await self.wait(since: rings) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait(since: rings) }
            group.addTask { try? await clock.sleep(until: end) }
            await group.next()
            group.cancelAll()
        }
    }
}

extension Queue {
    /// When a lease has to be renewed next; `distantFuture`: nothing is held.
    func nextRenewal() -> Instant { self.state.withLock { $0.renewals.first?.at ?? .distantFuture } }

    /// Renews what is due, gives back what was fetched ahead and nobody wanted, and notes what has been lost.
    func renewLeases() async {
        let now = self.clock.now()
        var renewed: [(place: UInt32, receipt: Receipt)] = []
        var unwanted: [(place: UInt32, receipt: Receipt)] = []
        let lease = self.state.withLock { state in
            let lease = state.policy.lease
            let patience = state.policy.prefetch?.patience ?? .zero
            while let place = state.renewals.popFirst(until: now) {
                guard let held = state.held[Int(place)] else { continue }
                if held.isFetchedAhead {
                    // It was claimed when it was put there.
                    let isUnwanted = held.startedAt + patience <= now || state.mode == .stopped
                    if isUnwanted, state.givingBack + unwanted.count < Self.givenBackAtOnce {
                        unwanted.append((place, held.receipt))
                        continue
                    }
                    state.renewals.set(place, at: now + (isUnwanted ? min(lease / 3, .seconds(1)) : lease / 3))
                } else {
                    if held.renewedUntil <= now { continue }
                    state.renewals.set(place, at: now + lease / 3)
                }
                renewed.append((place, held.receipt))
            }
            // What somebody is taking just now is not unwanted.
            let given = state.buffer.removeAll(Set(unwanted.map(\.receipt.token)))
            for item in unwanted {
                if given.contains(item.receipt.token) {
                    state.letGo(item.place, item.receipt.token)
                } else {
                    state.renewals.set(item.place, at: now + lease / 3)
                    renewed.append(item)
                }
            }
            unwanted.removeAll { !given.contains($0.receipt.token) }
            state.givingBack += unwanted.count
            return lease
        }
        // First what is worked on: a slow store must not make its leases lapse.
        await self.renew(renewed, lease)
        guard !unwanted.isEmpty else { return }
        // Nor one that does not answer at all.
        let receipts = unwanted.map(\.receipt)
        Task {
            await withTaskGroup(of: Void.self) { group in
                for receipt in receipts {
                    group.addTask {
                        await self.giveBack(receipt)
                        self.state.withLock { $0.givingBack -= 1 }
                    }
                }
            }
        }
    }

    /// How many messages are being given back at most, however slow the store is.
    private static var givenBackAtOnce: Int { 64 }

    private func renew(_ renewed: [(place: UInt32, receipt: Receipt)], _ lease: Duration) async {
        guard !renewed.isEmpty,
            let answers = try? await self.storage.extend(renewed.map(\.receipt), lease: lease)
        else { return }
        self.state.withLock { state in
            for (item, isOurs) in zip(renewed, answers) where !isOurs {
                guard state.held(item.place, item.receipt.token) != nil else { continue }
                state.renewals.remove(item.place)
                if state.buffer.remove(token: item.receipt.token) != nil {
                    state.letGo(item.place, item.receipt.token)
                } else {
                    state.held[Int(item.place)]?.isLost = true
                }
            }
        }
    }

    /// A message that was fetched ahead is ready for everybody again.
    func giveBack(_ receipt: Receipt) async {
        // If the store does not answer the lease lapses.
        _ = try? await self.storage.release(receipt, after: .zero, undoesReceive: true, error: nil)
    }
}
