import CLibUV
import SluiceBasics

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One accepted connection: what its requests have in common, and the watch over slow and vanished clients.
///
/// libmicrohttpd does not read a connection that waits for its handler, so it would not notice that the client has
/// gone; the loop watches for that by itself, from the first byte to the last. Confined to its reactor's thread.
final class HTTPServerConnection {
    let descriptor: Int32
    let remoteAddress: String
    /// The request at hand.
    weak var exchange: HTTPExchange?
    /// What has come of a head that is not whole yet, as far as the sweep has seen.
    private var seenBytes: UInt64 = 0
    private var hasSeenIdle = true
    private var headBeganAt: Instant?
    private var poll: UnsafeMutablePointer<uv_poll_t>?

    init(_ reactor: Reactor, descriptor: Int32) {
        self.descriptor = descriptor
        self.remoteAddress = Self.peer(descriptor)
        let poll = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
        guard uv_poll_init(reactor.loop, poll, descriptor) == 0 else {
            poll.deallocate()
            return
        }
        self.poll = poll
        poll.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        uv_poll_start(poll, Int32(UV_DISCONNECT.rawValue)) { handle, status, events in
            guard let handle, let context = handle.pointee.data else { return }
            let connection = Unmanaged<HTTPServerConnection>.fromOpaque(context).takeUnretainedValue()
            if status < 0 || events & Int32(UV_DISCONNECT.rawValue) != 0 { connection.clientIsGone() }
        }
    }

    private static func peer(_ descriptor: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
            guard let base = text.baseAddress else { return "" }
            sluice_peer_text(descriptor, base, text.count)
            return String(cString: base)
        }
    }

    /// The peer has closed its side (a half-closed connection counts as gone, as with most servers).
    private func clientIsGone() {
        if let poll = self.poll { uv_poll_stop(poll) }
        self.exchange?.clientIsGone()
    }

    /// The request ended and the connection may carry another.
    func becameIdle() {
        self.exchange = nil
        self.hasSeenIdle = false
        self.headBeganAt = nil
    }

    /// Whether a head began to arrive and is not here after `timeout`. Asked once a second, so that the system is not
    /// asked for its byte count on every request.
    func isHeadLate(now: Instant, timeout: Duration) -> Bool {
        guard self.exchange == nil else { return false }
        let bytes = sluice_bytes_received(self.descriptor)
        if !self.hasSeenIdle {
            self.hasSeenIdle = true
            self.seenBytes = bytes
        }
        guard bytes > self.seenBytes else { return false }
        guard let began = self.headBeganAt else {
            self.headBeganAt = now
            return false
        }
        return now - began >= timeout
    }

    /// Answers what can no longer be answered properly, and ends the connection.
    func cut(answering text: String?) {
        if let text {
            let bytes = Array(text.utf8)
            bytes.withUnsafeBytes { sluice_send_text(self.descriptor, $0.baseAddress, $0.count) }
        }
        sluice_shutdown(self.descriptor)
    }

    /// The descriptor is about to be closed.
    func close() {
        guard let poll = self.poll else { return }
        self.poll = nil
        poll.pointee.data = nil
        uv_close(sluice_uv_handle(poll)) { handle in
            UnsafeMutableRawPointer(handle)?.deallocate()
        }
    }

    deinit { self.close() }
}
