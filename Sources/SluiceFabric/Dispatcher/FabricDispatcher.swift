import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

/// Takes requests off the fabric's lists, has them run, and pushes the replies: the dispatching end of the contract.
///
/// ```
/// pull ──▶ read ──▶ admit ──▶ engine.submit ──▶ run (a task of its own) ──▶ settle ──▶ conclude
///  ▲        │ refuse   │ producer gone                                       │ retried through outages
///  └── room ┘          └ dropped                                             └ producer gone: reply dropped
/// ```
///
/// DESIGN. One puller for each pool asks for as many requests as would start at once, so that the rest stays on the
/// list, where other dispatchers can take it. Each request then has a task: nothing waits for a neighbour. From the
/// moment a request is popped until it is settled it is *held*: in the private list, in the index, and in `held`. An
/// error of the store never decides anything: what is known is kept, and asked again. Slots, order, deadlines,
/// retries and the breaker are the engine's; the end of a request is told to it only when the reply is delivered.
package final class FabricDispatcher: Sendable {
    struct State: Sendable {
        enum Phase: Sendable {
            case idle
            case running
            /// Takes nothing new.
            case draining
            case stopped
        }

        var phase = Phase.idle
        var held: [Int: HeldRequest] = [:]
        var heldBytes = 0
        var nextSerial = 0
        var startedAt = 0.0
        var lastError: String?
        var lastBeat: Instant?
        var drained: Promise<Void>?
        var random: SeededRandom
        var logged = (since: Instant.zero, lines: 0)
    }

    package typealias Spawn = @Sendable (@escaping @Sendable () async -> Void) -> any Cancellable

    package let configuration: FabricDispatcherConfiguration
    let engine: Dispatcher
    let runner: any FabricRunner
    let link: any ValkeyLink
    let alarms: Alarms
    let spawn: Spawn
    let log: @Sendable (LogEntry) -> Void
    let pools: [ServedPool]
    let state: Lock<State>
    let beating: Pause
    let sweeping: Pause
    let ended = Promise<Void>()
    /// How our entries of the index begin.
    let entryStart: [UInt8]

    /// - Parameters:
    ///   - engine: has a pool of each name that is served.
    ///   - timer: belongs to this dispatcher alone.
    ///   - seed: of jitter and of the engine's ids.
    ///   - spawn: starts the task of one request.
    package init(
        _ configuration: FabricDispatcherConfiguration,
        engine: Dispatcher,
        runner: any FabricRunner,
        link: any ValkeyLink,
        clock: any TimeSource,
        timer: any WakeTimer,
        seed: UInt64,
        spawn: @escaping Spawn,
        log: @escaping @Sendable (LogEntry) -> Void
    ) {
        self.configuration = configuration
        self.engine = engine
        self.runner = runner
        self.link = link
        let alarms = Alarms(clock: clock, timer: timer)
        self.alarms = alarms
        self.spawn = spawn
        self.log = log
        self.pools = configuration.pools.map {
            ServedPool($0, dispatcher: configuration.dispatcherID, alarms: alarms)
        }
        self.state = Lock(State(random: SeededRandom(seed: seed)))
        self.beating = Pause(alarms)
        self.sweeping = Pause(alarms)
        self.entryStart = InflightRecord.start(dispatcher: configuration.dispatcherID)
    }

    var clock: any TimeSource { self.alarms.clock }

    /// Seconds since 1970.
    var epoch: Double { Double(self.clock.wallClockNanoseconds()) / 1e9 }

    var phase: State.Phase { self.state.withLock { $0.phase } }

    // MARK: What others see

    package func counts(pool: String) -> FabricPoolCounts? {
        self.pools.first { $0.name == pool }?.counts.withLock { $0 }
    }

    /// Requests taken and not settled.
    package var heldCount: Int { self.state.withLock { $0.held.count } }

    package var lastError: String? { self.state.withLock { $0.lastError } }

    /// Whether the fabric knows that we live, as far as we can tell.
    package var isKnown: Bool {
        let now = self.clock.now()
        return self.state.withLock { state in
            state.phase == .running && state.lastBeat.map { now - $0 < self.configuration.heartbeatTTL } ?? false
        }
    }

    // MARK: Life

    /// Serves the pools until `drain`. To be called once.
    package func run() async {
        let startedAt = self.epoch
        let isFirst = self.state.withLock { state in
            guard state.phase == .idle else { return false }
            state.phase = .running
            state.startedAt = startedAt
            return true
        }
        guard isFirst else { return }
        // Others must know us before they can see anything of ours.
        await self.beatOnce()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.beat() }
            group.addTask { await self.sweep() }
            group.addTask { await self.restage() }
            for pool in self.pools { group.addTask { await self.pull(pool) } }
        }
        await self.sayGoodbye()
        self.ended.fulfil(())
    }

    /// Takes nothing new, gives back what has not been sent, lets the rest finish for as long as `limit`, then has it
    /// cancelled. Returns when `run` has.
    package func drain(limit: Duration) async {
        let (wasRunning, held) = self.state.withLock { state in
            let wasRunning = state.phase == .running
            if wasRunning { state.phase = .draining }
            return (wasRunning, Array(state.held.values))
        }
        guard wasRunning else { return }
        for pool in self.pools { pool.pause.end() }
        self.giveBackUnsent(held)
        let end = self.clock.now() + limit
        await self.waitUntilEmpty(by: end)
        let rest = self.state.withLock { Array($0.held.values) }
        for request in rest {
            if let id = request.engineID.withLock({ $0 }) { _ = self.engine.cancel(id, cause: .shutdown) }
        }
        await self.waitUntilEmpty(by: self.clock.now() + .seconds(2))
        self.state.withLock { $0.phase = .stopped }
        self.beating.end()
        self.sweeping.end()
        await self.ended.value()
    }

    /// The engine ends what it has not started; its task puts it back.
    private func giveBackUnsent(_ held: [HeldRequest]) {
        for request in held {
            guard let id = request.engineID.withLock({ $0 }), let live = self.engine.find(id),
                live.record.attempts.isEmpty
            else { continue }
            _ = self.engine.cancel(id, cause: .shutdown)
        }
    }

    private func waitUntilEmpty(by end: Instant) async {
        let promise = Promise<Void>()
        let waits = self.state.withLock { state in
            guard !state.held.isEmpty else { return false }
            state.drained = promise
            return true
        }
        guard waits else { return }
        let alarm = self.alarms.set(at: end) { promise.fulfil(()) }
        await promise.value()
        self.alarms.cancel(alarm)
    }

    // MARK: What is held

    func hold(_ popped: PoppedRequest, _ pool: ServedPool, poppedAt: Double) -> HeldRequest {
        self.state.withLock { state in
            state.nextSerial += 1
            let request = HeldRequest(
                serial: state.nextSerial,
                pool: pool,
                popped: popped,
                dispatcher: self.configuration.dispatcherID,
                poppedAt: poppedAt,
                keepsElement: self.configuration.popMode == .blpop
            )
            state.held[request.serial] = request
            state.heldBytes += request.bytes
            return request
        }
    }

    func release(_ request: HeldRequest) {
        let drained = self.state.withLock { state -> Promise<Void>? in
            guard state.held.removeValue(forKey: request.serial) != nil else { return nil }
            state.heldBytes -= request.bytes
            return state.held.isEmpty ? state.drained : nil
        }
        drained?.fulfil(())
        request.pool.pause.poke()
    }

    // MARK: Small things

    func makeBackoff() -> Backoff {
        Backoff(
            least: self.configuration.leastBackoff,
            most: self.configuration.mostBackoff,
            seed: self.state.withLock { $0.random.next() }
        )
    }

    func newID() -> RequestID {
        let random = self.state.withLock { ($0.random.next(), $0.random.next()) }
        return RequestID(milliseconds: UInt64(max(0, self.clock.wallClockNanoseconds() / 1_000_000)), random: random)
    }

    func note(_ error: ValkeyError, _ pool: ServedPool?) {
        pool?.count { $0.storeErrors += 1 }
        self.state.withLock { $0.lastError = error.message }
    }

    private static let linesPerSecond = 20

    /// Says something in the log, unless too much is being said.
    func say(_ level: LogEntry.Level, _ message: String, _ fields: [(name: String, value: String)]) {
        let now = self.clock.now()
        let isHeard = self.state.withLock { state in
            if now - state.logged.since >= .seconds(1) { state.logged = (now, 0) }
            state.logged.lines += 1
            return state.logged.lines <= Self.linesPerSecond
        }
        if isHeard { self.log(LogEntry(level, message, fields)) }
    }
}
