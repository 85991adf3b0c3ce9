import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTestKit
import SluiceWire

/// Dispatchers, a Valkey in memory, and producers played by the test.
struct DispatcherWorld: Sendable {
    static let queue = DispatchKeys.requests(pool: "default")
    static let index = DispatchKeys.inflightIndex(pool: "default")
    static let dispatchers = DispatchKeys.dispatchers(pool: "default")

    let world = VirtualWorld()
    let valkey: FakeValkey

    init() { self.valkey = FakeValkey(clock: self.world.clock) }

    var clock: ManualClock { self.world.clock }
    var epoch: Double { Double(self.clock.wallClockNanoseconds()) / 1e9 }

    func settle() { self.world.settle() }
    func advance(by span: Duration) { self.world.advance(by: span) }

    // MARK: Dispatchers

    /// One dispatcher with everything that belongs to it.
    struct Node: Sendable {
        let id: String
        let client: FakeValkeyClient
        let engine: Dispatcher
        let runner: ScriptedRunner
        let observer: RecordingObserver
        let dispatcher: FabricDispatcher
        let world: VirtualWorld

        var privateList: String { DispatchKeys.inflight(pool: "default", dispatcher: self.id) }
        var heartbeat: String { DispatchKeys.dispatcherAlive(self.id) }
        var counts: FabricPoolCounts { self.dispatcher.counts(pool: "default") ?? FabricPoolCounts() }
        var reasons: [OutcomeReason] { self.observer.ended.compactMap(\.reason) }

        func run() {
            let dispatcher = self.dispatcher
            self.world.spawn { await dispatcher.run() }
            self.world.settle()
        }

        /// - Returns: tells whether it has ended.
        func drain(limit: Duration) -> Signal {
            let done = Signal()
            let dispatcher = self.dispatcher
            self.world.spawn {
                await dispatcher.drain(limit: limit)
                done.set()
            }
            self.world.settle()
            return done
        }
    }

    func node(
        _ id: String = "d1",
        slots: Int = 4,
        seed: UInt64 = 1,
        breaker: BreakerConfiguration = BreakerConfiguration(),
        _ configure: (inout FabricDispatcherConfiguration) -> Void = { _ in },
        pool change: (inout PoolConfiguration) -> Void = { _ in }
    ) -> Node {
        var pool = PoolConfiguration(name: "default", backend: "b", slots: slots)
        pool.lease = .seconds(3_600)
        change(&pool)
        var configuration = FabricDispatcherConfiguration(
            dispatcherID: id,
            pools: [.init(name: "default", backendAddress: "http://backend")]
        )
        configure(&configuration)
        let observer = RecordingObserver(wantsSteps: false)
        let engine = Dispatcher(
            pools: [pool],
            backends: [BackendPolicy(name: "b", breaker: breaker)],
            clock: self.clock,
            seed: seed,
            timer: self.clock,
            observer: observer
        )
        let runner = ScriptedRunner(engine, self.clock)
        let client = self.valkey.client()
        let world = self.world
        let dispatcher = FabricDispatcher(
            configuration,
            engine: engine,
            runner: runner,
            link: client,
            clock: self.clock,
            timer: self.clock,
            seed: seed,
            spawn: { operation in TaskCancellation(task: world.spawn(operation)) },
            log: { _ in }
        )
        return Node(
            id: id,
            client: client,
            engine: engine,
            runner: runner,
            observer: observer,
            dispatcher: dispatcher,
            world: world
        )
    }

    // MARK: Producers

    func live(_ producer: String = "p", for span: Duration = .seconds(100_000)) {
        self.valkey.execute(
            "SET",
            [.text(DispatchKeys.producerAlive(producer)), .text(producer), "PX", .integer(Int(span.inMilliseconds))]
        )
    }

    func die(_ producer: String = "p") {
        self.valkey.execute("DEL", [.text(DispatchKeys.producerAlive(producer))])
    }

