import SluiceBasics

/// Somebody who has asked and may go away before there is an answer.
final class Asker: Sendable {
    /// When he gives up, the time in the queue included.
    let deadline: Instant
    private let hasGone = Lock(false)

    init(until deadline: Instant) { self.deadline = deadline }

    var isGone: Bool { self.hasGone.withLock { $0 } }

    func goAway() { self.hasGone.withLock { $0 = true } }
}

/// Says when a running statement is to be given up. For one thread.
final class Interruption {
    private let clock: any TimeSource
    private var asker: Asker?

    init(clock: any TimeSource) { self.clock = clock }

    /// Until `end`, statements are given up when the asker's time has passed or nobody waits for them any longer.
    func begin(for asker: Asker) { self.asker = asker }

    func end() { self.asker = nil }

    var isDue: Bool {
        guard let asker else { return false }
        return asker.isGone || self.clock.now() >= asker.deadline
    }
}
