import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceTelemetry
import SluiceTestKit
import SluiceWire

@testable import SluiceGateway

/// A backend that answers what a test has written down, and counts its calls.
final class ScriptedClient: HTTPClient {
    enum Line: Sendable {
        case answer(Int, String)
        case stream([String])
        case broken(HTTPClientError)
    }

    private let script: Lock<[Line]>
    private let asked = Lock<[HTTPClientRequest]>([])

    init(_ script: [Line]) { self.script = Lock(script) }

    var requests: [HTTPClientRequest] { self.asked.withLock { $0 } }

    private func next(_ request: HTTPClientRequest) -> Line {
        self.asked.withLock { $0.append(request) }
        return self.script.withLock { script in
            script.isEmpty
                ? .broken(HTTPClientError(.reset, message: "the script is over", sent: true)) : script.removeFirst()
        }
    }

    func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
        switch self.next(request) {
        case .answer(let status, let body):
            return HTTPClientResponse(
                status: status,
                headers: HTTPFields([("Content-Type", "application/json")]),
                body: Array(body.utf8)
            )
        case .stream: throw HTTPClientError(.malformed, message: "a stream where none was asked for", sent: true)
        case .broken(let error): throw error
        }
    }

    func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
        switch self.next(request) {
        case .answer(let status, let body):
            return HTTPClientStream(
                status: status,
                headers: HTTPFields([("Content-Type", "application/json")]),
                body: ScriptedReader([body])
            )
        case .stream(let chunks):
            return HTTPClientStream(
                status: 200,
                headers: HTTPFields([("Content-Type", "text/event-stream")]),
                body: ScriptedReader(chunks)
            )
        case .broken(let error): throw error
        }
    }
}

/// Gives its chunks one by one; the word `cut` breaks the connection.
private final class ScriptedReader: HTTPBodyReader {
    private let chunks: Lock<[String]>

    init(_ chunks: [String]) { self.chunks = Lock(chunks) }

    func next() async throws(HTTPClientError) -> [UInt8]? {
        let chunk = self.chunks.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        if chunk == "cut" { throw HTTPClientError(.reset, message: "the connection was cut", sent: true) }
        return chunk.map { Array($0.utf8) }
    }

    func close() { self.chunks.withLock { $0.removeAll() } }
}

final class CollectingWriter: HTTPBodyWriter {
    private let written = Lock<[String]>([])

    var chunks: [String] { self.written.withLock { $0 } }

    func write(_ chunk: [UInt8]) async throws {
        self.written.withLock { $0.append(String(decoding: chunk, as: UTF8.self)) }
    }
}

/// A gateway with one pool, everything around it scripted.
struct GatewayBench {
    let clock = ManualClock()
    let client: ScriptedClient
    let dispatcher: Dispatcher
    let gateway: Gateway

    init(
        _ script: [ScriptedClient.Line] = [],
        keys: [APIKey] = [],
        maximumAttempts: Int = 1,
        maximumRequests: Int = 10
    ) {
        self.client = ScriptedClient(script)
        let telemetry = Telemetry(configuration: TelemetryConfiguration(), clock: self.clock)
        let pool = PoolConfiguration(
            name: "default",
            backend: "mock",
            slots: 1,
            maximumRequests: maximumRequests,
            retry: RetryPolicy(maximumAttempts: maximumAttempts, baseDelay: .zero)
        )
        self.dispatcher = Dispatcher(
            pools: [pool],
            backends: [BackendPolicy(name: "mock")],
            clock: self.clock,
            seed: 1,
            timer: self.clock,
            observer: telemetry
        )
        let backend = OpenAIBackend(name: "mock", baseURL: "http://mock/v1", apiKey: nil)
        var configuration = GatewayConfiguration(version: "test", backends: ["default": backend])
        configuration.keys = keys
        self.gateway = Gateway(
            configuration: configuration,
            dispatcher: self.dispatcher,
            client: self.client,
            telemetry: telemetry,
            clock: self.clock,
            spawn: { work in Started(work) },
            sleep: { _ in throw CancellationError() },
            log: { _ in }
        )
    }

    static let chat = #"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#
    static let streamed = #"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#

    func send(
        _ method: HTTPMethod,
        _ path: String,
        _ body: String = "",
        _ headers: [(String, String)] = [],
        query: [(String, String)] = []
    ) async -> (response: HTTPResponse, text: String) {
        let response = await self.gateway.respond(
            to: HTTPRequest(
                method: method,
                path: path,
                query: query.map { (name: $0.0, value: $0.1) },
                headers: HTTPFields(headers),
                body: Array(body.utf8)
            )
        )
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
}

private final class Started: Cancellable {
    private let task: Task<Void, Never>
    init(_ work: @escaping @Sendable () async -> Void) { self.task = Task { await work() } }
    func cancel() { self.task.cancel() }
}
