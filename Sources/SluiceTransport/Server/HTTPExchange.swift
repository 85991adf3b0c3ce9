import CMicroHTTPD
import SluiceBasics
import SluiceWire

/// One request and its response, from the first header to the last byte.
///
/// ```
/// receiving ──▶ handling ──▶ answering(bytes) ──▶ ended
///     │             └──────▶ answering(stream) ──▶ ended
///     └─ refused ─────────────────────────────────▶ ended
/// ```
/// The client may vanish in any state; the handler's task is then cancelled and runs to its end by itself.
final class HTTPExchange: Cancellable, @unchecked Sendable {
    // Sound: touched by its reactor's thread only; `cancel` posts to it.

    enum Answer {
        case none
        case bytes(HTTPResponse)
        case stream(HTTPResponse)
    }

    let daemon: HTTPServerDaemon
    let connection: HTTPServerConnection
    /// `nil` once libmicrohttpd has let go of the request.
    private var handle: OpaquePointer?
    let startedAt: Instant
    let method: HTTPMethod
    let path: String
    var query: [(name: String, value: String)] = []
    var headers = HTTPFields()
    var body: [UInt8] = []
    /// Set when the request is refused without asking the handler.
    var refusal: HTTPServerRefusal?
    /// Bytes of a refused body that were thrown away.
    var discardedBytes = 0
    private(set) var answer = Answer.none
    private(set) var isHandling = false
    private(set) var hasHandled = false
    private var task: Task<Void, Never>?
    private var isSuspended = false
    private var isGone = false
    // The streamed body on its way to the client.
    private var pending: [UInt8] = []
    private var sentBytes = 0
    private var isStreamEnded = false
    private var isStreamBroken = false
    private var writer: UnsafeContinuation<Void, Never>?

    init(
        _ daemon: HTTPServerDaemon,
        _ connection: HTTPServerConnection,
        handle: OpaquePointer,
        method: HTTPMethod,
        path: String,
        now: Instant
    ) {
        self.daemon = daemon
        self.connection = connection
        self.handle = handle
        self.method = method
        self.path = path
        self.startedAt = now
    }

    // MARK: The handler's task

    /// The request as far as it has come.
    var request: HTTPRequest {
        HTTPRequest(
            method: self.method,
            path: self.path,
            query: self.query,
            headers: self.headers,
            body: self.body,
            remoteAddress: self.connection.remoteAddress,
            receivedAt: self.startedAt,
            cancellation: self
        )
    }

    /// The request is whole: lets the handler answer it.
    func begin() {
        self.isHandling = true
        self.hasHandled = true
        let request = self.request
        self.body = []
        self.suspend()
        let handler = self.daemon.handler
        self.daemon.handlerBegan()
        self.task = Task(executorPreference: self.daemon.reactor) {
            let response = await handler.respond(to: request)
            switch response.body {
            case .bytes:
                self.deliver(.bytes(response))
            case .stream(let produce):
                self.deliver(.stream(response))
                do {
                    try await produce(HTTPExchangeWriter(exchange: self))
                    self.endStream(broken: false)
                } catch {
                    self.endStream(broken: true)
                }
            }
            self.handled()
        }
        if self.isGone { self.task?.cancel() }
    }

    private func deliver(_ answer: Answer) {
        self.answer = answer
        self.resume()
    }

    private func handled() {
        self.isHandling = false
        self.task = nil
        self.daemon.handlerEnded()
    }

    func cancel() {
        self.daemon.reactor.post { self.task?.cancel() }
    }

    /// The client closed its side of the connection.
    func clientIsGone() {
        guard !self.isGone else { return }
        self.isGone = true
        self.task?.cancel()
        self.releaseWriter()
    }

    /// libmicrohttpd is done with the request, one way or another.
    func ended() {
        self.handle = nil
        self.isSuspended = false
        self.clientIsGone()
    }

    // MARK: Suspension

    private func suspend() {
        guard let handle = self.handle, !self.isSuspended else { return }
        self.isSuspended = true
        MHD_suspend_connection(handle)
    }

    private func resume() {
        guard let handle = self.handle, self.isSuspended else { return }
        self.isSuspended = false
        MHD_resume_connection(handle)
        self.daemon.needsRun = true
    }

    /// Before the daemon stops nothing may be suspended.
    func abandon() {
        self.isStreamEnded = true
        self.isStreamBroken = true
        self.task?.cancel()
        self.resume()
    }

    var isWaitingForHandler: Bool {
        if case .none = self.answer { return self.isHandling }
        return false
    }

    // MARK: The streamed body

    /// Takes a chunk; answers whether the writer must wait for room.
    fileprivate func append(_ chunk: [UInt8]) throws(HTTPWriteError) -> Bool {
        guard !self.isGone, self.handle != nil else { throw .clientGone }
        if self.pending.isEmpty {
            self.pending = chunk
        } else {
            self.pending.append(contentsOf: chunk)
        }
        self.resume()
        return self.pending.count - self.sentBytes > self.daemon.configuration.streamBufferBytes
    }

    fileprivate func waitForRoom() async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let hasRoom = self.pending.count - self.sentBytes <= self.daemon.configuration.streamBufferBytes
                if self.isGone || hasRoom || Task.isCancelled {
                    continuation.resume()
                } else {
                    self.writer = continuation
                }
            }
        } onCancel: {
            self.daemon.reactor.post { self.releaseWriter() }
        }
    }

    private func releaseWriter() {
        self.writer?.resume()
        self.writer = nil
    }

    private func endStream(broken: Bool) {
        self.isStreamEnded = true
        self.isStreamBroken = self.isStreamBroken || broken
        self.resume()
    }

    /// libmicrohttpd asks for more of the body.
    func read(into buffer: UnsafeMutablePointer<CChar>, maximum: Int) -> Int {
        let available = self.pending.count - self.sentBytes
        if available > 0 {
            let count = min(available, maximum)
            self.pending.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress {
                    UnsafeMutableRawPointer(buffer).copyMemory(from: base + self.sentBytes, byteCount: count)
                }
            }
            self.sentBytes += count
            if self.sentBytes == self.pending.count {
                self.pending = []
                self.sentBytes = 0
                self.releaseWriter()
            }
            return count
        }
        if self.isStreamBroken { return sluice_mhd_end_with_error() }
        if self.isStreamEnded { return sluice_mhd_end_of_stream() }
        self.suspend()
        return 0
    }
}

/// The handler's side of a streamed body.
private struct HTTPExchangeWriter: HTTPBodyWriter {
    let exchange: HTTPExchange

    func write(_ chunk: [UInt8]) async throws {
        if !self.exchange.daemon.reactor.isCurrent { await self.exchange.daemon.reactor.hop() }
        try Task.checkCancellation()
        guard !chunk.isEmpty else { return }
        if try self.exchange.append(chunk) {
            await self.exchange.waitForRoom()
            try Task.checkCancellation()
        }
    }

    func writeLast(_ chunk: [UInt8]) async throws {
        if !self.exchange.daemon.reactor.isCurrent { await self.exchange.daemon.reactor.hop() }
        _ = try self.exchange.append(chunk)
    }
}
