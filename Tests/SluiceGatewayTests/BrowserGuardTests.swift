import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// Pages of other sites cannot use a gateway that asks for no key.
@Suite struct BrowserGuardTests {
    private func code(isLocal: Bool, _ headers: [(String, String)]) -> String? {
        do throws(GatewayError) {
            try BrowserGuard.admit(HTTPFields(headers), isLocal: isLocal)
            return nil
        } catch {
            return error.code
        }
    }

    @Test(arguments: ["localhost", "LOCALHOST:8400", "console.localhost:8400", "127.0.0.1:8400", "[::1]:8400"])
    func `local names are served`(host: String) {
        #expect(self.code(isLocal: true, [("Host", host)]) == nil)
        #expect(self.code(isLocal: true, [("Host", host), ("Origin", "http://\(host)")]) == nil)
    }

    @Test(arguments: ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8400", "alocalhost"])
    func `a name of somebody else's that leads here is refused, unless it is meant to be served`(host: String) {
        #expect(self.code(isLocal: true, [("Host", host)]) == "host_not_allowed")
        #expect(self.code(isLocal: false, [("Host", host)]) == nil)
    }

    @Test(arguments: ["http://evil.example", "null", "http://localhost:9999", "http://127.0.0.1:84000"])
    func `other origins are refused, wherever it listens`(origin: String) {
        for isLocal in [true, false] {
            let headers = [("Host", "127.0.0.1:8400"), ("Origin", origin)]
            #expect(self.code(isLocal: isLocal, headers) == "origin_not_allowed")
        }
    }

    @Test func `programs that send no origin are served`() {
        #expect(self.code(isLocal: true, []) == nil)
        #expect(self.code(isLocal: false, [("Host", "sluice:8400")]) == nil)
    }

    @Test func `work and operations are guarded, and a key opens both`() async {
        let foreign = [("host", "127.0.0.1:8400"), ("origin", "http://evil.example")]
        let open = GatewayBench([.answer(200, GatewayBench.answer)])
        #expect(await open.chat(foreign).response.status == 403)
        #expect(open.client.requests.isEmpty)
        let pause = HTTPRequest(method: .post, path: "/api/pools/default/pause", headers: HTTPFields(foreign))
        #expect(await open.gateway.respond(to: pause).status == 403)
        let key = APIKey(name: "k", secret: "sk-k", tenant: "t")
        let keyed = GatewayBench([.answer(200, GatewayBench.answer)], keys: [key])
        #expect(await keyed.chat(foreign + [("authorization", "Bearer sk-k")]).response.status == 200)
    }
}
