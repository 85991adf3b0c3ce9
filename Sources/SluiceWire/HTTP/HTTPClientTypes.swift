/// A request to a backend.
package struct HTTPClientRequest: Sendable {
    package var method: HTTPMethod
    /// Absolute URL.
    package var url: String
    package var headers: HTTPFields
    package var body: [UInt8]
    /// The whole call must have ended by then.
    package var timeout: Duration
    /// Largest response body that is collected.
    package var maximumResponseBytes: Int
    /// Whether the client may by itself send again when a kept connection turns out to be dead before the first byte of
    /// an answer. The peer may then, rarely, see the request twice.
    package var allowsSilentResend = true

    package init(
        method: HTTPMethod = .post,
        url: String,
        headers: HTTPFields = HTTPFields(),
        body: [UInt8] = [],
        timeout: Duration = .seconds(600),
        maximumResponseBytes: Int = 64 << 20
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.maximumResponseBytes = maximumResponseBytes
    }
}

package struct HTTPClientResponse: Sendable {
    package var status: Int
    package var headers: HTTPFields
    package var body: [UInt8]

    package init(status: Int, headers: HTTPFields = HTTPFields(), body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// A response whose body is still coming.
package struct HTTPClientStream: Sendable {
    package var status: Int
    package var headers: HTTPFields
    package var body: any HTTPBodyReader

    package init(status: Int, headers: HTTPFields, body: any HTTPBodyReader) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// The backend's end of a streamed response. One reader at a time.
package protocol HTTPBodyReader: Sendable {
    /// The bytes that have arrived since the last call; waits when there are none; `nil` at the proper end.
    ///
    /// The backend is not read further while more than the client's buffer limit is unread (back-pressure).
    /// - Throws: `HTTPClientError`, also when the task is cancelled; the transfer is then closed.
    func next() async throws(HTTPClientError) -> [UInt8]?
    /// Closes the transfer. Harmless after the end.
    func close()
}

/// Why a call got no (whole) answer.
package struct HTTPClientError: Error, Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        case invalidURL
        case resolve
        case connectRefused
        case connectTimeout
        case connect
        case tls
        /// The time for the whole call has passed.
        case timeout
        /// The peer closed or reset the connection before the answer was whole.
        case reset
        /// What came is not HTTP, or not what its head announced.
        case malformed
        case responseTooLarge
        case tooManyTransfers
        case cancelled
        case shutdown
    }

    package var kind: Kind
    package var message: String
    /// Whether a byte of the request may have reached the peer.
    package var sent: Bool

    package init(_ kind: Kind, message: String, sent: Bool) {
        self.kind = kind
        self.message = message
        self.sent = sent
    }
}

/// Whoever calls backends. Cancelling the calling task closes the transfer.
package protocol HTTPClient: Sendable {
    /// Returns when the whole answer is there.
    func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse
    /// Returns when the head is there; the body follows.
    func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream
}
