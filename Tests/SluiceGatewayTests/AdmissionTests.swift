import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// What a client is told when there is no room, and that it is told when to come back.
@Suite(.timeLimit(.minutes(3))) struct AdmissionTests {
    private func code(_ text: String) throws -> String? {
        try JSON.read(Array(text.utf8)) { $0["error"]?["code"]?.string }
    }

    @Test func `a full pool is 503, a full tenant 429, both with Retry-After`() async throws {
        let proceed = Signal()
        let held = ScriptedClient.Line.after(proceed, .answer(200, GatewayBench.answer))
        let bench = GatewayBench(
            [held, .answer(200, GatewayBench.answer), .answer(200, GatewayBench.answer)],
            keys: ["acme", "other", "third"].map { APIKey(name: $0, secret: "sk-\($0)", tenant: $0) },
            maximumRequests: 3,
            perTenant: 2
        )
        func ask(_ key: String) async -> (response: HTTPResponse, text: String) {
            await bench.chat([("authorization", "Bearer sk-\(key)")])
        }
        async let first = ask("acme")
        await bench.until { bench.client.requests.count == 1 }
        async let second = ask("acme")
        await bench.until { bench.pool?.queued == 1 }
        let tenant = await ask("acme")
        #expect(tenant.response.status == 429)
        #expect(try self.code(tenant.text) == "tenant_full")
        async let third = ask("other")
        await bench.until { bench.pool?.queued == 2 }
        let full = await ask("third")
        #expect(full.response.status == 503)
        #expect(try self.code(full.text) == "full")
        for refused in [tenant, full] {
            let wait = try #require(refused.response.headers["retry-after"].flatMap { Int($0) })
            #expect(wait >= 1)
        }
        #expect(tenant.text.contains("acme") && tenant.text.contains("2"))
        #expect(full.text.contains("3"))
        proceed.set()
        for answer in await [first, second, third] { #expect(answer.response.status == 200) }
        #expect(bench.pool?.ended[.full] == 1 && bench.pool?.ended[.tenantFull] == 1)
        #expect(bench.dispatcher.checkBooks() == nil)
        #expect(await ask("acme").response.status == 502)  // The script is over, the limit is not.
    }

    @Test func `the backend's patience becomes the client's when the deadline is too near`() async {
        let bench = GatewayBench([.refusal(429, ("Retry-After", "30"))])
        let (response, text) = await bench.chat([("x-sluice-timeout-ms", "5000")])
        #expect(response.status == 504)
        #expect(text.contains("asked to wait 30 s"))
        // Now the pool is known to be held back.
        let next = await bench.chat([("x-sluice-timeout-ms", "5000")])
        #expect(next.response.status == 503)
        #expect(next.text.contains("would_miss_deadline"))
        #expect(next.response.headers["retry-after"] == "25")
        #expect(bench.client.requests.count == 1)
    }
}
