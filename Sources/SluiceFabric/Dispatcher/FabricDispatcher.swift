import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry
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
        /// Elements that are dealt with, and still lie in a private list as far as we know.
        var leftovers: [Int: Leftover] = [:]
        /// Requests that are on their way back from the engine, unsent, by their serial.
        var withdrawn: Set<Int> = []
        /// Pools whose pullers have not ended.
        var pulling = 0
        var isGivingBack = false
        var hasEnded = false
        /// Who waits for that.
        var waiters: [Promise<Void>] = []
        var nextSerial = 0
        var startedAt = 0.0
        var lastError: String?
        var lastErrorAt: Instant?
        var lastBeat: Instant?
        /// Since when our beats have been coming through without a gap in which we could have been taken for dead.
        var knownSince = Instant.zero
        var drained: Promise<Void>?
        var random: SeededRandom
        var logged = (since: Instant.zero, lines: 0)

        var isEmpty: Bool { self.held.isEmpty && self.leftovers.isEmpty }
    }

    struct Leftover: Sendable {
        var pool: ServedPool
        var mark: ElementMark
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
    let restaging: Pause
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
        self.restaging = Pause(alarms)
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
            state.pulling = self.pools.count
            return true
        }
        guard isFirst else { return }
        self.shareBudgets()
        await self.introduce()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.beat() }
            group.addTask { await self.sweep() }
            group.addTask { await self.restage() }
            for pool in self.pools {
                group.addTask { await self.pull(pool) }
                group.addTask { await self.keepBudget(pool) }
            }
        }
        // What could not be given back before the last pop had ended.
        await self.waitUntilEmpty(by: self.clock.now() + Self.lastWait)
        await self.sayGoodbye()
        let waiters = self.state.withLock { state in
            state.hasEnded = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.fulfil(()) }
    }

    /// Others must know us before anything of ours can be left behind.
    private func introduce() async {
        var backoff = self.makeBackoff()
        while self.phase == .running, !(await self.beatOnce()) {
            await self.beating.wait(until: self.clock.now() + backoff.next(), canBePoked: false)
        }
    }

    /// Takes nothing new, gives back what has not been sent, lets the rest finish for as long as `limit`, then has it
    /// cancelled. Returns when `run` has, or, while Valkey is silent, when a pop would have come back.
    package func drain(limit: Duration) async {
        let (before, held) = self.state.withLock { state in
            let before = state.phase
            if before == .running { state.phase = .draining }
            if before == .idle { state.phase = .stopped }
            return (before, state.held.values.sorted { $0.serial < $1.serial })
        }
        guard before == .running else {
            if before != .idle { await self.waitForTheEnd() }
            return
        }
        self.beating.poke()
        for pool in self.pools { pool.pause.end() }
        for request in held { self.withdraw(request) }
        await self.waitUntilEmpty(by: self.clock.now() + limit)
        let rest = self.state.withLock { Array($0.held.values) }
        for request in rest {
            if let id = request.engineID.withLock({ $0 }) { _ = self.engine.cancel(id, cause: .shutdown) }
        }
        await self.waitUntilEmpty(by: self.clock.now() + Self.lastWait)
        self.state.withLock { $0.phase = .stopped }
        self.beating.end()
        self.sweeping.end()
        self.restaging.end()
        for pool in self.pools { pool.budgeting.poke() }
        await self.waitForTheEnd(by: self.clock.now() + self.popTime)
    }

    private func waitForTheEnd(by end: Instant? = nil) async {
        let promise = Promise<Void>()
        let hasEnded = self.state.withLock { state in
            if !state.hasEnded { state.waiters.append(promise) }
            return state.hasEnded
        }
        guard !hasEnded else { return }
        let alarm = end.map { self.alarms.set(at: $0) { promise.fulfil(()) } }
        await promise.value()
        if let alarm { self.alarms.cancel(alarm) }
    }

    /// Within this time a pop has come back and a word or two has been said, if Valkey is there.
    private var popTime: Duration { .seconds(max(1, self.configuration.popSeconds) + 2) + Self.lastWait }

    /// For what was cancelled to be answered.
    private static let lastWait = Duration.seconds(2)

    private func waitUntilEmpty(by end: Instant) async {
        let promise = Promise<Void>()
        let waits = self.state.withLock { state in
            guard !state.isEmpty else { return false }
            state.drained = promise
            return true
        }
        guard waits else { return }
        let alarm = self.alarms.set(at: end) { promise.fulfil(()) }
        await promise.value()
        self.alarms.cancel(alarm)
    }

    // MARK: What is held

    func hold(_ popped: PoppedRequest, _ pool: ServedPool, _ batch: PopBatch, poppedAt: Double) -> HeldRequest {
        batch.joined()
        pool.heldCount.withLock { $0 += 1 }
        return self.state.withLock { state in
            state.nextSerial += 1
            let request = HeldRequest(
                serial: state.nextSerial,
                pool: pool,
                batch: batch,
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
        let (wasHeld, drained) = self.state.withLock { state -> (Bool, Promise<Void>?) in
            guard state.held.removeValue(forKey: request.serial) != nil else { return (false, nil) }
            state.heldBytes -= request.bytes
            return (true, state.isEmpty ? state.drained : nil)
        }
        if wasHeld {
            request.pool.heldCount.withLock { $0 -= 1 }
            if let span = request.batch.left(at: self.clock.now()) {
                request.pool.batches.withLock { $0.times.record(span) }
            }
        }
        drained?.fulfil(())
        request.pool.pause.poke()
    }

    /// Remembers an element that has to be taken out of a private list and is no request, or none any more.
    func keepLeftover(_ mark: ElementMark, _ pool: ServedPool) -> Int {
        self.state.withLock { state in
            state.nextSerial += 1
            state.leftovers[state.nextSerial] = Leftover(pool: pool, mark: mark)
            return state.nextSerial
        }
    }

    func releaseLeftover(_ serial: Int) {
        let drained = self.state.withLock { state -> Promise<Void>? in
            state.leftovers[serial] = nil
            return state.isEmpty ? state.drained : nil
        }
        drained?.fulfil(())
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
        let now = self.clock.now()
        self.state.withLock { state in
            state.lastError = error.message
            state.lastErrorAt = now
        }
    }

    /// Whether Valkey has been in trouble so lately that it may have lost its data: then a missing alive key says
    /// nothing, until its producer has had the time to set it again.
    var mayHaveForgotten: Bool {
        let now = self.clock.now()
        return self.state.withLock { state in
            state.lastErrorAt.map { now - $0 < self.configuration.forgottenGrace } ?? false
        }
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
