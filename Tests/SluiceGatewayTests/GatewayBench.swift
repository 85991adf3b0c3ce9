import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// A gateway with one pool of one slot, everything around it scripted.
struct GatewayBench {
    let clock = ManualClock()
    let client: ScriptedClient
    let dispatcher: Dispatcher
    let gateway: Gateway
    let telemetry: Telemetry
    /// Tasks that the gateway has started beside those of its requests.
    let spawned = Lock<[Task<Void, Never>]>([])
    /// What it wanted to wait for, e.g. heartbeats; each wait ends when a test resumes it.
    let sleeps: ManualSleep
    private let logged = Lock<[LogEntry]>([])

    init(
        _ script: [ScriptedClient.Line] = [],
        keys: [APIKey] = [],
        maximumAttempts: Int = 1,
        maximumRequests: Int = 10,
        perTenant: Int? = nil,
        timer: (any WakeTimer)? = nil,
        baseDelay: Duration = .zero,
        history: Int = TelemetryConfiguration().historyCapacity,
        observers: [any CompletionObserver] = [],
        route: RoutePlan? = nil,
        budgets: [SpendingRule] = [],
        auditSink: (any AuditSink)? = nil,
        _ configure: (inout GatewayConfiguration) -> Void = { _ in }
    ) {
        self.client = ScriptedClient(script)
        let dead = DeadBox(clock: self.clock)
        self.telemetry = Telemetry(
            configuration: TelemetryConfiguration(historyCapacity: history),
            clock: self.clock,
            sinks: [dead]
        )
        let pool = PoolConfiguration(
            name: "default",
            backend: "mock",
            slots: 1,
            maximumRequests: maximumRequests,
            maximumRequestsPerTenant: perTenant,
            retry: RetryPolicy(maximumAttempts: maximumAttempts, baseDelay: baseDelay),
            route: route
        )
        self.dispatcher = Dispatcher(
            pools: [pool],
            backends: [BackendPolicy(name: "mock")],
            clock: self.clock,
            seed: 1,
            timer: timer ?? self.clock,
            observer: self.telemetry
        )
        let backend = Backend.openAI(OpenAIBackend(name: "mock", baseURL: "http://mock/v1", apiKey: nil))
        var configuration = GatewayConfiguration(version: "test", backends: ["default": backend])
        configuration.keys = keys
        configure(&configuration)
        let sleeps = ManualSleep(self.clock)
        self.sleeps = sleeps
        self.gateway = Gateway(
            configuration: configuration,
            dispatcher: self.dispatcher,
            client: self.client,
            telemetry: self.telemetry,
            clock: self.clock,
            spawn: { [spawned] work in
                let task = Task { await work() }
                spawned.withLock { $0.append(task) }
                return Started(task)
            },
            sleep: { try await sleeps.sleep($0) },
            log: { [logged] entry in logged.withLock { $0.append(entry) } },
            spending: SpendingBook(rules: budgets, prices: .builtIn, clock: self.clock),
            observers: observers,
            auditSink: auditSink,
            dead: dead
        )
    }

    static let chat = #"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#
    static let streamed = #"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#
    static let answer =
        #"{"id":"c","choices":[{"message":{"content":"ok"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#
    static let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
    static let content = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
    /// The reason why the answer ends, and the end.
    static let done = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
    static let failure = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n"

    var log: [LogEntry] { self.logged.withLock { $0 } }

    /// The pool that there is.
    var pool: PoolStatus? { self.dispatcher.pool("default") }

    /// The last request that ended.
    var last: RequestRecord? { self.telemetry.history.query(HistoryFilter(), limit: 1).records.first }

    func respond(
        _ method: HTTPMethod,
        _ path: String,
        _ body: String = "",
        _ headers: [(String, String)] = [],
        query: [(String, String)] = []
    ) async -> HTTPResponse {
        await self.gateway.respond(
            to: HTTPRequest(
                method: method,
                path: path,
                query: query.map { (name: $0.0, value: $0.1) },
                headers: HTTPFields(headers),
                body: Array(body.utf8)
            )
        )
    }

    func send(
        _ method: HTTPMethod,
        _ path: String,
        _ body: String = "",
        _ headers: [(String, String)] = [],
        query: [(String, String)] = []
    ) async -> (response: HTTPResponse, text: String) {
        let response = await self.respond(method, path, body, headers, query: query)
        switch response.body {
        case .bytes(let bytes): return (response, String(decoding: bytes, as: UTF8.self))
        case .stream(let write):
            let writer = CollectingWriter()
            try? await write(writer)
            return (response, writer.chunks.joined(separator: "|"))
        }
    }

    func chat(_ headers: [(String, String)] = []) async -> (response: HTTPResponse, text: String) {
        await self.send(.post, "/v1/chat/completions", Self.chat, headers)
    }

    func stream(_ headers: [(String, String)] = []) async -> (response: HTTPResponse, text: String) {
        await self.send(.post, "/v1/chat/completions", Self.streamed, headers)
    }

    /// Lets other tasks run until something is so.
    func until(_ condition: () -> Bool, location: SourceLocation = #_sourceLocation) async {
        let end = SystemClock().now() + .seconds(20)
        while !condition() {
            guard SystemClock().now() < end else {
                Issue.record("it did not come true", sourceLocation: location)
                return
            }
            try? await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Waits for the tasks that the gateway has started.
    func settle() async {
        for task in self.spawned.withLock({ $0 }) { await task.value }
    }
}

/// Waits that only end when a test says so.
final class ManualSleep: Sendable {
    private let clock: ManualClock
    private let waiting = Lock<[(span: Duration, signal: Signal)]>([])
    private let begun = Lock(0)

    /// Waits that have begun so far.
    var count: Int { self.begun.withLock { $0 } }

    init(_ clock: ManualClock) { self.clock = clock }

    var spans: [Duration] { self.waiting.withLock { $0.map(\.span) } }

    func sleep(_ span: Duration) async throws {
        let signal = Signal()
        self.waiting.withLock { $0.append((span, signal)) }
        self.begun.withLock { $0 += 1 }
        await signal.waitForCancellation()
        try Task.checkCancellation()
    }

    /// Moves the clock by the first wait's span and ends that wait.
    func pass() {
        let first = self.waiting.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        guard let first else { return }
        self.clock.advance(by: first.span)
        first.signal.set()
    }
}

private final class Started: Cancellable {
    private let task: Task<Void, Never>
    init(_ task: Task<Void, Never>) { self.task = task }
    func cancel() { self.task.cancel() }
}

/// A timer that has been forgotten.
struct LostTimer: WakeTimer {
    func wake(at: Instant, _ action: @escaping @Sendable () -> Void) {}
}
