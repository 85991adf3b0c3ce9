import SluiceWire

/// Answers that the server gives by itself, in the shape of OpenAI's errors.
enum HTTPServerRefusal {
    static func bodyTooLarge(limit: Int) -> HTTPResponse {
        Self.response(
            413,
            code: "request_too_large",
            message: "The request body is larger than the limit of \(limit) bytes (server.maximum_body)."
        )
    }

    static func headTooLarge(limit: Int) -> HTTPResponse {
        Self.response(
            431,
            code: "headers_too_large",
            message: "The request's header block is larger than the limit of \(limit) bytes (server.maximum_head)."
        )
    }

    static func ambiguousLength() -> HTTPResponse {
        Self.response(
            400,
            code: "ambiguous_length",
            message: "The request has both Content-Length and Transfer-Encoding; send one of them (RFC 9112, 6.1)."
        )
    }

    static func badLength() -> HTTPResponse {
        Self.response(
            400,
            code: "bad_content_length",
            message: "The request's Content-Length is not a single whole number."
        )
    }

    /// The whole answer as text, for a connection that never sent a whole head or body.
    static let requestTimeoutText: String = {
        let body = Self.body(
            408,
            code: "request_timeout",
            message: "The request did not arrive in time; send its head and body without pauses."
        )
        return
            "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Connection: close\r\n\r\n\(body)"
    }()

    private static func response(_ status: Int, code: String, message: String) -> HTTPResponse {
        HTTPResponse(
            status: status,
            headers: HTTPFields([("Content-Type", "application/json"), ("Connection", "close")]),
            body: .bytes(Array(Self.body(status, code: code, message: message).utf8))
        )
    }

    // The texts are our own and hold nothing that JSON would escape.
    private static func body(_ status: Int, code: String, message: String) -> String {
        #"{"error":{"message":"\#(message)","type":"invalid_request_error","param":null,"code":"\#(code)"}}"#
    }
}
