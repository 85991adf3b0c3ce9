import CLibUV
import CMicroHTTPD
import SluiceBasics
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One libmicrohttpd daemon on one reactor's loop: its epoll descriptor is polled by the loop, it runs when that is
/// readable or when a response has become ready.
final class HTTPServerDaemon: ReactorParticipant, @unchecked Sendable {
    // Sound: confined to its reactor's thread, but for the counters behind a lock.

    struct Counters {
        var connections = 0
        var inFlight = 0
        var requests: UInt64 = 0
    }

    let reactor: Reactor
    let configuration: HTTPServerConfiguration
    let handler: any HTTPHandler
    let counters = Lock(Counters())
    var needsRun = false
    private let clock = SystemClock()
    private var daemon: OpaquePointer?
    private var poll: UnsafeMutablePointer<uv_poll_t>?
    private var sweeper: ReactorTimer?
    private var connections: [ObjectIdentifier: HTTPServerConnection] = [:]
    private(set) var isStopping = false

    init(_ reactor: Reactor, _ configuration: HTTPServerConfiguration, _ handler: any HTTPHandler) {
        self.reactor = reactor
        self.configuration = configuration
        self.handler = handler
    }

    // MARK: Life

    func start(socket: Int32, certificate: String?, key: String?) throws(HTTPServerError) {
        var options = sluice_mhd_options()
        options.listen_socket = socket
        options.idle_seconds = Self.wholeSeconds(self.configuration.idleTimeout)
        // Room for the head, what libmicrohttpd keeps about it, and the response's head. No more than that: it is
        // wiped, one and a half times, after every request.
        options.connection_memory = self.configuration.maximumHeadBytes + 8 << 10
        options.connection_memory_increment = 4096
        options.connection_limit = UInt32(clamping: self.connectionLimit())
        options.per_address_limit = UInt32(clamping: self.configuration.maximumConnectionsPerAddress ?? 0)
        options.context = Unmanaged.passUnretained(self).toOpaque()
        options.completed = HTTPServerCallbacks.requestCompleted
        options.connection_changed = HTTPServerCallbacks.connectionChanged
        let daemon = Self.withOptionalCString(certificate) { certificate in
            Self.withOptionalCString(key) { key in
                options.tls_certificate = certificate
                options.tls_key = key
                return sluice_mhd_start(HTTPServerCallbacks.access, &options)
            }
        }
        guard let daemon else { throw .daemon }
        self.daemon = daemon
        let poll = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
        uv_poll_init(self.reactor.loop, poll, sluice_mhd_epoll_descriptor(daemon))
        poll.pointee.data = options.context
        uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { handle, _, _ in
            guard let context = handle?.pointee.data else { return }
            Unmanaged<HTTPServerDaemon>.fromOpaque(context).takeUnretainedValue().needsRun = true
        }
        self.poll = poll
        self.reactor.add(self)
    }

    /// Rounded up: libmicrohttpd takes 0 for "never".
    private static func wholeSeconds(_ span: Duration) -> UInt32 {
        let (seconds, fraction) = span.components
        return UInt32(clamping: max(1, fraction > 0 ? seconds + 1 : seconds))
    }

    /// Leaves descriptors for the backend's side: each request may need one there as well.
    private func connectionLimit() -> Int {
        let open = sluice_open_files_limit()
        guard open > 0 else { return self.configuration.maximumConnectionsPerReactor }
        return max(1, min(self.configuration.maximumConnectionsPerReactor, (Int(open) - 64) / 2))
    }

