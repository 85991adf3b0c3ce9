import SluiceBasics
import SluiceTransport
import SluiceWire

/// Asks a running gateway, from a program that waits for the answer.
struct OperatorClient {
    struct Unreachable: Error {
        var message: String
    }

    let url: String
    let key: String?
    private let reactors: ReactorGroup
    private let client: ReactorHTTPClient

    init(url: String, key: String?) throws {
        var base = url
        while base.hasSuffix("/") { base.removeLast() }
        self.url = base
        self.key = key
        self.reactors = try ReactorGroup(count: 1)
        try self.reactors.start()
        self.client = ReactorHTTPClient(configuration: HTTPClientConfiguration(), reactors: self.reactors)
    }

    private func request(
        _ method: HTTPMethod,
        _ path: String,
        _ body: [UInt8] = [],
        timeout: Duration = .seconds(600)
    ) -> HTTPClientRequest {
        var headers = HTTPFields([("Content-Type", "application/json")])
        if let key { headers.append("Authorization", "Bearer \(key)") }
        return HTTPClientRequest(
            method: method,
            url: self.url + path,
            headers: headers,
            body: body,
            timeout: timeout
        )
    }

    func call(_ method: HTTPMethod, _ path: String, body: [UInt8] = []) throws(Unreachable) -> HTTPClientResponse {
        try self.wait { client, request throws(HTTPClientError) in try await client.execute(request) }(
            self.request(method, path, body)
        )
    }

    func call(_ method: HTTPMethod, _ path: String, timeout: Duration) throws(Unreachable) -> HTTPClientResponse {
        try self.wait { client, request throws(HTTPClientError) in try await client.execute(request) }(
            self.request(method, path, timeout: timeout)
        )
    }

    /// Calls one path after the other, and then `then`, on a thread of the client's.
    func begin(
        _ method: HTTPMethod,
        _ paths: [String],
        timeout: Duration,
        then: @escaping @Sendable (Result<[HTTPClientResponse], Unreachable>) -> Void
    ) {
        let requests = paths.map { self.request(method, $0, timeout: timeout) }
        let client = self.client
        self.reactors.spawn {
            var answers: [HTTPClientResponse] = []
            for request in requests {
                do throws(HTTPClientError) {
                    answers.append(try await client.execute(request))
                } catch {
                    return then(.failure(self.unreachable(error)))
                }
            }
            then(.success(answers))
        }
    }

    /// Runs `action` on a thread of the client's whenever the process gets this signal.
    func onSignal(_ number: Int32, _ action: @escaping @Sendable () -> Void) {
        self.reactors.onSignal(number, action)
    }

    private func unreachable(_ error: HTTPClientError) -> Unreachable {
        Unreachable(
            message: "cannot reach \(self.url): \(error.message). Is 'sluice serve' running there? "
                + "Name another place with --url or SLUICE_URL."
        )
    }

    /// Collects a stream, and the time its first and last bytes took.
    func stream(_ path: String, body: [UInt8]) throws(Unreachable) -> HTTPClientResponse {
        try self.wait { client, request throws(HTTPClientError) in
            let stream = try await client.stream(request)
            var bytes: [UInt8] = []
            while let chunk = try await stream.body.next() { bytes += chunk }
            return HTTPClientResponse(status: stream.status, headers: stream.headers, body: bytes)
        }(self.request(.post, path, body))
    }

    /// Hands a long answer over as it comes, whole lines each time, so that characters are not torn apart.
    ///
    /// - Returns: what was answered instead, when it is no good.
    func download(
        _ path: String,
        _ chunk: @escaping @Sendable ([UInt8]) -> Void
    ) throws(Unreachable) -> HTTPClientResponse? {
        let response = try self.wait { client, request throws(HTTPClientError) in
            let stream = try await client.stream(request)
            let isGood = (200..<300).contains(stream.status)
            var rest: [UInt8] = []
            while let bytes = try await stream.body.next() {
                rest += bytes
                guard isGood, let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { continue }
                chunk(Array(rest[...end]))
                rest.removeSubrange(...end)
            }
            return HTTPClientResponse(status: stream.status, headers: stream.headers, body: rest)
        }(self.request(.get, path))
        return (200..<300).contains(response.status) ? nil : response
    }

    /// Waits without asking.
    func pause(_ span: Duration) {
        let done = Countdown(1)
        let reactors = self.reactors
        reactors.spawn {
            try? await reactors.sleep(for: span)
            done.signal()
        }
        done.wait()
    }

    private typealias Operation =
        @Sendable (ReactorHTTPClient, HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse

    private func wait(
        _ operation: @escaping Operation
    ) -> (HTTPClientRequest) throws(Unreachable) -> HTTPClientResponse {
        { request throws(Unreachable) in
            let answer = Lock<Result<HTTPClientResponse, HTTPClientError>?>(nil)
            let done = Countdown(1)
            let client = self.client
            self.reactors.spawn {
                do throws(HTTPClientError) {
                    let response = try await operation(client, request)
                    answer.withLock { $0 = .success(response) }
                } catch {
                    answer.withLock { $0 = .failure(error) }
                }
                done.signal()
            }
            done.wait()
            switch answer.withLock({ $0 }) {
            case .success(let response): return response
            case .failure(let error): throw self.unreachable(error)
            case nil: throw Unreachable(message: "no answer from \(self.url)")
            }
        }
    }
}
