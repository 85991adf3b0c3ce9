import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

@Suite struct FleetTests {
    @Test func `the fleet is who is there, and how backends answered`() async {
        let key = APIKey(name: "batch", secret: "sk-b", tenant: "t", role: .viewer)
        let broken = ScriptedClient.Line.broken(HTTPClientError(.reset, message: "cut", sent: true))
        let bench = GatewayBench([.answer(200, GatewayBench.answer), broken], keys: [key]) { $0.gatewayName = "east" }
        let headers = [("authorization", "Bearer sk-b")]
        _ = await bench.chat(headers)
        _ = await bench.chat(headers)
        _ = bench.dispatcher.setMode(.paused, pool: "default")
        _ = await bench.chat(headers + [("prefer", "respond-async")])
        let text = await bench.send(.get, "/api/fleet", "", headers).text
        #expect(text.contains(#""gateways":[{"id":"east","here":true,"version":"test""#))
        #expect(text.contains(#""dispatchers":[{"id":"east","state":"running""#))
        #expect(text.contains(#"{"id":"batch","alive":null,"since_at":null,"in_flight":0,"waiting":1,"kind":"key"}"#))
        #expect(text.contains(#""id":"mock","address":"http://mock/v1""#))
        #expect(text.contains(#""requests":2,"failures":1,"error_rate":0.5"#))
        #expect(text.contains(#""breaker":"closed""#))
        bench.dispatcher.cancelAll(cause: .operatorRequest)
        // What was long ago says nothing of now.
        bench.clock.advance(by: .seconds(1_200))
        let later = await bench.send(.get, "/api/fleet", "", headers).text
        #expect(later.contains(#""requests":2,"failures":1,"error_rate":null,"p50_ms":null"#))
    }

    @Test func `other fabrics are those that are configured`() async {
        let bench = GatewayBench { $0.console.fabrics = [("west", "https://west.example/sluice/")] }
        let text = await bench.send(.get, "/api/fabrics").text
        #expect(text.contains(#"{"id":"this process","here":true,"url":"./","state":"ready""#))
        #expect(text.contains(#"{"id":"west","here":false,"url":"https://west.example/sluice/","state":null}"#))
    }
}
