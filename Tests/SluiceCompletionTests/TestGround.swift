import SluiceBasics
import SluiceCompletion
import SluiceTestKit
import SluiceWire

/// A network that answers what a test has written down, on a clock that pauses move.
final class TestGround: CompletionGround, CompletionShell {
    enum Line: Sendable {
        case answer(Int, [(String, String)], String)
        case stream([String], contentType: String)
        case broken(HTTPClientError.Kind)
        case hang
    }

    private struct State {
        var lines: [Line]
        var requests: [HTTPClientRequest] = []
        var pauses: [Duration] = []
        var now = Instant(nanoseconds: 1_000_000_000)
        var reads = 0
        var closed = 0
        var alarms: [(at: Instant, signal: Signal)] = []
    }

    private let state: Lock<State>
    /// Whether a pause waits until its task is cancelled.
    private let hangsInPauses: Bool
    let isWaiting = Signal()

    init(_ lines: [Line], hangsInPauses: Bool = false) {
        self.state = Lock(State(lines: lines))
        self.hangsInPauses = hangsInPauses
    }

    var requests: [HTTPClientRequest] { self.state.withLock { $0.requests } }
    var pauses: [Duration] { self.state.withLock { $0.pauses } }
    /// Pieces of streams that were asked for.
    var reads: Int { self.state.withLock { $0.reads } }
    /// Streams that were closed before their end.
    var closed: Int { self.state.withLock { $0.closed } }

    func open() throws(ProviderError) -> any CompletionGround { self }
    var http: any HTTPClient { self }
    func now() -> Instant { self.state.withLock { $0.now } }
    func wallClockSeconds() -> Double { 1_800_000_000 }

    func sleep(for span: Duration) async throws(CancellationError) {
        self.state.withLock { state in
            state.pauses.append(span)
            state.now = state.now + span
        }
        guard self.hangsInPauses else { return }
        self.isWaiting.set()
        await Signal().waitForCancellation()
        throw CancellationError()
    }

    func alarm(at instant: Instant) async throws(CancellationError) {
        let signal = Signal()
        let isDue = self.state.withLock { state in
            if instant > state.now { state.alarms.append((instant, signal)) }
            return instant <= state.now
        }
        if !isDue { await signal.waitForCancellation() }
        if Task.isCancelled { throw CancellationError() }
    }

    func advance(by span: Duration) {
        let due = self.state.withLock { state in
            state.now = state.now + span
            let now = state.now
            let due = state.alarms.filter { $0.at <= now }
            state.alarms.removeAll { $0.at <= now }
            return due
        }
        for alarm in due { alarm.signal.set() }
    }

    fileprivate func read() { self.state.withLock { $0.reads += 1 } }
    fileprivate func close() { self.state.withLock { $0.closed += 1 } }
}

extension TestGround: HTTPClient {
    private func next(_ request: HTTPClientRequest) -> Line {
        self.state.withLock { state in
            state.requests.append(request)
            return state.lines.isEmpty ? .broken(.shutdown) : state.lines.removeFirst()
        }
    }

    private func fault(_ kind: HTTPClientError.Kind) -> HTTPClientError {
        HTTPClientError(kind, message: "\(kind)", sent: true)
    }

    func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
        switch self.next(request) {
        case .answer(let status, let headers, let body):
            let fields = HTTPFields([("Content-Type", "application/json")] + headers)
            return HTTPClientResponse(status: status, headers: fields, body: Array(body.utf8))
        case .broken(let kind): throw self.fault(kind)
        case .stream: throw self.fault(.malformed)
        case .hang:
            self.isWaiting.set()
            await Signal().waitForCancellation()
            throw self.fault(.cancelled)
        }
    }

    func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
        switch self.next(request) {
        case .answer(let status, let headers, let body):
            let fields = HTTPFields([("Content-Type", "application/json")] + headers)
            return HTTPClientStream(status: status, headers: fields, body: TestReader([body], self))
        case .stream(let pieces, let type):
            let fields = HTTPFields([("Content-Type", type)])
            return HTTPClientStream(status: 200, headers: fields, body: TestReader(pieces, self))
        case .broken(let kind): throw self.fault(kind)
        case .hang: throw self.fault(.malformed)
        }
    }
}

