import SluiceBasics
import SluiceCore
import SluiceDoctor
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

@Suite struct OverviewTests {
    /// A second passes, and the gateway looks at itself.
    private func pass(_ bench: GatewayBench, _ seconds: Int = 1) {
        for _ in 0..<seconds {
            bench.clock.advance(by: .seconds(1))
            bench.gateway.look()
        }
    }

    @Test func `the overview has rates, totals and a line for each pool`() async {
        let bench = GatewayBench(Array(repeating: .answer(200, GatewayBench.answer), count: 20))
        bench.gateway.look()
        for _ in 0..<10 {
            _ = await bench.chat()
            _ = await bench.chat()
            self.pass(bench)
        }
        let (response, text) = await bench.send(.get, "/api/overview")
        #expect(response.status == 200)
        #expect(
            text.contains(#""rates":{"window_s":10,"in":2,"done":2,"failed":0,"dropped":0,"rejected":0,"tokens":6}"#)
        )
        #expect(text.contains(#""totals":{"queued":0,"in_flight":0,"oldest_queued_ms":null}"#))
        #expect(text.contains(#""id":"default","mode":"running","queued":0,"in_flight":0,"slots":1,"utilisation":0"#))
        #expect(text.contains(#""series":{"step_s":5"#))
        #expect(text.contains(#""findings":[]"#))
    }

    /// What the checks are given is what they would read out of the answers.
    @Test func `the readings are those of the answers`() async throws {
        let broken = ScriptedClient.Line.broken(HTTPClientError(.reset, message: "cut", sent: true))
        let bench = GatewayBench([.answer(200, GatewayBench.answer), broken], maximumRequests: 3) {
            $0.gatewayName = "east"
        }
        _ = await bench.chat()
        _ = await bench.chat()
        _ = bench.dispatcher.setMode(.paused, pool: "default")
        for _ in 0..<4 { _ = await bench.chat([("prefer", "respond-async")]) }
        bench.clock.advance(by: .milliseconds(1_500))
        func bytes(_ response: HTTPResponse) -> [UInt8] {
            if case .bytes(let bytes) = response.body { bytes } else { [] }
        }
        let pools = try PoolReading.read(bytes(await bench.gateway.listPools()))
        #expect(pools.count == 1 && pools[0].queued == 3)
        #expect(bench.gateway.knownPools().map { bench.gateway.reading($0) } == pools)
        let runtime = try RuntimeReading.read(bytes(await bench.gateway.runtimeAnswer(limit: 50)))
        #expect(runtime.requests.count == 3 && runtime.summary.registeredDispatchers == nil)
        #expect(bench.gateway.runtimeReading(limit: 50) == runtime)
        bench.dispatcher.cancelAll(cause: .operatorRequest)
    }

    @Test func `a series has arrays of one length, and null where nothing is known`() async throws {
        let bench = GatewayBench([.answer(200, GatewayBench.answer)])
        bench.gateway.look()
        self.pass(bench)
        _ = await bench.chat()
        self.pass(bench)
        let path = "/api/pools/default/series"
        let (response, text) = await bench.send(.get, path, query: [("window_s", "3"), ("step_s", "1")])
        #expect(response.status == 200)
        let counts = try JSON.read(Array(text.utf8)) { root in
            [
                "queued", "in_flight", "in", "done", "failed", "dropped", "rejected", "p50_ms", "p95_ms", "breaker",
                "concurrency_limit",
            ].map { root[named: $0]?.count ?? -1 }
        }
        #expect(Set(counts) == [3])
        #expect(text.contains(#""done":[null,0,1]"#))
        #expect(text.contains(#""breaker":[null,"closed","closed"]"#))
        #expect(await bench.respond(.get, path, query: [("window_s", "0")]).status == 400)
        #expect(await bench.respond(.get, "/api/pools/other/series").status == 404)
    }

    @Test func `tenants are told with their weights, shares and what they had`() async {
        let bench = GatewayBench([.answer(200, GatewayBench.answer)])
        _ = await bench.chat([("x-sluice-tenant", "gone")])
        _ = await bench.send(.patch, "/api/pools/default", #"{"tenants":{"weights":{"big":3}}}"#)
        _ = bench.dispatcher.setMode(.paused, pool: "default")
        for (index, tenant) in ["big", "big", "small"].enumerated() {
            let submission = Submission(
                id: RequestID(high: UInt64(index), low: UInt64(index)),
                pool: "default",
                tenant: tenant,
                model: "m",
                operation: "o",
                deadline: bench.clock.now() + .seconds(60)
            )
            _ = try? bench.dispatcher.submit(submission, cancellation: nil)
        }
        let text = await bench.send(.get, "/api/pools/default/tenants").text
        #expect(text.contains(#"{"id":"big","weight":3,"share":0.75,"queued":2,"in_flight":0,"done":0,"tokens":0"#))
        #expect(text.contains(#"{"id":"small","weight":1,"share":0.25,"queued":1"#))
        #expect(text.contains(#"{"id":"gone","weight":1,"share":null,"queued":0,"in_flight":0,"done":1,"tokens":3"#))
    }

    @Test func `what is wrong is said in words, with the first place to look`() async {
        let bench = GatewayBench()
        _ = bench.dispatcher.setMode(.paused, pool: "default")
        for number in 1...5 {
            let submission = Submission(
                id: RequestID(high: UInt64(number), low: UInt64(number)),
                pool: "default",
                tenant: "t",
                model: "m",
                operation: "o",
                deadline: bench.clock.now() + .seconds(600)
            )
            _ = try? bench.dispatcher.submit(submission, cancellation: nil)
        }
        for _ in 0..<3 {
            await bench.gateway.examine()
            bench.clock.advance(by: .seconds(5))
        }
        let text = await bench.send(.get, "/api/overview").text
        #expect(text.contains(#""code":"pending_grows","severity":"warning""#))
        #expect(text.contains("somebody paused it"))
        #expect(text.contains(##""pool":"default","href":"#/dispatch?state=pending&pool=default""##))
        _ = bench.dispatcher.setMode(.running, pool: "default")
        bench.dispatcher.cancelAll(cause: .operatorRequest)
        await bench.gateway.examine()
        #expect(await bench.send(.get, "/api/overview").text.contains(#""findings":[]"#))
    }

    @Test func `it looks at itself once a second, and examines itself less often`() async {
        let bench = GatewayBench()
        let task = Task { await bench.gateway.observe() }
        for _ in 0..<11 {
            await bench.until { bench.sleeps.spans == [.seconds(1)] }
            bench.sleeps.pass()
        }
        await bench.until { bench.sleeps.spans == [.seconds(1)] }
        task.cancel()
        await task.value
        // At 0, 5 and 10 seconds.
        #expect(bench.spawned.withLock { $0.count } == 3)
        let text = await bench.send(.get, "/api/pools/default/series", query: [("window_s", "5")]).text
        #expect(text.contains(#""in":[0,0,0,0,0]"#))
    }
}
