import CLibUV

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif
import SluiceBasics

/// One accepted connection: what its requests have in common, and the watch over slow and vanished clients.
///
/// libmicrohttpd does not read a connection that waits for its handler, so it would not notice that the client has gone;
/// the loop watches for that by itself, from the first byte to the last. Confined to its reactor's thread.
final class HTTPServerConnection {
    let descriptor: Int32
    let remoteAddress: String
    /// The request at hand.
    weak var exchange: HTTPExchange?
    /// When the connection was accepted or its last request ended.
    var idleSince: Instant
    /// Bytes that had come by then.
    private var bytesAtIdle: UInt64 = 0
    private var poll: UnsafeMutablePointer<uv_poll_t>?

    init(_ reactor: Reactor, descriptor: Int32, remoteAddress: String, now: Instant) {
        self.descriptor = descriptor
        self.remoteAddress = remoteAddress
        self.idleSince = now
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

    /// The peer has closed its side (a half-closed connection counts as gone, as with most servers).
    private func clientIsGone() {
        if let poll = self.poll { uv_poll_stop(poll) }
        self.exchange?.clientIsGone()
    }

    /// The request ended and the connection may carry another.
    func becameIdle(now: Instant) {
        self.exchange = nil
        self.idleSince = now
        self.bytesAtIdle = sluice_bytes_received(self.descriptor)
    }

    /// Whether a head began to arrive and is not here after `timeout`.
    func isHeadLate(now: Instant, timeout: Duration) -> Bool {
        guard self.exchange == nil, now - self.idleSince > timeout else { return false }
        return sluice_bytes_received(self.descriptor) > self.bytesAtIdle
    }

    /// Answers what can no longer be answered properly, and ends the connection.
    func cut(answering text: String?) {
        if let text {
            let bytes = Array(text.utf8)
            _ = bytes.withUnsafeBytes { send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }
        shutdown(self.descriptor, Int32(SHUT_RDWR))
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
