import SluiceBasics

package enum HTTPMethod: String, Sendable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"
    case other = "*"
}

/// A request that has arrived whole.
package struct HTTPRequest: Sendable {
    package var method: HTTPMethod
    /// Decoded path without the query, e.g. `/v1/models`.
    package var path: String
    /// Decoded parameters in order.
    package var query: [(name: String, value: String)]
    package var headers: HTTPFields
    package var body: [UInt8]
    /// Numeric address of the client, for logs.
    package var remoteAddress: String
    /// When its first byte was seen.
    package var receivedAt: Instant
    /// Cancels the handler's task; the server does so by itself when the client disconnects.
    package var cancellation: (any Cancellable)?

    package init(
        method: HTTPMethod,
        path: String,
        query: [(name: String, value: String)] = [],
        headers: HTTPFields = HTTPFields(),
        body: [UInt8] = [],
        remoteAddress: String = "127.0.0.1",
        receivedAt: Instant = .zero,
        cancellation: (any Cancellable)? = nil
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.remoteAddress = remoteAddress
        self.receivedAt = receivedAt
        self.cancellation = cancellation
    }

    package func parameter(_ name: String) -> String? {
        self.query.first { $0.name == name }?.value
    }
}

/// What a handler answers.
package struct HTTPResponse: Sendable {
    package var status: Int
    package var headers: HTTPFields
    package var body: Body

    package enum Body: Sendable {
        case bytes([UInt8])
        /// Called exactly once, in the handler's task, after the head has been handed over; also when the client has
        /// gone, then in a cancelled task with a writer that throws. The response ends properly when it returns, and
        /// the connection is cut when it throws.
        case stream(@Sendable (any HTTPBodyWriter) async throws -> Void)
    }

    package init(status: Int = 200, headers: HTTPFields = HTTPFields(), body: Body) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// No answer at all: the connection is cut. For simulated backends that misbehave.
    package static let disconnect = HTTPResponse(status: 0, body: .bytes([]))

    /// A response whose body is what the sequence yields, a chunk each.
    package init<Chunks: AsyncSequence & Sendable>(
        status: Int = 200,
        headers: HTTPFields = HTTPFields(),
        chunks: Chunks
    ) where Chunks.Element == [UInt8] {
        self.init(
            status: status,
            headers: headers,
            body: .stream { writer in
                for try await chunk in chunks { try await writer.write(chunk) }
            }
        )
    }
}

/// The client's end of a streamed response.
package protocol HTTPBodyWriter: Sendable {
    /// Hands a chunk over, and returns when there is room for the next (back-pressure).
    /// - Throws: `HTTPWriteError.clientGone`, or `CancellationError` when the task is cancelled.
    func write(_ chunk: [UInt8]) async throws
    /// Hands over the last words of a response whose task has been cancelled: neither refused for that nor waited for.
    /// - Throws: `HTTPWriteError.clientGone`.
    func writeLast(_ chunk: [UInt8]) async throws
}

package enum HTTPWriteError: Error, Sendable {
    case clientGone
}

/// Whoever answers requests. Runs on the reactor that accepted the connection; its task is cancelled when the client
/// disconnects.
package protocol HTTPHandler: Sendable {
    func respond(to request: HTTPRequest) async -> HTTPResponse
    /// The server has answered by itself, because a request broke a rule of HTTP or a limit. Must be quick.
    func refused(_ refusal: HTTPRefusal)
}

extension HTTPHandler {
    package func refused(_ refusal: HTTPRefusal) {}
}

/// A request that never reached the handler.
package struct HTTPRefusal: Sendable {
    package var status: Int
    /// Machine-readable, as in the answer.
    package var code: String
    package var message: String
    /// `nil` when not even its head arrived.
    package var request: HTTPRequest?
    package var remoteAddress: String

    package init(status: Int, code: String, message: String, request: HTTPRequest?, remoteAddress: String) {
        self.status = status
        self.code = code
        self.message = message
        self.request = request
        self.remoteAddress = remoteAddress
    }
}
