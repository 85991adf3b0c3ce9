import CCurl
import CLibUV
import SluiceBasics
import SluiceWire

/// A libcurl easy handle that is used again: what never changes is set once.
final class CurlEasy {
    /// Bodies up to this size travel in the same write as the head.
    private static let inlineBodyBytes = 48 << 10
    private static let largeBodyBytes = 1 << 20

    let handle: OpaquePointerHandle
    private let errorText: UnsafeMutablePointer<CChar>
    private let fields = CurlHeaderList()
    /// The URL, taken apart once.
    private let address: OpaquePointer
    private var lastMethod: HTTPMethod?
    private var lastURL = ""
    /// A handle that carried a large body keeps large buffers: it is not used again.
    private(set) var isReusable = true

    typealias OpaquePointerHandle = UnsafeMutableRawPointer

    init?(_ configuration: HTTPClientConfiguration, driver: HTTPClientDriver) {
        guard let handle = curl_easy_init() else { return nil }
        guard let address = curl_url() else {
            curl_easy_cleanup(handle)
            return nil
        }
        self.handle = handle
        self.address = address
        self.errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        self.errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        self.configure(configuration, driver)
    }

    deinit {
        curl_easy_cleanup(self.handle)
        curl_url_cleanup(self.address)
        self.errorText.deallocate()
    }

