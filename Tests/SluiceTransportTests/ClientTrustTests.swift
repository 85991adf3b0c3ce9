import SluiceBasics
import SluiceTransport
import SluiceWire
import Testing

/// Whom the client believes, and where it lets itself be sent.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct ClientTrustTests {
    private func pair(
        _ certificate: Certificate,
        _ change: (inout HTTPClientConfiguration) -> Void = { _ in }
    ) throws -> Pair {
        var client = HTTPClientConfiguration()
        change(&client)
        return try Pair(
            { configuration in
                configuration.tlsCertificateFile = certificate.certificateFile
                configuration.tlsKeyFile = certificate.keyFile
            },
            client: client
        ) { _ in HTTPResponse(body: .bytes([1])) }
    }

    @Test func `a certificate that nobody vouches for is refused before anything is sent`() async throws {
        let certificate = try #require(Certificate())
        let pair = try self.pair(certificate)
        let error = await pair.failure(pair.request(body: [1, 2, 3]))
        #expect(error?.kind == .tls)
        #expect(error?.sent == false)
        #expect(pair.server.statistics.requests == 0)
        await pair.stop()
        certificate.remove()
    }

    @Test func `a configured authority vouches, for the names in its certificates only`() async throws {
        let certificate = try #require(Certificate())
        let pair = try self.pair(certificate) { $0.certificateAuthorityFile = certificate.certificateFile }
        #expect(try await pair.client.execute(pair.request(body: [1])).status == 200)
        // The certificate is for 127.0.0.1.
        let error = await pair.failure(pair.request(host: "localhost", body: [1]))
        #expect(error?.kind == .tls)
        #expect(pair.server.statistics.requests == 1)
        await pair.stop()
        certificate.remove()
    }

    @Test func `an authority's file that cannot be read is an error, not a reason to trust`() async throws {
        let certificate = try #require(Certificate())
        let pair = try self.pair(certificate) { $0.certificateAuthorityFile = "/nonexistent/authority.pem" }
        let error = await pair.failure(pair.request())
        #expect(error?.kind == .tls)
        await pair.stop()
        certificate.remove()
    }

    @Test func `only who says so gets no verification`() async throws {
        let certificate = try #require(Certificate())
        let pair = try self.pair(certificate) { $0.verifiesTLS = false }
        #expect(try await pair.client.execute(pair.request()).status == 200)
        await pair.stop()
        certificate.remove()
    }

    @Test(arguments: [301, 302, 303, 307, 308])
    func `a redirect is an answer like any other and is not followed`(status: Int) async throws {
        let asked = Lock<[String]>([])
        let pair = try Pair { request in
            asked.withLock { $0.append(request.path) }
            return HTTPResponse(
                status: request.path == "/" ? status : 200,
                headers: HTTPFields([("Location", "/elsewhere")]),
                body: .bytes([])
            )
        }
        let answer = try await pair.client.execute(pair.request(body: [1]))
        #expect(answer.status == status)
        #expect(answer.headers["location"] == "/elsewhere")
        #expect(asked.withLock { $0 } == ["/"])
        await pair.stop()
    }

    @Test func `a configured proxy is used`() async throws {
        let seen = Lock<[String]>([])
        let proxy = try Pair { request in
            seen.withLock { $0.append(request.headers["host"] ?? "") }
            return HTTPResponse(body: .bytes(Array("by proxy".utf8)))
        }
        var configuration = HTTPClientConfiguration()
        configuration.proxy = "http://127.0.0.1:\(proxy.server.port)"
        let pair = try Pair(client: configuration) { _ in HTTPResponse(body: .bytes(Array("direct".utf8))) }
        let answer = try await pair.client.execute(pair.request())
        #expect(String(decoding: answer.body, as: UTF8.self) == "by proxy")
        #expect(seen.withLock { $0 } == ["127.0.0.1:\(pair.server.port)"])
        await pair.stop()
        await proxy.stop()
    }
}
