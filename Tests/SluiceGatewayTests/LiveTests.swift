import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceFabric
@testable import SluiceGateway

/// `/api/live` and its stream.
@Suite(.timeLimit(.minutes(3))) struct LiveTests {
    private func submit(_ bench: GatewayBench, _ number: Int, model: String = "m", tenant: String = "t") {
        let submission = Submission(
            id: RequestID(high: UInt64(number) << 16, low: UInt64(number)),
            pool: "default",
            tenant: tenant,
            model: model,
            operation: "chat/completions",
            deadline: bench.clock.now() + .seconds(600)
        )
        _ = try? bench.dispatcher.submit(submission, cancellation: nil)
    }

    @Test func `a page has its totals, and rows in the shape of the list of requests`() async {
        let bench = GatewayBench()
        for number in 1...5 {
            self.submit(bench, number, tenant: number % 2 == 0 ? "even" : "odd")
            bench.clock.advance(by: .seconds(1))
        }
        let (response, text) = await bench.send(.get, "/api/live", query: [("tenant", "odd"), ("limit", "2")])
        #expect(response.status == 200)
        #expect(text.contains(#""total":5,"queued":4,"in_flight":1,"matched":3,"offset":0,"sampled":false"#))
        #expect(text.contains(#""place":{"process":"this process","stage":"dispatching"}"#))
        #expect(text.contains(#""place":{"process":"this process","stage":"pending"}"#))
        #expect(text.ranges(of: "\"token_estimate\"").count == 2)
        let queued = await bench.send(.get, "/api/live", query: [("state", "pending"), ("sort", "age")]).text
        #expect(queued.contains(#""matched":4"#))
    }

    @Test(arguments: [
        ("state", "ended"), ("waiting", "odd"), ("sort", "name"), ("limit", "1001"), ("offset", "-1"),
        ("age_over_ms", "soon"), ("colour", "red"),
    ])
    func `what cannot be asked is refused with what can`(name: String, value: String) async {
        let (response, text) = await GatewayBench().send(.get, "/api/live", query: [(name, value)])
        #expect(response.status == 400)
        #expect(text.contains("\"param\":\"\(name)\""))
    }

    @Test func `names full of markup stay text`() async {
        let bench = GatewayBench()
        self.submit(bench, 1, model: #"<img src=x onerror="alert(1)">"#)
        let (response, text) = await bench.send(.get, "/api/live")
        #expect(response.headers["content-type"] == "application/json")
        #expect(text.contains(#""model":"<img src=x onerror=\"alert(1)\">""#))
    }

    // MARK: The stream

    private struct Watcher {
        let bench: GatewayBench
        let writer = CollectingWriter()
        private let task: Task<Void, Never>

        init(_ bench: GatewayBench, _ query: [(String, String)] = []) async {
            self.bench = bench
            let writer = self.writer
            self.task = Task {
                let response = await bench.respond(.get, "/api/live/stream", query: query)
                guard case .stream(let write) = response.body else { return }
                try? await write(writer)
            }
            await bench.until { writer.chunks.count == 1 && bench.sleeps.spans.count == 1 }
        }

        func pass(_ count: Int = 1) async {
            for _ in 0..<count {
                let before = self.bench.sleeps.count
                self.bench.sleeps.pass()
                await self.bench.until { self.bench.sleeps.count > before }
            }
        }

        func leave() async {
            self.task.cancel()
            await self.task.value
        }
    }

    @Test func `a stream begins with everything and goes on with what differs`() async {
        let bench = GatewayBench()
        self.submit(bench, 1)
        let watcher = await Watcher(bench)
        let first = watcher.writer.chunks[0]
        #expect(first.hasPrefix("id: 1\nevent: rows\ndata: {"))
        #expect(first.contains(#""full":true"#))
        await watcher.pass(3)
        #expect(watcher.writer.chunks.count == 1, "Nothing has changed.")
        self.submit(bench, 2)
        await watcher.pass()
        let second = watcher.writer.chunks.last ?? ""
        #expect(second.hasPrefix("id: 2\n") && second.contains(#""full":false"#))
        let one = RequestID(high: 1 << 16, low: 1).description
        let two = RequestID(high: 2 << 16, low: 2).description
        #expect(second.contains("\"order\":[\"\(one)\",\"\(two)\"]"))
        // The first has not changed, so it is not told again.
        #expect(second.contains("\"upsert\":[{\"id\":\"\(two)\""))
        _ = bench.dispatcher.cancel(RequestID(high: 2 << 16, low: 2), cause: .operatorRequest)
        await watcher.pass()
        let third = watcher.writer.chunks.last ?? ""
        #expect(third.contains("\"order\":[\"\(one)\"],\"upsert\":[]"))
        #expect(third.contains(#""total":1"#))
        await watcher.leave()
    }

    @Test func `many changes within an interval are one event`() async {
        let bench = GatewayBench(maximumRequests: 1_000)
        let watcher = await Watcher(bench, [("limit", "10")])
        for number in 1...200 { self.submit(bench, number) }
        await watcher.pass()
        #expect(watcher.writer.chunks.count == 2)
        #expect(watcher.writer.chunks[1].contains(#""matched":200"#))
        #expect(watcher.writer.chunks[1].ranges(of: "\"token_estimate\"").count == 10)
        await watcher.leave()
    }

    @Test func `places in line are told once a second, not with every start`() async {
        let bench = GatewayBench(maximumRequests: 1_000)
        for number in 1...5 { self.submit(bench, number) }
        let watcher = await Watcher(bench, [("state", "queued")])
        for number in 3...4 {
            _ = bench.dispatcher.cancel(RequestID(high: UInt64(number) << 16, low: UInt64(number)), cause: .clientGone)
            await watcher.pass()
            #expect(watcher.writer.chunks.last?.contains("\"upsert\":[]") == true)
        }
        await watcher.pass(2)
        #expect(watcher.writer.chunks.last?.contains(#""waiting":{"reason":"ahead_in_queue","position":2"#) == true)
        await watcher.leave()
    }

    @Test func `only so many watch at once, and a place is given back`() async {
        let bench = GatewayBench()
        var watchers: [HTTPResponse] = []
        for _ in 0..<Gateway.maximumLiveWatchers { watchers.append(await bench.respond(.get, "/api/live/stream")) }
        let refused = await bench.send(.get, "/api/live/stream")
        #expect(refused.response.status == 503 && refused.text.contains("too_many_watchers"))
        let task = Task {
            guard case .stream(let write) = watchers[0].body else { return }
            try? await write(CollectingWriter())
        }
        task.cancel()
        await task.value
        #expect(await bench.respond(.get, "/api/live/stream").status == 200)
    }

    @Test func `a key that is taken away watches no longer`() async {
        let key = APIKey(name: "k", secret: "sk-k", tenant: "t", role: .viewer)
        let bench = GatewayBench(keys: [key])
        let writer = CollectingWriter()
        let task = Task {
            let headers = [("authorization", "Bearer sk-k")]
            let response = await bench.respond(.get, "/api/live/stream", "", headers)
            guard case .stream(let write) = response.body else { return }
            try? await write(writer)
        }
        await bench.until { bench.sleeps.spans.count == 1 }
        bench.gateway.keys.replace([APIKey(name: "k", secret: "sk-k", tenant: "t")])
        bench.sleeps.pass()
        await task.value
    }
}

/// What the fabric's rows are among our own.
@Suite struct LiveFabricTests {
    private func others(_ ages: [Double], own: String? = nil) -> LiveFabric {
        let held = ages.enumerated().map { index, age in
            (
                id: "other-\(index)",
                record: InflightRecord(
                    dispatcherID: "d1",
                    producerID: "p1",
                    model: "m",
                    stage: .executing,
                    since: 1_000_000 - age,
                    submittedAt: 1_000_000 - age,
                    poppedAt: 1_000_000 - age
                )
            )
        }
        let pool = FabricSnapshot.Pool(name: "default", pending: 7, sample: [], inflight: ages.count, held: held)
        let snapshot = FabricSnapshot(pools: [pool], dispatchers: [], takenAt: 1_000_000, cost: .zero)
        return LiveFabric(snapshot, LiveQuery(), own: (own, nil), now: 1_000_000)
    }

    private func own(_ ages: [Double]) -> [(key: Int64, row: LiveRow)] {
        ages.enumerated().map { index, age in
            let submission = Submission(
                id: RequestID(high: UInt64(index), low: UInt64(index)),
                pool: "default",
                tenant: "t",
                model: "m",
                operation: "o",
                deadline: .zero
            )
            let record = RequestRecord(submission: submission, submittedAt: .zero)
            return (Int64(-age * 1e9), .own(LiveRequest(record: record, waiting: nil), nil))
        }
    }

    @Test func `what this process holds itself is not told twice`() {
        #expect(self.others([1, 2, 3]).rows.count == 3)
        let none = self.others([1, 2, 3], own: "d1")
        #expect(none.rows.isEmpty)
        #expect(none.pending == 7 && none.inFlight == 3 && none.isSampled)
    }

    @Test func `one that is seen at two places is told once`() {
        let both = self.others([1, 2])
        var own = self.own([3])
        own.append((own[0].key + 1, own[0].row))
        let rows = both.merged(own, first: 0, offset: 0, limit: 10)
        #expect(rows.count == 3 && Set(rows.map(\.id)).count == 3)
    }

    @Test func `any part of the merged list is the same as of the whole`() {
        // The oldest first, as the query sorts.
        let mine: [Double] = [90, 80, 70, 60, 50, 40, 30, 20, 10]
        let others = self.others([85, 65, 64, 15, 5])
        let all = others.merged(self.own(mine), first: 0, offset: 0, limit: 100).map(\.id)
        #expect(all.count == 14)
        for offset in 0..<16 {
            for limit in [1, 3, 20] {
                let first = max(0, offset - others.rows.count)
                let part = Array(self.own(mine).dropFirst(first).prefix(limit + offset - first))
                let rows = others.merged(part, first: first, offset: offset, limit: limit).map(\.id)
                #expect(rows == Array(all.dropFirst(offset).prefix(limit)), "from \(offset), \(limit)")
            }
        }
    }
}