    func envelope(
        _ id: String,
        producer: String = "p",
        timeout: Double? = 60,
        submitted: Double? = nil,
        deadline: Double? = nil,
        knowsSluice: Bool = true,
        isStream: Bool = false,
        bytes: Int = 2
    ) -> RequestEnvelope {
        var extras: DispatchExtras?
        if knowsSluice || isStream || deadline != nil {
            var made = DispatchExtras()
            made.deadlineMilliseconds = deadline.map { Int64($0 * 1_000) }
            if isStream { made.streaming = CompletionCall.Streaming() }
            extras = made
        }
        let message = "[{\"role\":\"user\",\"content\":\"\(String(repeating: "x", count: bytes))\"}]"
        return RequestEnvelope(
            requestID: id,
            producerID: producer,
            poolID: "default",
            submittedAt: submitted ?? self.epoch,
            timeoutSeconds: timeout,
            metadata: extras.map { EnvelopeMetadata(extras: $0) },
            call: CompletionCall(
                model: "m",
                messageCount: 1,
                parameters: [
                    RawMember(name: "model", value: Array(#""m""#.utf8)[...]),
                    RawMember(name: "messages", value: Array(message.utf8)[...]),
                ]
            )
        )
    }

    func push(_ envelope: RequestEnvelope) { self.push(envelope.write()) }

    func push(_ element: [UInt8]) {
        self.valkey.execute("RPUSH", [.text(Self.queue), .bytes(element)])
        self.settle()
    }

    func push(_ ids: [String]) { for id in ids { self.push(self.envelope(id)) } }

    // MARK: What is seen

    var queued: [String] { self.ids(Self.queue) }

    func held(_ node: Node) -> [String] { self.ids(node.privateList) }

    private func ids(_ key: String) -> [String] {
        self.valkey.list(key).compactMap { try? RequestEnvelope.read($0).requestID }
    }

    func elements(_ producer: String = "p") -> [ReplyElement] {
        self.valkey.list(DispatchKeys.replies(producer: producer)).compactMap { try? ReplyElement.read($0) }
    }

    func replies(_ producer: String = "p") -> [ReplyEnvelope] {
        self.elements(producer).compactMap { if case .reply(let reply) = $0 { reply } else { nil } }
    }

    func frames(_ producer: String = "p") -> [StreamFrame] {
        self.elements(producer).compactMap { if case .frame(let frame) = $0 { frame } else { nil } }
    }

    func entry(_ id: String) -> InflightRecord? {
        self.valkey.hash(Self.index)[id].flatMap { try? InflightRecord.read($0) }
    }
}

extension ReplyEnvelope {
    var failure: ReplyFailure? {
        if case .failure(let failure) = self.outcome { failure } else { nil }
    }
}

private final class TaskCancellation: Cancellable {
    private let task: Task<Void, Never>

    init(task: Task<Void, Never>) { self.task = task }

    func cancel() { self.task.cancel() }
}

/// A runner that keeps the rules of the engine and calls nobody: tests say when a call ends and how.
final class ScriptedRunner: FabricRunner {
    enum End: Sendable {
        case ok
        case failure(AttemptFailure)
    }

    /// One backend call.
    final class Call: Sendable {
        let job: FabricJob
        let end = Promise<End>()

        init(_ job: FabricJob) { self.job = job }
    }

    private struct State: Sendable {
        var calls: [String: [Call]] = [:]
        var order: [String] = []
        var script: (@Sendable (Call) async -> End)?
        var gate: Signal?
    }

    private let engine: Dispatcher
    private let clock: any TimeSource
    private let state = Lock(State())

    init(_ engine: Dispatcher, _ clock: any TimeSource) {
        self.engine = engine
        self.clock = clock
    }

    /// Decides about every call from now on, instead of the test.
    func script(_ script: @escaping @Sendable (Call) async -> End) { self.state.withLock { $0.script = script } }

    /// Lets no request come so far as to ask for its turn before that.
    func hold(_ gate: Signal) { self.state.withLock { $0.gate = gate } }

    /// Ids of calls in the order in which they began, repetitions included.
    var started: [String] { self.state.withLock { $0.order } }

    func calls(_ id: String) -> [Call] { self.state.withLock { $0.calls[id] ?? [] } }

    func finish(_ id: String, _ end: End = .ok) { self.calls(id).last?.end.fulfil(end) }

    func examine(_ envelope: RequestEnvelope, pool: String) -> Result<FabricDemand, ReplyFailure> {
        if envelope.extras?.operation == "nonsense" {
            return .failure(ReplyFailure(type: "BadRequestError", message: "No such operation."))
        }
        return .success(FabricDemand(operation: "chat/completions", tokenEstimate: 1))
    }

    func run(_ job: FabricJob) async -> FabricAnswer {
        await self.state.withLock({ $0.gate })?.wait()
        while true {
            switch await self.engine.turn(job.ticket) {
            case .ended(let record): return FabricAnswer(record: record, status: 503, body: [])
            case .run(let lease):
                switch self.engine.start(lease) {
                case .ended(let record): return FabricAnswer(record: record, status: 503, body: [])
                case .proceed:
                    let end = await self.call(job)
                    if let answer = self.finish(job, lease, end) { return answer }
                }
            }
        }
    }

    private func call(_ job: FabricJob) async -> End {
        let call = Call(job)
        let id = job.envelope.requestID
        let script = self.state.withLock { state in
            state.calls[id, default: []].append(call)
            state.order.append(id)
            return state.script
        }
        return await withTaskCancellationHandler {
            if let script { return await script(call) }
            return await call.end.value()
        } onCancel: {
            call.end.fulfil(.failure(AttemptFailure(.cancelled, message: "cut short")))
        }
    }

    /// - Returns: `nil` when another attempt follows.
    private func finish(_ job: FabricJob, _ lease: Lease, _ end: End) -> FabricAnswer? {
        let result: AttemptResult
        switch end {
        case .ok: result = .success(status: 200, usage: nil)
        case .failure(let failure): result = .failure(failure)
        }
        guard case .ended(let record) = self.engine.finish(lease, result) else { return nil }
        let isDone = record.reason?.outcome == .done
        let body = isDone ? "{\"id\":\"\(job.envelope.requestID)\"}" : "{\"error\":{\"message\":\"broken\"}}"
        return FabricAnswer(
            record: record,
            status: isDone ? 200 : 502,
            body: job.frames == nil ? Array(body.utf8) : [],
            isStreamed: job.frames != nil
        )
    }
}
