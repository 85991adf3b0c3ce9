import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceTelemetry
import SluiceWire

/// The HTTP face of the runtime: takes work in, answers it, and lets operators see and steer.
package final class Gateway: HTTPHandler {
    package typealias Spawn = @Sendable (@escaping @Sendable () async -> Void) -> any Cancellable
    package typealias Sleep = @Sendable (Duration) async throws -> Void

    let configuration: GatewayConfiguration
    let dispatcher: Dispatcher
    let telemetry: Telemetry
    let client: any HTTPClient
    let clock: any TimeSource
    let relay: Relay
    let watch: CallWatch
    let spawn: Spawn
    let sleep: Sleep
    let log: @Sendable (LogEntry) -> Void
    package let keys: KeyRing
    let results: ResultStore
    package let spending: SpendingBook
    /// `nil`: no pool keeps answers.
    let cache: AnswerCache?
    /// By backend.
    let catalogues: [String: ModelCatalogue]
    let health: HealthMonitor
    let startedAt: Instant
    /// More for `/metrics`, e.g. of the transport.
    let metricSources: [any MetricSource]
    private let random: Lock<SeededRandom>
    private let isDraining = Lock(false)
    let observatory = Observatory()
    let audit: AuditLog
    let refusals = RefusalPace()
    let shelf: PayloadShelf
    let dead: DeadBox
    let redrives: RedrivePace
    let liveWatchers = Watchers(maximum: Gateway.maximumLiveWatchers)
    let exports = Watchers(maximum: Gateway.maximumExports)
    private let attached = Lock<FabricAccess?>(nil)
    let keptExecutions = Lock<(any ExecutionStore)?>(nil)
    /// `nil`: it is switched off.
    let laboratory: Laboratory?
    private let attachedLog = Lock<(any LogSteering)?>(nil)

    /// - Parameters:
    ///   - auditSink: where the audit goes beside memory.
    ///   - dead: is told of every end as well, by whoever made it; `nil`: what is dead is not kept.
    ///   - spawn: starts a task of its own, for answers that are fetched later.
    ///   - sleep: waits, for heartbeats.
    ///   - cacheStore: where answers are kept; `nil`: in memory.
    ///   - observers: who is told of calls.
    ///   - laboratory: what answers /api/lab; `nil`: nothing does.
    package init(
        configuration: GatewayConfiguration,
        dispatcher: Dispatcher,
        client: any HTTPClient,
        telemetry: Telemetry,
        clock: any TimeSource,
        spawn: @escaping Spawn,
        sleep: @escaping Sleep,
        log: @escaping @Sendable (LogEntry) -> Void,
        spending: SpendingBook? = nil,
        cacheStore: (any CacheStore)? = nil,
        observers: [any CompletionObserver] = [],
        auditSink: (any AuditSink)? = nil,
        dead: DeadBox? = nil,
        laboratory: Laboratory? = nil,
        metricSources: [any MetricSource] = []
    ) {
        self.configuration = configuration
        self.dispatcher = dispatcher
        self.client = client
        self.telemetry = telemetry
        self.clock = clock
        self.spawn = spawn
        self.sleep = sleep
        self.log = log
        self.metricSources = metricSources
        self.laboratory = laboratory
        self.keys = KeyRing(configuration.keys)
        let book = spending ?? SpendingBook(rules: [], prices: PriceTable(), clock: clock)
        self.spending = book
        let console = configuration.console
        self.audit = AuditLog(maximum: Self.maximumAuditEntries, sink: auditSink)
        let shelf = PayloadShelf(maximumBytes: console.payloadBytes, age: console.payloadAge, clock: clock)
        let dead = dead ?? DeadBox(clock: clock)
        self.shelf = shelf
        self.dead = dead
        self.redrives = RedrivePace(rate: dead.limits.redriveRate)
        let callLog = CallLog(calls: configuration.callLogging, showsContent: configuration.showsPrompts)
        self.watch = CallWatch(observers, callLog, clock: clock, log: log, keepsAnswers: shelf.isOn) {
            book.cost($0)?.dollars
        }
        self.relay = Relay(
            dispatcher: dispatcher,
            client: client,
            clock: clock,
            sleep: sleep,
            watch: self.watch,
            keeper: CallKeeper(shelf: shelf, dead: dead)
        )
        self.results = ResultStore(
            maximumResults: configuration.maximumResults,
            maximumBytes: configuration.maximumResultBytes,
            age: configuration.resultAge
        )
        self.cache = Self.cache(configuration, cacheStore, clock)
        let names = configuration.backends.values.map { ($0.name, ModelCatalogue()) }
        self.catalogues = Dictionary(names) { first, _ in first }
        self.health = HealthMonitor(stuckAfter: configuration.stuckAfter)
        self.startedAt = clock.now()
        self.random = Lock(SeededRandom(seed: Digest.random()))
    }

    private static func cache(
        _ configuration: GatewayConfiguration,
        _ store: (any CacheStore)?,
        _ clock: any TimeSource
    ) -> AnswerCache? {
        guard !configuration.caches.isEmpty else { return nil }
        let limits = configuration.cacheLimits
        let memory = { () -> any CacheStore in
            MemoryCacheStore(maximumBytes: limits.maximumBytes, maximumEntry: limits.maximumEntry, clock: clock)
        }
        return AnswerCache(policies: configuration.caches, limits: limits, store: store ?? memory())
    }

    /// Readiness goes off; what runs goes on.
    package func drain() {
        self.isDraining.withLock { $0 = true }
        self.dispatcher.drainAll()
    }

    /// Joins the gateway to the fabric: its views then show all of it.
    package func attach(_ fabric: FabricAccess) { self.attached.withLock { $0 = fabric } }

    /// Lets operators steer the log.
    package func attach(_ log: any LogSteering) { self.attachedLog.withLock { $0 = log } }

    var logSteering: (any LogSteering)? { self.attachedLog.withLock { $0 } }

    var fabric: FabricAccess? { self.attached.withLock { $0 } }

    var draining: Bool { self.isDraining.withLock { $0 } }

    func newID() -> RequestID {
        let random = self.random.withLock { ($0.next(), $0.next()) }
        return RequestID(milliseconds: UInt64(max(0, self.clock.wallClockNanoseconds() / 1_000_000)), random: random)
    }

    // MARK: Routes

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        if !self.configuration.console.pathPrefix.isEmpty { return await self.respondBelowPrefix(request) }
        return await self.respondAtRoot(request)
    }

    func respondAtRoot(_ request: HTTPRequest) async -> HTTPResponse {
        guard let operation = Self.inference(request.path), self.configuration.takesWork else {
            return await self.respondElsewhere(request)
        }
        let response =
            switch self.accept(request, operation) {
            case .answer(let response): response
            case .whole(let call): await self.relay.whole(call)
            case .streamed(let call): await self.relay.streamed(call)
            case .announced(let call): self.relay.announced(call)
            case .lookup(let lookup): await self.answered(lookup)
            }
        return operation == .messages ? AnthropicWords.told(response) : response
    }

    /// Everything but inference. On its own, so that the task of an inference makes no room for it.
    private func respondElsewhere(_ request: HTTPRequest) async -> HTTPResponse {
        do throws(GatewayError) {
            try self.keys.admit(request.headers, isLocal: self.configuration.isLocal)
            return try await self.route(request)
        } catch {
            let response = self.refusal(error, request)
            return request.path.hasPrefix("/v1/messages") ? AnthropicWords.told(response) : response
        }
    }

    func refusal(_ error: GatewayError, _ request: HTTPRequest) -> HTTPResponse {
        if error.isRefusalOfWork {
            self.noteRefusal(request.path, error.status, error.code ?? error.type, client: request.remoteAddress)
        }
        return error.response()
    }

    static func require(_ request: HTTPRequest, _ methods: [HTTPMethod]) throws(GatewayError) {
        guard methods.contains(request.method) else {
            throw .methodNotAllowed(methods.map(\.rawValue).joined(separator: ", "))
        }
    }
}
