import SluiceBasics

/// Any clock as instants in nanoseconds since the clock was handed over.
struct QueueClock: Sendable {
    private let read: @Sendable () -> Instant
    private let wait: @Sendable (Instant) async throws -> Void

    init(_ clock: any Clock<Duration>) {
        self = Self.opened(clock)
    }

    private init(
        read: @escaping @Sendable () -> Instant,
        wait: @escaping @Sendable (Instant) async throws -> Void
    ) {
        self.read = read
        self.wait = wait
    }

    private static func opened<C: Clock<Duration>>(_ clock: C) -> QueueClock {
        let start = clock.now
        return QueueClock(
            read: { Instant(nanoseconds: start.duration(to: clock.now).wholeNanoseconds) },
            wait: { end in
                try await clock.sleep(until: start.advanced(by: .nanoseconds(end.nanoseconds)), tolerance: nil)
            }
        )
    }

    @inline(always)
    func now() -> Instant { self.read() }

    /// Returns when the time has come, throws when the task is cancelled.
    func sleep(until end: Instant) async throws { try await self.wait(end) }
}
