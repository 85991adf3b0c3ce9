import CCurl
import CLibUV
import SluiceBasics

/// A libcurl multi handle: up to 256 transfers and the connections they use.
///
/// libcurl searches all connections of a host for a free one, which grows quadratic with many; several small multi
/// handles keep it flat.
final class CurlMulti {
    static let maximumTransfers = 256

    let handle: UnsafeMutableRawPointer
    private unowned let driver: HTTPClientDriver
    private let timer: ReactorTimer
    private(set) var count = 0
    /// Sweeps of the driver that found it without a transfer.
    var idleSweeps = 0
    var needsKick = false

    init?(_ driver: HTTPClientDriver) {
        guard let handle = curl_multi_init() else { return nil }
        self.handle = handle
        self.driver = driver
        self.timer = ReactorTimer(driver.reactor)
        let context = Unmanaged.passUnretained(self).toOpaque()
        sluice_multi_set_long(handle, CURLMOPT_MAXCONNECTS, Self.maximumTransfers)
        sluice_multi_set_socket(handle) { _, descriptor, what, context, _ in
            guard let context else { return 0 }
            let multi = Unmanaged<CurlMulti>.fromOpaque(context).takeUnretainedValue()
            multi.driver.watch(descriptor, what: what, for: multi)
            return 0
        }
        sluice_multi_set_pointer(handle, CURLMOPT_SOCKETDATA, context)
        sluice_multi_set_timer(handle) { _, milliseconds, context in
            guard let context else { return 0 }
            Unmanaged<CurlMulti>.fromOpaque(context).takeUnretainedValue().setTimer(milliseconds)
            return 0
        }
        sluice_multi_set_pointer(handle, CURLMOPT_TIMERDATA, context)
    }

    deinit {
        curl_multi_cleanup(self.handle)
        self.timer.close()
    }

    var hasRoom: Bool { self.count < Self.maximumTransfers }

    func add(_ easy: CurlEasy) -> Bool {
        guard curl_multi_add_handle(self.handle, easy.handle) == CURLM_OK else { return false }
        self.count += 1
        self.idleSweeps = 0
        self.needsKick = true
        return true
    }

    func remove(_ easy: CurlEasy) {
        if curl_multi_remove_handle(self.handle, easy.handle) == CURLM_OK { self.count -= 1 }
    }

    private func setTimer(_ milliseconds: Int) {
        if milliseconds < 0 {
            self.timer.stop()
        } else if milliseconds == 0 {
            self.needsKick = true
        } else {
            self.timer.start(after: .milliseconds(milliseconds)) { [unowned self] in self.needsKick = true }
        }
    }

    /// Lets libcurl do what is due.
    func kick() {
        self.needsKick = false
        var running: Int32 = 0
        curl_multi_socket_action(self.handle, CURL_SOCKET_TIMEOUT, 0, &running)
        self.collect()
    }

    /// A socket is ready.
    func act(on descriptor: Int32, events: Int32) {
        var running: Int32 = 0
        curl_multi_socket_action(self.handle, descriptor, events, &running)
        self.collect()
    }

    private func collect() {
        var code = CURLE_OK
        while let easy = sluice_multi_next_done(self.handle, &code) {
            guard let context = sluice_easy_get_private(easy) else { continue }
            Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue().completed(code)
        }
    }
}
