import SluiceBasics
import SluiceTestKit
import SluiceWire

/// A backend that answers what a test has written down, and counts its calls.
final class ScriptedClient: HTTPClient {
    indirect enum Line: Sendable {
        case answer(Int, String)
        /// With a header, e.g. `Retry-After`.
        case refusal(Int, (String, String))
        /// Chunk by chunk. `cut` breaks the connection, `hang` waits until the call is cancelled.
        case stream([String])
        /// A stream with further headers.
        case headed([(String, String)], [String])
        case broken(HTTPClientError)
        /// Waits until the call is cancelled.
        case hang
        /// Waits for the signal, then goes on with the line.
        case after(Signal, Line)
    }

    private let script: Lock<[Line]>
    private let asked = Lock<[HTTPClientRequest]>([])
    /// Calls that ended because they were cancelled or their stream was closed before its end.
    let abandoned = Lock(0)

    init(_ script: [Line]) { self.script = Lock(script) }

    var requests: [HTTPClientRequest] { self.asked.withLock { $0 } }

    private func next(_ request: HTTPClientRequest) async throws(HTTPClientError) -> Line {
        self.asked.withLock { $0.append(request) }
        var line = self.script.withLock { script in
            script.isEmpty
                ? .broken(HTTPClientError(.reset, message: "the script is over", sent: true)) : script.removeFirst()
        }
        while case .after(let signal, let then) = line {
            await signal.wait()
            line = then
        }
        if case .hang = line { throw await Self.hang(self.abandoned) }
        if case .broken(let error) = line { throw error }
        return line
    }

    fileprivate static func hang(_ abandoned: Lock<Int>) async -> HTTPClientError {
        await Signal().waitForCancellation()
        abandoned.withLock { $0 += 1 }
        return HTTPClientError(.cancelled, message: "the call was cancelled", sent: true)
    }

    private static let json = HTTPFields([("Content-Type", "application/json")])

    func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
        switch try await self.next(request) {
        case .answer(let status, let body):
            return HTTPClientResponse(status: status, headers: Self.json, body: Array(body.utf8))
        case .refusal(let status, let header):
            return HTTPClientResponse(status: status, headers: HTTPFields([header]), body: [])
        case .stream, .headed, .broken, .hang, .after:
            throw HTTPClientError(.malformed, message: "a stream where none was asked for", sent: true)
        }
    }

    func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
        switch try await self.next(request) {
        case .stream(let chunks):
            let headers = HTTPFields([("Content-Type", "text/event-stream")])
            return HTTPClientStream(status: 200, headers: headers, body: ScriptedReader(chunks, self.abandoned))
        case .headed(let further, let chunks):
            let headers = HTTPFields([("Content-Type", "text/event-stream")] + further)
            return HTTPClientStream(status: 200, headers: headers, body: ScriptedReader(chunks, self.abandoned))
        case .answer(let status, let body):
            return HTTPClientStream(status: status, headers: Self.json, body: ScriptedReader([body], self.abandoned))
        case .refusal(let status, let header):
            let headers = HTTPFields([header])
            return HTTPClientStream(status: status, headers: headers, body: ScriptedReader([], self.abandoned))
        case .broken, .hang, .after: throw HTTPClientError(.malformed, message: "not reached", sent: true)
        }
    }
}

/// Gives its chunks one by one.
private final class ScriptedReader: HTTPBodyReader {
    private let chunks: Lock<[String]>
    private let abandoned: Lock<Int>

    init(_ chunks: [String], _ abandoned: Lock<Int>) {
        self.chunks = Lock(chunks)
        self.abandoned = abandoned
    }

    func next() async throws(HTTPClientError) -> [UInt8]? {
        let chunk = self.chunks.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        if chunk == "cut" { throw HTTPClientError(.reset, message: "the connection was cut", sent: true) }
        if chunk == "hang" { throw await ScriptedClient.hang(self.abandoned) }
        return chunk.map { Array($0.utf8) }
    }

    func close() {
        let wasWhole = self.chunks.withLock { chunks in
            let wasWhole = chunks.isEmpty
            chunks.removeAll()
            return wasWhole
        }
        if !wasWhole { self.abandoned.withLock { $0 += 1 } }
    }
}

/// Takes what is written; from `capacity` writes on the client is gone.
final class CollectingWriter: HTTPBodyWriter {
    private let written = Lock<[String]>([])
    private let capacity: Int

    init(capacity: Int = .max) { self.capacity = capacity }

    var chunks: [String] { self.written.withLock { $0 } }

    func write(_ chunk: [UInt8]) async throws {
        try Task.checkCancellation()
        guard self.chunks.count < self.capacity else { throw HTTPWriteError.clientGone }
        try await self.writeLast(chunk)
    }

    func writeLast(_ chunk: [UInt8]) async throws {
        guard self.chunks.count < self.capacity else { throw HTTPWriteError.clientGone }
        self.written.withLock { $0.append(String(decoding: chunk, as: UTF8.self)) }
    }
}
