import SluiceBasics
import SluiceEngine
import SluiceWire

/// Puts requests into the fabric and waits for their replies: the producing end of the wire contract.
///
/// ```swift
/// let producer = Producer(configuration, link: valkey, clock: clock, timer: timer, seed: seed)
/// reactors.spawn { await producer.run() }
/// let reply = try await producer.execute(request, timeout: .seconds(60))
/// await producer.close()
/// ```
///
/// DESIGN. `run` holds two loops, the only background work: one keeps the alive key fresh, one takes replies off the
/// list and finds who waits for them. Nothing is pushed before the alive key is confirmed, because a dispatcher that
/// is quicker than we are would drop it; after an error of the store the key counts as unconfirmed until it has been
/// set again. Whoever waits is found by request id under one lock; continuations, alarms and the store are reached
/// outside of it. Every call ends exactly once: with the reply, at its deadline, cancelled, or closed.
package final class Producer: Sendable {
    struct Waiter: Sendable {
        enum Destination: Sendable {
            case whole(Promise<Result<ReplyEnvelope, ProducerError>>)
            case stream(StreamBuffer)
        }

        var destination: Destination
        /// Tells it from an earlier one with the same id.
        var serial: Int
        var pool: String
        var alarm: Alarms.Handle?
        /// Where its push sleeps while the store cannot be reached.
        var pause: Pause

        func finish(_ end: Result<ReplyEnvelope, ProducerError>) {
            switch self.destination {
            case .whole(let promise): promise.fulfil(end)
            case .stream(let buffer): buffer.finish(end)
            }
        }
    }

    struct State: Sendable {
        enum Phase: Sendable {
            case idle
            case running
            case closing
            case closed
        }

        var phase = Phase.idle
        /// The alive key has been set and lasts until then; `nil` when that is unknown.
        var aliveUntil: Instant?
        /// Pushes that wait for that, by the serial of their first waiter.
        var aliveWaiters: [Int: Pause] = [:]
        var waiters: [String: Waiter] = [:]
        var nextSerial = 0
        var pushingBytes = 0
        var forgotten: RecentIDs
        var counts = ProducerCounts()
        var random: SeededRandom
    }

    package let configuration: ProducerConfiguration
    let link: any ValkeyLink
    package let alarms: Alarms
    let state: Lock<State>
    let refreshing: Pause
    let popping: Pause
    let ended = Promise<Void>()
    let abandoned: @Sendable (_ requestID: String, _ pool: String) -> Void

    /// - Parameters:
    ///   - timer: belongs to this producer alone.
    ///   - seed: of the jitter of pauses.
    ///   - abandoned: told of every request that was pushed and is not waited for any more. The contract has no
    ///     cancelling; whoever can take it out of the queue may do so here.
    package init(
        _ configuration: ProducerConfiguration,
        link: any ValkeyLink,
        clock: any TimeSource,
        timer: any WakeTimer,
        seed: UInt64,
        abandoned: @escaping @Sendable (_ requestID: String, _ pool: String) -> Void = { _, _ in }
    ) {
        self.configuration = configuration
        self.link = link
        self.alarms = Alarms(clock: clock, timer: timer)
        self.refreshing = Pause(self.alarms)
        self.popping = Pause(self.alarms)
        self.abandoned = abandoned
        self.state = Lock(
            State(
                forgotten: RecentIDs(limit: configuration.rememberedRequests),
                random: SeededRandom(seed: seed)
            )
        )
    }

    var clock: any TimeSource { self.alarms.clock }

    package var counts: ProducerCounts { self.state.withLock { $0.counts } }

    /// Requests that wait for a reply.
    package var waiting: Int { self.state.withLock { $0.waiters.count } }

    /// Bytes of envelopes that are being pushed.
    package var pushingBytes: Int { self.state.withLock { $0.pushingBytes } }

    /// Whether the fabric knows us, as far as we can tell.
    package var isAlive: Bool {
        let now = self.clock.now()
        return self.state.withLock { $0.phase == .running && ($0.aliveUntil ?? now) > now }
    }

    // MARK: Life

    /// Keeps the producer known and its replies coming, until `close`. To be called once.
    package func run() async {
        let isFirst = self.state.withLock { state in
            guard state.phase == .idle else { return false }
            state.phase = .running
            return true
        }
        guard isFirst else { return }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keepAlive() }
            group.addTask { await self.pumpReplies() }
        }
        self.state.withLock { $0.phase = .closed }
        self.ended.fulfil(())
    }

    /// Gives up what still waits, takes the alive key away, so that dispatchers do not work for nobody, and returns
    /// when `run` has: within the time of one pop, even while Valkey is silent.
    package func close() async {
        let (wasRunning, waiters, gate) = self.state.withLock { state in
            let wasRunning = state.phase == .running || state.phase == .closing
            if state.phase == .idle { state.phase = .closed }
            if state.phase == .running { state.phase = .closing }
            let waiters = state.waiters
            for id in waiters.keys { state.forgotten.insert(id) }
            state.waiters = [:]
            let gate = state.aliveWaiters
            state.aliveWaiters = [:]
            return (wasRunning, waiters, gate)
        }
        for waiter in waiters.values {
            if let alarm = waiter.alarm { self.alarms.cancel(alarm) }
            waiter.finish(.failure(.closed))
        }
        for pause in gate.values { pause.poke() }
        self.refreshing.end()
        self.popping.end()
        guard wasRunning else { return }
        let end = self.clock.now() + .seconds(max(1, self.configuration.popSeconds) + 2)
        let alarm = self.alarms.set(at: end) { self.ended.fulfil(()) }
        await self.ended.value()
        self.alarms.cancel(alarm)
    }

    var isRunning: Bool { self.state.withLock { $0.phase == .running } }

    func count(_ change: (inout ProducerCounts) -> Void) { self.state.withLock { change(&$0.counts) } }

    // MARK: Waiters

    /// Ends the waiting for a request from our side.
    func forget(_ id: String, serial: Int, _ error: ProducerError) {
        let waiter = self.state.withLock { state -> Waiter? in
            guard let waiter = state.waiters[id], waiter.serial == serial else { return nil }
            state.waiters[id] = nil
            state.forgotten.insert(id)
            switch error {
            case .timedOut: state.counts.timedOut += 1
            case .cancelled: state.counts.cancelled += 1
            case .slowReader: state.counts.slowReaders += 1
            case .brokenStream, .unexpectedStream: state.counts.brokenStreams += 1
            default: break
            }
            return waiter
        }
        guard let waiter else { return }
        if let alarm = waiter.alarm { self.alarms.cancel(alarm) }
        waiter.finish(.failure(error))
        waiter.pause.poke()
        if error.mayBeQueued { self.abandoned(id, waiter.pool) }
    }
}
