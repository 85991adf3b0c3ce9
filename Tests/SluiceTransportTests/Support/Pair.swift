import SluiceBasics
import SluiceTransport
import SluiceWire

/// A handler made of a closure.
struct Handler: HTTPHandler {
    let body: @Sendable (HTTPRequest) async -> HTTPResponse
    var refusals: @Sendable (HTTPRefusal) -> Void = { _ in }

    func refused(_ refusal: HTTPRefusal) { self.refusals(refusal) }

    func respond(to request: HTTPRequest) async -> HTTPResponse { await self.body(request) }
}

/// A server and a client on two reactors.
struct Pair {
    let reactors: ReactorGroup
    let server: HTTPServer
    let client: ReactorHTTPClient
    let scheme: String

    init(
        reactors count: Int = 2,
        _ configure: (inout HTTPServerConfiguration) -> Void = { _ in },
        client: HTTPClientConfiguration = HTTPClientConfiguration(),
        refusals: @escaping @Sendable (HTTPRefusal) -> Void = { _ in },
        _ body: @escaping @Sendable (HTTPRequest) async -> HTTPResponse
    ) throws {
        self.reactors = try ReactorGroup(count: count)
        try self.reactors.start()
        var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
        configure(&configuration)
        self.scheme = configuration.tlsCertificateFile == nil ? "http" : "https"
        self.server = try HTTPServer(
            configuration: configuration,
            reactors: self.reactors,
            handler: Handler(body: body, refusals: refusals)
        )
        self.client = ReactorHTTPClient(configuration: client, reactors: self.reactors)
    }

    func request(
        _ path: String = "/",
        host: String = "127.0.0.1",
        body: [UInt8] = [],
        timeout: Duration = .seconds(20)
    ) -> HTTPClientRequest {
        HTTPClientRequest(
            method: body.isEmpty ? .get : .post,
            url: "\(self.scheme)://\(host):\(self.server.port)\(path)",
            body: body,
            timeout: timeout
        )
    }

    /// The error of a call, or `nil` if it came back.
    func failure(_ request: HTTPClientRequest) async -> HTTPClientError? {
        do throws(HTTPClientError) {
            _ = try await self.client.execute(request)
            return nil
        } catch {
            return error
        }
    }

    /// A connection without a client behind it, to send bytes as they are.
    func connect() -> RawConnection { RawConnection(port: self.server.port, self.reactors) }

    /// Lets time pass until something is so; `false` if it is not within the limit.
    func until(_ limit: Duration = .seconds(10), _ condition: () -> Bool) async throws -> Bool {
        let clock = SystemClock()
        let end = clock.now() + limit
        while !condition() {
            guard clock.now() < end else { return false }
            try await self.reactors.sleep(for: .milliseconds(5))
        }
        return true
    }

    func stop() async { await self.server.stop(grace: .milliseconds(100)) }
}
