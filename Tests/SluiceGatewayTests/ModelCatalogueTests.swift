import SluiceBasics
import SluiceProviders
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// GET /v1/models asks the backend, but not more often than it has to.
@Suite(.timeLimit(.minutes(3))) struct ModelCatalogueTests {
    private static let list = #"{"object":"list","data":[]}"#

    private func models(_ bench: GatewayBench) async -> (response: HTTPResponse, text: String) {
        await bench.send(.get, "/v1/models")
    }

    @Test func `whoever asks at the same time shares one call`() async {
        let proceed = Signal()
        let bench = GatewayBench([.after(proceed, .answer(200, Self.list))])
        let asking = (0..<20).map { _ in Task { await self.models(bench) } }
        await bench.until { bench.client.requests.count == 1 }
        for _ in 0..<100 { await Task.yield() }
        proceed.set()
        for task in asking {
            let (response, text) = await task.value
            #expect(response.status == 200 && text == Self.list)
        }
        #expect(bench.client.requests.count == 1)
    }

    @Test func `what is known serves for half a minute`() async {
        let bench = GatewayBench([.answer(200, Self.list), .answer(200, Self.list)])
        for _ in 0..<3 { #expect(await self.models(bench).response.status == 200) }
        bench.clock.advance(by: .milliseconds(29_999))
        _ = await self.models(bench)
        #expect(bench.client.requests.count == 1)
        bench.clock.advance(by: .milliseconds(1))
        _ = await self.models(bench)
        #expect(bench.client.requests.count == 2)
    }

    @Test func `failures are shared by those who wait, and not kept`() async {
        let proceed = Signal()
        let broken = HTTPClientError(.connectRefused, message: "refused", sent: false)
        let bench = GatewayBench([.after(proceed, .broken(broken)), .answer(503, "{}"), .answer(200, Self.list)])
        let asking = (0..<5).map { _ in Task { await self.models(bench) } }
        await bench.until { bench.client.requests.count == 1 }
        for _ in 0..<100 { await Task.yield() }
        proceed.set()
        for task in asking { #expect(await task.value.response.status == 502) }
        #expect(bench.client.requests.count == 1)
        #expect(await self.models(bench).response.status == 503)
        #expect(await self.models(bench).response.status == 200)
        #expect(bench.client.requests.count == 3)
    }

    @Test func `the first to ask may go without taking the others' answer along`() async {
        let proceed = Signal()
        let bench = GatewayBench([.after(proceed, .answer(200, Self.list))])
        let first = Task { await self.models(bench) }
        await bench.until { bench.client.requests.count == 1 }
        let second = Task { await self.models(bench) }
        for _ in 0..<100 { await Task.yield() }
        first.cancel()
        proceed.set()
        #expect(await second.value.response.status == 200)
        #expect(bench.client.requests.count == 1)
        _ = await first.value
    }

    @Test func `configured models need no backend`() async {
        let bench = GatewayBench { $0.models = ["one", "two"] }
        let text = await self.models(bench).text
        #expect(text.contains("\"one\"") && text.contains("\"two\""))
        #expect(bench.client.requests.isEmpty)
    }

    @Test func `a gateway of the fabric knows the models of its rules`() async {
        let bench = GatewayBench {
            for name in $0.backends.keys {
                $0.backends[name] = .fabric()
            }
            $0.modelRules = [("one", "default"), ("two*", "default"), ("one", "default")]
        }
        let (response, text) = await self.models(bench)
        #expect(response.status == 200 && text.contains(#""data":[{"id":"one""#))
        #expect(!text.contains("two") && text.split(separator: "\"one\"").count == 2)
        #expect(bench.client.requests.isEmpty)
    }
}
