import SluiceBasics
import SluiceWire

/// A simulated provider, OpenAI-compatible or of another dialect, as well or as badly behaved as one asks for.
final class MockBackend: HTTPHandler {
    private let behaviour: Lock<MockBehaviour>
    private let random: Lock<SeededRandom>
    private let seed: UInt64
    let executions = MockExecutions()
    let clock: any TimeSource
    private let recorder = MockRecorder()
    let sleep: @Sendable (Duration) async throws -> Void

    init(
        _ behaviour: MockBehaviour,
        seed: UInt64,
        clock: any TimeSource,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.behaviour = Lock(behaviour)
        self.seed = seed
        self.random = Lock(SeededRandom(seed: seed))
        self.clock = clock
        self.sleep = sleep
    }

    var currentBehaviour: MockBehaviour { self.behaviour.withLock { $0 } }

    func respond(to request: HTTPRequest) async -> HTTPResponse {
        let isControl = request.path.hasPrefix("/mock/") || request.path == "/health"
        let number = isControl ? 0 : self.recorder.record(request)
        if let dialect = Self.dialect(request) { return await self.perform(request, dialect, number: number) }
        if let answer = isControl ? nil : self.plainAnswer(request) { return answer }
        return await self.respondAsOpenAI(request)
    }

    private func respondAsOpenAI(_ request: HTTPRequest) async -> HTTPResponse {
        if request.method == .post, let operation = MockAzureCall.operation(path: request.path) {
            return await self.execute(request, operation)
        }
        return await self.respondToPath(request)
    }

