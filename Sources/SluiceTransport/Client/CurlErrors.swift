import CCurl
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// libcurl's errors in our terms.
enum CurlErrors {
    static func translate(_ code: CURLcode, _ transfer: HTTPTransfer) -> HTTPClientError {
        let message = Self.message(code, transfer)
        switch code {
        case CURLE_URL_MALFORMAT:
            return HTTPClientError(.invalidURL, message: message, sent: false)
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            return HTTPClientError(.resolve, message: message, sent: false)
        case CURLE_COULDNT_CONNECT:
            let number = transfer.easy.map { sluice_easy_get_long($0.handle, CURLINFO_OS_ERRNO) } ?? 0
            return HTTPClientError(
                number == Int(ECONNREFUSED) ? .connectRefused : .connect,
                message: message,
                sent: false
            )
        case CURLE_OPERATION_TIMEDOUT:
            let sent = transfer.wasSent
            return HTTPClientError(sent ? .timeout : .connectTimeout, message: message, sent: sent)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_USE_SSL_FAILED:
            return HTTPClientError(.tls, message: message, sent: false)
        case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_HTTP2,
            CURLE_HTTP2_STREAM:
            return HTTPClientError(.reset, message: message, sent: true)
        default:
            return HTTPClientError(.malformed, message: message, sent: transfer.wasSent)
        }
    }

    private static func message(_ code: CURLcode, _ transfer: HTTPTransfer) -> String {
        if let text = transfer.easy?.errorMessage, !text.isEmpty { return text }
        return String(cString: curl_easy_strerror(code))
    }
}