    private static func withOptionalCString<R>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> R) -> R {
        guard let text else { return body(nil) }
        return text.withCString { body($0) }
    }

    /// Accepts no more connections; those that are idle end.
    func quiesce() {
        guard let daemon = self.daemon, !self.isStopping else { return }
        self.isStopping = true
        let socket = MHD_quiesce_daemon(daemon)
        if socket >= 0 { close(socket) }
        for connection in self.connections.values where connection.exchange == nil { connection.cut(answering: nil) }
        self.needsRun = true
    }

    /// Tells every handler that is still running to stop.
    func cancelAll() {
        for connection in self.connections.values { connection.exchange?.cancel() }
    }

    /// Ends what is left. Handlers that still run find their client gone.
    func stop() {
        guard let daemon = self.daemon else { return }
        for connection in self.connections.values { connection.exchange?.abandon() }
        MHD_run(daemon)
        self.daemon = nil
        self.reactor.remove(self)
        self.sweeper?.close()
        self.sweeper = nil
        if let poll = self.poll {
            poll.pointee.data = nil
            uv_close(sluice_uv_handle(poll)) { UnsafeMutableRawPointer($0)?.deallocate() }
            self.poll = nil
        }
        MHD_stop_daemon(daemon)
    }

    func takeTurn() -> Bool {
        guard self.needsRun, let daemon = self.daemon else { return false }
        self.needsRun = false
        MHD_run(daemon)
        var timeout: UInt64 = 0
        if MHD_get_timeout(daemon, &timeout) == .YES, timeout == 0 { self.needsRun = true }
        return true
    }

    // MARK: Connections

    func opened(_ handle: OpaquePointer) -> HTTPServerConnection {
        let connection = HTTPServerConnection(
            self.reactor,
            descriptor: sluice_mhd_descriptor(handle)
        )
        self.connections[ObjectIdentifier(connection)] = connection
        let count = self.connections.count
        self.counters.withLock { $0.connections = count }
        if count == 1 { self.startSweeping() }
        return connection
    }

    func closed(_ connection: HTTPServerConnection) {
        connection.close()
        self.connections[ObjectIdentifier(connection)] = nil
        // At its limit libmicrohttpd stops listening, and begins again only in a run after a connection has gone.
        self.needsRun = true
        let count = self.connections.count
        self.counters.withLock { $0.connections = count }
        if count == 0 { self.sweeper?.stop() }
    }

    /// Once a second: libmicrohttpd's idle timeout, and ours for heads and bodies that come too slowly.
    private func startSweeping() {
        let sweeper = self.sweeper ?? ReactorTimer(self.reactor)
        self.sweeper = sweeper
        sweeper.start(after: .seconds(1), repeating: .seconds(1)) { [unowned self] in self.sweep() }
    }

    private func sweep() {
        self.needsRun = true
        let now = self.clock.now()
        let isPlain = self.configuration.tlsCertificateFile == nil
        for connection in self.connections.values {
            let isLate: Bool
            if let exchange = connection.exchange {
                isLate = !exchange.hasHandled && self.isBodyLate(exchange, now)
            } else {
                isLate = connection.isHeadLate(now: now, timeout: self.configuration.headTimeout)
            }
            // In a TLS session plain text would be noise: only close.
            guard isLate else { continue }
            self.report(.requestTimeout, connection.exchange, connection)
            connection.cut(answering: isPlain ? HTTPServerRefusal.requestTimeoutText : nil)
        }
    }

    private func isBodyLate(_ exchange: HTTPExchange, _ now: Instant) -> Bool {
        let received = exchange.body.count + exchange.discardedBytes
        let allowance = Duration.seconds(Double(received) / Double(max(1, self.configuration.minimumBodyRate)))
        return now - exchange.startedAt > self.configuration.headTimeout + allowance
    }

    /// Lets the handler know what was answered without it. Its code does not belong into a C library's frame.
    func report(_ refusal: HTTPServerRefusal, _ exchange: HTTPExchange?, _ connection: HTTPServerConnection) {
        var request = exchange?.request
        request?.body = []
        request?.cancellation = nil
        let report = HTTPRefusal(
            status: refusal.status,
            code: refusal.code,
            message: refusal.message,
            request: request,
            remoteAddress: connection.remoteAddress
        )
        let handler = self.handler
        self.reactor.post { handler.refused(report) }
    }

    func now() -> Instant { self.clock.now() }

    func handlerBegan() {
        self.counters.withLock {
            $0.inFlight += 1
            $0.requests &+= 1
        }
    }

    func handlerEnded() { self.counters.withLock { $0.inFlight -= 1 } }
}
