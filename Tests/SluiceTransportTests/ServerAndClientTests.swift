import SluiceBasics
import SluiceTestKit
import SluiceTransport
import SluiceWire
import Testing

@Suite(.serialized, .timeLimit(.minutes(3)))
struct ServerAndClientTests {
    private static func text(_ text: String, status: Int = 200) -> HTTPResponse {
        HTTPResponse(status: status, headers: HTTPFields([("X-Test", "yes")]), body: .bytes(Array(text.utf8)))
    }

    @Test func `a handler gets the request and its answer comes back`() async throws {
        let pair = try Pair { request in
            let text =
                "\(request.method.rawValue) \(request.path) \(request.parameter("q") ?? "-") \(request.body.count)"
            return Self.text(text, status: 201)
        }
        let answer = try await pair.client.execute(
            pair.request("/a%20b?q=1%2B1", body: [UInt8](repeating: 65, count: 10))
        )
        #expect(answer.status == 201)
        #expect(answer.headers["x-test"] == "yes")
        #expect(String(decoding: answer.body, as: UTF8.self) == "POST /a b 1+1 10")
        await pair.stop()
    }

    @Test(arguments: [1, 47 << 10, 49 << 10, 1 << 20, 15 << 20])
    func `bodies of any size pass both ways unchanged`(size: Int) async throws {
        let pair = try Pair { request in
            HTTPResponse(body: .bytes(request.body))
        }
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let answer = try await pair.client.execute(pair.request(body: body))
        #expect(answer.body == body)
        await pair.stop()
    }

    @Test func `a stream arrives chunk for chunk, each before the next is sent`() async throws {
        let proceed = (0..<3).map { _ in Signal() }
        let pair = try Pair { _ in
            HTTPResponse(
                body: .stream { writer in
                    for number in 0..<3 {
                        try await writer.write([UInt8(number)])
                        await proceed[number].wait()
                    }
                }
            )
        }
        let stream = try await pair.client.stream(pair.request())
        for number in 0..<3 {
            #expect(try await stream.body.next() == [UInt8(number)])
            proceed[number].set()
        }
        #expect(try await stream.body.next() == nil)
        await pair.stop()
    }

    @Test func `a slow reader makes the writer wait, within bounds`() async throws {
        let written = Lock(0)
        let pair = try Pair { _ in
            HTTPResponse(
                body: .stream { writer in
                    for _ in 0..<1024 {
                        try await writer.write([UInt8](repeating: 1, count: 64 << 10))
                        written.withLock { $0 += 64 << 10 }
                    }
                }
            )
        }
        let stream = try await pair.client.stream(pair.request())
        var total = try await stream.body.next()?.count ?? 0
        // Nobody reads on until the writer has come to rest: two looks far apart see the same count.
        var before = -1
        while before != written.withLock({ $0 }) {
            before = written.withLock { $0 }
            try await pair.reactors.sleep(for: .milliseconds(200))
        }
        #expect(before < 32 << 20)
        while let chunk = try await stream.body.next() { total += chunk.count }
        #expect(total == 64 << 20)
        await pair.stop()
    }

    @Test func `a client that goes cancels the handler, also while it waits`() async throws {
        let began = Signal()
        let cancelled = Signal()
        let pair = try Pair { _ in
            began.set()
            await withTaskCancellationHandler {
                await cancelled.wait()
            } onCancel: {
                cancelled.set()
            }
            return Self.text("late")
        }
        let connection = pair.connect()
        connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await began.wait()
        connection.close()
        await cancelled.wait()
        await pair.stop()
    }

    @Test func `cancelling a call closes its connection`() async throws {
        let began = Signal()
        let gone = Signal()
        let pair = try Pair { _ in
            began.set()
            await withTaskCancellationHandler {
                await gone.wait()
            } onCancel: {
                gone.set()
            }
            return Self.text("late")
        }
        let call = Task { try await pair.client.execute(pair.request()) }
        await began.wait()
        call.cancel()
        await gone.wait()
        let error = await #expect(throws: HTTPClientError.self) { try await call.value }
        #expect(error?.kind == .cancelled)
        #expect(error?.sent == true)
        await pair.stop()
    }

    @Test func `limits are answered in OpenAI's shape`() async throws {
        let pair = try Pair({ $0.maximumBodyBytes = 1000 }) { _ in Self.text("never") }
        let answer = try await pair.client.execute(pair.request(body: [UInt8](repeating: 1, count: 1001)))
        #expect(answer.status == 413)
        let code = try JSON.read(answer.body) { $0["error"]?["code"]?.string }
        #expect(code == "request_too_large")
        #expect(pair.server.statistics.requests == 0)
        await pair.stop()
    }

    @Test func `failures have kinds, and say whether anything was sent`() async throws {
        let pair = try Pair { request in
            switch request.path {
            case "/cut": return .disconnect
            case "/half":
                return HTTPResponse(
                    headers: HTTPFields([("Content-Length", "100")]),
                    body: .stream { writer in
                        try await writer.write([1])
                        throw HTTPWriteError.clientGone
                    }
                )
            default:
                await Signal().waitForCancellation()
                return Self.text("late")
            }
        }
        #expect(await pair.failure(pair.request("/cut"))?.kind == .reset)
        #expect(await pair.failure(pair.request("/half"))?.kind == .reset)
        let timeout = await pair.failure(pair.request("/hang", timeout: .milliseconds(100)))
        #expect(timeout?.kind == .timeout)
        #expect(timeout?.sent == true)
        let refused = await pair.failure(HTTPClientRequest(method: .get, url: "http://127.0.0.1:1/"))
        #expect(refused?.kind == .connectRefused)
        #expect(refused?.sent == false)
        var small = pair.request(body: [1])
        small.url = "nonsense://x"
        #expect(await pair.failure(small) != nil)
        await pair.stop()
    }

    @Test func `a second server on the port is refused`() async throws {
        let pair = try Pair { _ in Self.text("one") }
        let reactors = try ReactorGroup(count: 1)
        try reactors.start()
        #expect(throws: HTTPServerError.self) {
            try HTTPServer(
                configuration: HTTPServerConfiguration(host: "127.0.0.1", port: pair.server.port),
                reactors: reactors,
                handler: Handler { _ in Self.text("two") }
            )
        }
        await pair.stop()
    }

    @Test func `stopping lets the running request end`() async throws {
        let began = Signal()
        let proceed = Signal()
        let pair = try Pair { _ in
            began.set()
            await proceed.wait()
            return Self.text("done")
        }
        let call = Task { try await pair.client.execute(pair.request()) }
        await began.wait()
        let stop = Task { await pair.server.stop(grace: .seconds(10)) }
        proceed.set()
        #expect(try await call.value.status == 200)
        await stop.value
    }

    @Test func `five hundred calls at once all come back`() async throws {
        let pair = try Pair { request in Self.text(request.path) }
        let good = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<500 {
                group.addTask {
                    let answer = try? await pair.client.execute(pair.request("/\(number)"))
                    return answer.map { String(decoding: $0.body, as: UTF8.self) } == "/\(number)"
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(good == 500)
        await pair.stop()
    }
}
