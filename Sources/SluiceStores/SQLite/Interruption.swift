import SluiceBasics

/// Somebody who has asked and may go away before there is an answer.
final class Asker: Sendable {
    private let hasGone = Lock(false)

    var isGone: Bool { self.hasGone.withLock { $0 } }

    func goAway() { self.hasGone.withLock { $0 = true } }
}

/// Says when a running statement is to be given up. For one thread.
final class Interruption {
    private let clock: any TimeSource
    private var asker: Asker?
    private var deadline = Instant.distantFuture

    init(clock: any TimeSource) { self.clock = clock }

    /// Until `end`, statements are given up when their time has passed or nobody waits for them any longer.
    func begin(for asker: Asker, within limit: Duration) {
        self.asker = asker
        self.deadline = self.clock.now() + limit
    }

    func end() {
        self.asker = nil
        self.deadline = .distantFuture
    }

    var isDue: Bool {
        guard let asker else { return false }
        return asker.isGone || self.clock.now() >= self.deadline
    }
}