/// Gives its pieces one by one: `cut` breaks the connection, `hang` waits until the task is cancelled, `wait 5` lets
/// five seconds pass before the next.
private final class TestReader: HTTPBodyReader {
    private let pieces: Lock<[String]>
    private let ground: TestGround

    init(_ pieces: [String], _ ground: TestGround) {
        self.pieces = Lock(pieces)
        self.ground = ground
    }

    func next() async throws(HTTPClientError) -> [UInt8]? {
        var piece = self.pieces.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        self.ground.read()
        while let seconds = piece.flatMap({ $0.hasPrefix("wait ") ? Int($0.dropFirst(5)) : nil }) {
            self.ground.advance(by: .seconds(seconds))
            piece = self.pieces.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
        if piece == "cut" { throw HTTPClientError(.reset, message: "the connection was cut", sent: true) }
        if piece == "hang" {
            self.ground.isWaiting.set()
            await Signal().waitForCancellation()
            throw HTTPClientError(.cancelled, message: "the call was cancelled", sent: true)
        }
        return piece.map { Array($0.utf8) }
    }

    func close() {
        let isWhole = self.pieces.withLock { pieces in
            let isWhole = pieces.isEmpty
            pieces = []
            return isWhole
        }
        if !isWhole { self.ground.close() }
    }
}

/// Notes what it is told.
final class TestObserver: CompletionObserver {
    private let told = Lock<[(String, CompletionReport)]>([])
    private let seen = Lock<[CompletionChunk]>([])
    let wantsContent: Bool
    let wantsChunks = true

    init(wantsContent: Bool = false) { self.wantsContent = wantsContent }

    var events: [String] { self.told.withLock { $0.map(\.0) } }
    var reports: [CompletionReport] { self.told.withLock { $0.map(\.1) } }
    var chunks: [CompletionChunk] { self.seen.withLock { $0 } }

    func willCall(_ report: CompletionReport) { self.told.withLock { $0.append(("will", report)) } }
    func didReceive(_ chunk: CompletionChunk, _ report: CompletionReport) { self.seen.withLock { $0.append(chunk) } }
    func didSucceed(_ report: CompletionReport) { self.told.withLock { $0.append(("success", report)) } }
    func didFail(_ report: CompletionReport) { self.told.withLock { $0.append(("failure", report)) } }
    func didEnd(_ report: CompletionReport) { self.told.withLock { $0.append(("end", report)) } }
}

enum Sample {
    static let answer = """
        {"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"m-1","choices":[{"index":0,
        "message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}
        """

    static func chunk(_ delta: String, finish: String? = nil) -> String {
        let reason = finish.map { "\"\($0)\"" } ?? "null"
        return #"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m-1","choices":["#
            + #"{"index":0,"delta":\#(delta),"finish_reason":\#(reason)}]}"# + "\n\n"
    }

    static let stream = [
        Sample.chunk(#"{"role":"assistant","content":""}"#), Sample.chunk(#"{"content":"Hel"}"#),
        Sample.chunk(#"{"content":"lo!"}"#), Sample.chunk("{}", finish: "stop"),
        #"data: {"id":"chatcmpl-1","created":7,"model":"m-1","choices":[],"usage":{"prompt_tokens":3,"#
            + #""completion_tokens":2,"total_tokens":5}}"# + "\n\n",
        "data: [DONE]\n\n",
    ]

    static func error(_ message: String, code: String = "x") -> String {
        #"{"error":{"message":"\#(message)","type":"t","param":null,"code":"\#(code)"}}"#
    }
}

extension TestGround.Line {
    static let good = TestGround.Line.answer(200, [], Sample.answer)
    static let goodStream = TestGround.Line.stream(Sample.stream, contentType: "text/event-stream")
    static func refused(_ status: Int, _ headers: [(String, String)] = []) -> TestGround.Line {
        .answer(status, headers, Sample.error("no"))
    }
}

extension TestGround {
    func client(_ change: (inout CompletionConfiguration) -> Void = { _ in }) -> CompletionClient {
        var configuration = CompletionConfiguration()
        configuration.usesEnvironment = false
        configuration.providers["openai"] = ProviderSettings(apiKey: "sk-secret")
        configuration.providers["anthropic"] = ProviderSettings(apiKey: "ant-secret")
        change(&configuration)
        return CompletionClient(configuration, shell: self, seed: 7)
    }
}
