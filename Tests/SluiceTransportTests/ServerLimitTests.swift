import SluiceBasics
import SluiceTestKit
import SluiceTransport
import SluiceWire
import Testing

/// How long the server waits for whom, and how many it lets in.
///
/// Time is real here, because it is the libraries' own. Limits are as short as they can be set; the bounds of what is
/// expected are wide, so that a busy machine does not matter.
@Suite(.timeLimit(.minutes(3)))
struct ServerLimitTests {
    private static func isWhole(_ text: String) -> Bool { text.contains("\r\n\r\nok") }

    private func pair(_ configure: (inout HTTPServerConfiguration) -> Void) throws -> Pair {
        try Pair(reactors: 1, configure) { _ in HTTPResponse(body: .bytes(Array("ok".utf8))) }
    }

    private static let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    @Test func `a body below its rate gets 408 and its connection ends`() async throws {
        let pair = try self.pair {
            $0.headTimeout = .milliseconds(300)
            $0.minimumBodyRate = 1 << 20
        }
        let connection = pair.connect()
        connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nthe beginning")
        let received = await connection.receive()
        #expect(received.text.hasPrefix("HTTP/1.1 408 "))
        #expect(received.text.contains("request_timeout"))
        let closedAfter = try #require(received.closedAfter)
        #expect(closedAfter > .milliseconds(300))
        #expect(pair.server.statistics.requests == 0)
        connection.close()
        await pair.stop()
    }

    @Test func `the handler hears of what is refused without it`() async throws {
        let heard = Lock<[HTTPRefusal]>([])
        let pair = try Pair(
            reactors: 1,
            {
                $0.headTimeout = .milliseconds(300)
                $0.minimumBodyRate = 1 << 20
                $0.maximumBodyBytes = 10
            },
            refusals: { refusal in heard.withLock { $0.append(refusal) } }
        ) { _ in HTTPResponse(body: .bytes([])) }
        let head = "POST /a HTTP/1.1\r\nHost: x\r\nX-Name: value\r\nContent-Length: "
        let both = "\(head)5\r\nTransfer-Encoding: chunked\r\n\r\n"
        for text in ["\(head)11\r\n\r\n01234567890", both, "\(head)5\r\n\r\n0", "GET / HT"] {
            let connection = pair.connect()
            connection.send(text)
            #expect(await connection.receive().text.hasPrefix("HTTP/1.1 4"))
            connection.close()
        }
        #expect(try await pair.until { heard.withLock { $0.count } == 4 })
        let refusals = heard.withLock { $0 }
        #expect(refusals.map(\.status) == [413, 400, 408, 408])
        #expect(refusals.map(\.request?.path) == ["/a", "/a", "/a", nil])
        #expect(refusals.first?.request?.headers["x-name"] == "value")
        #expect(refusals.allSatisfy { $0.remoteAddress.hasPrefix("127.0.0.1") && !$0.message.isEmpty })
        await pair.stop()
    }

    @Test func `a body that keeps its rate may take longer than a head`() async throws {
        let pair = try self.pair {
            $0.headTimeout = .milliseconds(300)
            $0.minimumBodyRate = 10
        }
        let connection = pair.connect()
        // The beginning earns 200 seconds, in case this machine is busy; the rest takes three sweeps.
        let beginning = String(repeating: "x", count: 2000)
        connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7000\r\n\r\n\(beginning)")
        for _ in 0..<50 {
            connection.send(String(repeating: "x", count: 100))
            try await pair.reactors.sleep(for: .milliseconds(60))
        }
        #expect(await connection.receive(until: Self.isWhole).text.hasPrefix("HTTP/1.1 200 "))
        connection.close()
        await pair.stop()
    }

    @Test func `a head that is not finished in time gets 408, also on a connection that was good before`() async throws
    {
        let pair = try self.pair { $0.headTimeout = .milliseconds(300) }
        let connection = pair.connect()
        connection.send(Self.get)
        #expect(await connection.receive(until: Self.isWhole).text.hasPrefix("HTTP/1.1 200 "))
        connection.send("GET / HTTP/1.1\r\nX-Slow: ")
        var received = RawConnection.Received()
        for _ in 0..<400 where received.closedAfter == nil {
            connection.send("x")
            let more = await connection.receive(.milliseconds(50))
            received = RawConnection.Received(text: received.text + more.text, closedAfter: more.closedAfter)
        }
        #expect(received.text.hasPrefix("HTTP/1.1 408 "))
        #expect(received.closedAfter != nil)
        connection.close()
        await pair.stop()
    }

    @Test(arguments: [Duration.milliseconds(500), .seconds(1), .seconds(2)])
    func `an idle connection is closed at its time`(timeout: Duration) async throws {
        let pair = try self.pair { $0.idleTimeout = timeout }
        let connection = pair.connect()
        let clock = SystemClock()
        let began = clock.now()
        connection.send(Self.get)
        #expect(await connection.receive(until: Self.isWhole).text.hasPrefix("HTTP/1.1 200 "))
        #expect(await connection.receive(.seconds(60)).closedAfter != nil)
        // libmicrohttpd counts whole seconds, and the sweep looks once a second.
        let lived = clock.now() - began
        #expect(lived >= timeout && lived < .seconds(60))
        #expect(try await pair.until { pair.server.statistics.connections == 0 })
        connection.close()
        await pair.stop()
    }

    @Test func `waiting for a handler is not idleness`() async throws {
        let began = Signal()
        let proceed = Signal()
        let pair = try Pair(reactors: 1, { $0.idleTimeout = .seconds(1) }) { _ in
            began.set()
            await proceed.wait()
            return HTTPResponse(body: .bytes(Array("ok".utf8)))
        }
        let connection = pair.connect()
        connection.send(Self.get)
        await began.wait()
        try await pair.reactors.sleep(for: .milliseconds(3200))
        proceed.set()
        #expect(await connection.receive(until: Self.isWhole).text.hasPrefix("HTTP/1.1 200 "))
        connection.close()
        await pair.stop()
    }

    @Test func `an address gets as many connections as it may have, and another when one has gone`() async throws {
        let pair = try self.pair { $0.maximumConnectionsPerAddress = 2 }
        var connections = [pair.connect(), pair.connect()]
        for connection in connections {
            connection.send(Self.get)
            #expect(await connection.receive(until: Self.isWhole).text.hasPrefix("HTTP/1.1 200 "))
        }
        let third = pair.connect()
        third.send(Self.get)
        let refused = await third.receive()
        #expect(refused.text.isEmpty && refused.closedAfter != nil)
        third.close()
        connections.removeFirst().close()
        #expect(try await pair.until { pair.server.statistics.connections == 1 })
        let fourth = pair.connect()
        fourth.send(Self.get)
        #expect(await fourth.receive(until: Self.isWhole).text.hasPrefix("HTTP/1.1 200 "))
        for connection in connections + [fourth] { connection.close() }
        await pair.stop()
    }

    @Test func `without a limit per address there is none`() async throws {
        let pair = try self.pair { _ in }
        let connections = (0..<50).map { _ in pair.connect() }
        for connection in connections {
            connection.send(Self.get)
            #expect(await connection.receive(until: Self.isWhole).text.hasPrefix("HTTP/1.1 200 "))
        }
        for connection in connections { connection.close() }
        await pair.stop()
    }
}
