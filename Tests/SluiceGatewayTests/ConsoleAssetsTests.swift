import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

@Suite struct ConsoleAssetsTests {
    private func bytes(_ response: HTTPResponse) -> [UInt8] {
        if case .bytes(let bytes) = response.body { bytes } else { [] }
    }

    @Test func `a file goes compressed to whoever takes that`() async {
        let bench = GatewayBench()
        let plain = await bench.respond(.get, "/")
        let small = await bench.respond(.get, "/", "", [("accept-encoding", "br, gzip;q=0.8")])
        #expect(plain.headers["content-encoding"] == nil)
        #expect(small.headers["content-encoding"] == "gzip")
        #expect(self.bytes(small).count < self.bytes(plain).count)
        #expect(self.bytes(small).prefix(2) == [0x1F, 0x8B])
        #expect(plain.headers["vary"] == "Accept-Encoding")
        // Two representations, two tags.
        #expect(plain.headers["etag"] != small.headers["etag"])
        let tag = small.headers["etag"] ?? ""
        let again = await bench.respond(
            .get,
            "/",
            "",
            [("accept-encoding", "gzip"), ("if-none-match", "W/\"x\", \(tag)")]
        )
        #expect(again.status == 304)
    }

    @Test(arguments: [
        ("gzip", true), ("deflate, gzip", true), ("*", true), ("gzip;q=0", false), ("gzip; q=0.0, *", false),
        ("br", false), ("", false), ("gzip;q=0.01", true),
    ])
    func `gzip is sent where it is accepted`(accepted: String, takes: Bool) {
        #expect(ConsoleAssets.takesGzip(HTTPFields([("Accept-Encoding", accepted)])) == takes)
    }

    @Test func `every file says what a browser may do with it`() async {
        let response = await GatewayBench().respond(.get, "/shell.js")
        let policy = response.headers["content-security-policy"] ?? ""
        #expect(policy.hasPrefix("default-src 'none'") && !policy.contains("unsafe"))
        #expect(response.headers["cache-control"] == "no-cache")
        #expect(response.headers["x-content-type-options"] == "nosniff")
        #expect(response.headers["cross-origin-opener-policy"] == "same-origin")
        #expect(response.headers["cross-origin-resource-policy"] == "same-origin")
        #expect(response.headers["referrer-policy"] == "no-referrer")
        #expect(response.headers["permissions-policy"]?.contains("camera=()") == true)
        #expect(await GatewayBench().respond(.post, "/shell.js").status == 405)
    }
}
