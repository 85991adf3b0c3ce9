import SluiceWire

/// An answer that the server gives by itself, in the shape of OpenAI's errors.
struct HTTPServerRefusal {
    let status: Int
    let code: String
    let message: String

    private init(_ status: Int, code: String, message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    static func bodyTooLarge(limit: Int) -> HTTPServerRefusal {
        HTTPServerRefusal(
            413,
            code: "request_too_large",
            message: "The request body is larger than the limit of \(limit) bytes (max_payload)."
        )
    }

    static func headTooLarge(limit: Int) -> HTTPServerRefusal {
        HTTPServerRefusal(
            431,
            code: "headers_too_large",
            message: "The request's header block is larger than the limit of \(limit) bytes (http.max_head)."
        )
    }

    static func ambiguousLength() -> HTTPServerRefusal {
        HTTPServerRefusal(
            400,
            code: "ambiguous_length",
            message: "The request has both Content-Length and Transfer-Encoding; send one of them (RFC 9112, 6.1)."
        )
    }

    static func badLength() -> HTTPServerRefusal {
        HTTPServerRefusal(
            400,
            code: "bad_content_length",
            message: "The request's Content-Length is not a single whole number."
        )
    }

    static let requestTimeout = HTTPServerRefusal(
        408,
        code: "request_timeout",
        message: "The request did not arrive in time (http.head_timeout, http.min_body_rate); send its head and body "
            + "without pauses."
    )

    /// The whole answer as text, for a connection that never sent a whole head or body.
    static let requestTimeoutText: String = {
        let body = Self.requestTimeout.body
        return
            "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Connection: close\r\n\r\n\(body)"
    }()

    var response: HTTPResponse {
        HTTPResponse(
            status: self.status,
            headers: HTTPFields([("Content-Type", "application/json"), ("Connection", "close")]),
            body: .bytes(Array(self.body.utf8))
        )
    }

    // The texts are our own and hold nothing that JSON would escape.
    private var body: String {
        #"{"error":{"message":"\#(self.message)","type":"invalid_request_error","param":null,"code":"\#(self.code)"}}"#
    }
}