    private func respondToPath(_ request: HTTPRequest) async -> HTTPResponse {
        switch (request.path, request.method) {
        case ("/v1/chat/completions", .post): await self.execute(request, "chat/completions")
        case ("/v1/completions", .post): await self.execute(request, "completions")
        case ("/v1/embeddings", .post): await self.execute(request, "embeddings")
        case ("/v1/responses", .post): await self.execute(request, "responses")
        case ("/v1/models", .get): self.models()
        case ("/mock/config", .get): self.configuration()
        case ("/mock/config", .put): self.configure(request.body)
        case ("/mock/executions", .get):
            Self.json(self.executions.report(id: request.parameter("id"), at: self.clock.now()))
        case ("/mock/requests", .get):
            Self.json(self.recorder.report(last: request.parameter("last").flatMap { Int($0) }))
        case ("/mock/reset", .post): self.reset()
        case ("/health", .get): Self.json(Array(#"{"status":"ok"}"#.utf8))
        default: Self.error(404, "there is nothing at this path", "not_found")
        }
    }

    // MARK: Control

    private func configuration() -> HTTPResponse {
        let behaviour = self.behaviour.withLock { $0 }
        var json = JSONWriter()
        json.object { behaviour.write(to: &$0) }
        return Self.json(json.bytes)
    }

    /// What is not said becomes the plain default.
    private func configure(_ body: [UInt8]) -> HTTPResponse {
        var behaviour = MockBehaviour()
        do {
            try JSON.read(body) { root throws(MockBehaviour.Problem) in try behaviour.apply(root) }
        } catch let problem as MockBehaviour.Problem {
            return Self.error(400, problem.message, "invalid_behaviour")
        } catch {
            return Self.error(400, "\(error)", "invalid_json")
        }
        let adopted = behaviour
        self.behaviour.withLock { $0 = adopted }
        return self.configuration()
    }

    private func reset() -> HTTPResponse {
        self.behaviour.withLock { $0 = MockBehaviour() }
        self.random.withLock { $0 = SeededRandom(seed: self.seed) }
        self.executions.reset()
        self.recorder.reset()
        return Self.json(Array(#"{"status":"reset"}"#.utf8))
    }

    private func models() -> HTTPResponse {
        Self.json(
            Array(
                (#"{"object":"list","data":[{"id":"mock","object":"model","created":1700000000,"owned_by":"sluice"},"#
                    + #"{"id":"mock-embedding","object":"model","created":1700000000,"owned_by":"sluice"}]}"#).utf8
            )
        )
    }

    // MARK: Execution

    private func execute(_ request: HTTPRequest, _ operation: String) async -> HTTPResponse {
        let id = request.headers["x-request-id"] ?? "anonymous"
        let read: MockRequest
        do {
            read = try MockRequest(request.body, headers: request.headers, defaults: self.behaviour.withLock { $0 })
        } catch let problem as MockBehaviour.Problem {
            return Self.error(400, problem.message, "invalid_behaviour")
        } catch {
            return Self.error(400, "\(error)", "invalid_json")
        }
        let count = self.executions.began(id, at: self.clock.now())
        var behaviour = read.behaviour
        if let times = behaviour.times, count > times {
            behaviour.errors = [:]
            behaviour.faults = [:]
        }
        let run = Run(
            id: id,
            behaviour: behaviour,
            fault: self.draw(behaviour),
            answer: MockAnswer(
                id: "chatcmpl-\(id)",
                request: read,
                operation: operation,
                created: Int(self.clock.wallClockNanoseconds() / 1_000_000_000)
            )
        )
        return await self.answer(run)
    }

    struct Run: Sendable {
        var id: String
        var behaviour: MockBehaviour
        var fault: Draw
        var answer: MockAnswer
    }

    enum Draw: Sendable {
        case none
        case status(Int)
        case fault(MockBehaviour.Fault)
    }

    func draw(_ behaviour: MockBehaviour) -> Draw {
        guard !behaviour.errors.isEmpty || !behaviour.faults.isEmpty else { return .none }
        return self.random.withLock { random in
            var ticket = random.unit()
            for (status, rate) in behaviour.errors.sorted(by: { $0.key < $1.key }) {
                if ticket < rate { return .status(status) }
                ticket -= rate
            }
            for fault in MockBehaviour.Fault.allCases {
                let rate = behaviour.faults[fault] ?? 0
                if ticket < rate { return .fault(fault) }
                ticket -= rate
            }
            return .none
        }
    }

    func wait(_ distribution: Distribution, _ behaviour: MockBehaviour) async throws {
        guard !distribution.isZero else { return }
        try await self.work(self.random.withLock { distribution.sample(&$0) }, behaviour)
    }

    func ended(_ run: Run, abandoned: Bool = false) {
        self.executions.ended(run.id, abandoned: abandoned, at: self.clock.now())
    }

    private func answer(_ run: Run) async -> HTTPResponse {
        var response = await self.answered(run)
        let epoch = self.clock.wallClockNanoseconds()
        self.tellLimits(run.behaviour, in: &response.headers, at: self.clock.now(), epoch: epoch)
        return response
    }

    private func answered(_ run: Run) async -> HTTPResponse {
        let tokens = run.answer.request.promptTokens + run.behaviour.tokens
        guard self.executions.admits(run.behaviour, tokens: tokens, at: self.clock.now()) else {
            self.ended(run)
            return self.refusal(429, run)
        }
        do {
            if case .fault(.hang) = run.fault { try await self.sleep(.seconds(3600)) }
            try await self.wait(run.behaviour.latency, run.behaviour)
            if run.answer.request.isStream { return self.stream(run) }
        } catch {
            self.ended(run, abandoned: true)
            return .disconnect
        }
        self.ended(run)
        return self.whole(run)
    }

    private func refusal(_ status: Int, _ run: Run) -> HTTPResponse {
        var response = Self.error(
            status,
            "simulated error \(status)",
            status == 429 ? "rate_limit_exceeded" : "simulated"
        )
        if status == 429 || status == 503 {
            response.headers.append("Retry-After", String(run.behaviour.retryAfterSeconds))
        }
        return response
    }

    func whole(_ run: Run) -> HTTPResponse {
        switch run.fault {
        case .none, .fault(.hang), .fault(.hangMidStream), .fault(.errorMidStream), .fault(.truncated), .fault(.noEnd):
            return Self.json(run.answer.whole())
        case .status(let status): return self.refusal(status, run)
        case .fault(.disconnect): return .disconnect
        case .fault(.garbage): return Self.json(Array("\u{1}{]garbage".utf8))
        case .fault(.wrongType):
            return HTTPResponse(
                headers: HTTPFields([("Content-Type", "text/html")]),
                body: .bytes(Array("<html>hello</html>".utf8))
            )
        case .fault(.errorInStream):
            return Self.json(Array(#"{"error":{"message":"simulated","type":"server_error","code":500}}"#.utf8))
        case .fault(.halfBody), .fault(.disconnectMidBody):
            let body = run.answer.whole()
            let headers = HTTPFields([
                ("Content-Type", "application/json"), ("Content-Length", String(body.count)),
            ])
            return HTTPResponse(
                headers: headers,
                body: .stream { writer in
                    try await writer.write(Array(body.prefix(body.count / 2)))
                    throw HTTPWriteError.clientGone
                }
            )
        }
    }

    // MARK: Parts

    private static func json(_ bytes: [UInt8], status: Int = 200) -> HTTPResponse {
        HTTPResponse(
            status: status,
            headers: HTTPFields([("Content-Type", "application/json")]),
            body: .bytes(bytes)
        )
    }

    private static func error(_ status: Int, _ message: String, _ code: String) -> HTTPResponse {
        var json = JSONWriter()
        json.object { json in
            json.object("error") { json in
                json.field("message", message)
                json.field("type", "mock_error")
                json.nullField("param")
                json.field("code", code)
            }
        }
        return Self.json(json.bytes, status: status)
    }
}
