import CCurl
import CLibUV

/// One of libcurl's sockets on the loop.
///
/// Between two requests on a kept connection libcurl takes its interest back and gives it again. Following that to the
/// letter costs two system calls a request, so a socket whose closing we are told of stays watched while it is idle.
final class CurlSocket {
    let descriptor: Int32
    private unowned let driver: HTTPClientDriver
    private let poll: UnsafeMutablePointer<uv_poll_t>
    private unowned var multi: CurlMulti
    private var active: Int32 = 0
    private var wanted: Int32 = 0
    private var isClosed = false

    init?(_ driver: HTTPClientDriver, _ descriptor: Int32, _ multi: CurlMulti) {
        self.descriptor = descriptor
        self.driver = driver
        self.multi = multi
        self.poll = .allocate(capacity: 1)
        guard uv_poll_init(driver.reactor.loop, self.poll, descriptor) == 0 else {
            self.poll.deallocate()
            self.isClosed = true
            return nil
        }
        self.poll.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }

    /// - Parameter what: `CURL_POLL_IN`, `_OUT` or `_INOUT`.
    func want(_ what: Int32, for multi: CurlMulti) {
        self.multi = multi
        var events: Int32 = 0
        if what & CURL_POLL_IN != 0 { events |= Int32(UV_READABLE.rawValue) }
        if what & CURL_POLL_OUT != 0 { events |= Int32(UV_WRITABLE.rawValue) }
        self.wanted = events
        self.activate(events)
    }

    /// libcurl has no interest for now.
    func rest() {
        self.wanted = 0
        if self.active != Int32(UV_READABLE.rawValue) { self.deactivate() }
    }

    private func activate(_ events: Int32) {
        guard events != self.active, !self.isClosed else { return }
        self.active = events
        uv_poll_start(self.poll, events) { handle, status, events in
            guard let context = handle?.pointee.data else { return }
            Unmanaged<CurlSocket>.fromOpaque(context).takeUnretainedValue().ready(status, events)
        }
    }

    private func deactivate() {
        guard self.active != 0, !self.isClosed else { return }
        self.active = 0
        uv_poll_stop(self.poll)
    }

    private func ready(_ status: Int32, _ events: Int32) {
        // An idle connection that becomes readable has been closed by the peer; libcurl finds out when it wants it
        // again.
        guard self.wanted != 0 else { return self.deactivate() }
        var mask: Int32 = 0
        if status < 0 { mask |= CURL_CSELECT_ERR }
        if events & Int32(UV_READABLE.rawValue) != 0 { mask |= CURL_CSELECT_IN }
        if events & Int32(UV_WRITABLE.rawValue) != 0 { mask |= CURL_CSELECT_OUT }
        self.multi.act(on: self.descriptor, events: mask)
    }

    /// The descriptor is about to be closed.
    func close() {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.poll.pointee.data = nil
        uv_close(sluice_uv_handle(self.poll)) { UnsafeMutableRawPointer($0)?.deallocate() }
    }

    deinit { self.close() }
}