    private func configure(_ configuration: HTTPClientConfiguration, _ driver: HTTPClientDriver) {
        let handle = self.handle
        let driver = Unmanaged.passUnretained(driver).toOpaque()
        sluice_easy_set_long(handle, CURLOPT_NOSIGNAL, 1)
        sluice_easy_set_long(handle, CURLOPT_NOPROGRESS, 1)
        sluice_easy_set_long(handle, CURLOPT_FOLLOWLOCATION, 0)
        sluice_easy_set_string(handle, CURLOPT_PROXY, configuration.proxy ?? "")
        // Otherwise libcurl looks into the environment, for every transfer.
        sluice_easy_set_string(handle, CURLOPT_NOPROXY, configuration.proxy == nil ? "*" : "")
        sluice_easy_set_string(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        sluice_easy_set_long(handle, CURLOPT_SSL_VERIFYPEER, configuration.verifiesTLS ? 1 : 0)
        sluice_easy_set_long(handle, CURLOPT_SSL_VERIFYHOST, configuration.verifiesTLS ? 2 : 0)
        if let file = configuration.certificateAuthorityFile {
            sluice_easy_set_string(handle, CURLOPT_CAINFO, file)
        }
        sluice_easy_set_long(
            handle,
            CURLOPT_CONNECTTIMEOUT_MS,
            Int(configuration.connectTimeout.wholeNanoseconds / 1_000_000)
        )
        sluice_easy_set_long(handle, CURLOPT_BUFFERSIZE, 16 << 10)
        sluice_easy_set_pointer(handle, CURLOPT_ERRORBUFFER, self.errorText)
        sluice_easy_set_transfer(handle, CURLOPT_HEADERFUNCTION, HTTPClientCallbacks.header)
        sluice_easy_set_transfer(handle, CURLOPT_WRITEFUNCTION, HTTPClientCallbacks.write)
        sluice_easy_set_transfer(handle, CURLOPT_READFUNCTION, HTTPClientCallbacks.read)
        sluice_easy_set_seek(handle, HTTPClientCallbacks.seek)
        sluice_easy_set_open(handle, HTTPClientCallbacks.open)
        sluice_easy_set_pointer(handle, CURLOPT_OPENSOCKETDATA, driver)
        sluice_easy_set_close(handle, HTTPClientCallbacks.close)
        sluice_easy_set_pointer(handle, CURLOPT_CLOSESOCKETDATA, driver)
    }

    /// Sets everything that belongs to one request.
    func prepare(_ request: HTTPClientRequest, transfer: HTTPTransfer) {
        let handle = self.handle
        self.errorText[0] = 0
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        sluice_easy_set_pointer(handle, CURLOPT_PRIVATE, context)
        sluice_easy_set_pointer(handle, CURLOPT_HEADERDATA, context)
        sluice_easy_set_pointer(handle, CURLOPT_WRITEDATA, context)
        if self.lastURL != request.url {
            sluice_easy_set_string(handle, CURLOPT_URL, request.url)
            // Without this libcurl takes the URL apart, and puts it together again, for every transfer. One that it
            // does not understand it may explain in its own words.
            let isUnderstood = curl_url_set(self.address, CURLUPART_URL, request.url, 0) == CURLUE_OK
            sluice_easy_set_pointer(handle, CURLOPT_CURLU, isUnderstood ? UnsafeRawPointer(self.address) : nil)
            // Calls that begin together wait for the first one's handshake, and share its connection if that speaks
            // HTTP/2. Without TLS that would be known only with the first answer.
            sluice_easy_set_long(handle, CURLOPT_PIPEWAIT, request.url.hasPrefix("https:") ? 1 : 0)
            self.lastURL = request.url
        }
        let milliseconds = max(1, request.timeout.wholeNanoseconds / 1_000_000)
        sluice_easy_set_long(handle, CURLOPT_TIMEOUT_MS, Int(milliseconds))
        sluice_easy_set_long(handle, CURLOPT_FORBID_REUSE, 0)
        sluice_easy_set_long(handle, CURLOPT_FRESH_CONNECT, request.allowsSilentResend ? 0 : 1)
        self.setMethod(request.method)
        self.setBody(request, context)
        sluice_easy_set_list(handle, CURLOPT_HTTPHEADER, self.fields.fill(request.headers))
    }

    private func setMethod(_ method: HTTPMethod) {
        guard method != self.lastMethod else { return }
        self.lastMethod = method
        sluice_easy_set_string(self.handle, CURLOPT_CUSTOMREQUEST, nil)
        sluice_easy_set_long(self.handle, CURLOPT_NOBODY, method == .head ? 1 : 0)
        switch method {
        case .get: sluice_easy_set_long(self.handle, CURLOPT_HTTPGET, 1)
        case .head: break
        case .post: sluice_easy_set_long(self.handle, CURLOPT_POST, 1)
        default:
            sluice_easy_set_long(self.handle, CURLOPT_POST, 1)
            sluice_easy_set_string(self.handle, CURLOPT_CUSTOMREQUEST, method.rawValue)
        }
    }

    private func setBody(_ request: HTTPClientRequest, _ context: UnsafeMutableRawPointer) {
        guard request.method != .get, request.method != .head else { return }
        let size = request.body.count
        sluice_easy_set_size(self.handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(size))
        if size <= Self.inlineBodyBytes {
            // libcurl takes a copy, and sends it together with the head.
            request.body.withUnsafeBytes { bytes in
                let base = bytes.baseAddress ?? UnsafeRawPointer(self.errorText)
                _ = sluice_easy_set_pointer(self.handle, CURLOPT_COPYPOSTFIELDS, base)
            }
        } else {
            sluice_easy_set_pointer(self.handle, CURLOPT_POSTFIELDS, nil)
            sluice_easy_set_pointer(self.handle, CURLOPT_READDATA, context)
            sluice_easy_set_pointer(self.handle, CURLOPT_SEEKDATA, context)
            if size > Self.largeBodyBytes {
                sluice_easy_set_long(self.handle, CURLOPT_UPLOAD_BUFFERSIZE, 512 << 10)
                self.isReusable = false
            }
        }
    }

    /// Tells the connections of one multi handle apart; `nil` while the transfer has none.
    var localPort: Int? {
        let port = sluice_easy_get_long(self.handle, CURLINFO_LOCAL_PORT)
        return port > 0 ? port : nil
    }

    /// To be called before a transfer that is given up leaves its multi handle: its connection, which nobody else uses,
    /// closes with it.
    func closeConnection() {
        sluice_easy_set_long(self.handle, CURLOPT_FORBID_REUSE, 1)
        // When libcurl has given it up by itself, it has already put the connection aside.
        let socket = sluice_easy_get_socket(self.handle)
        if socket >= 0 { sluice_shutdown(socket) }
    }

    /// What libcurl says about the last failure.
    var errorMessage: String { String(cString: self.errorText) }
}
