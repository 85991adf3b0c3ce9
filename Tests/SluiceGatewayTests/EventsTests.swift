import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceGateway

/// What a watcher of `/api/events` is told, and how often.
@Suite(.timeLimit(.minutes(3))) struct EventsTests {
    private struct Watcher {
        let bench: GatewayBench
        let writer = CollectingWriter()
        private let task: Task<Void, Never>

        init(_ bench: GatewayBench) async {
            self.bench = bench
            let writer = self.writer
            self.task = Task {
                let response = await bench.respond(.get, "/api/events")
                guard case .stream(let write) = response.body else { return }
                try? await write(writer)
            }
            await bench.until { writer.chunks.count == 1 && bench.sleeps.spans.count == 1 }
        }

        /// Lets one interval of the pools pass.
        func pass(_ count: Int = 1) async {
            for _ in 0..<count {
                let before = self.bench.sleeps.count
                self.bench.sleeps.pass()
                await self.bench.until { self.bench.sleeps.count > before }
            }
        }

        func count(_ part: String) -> Int { self.writer.chunks.joined().ranges(of: part).count }

        var pools: Int { self.count("event: pools\n") }
        var ends: Int { self.count("\"state\":\"ended\"") }

        func leave() async {
            self.task.cancel()
            await self.task.value
        }
    }

    private func bench(_ count: Int) -> GatewayBench {
        GatewayBench(Array(repeating: .answer(200, GatewayBench.answer), count: count))
    }

    @Test func `the pools come at once, and then when an interval has passed and they have changed`() async {
        let bench = self.bench(51)
        let watcher = await Watcher(bench)
        #expect(watcher.writer.chunks[0].hasPrefix("event: pools\ndata: {\"pools\":[{\"id\":\"default\""))
        for _ in 0..<50 { _ = await bench.chat() }
        await bench.until { watcher.ends == 50 }
        // Every step of every request, and the pools not once.
        #expect(watcher.count("event: request\n") >= 150)
        #expect(watcher.pools == 1)
        await watcher.pass()
        await bench.until { watcher.pools == 2 }
        #expect(watcher.writer.chunks.last?.contains("\"done/ok\":50") == true)
        // Nothing has changed since: whatever time passes, the next that is told is the next step.
        await watcher.pass(10)
        _ = await bench.chat()
        await bench.until { watcher.ends == 51 }
        #expect(watcher.count("event: missed\n") == 0 && watcher.count(": \n\n") == 0)
        #expect(watcher.pools <= 3)
        await watcher.leave()
    }

    @Test func `an age that grows is no change`() async {
        let bench = GatewayBench([.hang])
        _ = bench.dispatcher.setMode(.paused, pool: "default")
        let waiting = Task { await bench.chat() }
        await bench.until { bench.pool?.queued == 1 }
        let watcher = await Watcher(bench)
        #expect(watcher.count("\"oldest_queued_ms\":0") == 1)
        await watcher.pass(59)
        #expect(watcher.pools == 1)
        // The end of a heartbeat's length without news, which everything before has preceded.
        await watcher.pass()
        await bench.until { watcher.count(": \n\n") == 1 }
        #expect(watcher.pools == 1)
        #expect(watcher.writer.chunks.count == 2)
        await watcher.pass(60)
        await bench.until { watcher.count(": \n\n") == 2 }
        waiting.cancel()
        _ = await waiting.value
        await bench.until { watcher.ends == 1 }
        await watcher.pass()
        await bench.until { watcher.pools == 2 }
        await watcher.leave()
    }

    @Test func `a change of a pool's mode is told within an interval`() async {
        let bench = self.bench(0)
        let watcher = await Watcher(bench)
        _ = await bench.send(.post, "/api/pools/default/pause")
        await watcher.pass()
        await bench.until { watcher.pools == 2 }
        #expect(watcher.writer.chunks.last?.contains("\"mode\":\"paused\"") == true)
        await watcher.leave()
    }

    @Test func `a watcher that goes is forgotten, and its ticker ends`() async {
        let bench = self.bench(0)
        let watcher = await Watcher(bench)
        #expect(bench.telemetry.feed.hasSubscribers)
        await watcher.leave()
        #expect(!bench.telemetry.feed.hasSubscribers)
        await bench.settle()
    }
}
