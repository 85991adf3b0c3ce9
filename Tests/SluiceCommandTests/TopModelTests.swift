import Testing

@testable import SluiceDoctor
@testable import sluice

@Suite struct TopModelTests {
    @Test func `rates are differences of counters over time`() throws {
        var tracker = TopTracker(url: "u")
        let first = try TopSamples.seen(
            10,
            pools: [TopSamples.pool(ended: ["done/ok": 100, "failed/backend": 5, "rejected/full": 50])],
            runtime: TopSamples.runtime()
        )
        let before = tracker.model(first)
        #expect(before.totals.donePerSecond == nil && before.pools[0].requestsPerSecond == nil)
        let second = try TopSamples.seen(
            12,
            pools: [
                TopSamples.pool(ended: [
                    "done/ok": 120, "failed/backend": 7, "expired/deadline": 2, "rejected/full": 90,
                ])
            ],
            runtime: TopSamples.runtime()
        )
        let after = tracker.model(second)
        #expect(after.totals.donePerSecond == 10)
        #expect(after.totals.failedPerSecond == 2)
        // What was refused at the door never ran.
        #expect(after.pools[0].requestsPerSecond == 12)
    }

    @Test func `rates forget what is long ago, and a counter that fell has begun anew`() {
        var meter = RateMeter(window: 5)
        #expect(meter.rate("a", 0, at: 0) == nil)
        #expect(meter.rate("a", 100, at: 1) == 100)
        for second in 2...8 { _ = meter.rate("a", 100, at: Double(second)) }
        #expect(meter.rate("a", 100, at: 9) == 0)
        #expect(meter.rate("a", 3, at: 10) == nil)
        #expect(meter.rate("a", 5, at: 11) == 2)
        #expect(meter.rate("a", nil, at: 12) == nil)
        #expect(meter.rate("a", 9, at: 13) == nil)
        #expect(meter.rate("a", 9, at: 13) == nil)
        #expect(meter.rate("a", 10, at: 14) == 1)
    }

    @Test func `slow looks still give rates`() {
        var meter = RateMeter(window: 5)
        _ = meter.rate("a", 0, at: 0)
        #expect(meter.rate("a", 60, at: 60) == 1)
        #expect(meter.rate("a", 180, at: 120) == 2)
    }

    @Test func `on Valkey the dispatchers count, in all processes`() throws {
        var tracker = TopTracker(url: "u")
        func look(_ at: Double, _ left: Int, _ right: Int, _ failures: Int) throws -> TopModel {
            tracker.model(
                try TopSamples.seen(
                    at,
                    pools: [TopSamples.pool(queued: 0, inFlight: 0, slots: 1)],
                    runtime: TopSamples.runtime(
                        summary: #""pending_request_count":40,"inflight_request_count":5"#,
                        dispatchers: [
                            TopSamples.dispatcher(
                                "d1",
                                #""processed_items":\#(left),"execution_failures":0,"inflight_request_count":2,"#
                                    + #""request_queue_depth":40,"total_concurrency":4,"running":true"#
                            ),
                            TopSamples.dispatcher(
                                "d2",
                                #""processed_items":\#(right),"execution_failures":\#(failures),"running":false,"#
                                    + #""inflight_request_count":3,"request_queue_depth":39,"total_concurrency":8,"#
                                    + #""last_error":"no route","last_beat_at":95,"last_processed_at":90"#
                            ),
                        ]
                    ),
                    gatewayTime: 100
                )
            )
        }
        _ = try look(0, 10, 10, 0)
        let model = try look(2, 20, 40, 4)
        let pool = model.pools[0]
        #expect(pool.requestsPerSecond == 20 && pool.inFlight == 5 && pool.pending == 40 && pool.slots == 12)
        #expect(model.totals.donePerSecond == 18 && model.totals.failedPerSecond == 2)
        #expect(model.totals.pending == 40 && model.unseenRequests == 45)
        #expect(model.dispatchers.map(\.requestsPerSecond) == [5, 15])
        #expect(model.dispatchers.map(\.isRunning) == [true, false])
        #expect(model.dispatchers[1].heartbeatAge == 5 && model.dispatchers[1].lastProcessedAge == 10)
        #expect(model.dispatchers[0].heartbeatAge == nil)
    }

    @Test func `what is missing or null or absurd is unknown, never zero`() throws {
        var tracker = TopTracker(url: "u")
        let model = tracker.model(
            try TopSamples.seen(
                0,
                pools: [#"{"id":"default","queued":null}"#],
                runtime: TopSamples.runtime(
                    summary: #""pending_request_count":null,"malformed_requests_dropped":3"#,
                    dispatchers: [TopSamples.dispatcher("d", #""processed_items":-1,"execution_failures":1e300"#)],
                    requests: [#"{"request_id":"r","queue_wait_age_seconds":1e300}"#]
                )
            )
        )
        #expect(model.totals == TopModel.Totals(pending: nil))
        var pool = TopModel.Pool(id: "default")
        #expect(model.pools == [pool])
        pool.slots = 0
        #expect(model.pools != [pool])
        #expect(model.dispatchers == [TopModel.Dispatcher(id: "d", pools: ["default"])])
        #expect(model.requests[0].age == nil && model.unseenRequests == nil)
    }

    @Test func `a sum with an unknown part is unknown`() throws {
        var tracker = TopTracker(url: "u")
        let model = tracker.model(
            try TopSamples.seen(
                0,
                pools: [],
                runtime: TopSamples.runtime(dispatchers: [
                    TopSamples.dispatcher("d1", #""inflight_request_count":3"#),
                    TopSamples.dispatcher("d2", #""inflight_request_count":null"#),
                ])
            )
        )
        #expect(model.pools[0].inFlight == nil)
    }

    @Test func `a dispatcher that is gone has no slots, and its fabric's trouble is told`() throws {
        var tracker = TopTracker(url: "u")
        var runtime = TopSamples.runtime(
            dispatchers: [
                TopSamples.dispatcher("d1", #""running":true,"total_concurrency":4,"inflight_request_count":1"#),
                TopSamples.dispatcher("d2", #""running":false,"total_concurrency":null,"inflight_request_count":null"#),
            ],
            requests: [
                TopSamples.request("r", stage: "pending", #""pool_id":"default","waiting_reason":"no_dispatcher""#)
            ]
        )
        runtime.replace(#""contract_version":"v2""#, with: #""fabric_error":"refused""#)
        let model = tracker.model(try TopSamples.seen(0, pools: [TopSamples.pool()], runtime: runtime))
        #expect(model.pools[0].slots == 4 && model.pools[0].inFlight == nil)
        runtime.replace(#""running":true,"total_concurrency":4"#, with: #""running":false,"total_concurrency":null"#)
        runtime.replace(#""runtime_summary":{"#, with: #""runtime_summary":{"inflight_request_count":7"#)
        let dead = tracker.model(
            try TopSamples.seen(
                1,
                pools: [TopSamples.pool(slots: 20_000, more: #""backend_address":"fabric:""#)],
                runtime: runtime
            )
        )
        #expect(dead.pools[0].slots == 0 && dead.pools[0].inFlight == 7 && dead.pools[0].address == nil)
        #expect(model.pools[0].waitingReason == "no_dispatcher")
        let frame = TopRenderer(display: DisplayText(isUnicode: true)).frame(
            model,
            TopView(),
            .init(),
            .init(columns: 80, rows: 24)
        )
        #expect(frame[2] == Line("The fabric cannot be seen: refused", .bad))
    }

    @Test func `pools come from wherever they are named, and one row stands for a dispatcher`() throws {
        var tracker = TopTracker(url: "u")
        tracker.identity = GatewayIdentity(version: "1", uptime: (50, 90))
        let model = tracker.model(
            try TopSamples.seen(
                100,
                pools: [TopSamples.pool("a")],
                runtime: TopSamples.runtime(
                    dispatchers: [
                        TopSamples.dispatcher("d", pool: "a", #""processed_items":1"#),
                        TopSamples.dispatcher("d", pool: "b", #""processed_items":2"#),
                    ],
                    requests: [
                        TopSamples.request("r", stage: "pending", #""pool_id":"c","queue_wait_age_seconds":7.5"#),
                        TopSamples.request("s", #""pool_id":"c","queue_wait_age_seconds":1,"inflight_age_seconds":2"#),
                    ]
                )
            )
        )
        #expect(model.pools.map(\.id) == ["a", "b", "c"])
        #expect(model.pools[2].oldestWait == 7.5)
        #expect(model.dispatchers.count == 1 && model.dispatchers[0].pools == ["a", "b"])
        #expect(model.dispatchers[0].processed == 3)
        #expect(model.requests.map(\.age) == [7.5, 3])
        #expect(model.uptime == 60)
    }

    @Test func `the document says what the frame shows`() throws {
        var model = TopModel(url: "http://h", version: "1", uptime: 2)
        model.totals.pending = 3
        model.pools = [TopModel.Pool(id: "p", state: "paused", slots: 2)]
        let text = String(decoding: TopDocument.write(model), as: UTF8.self)
        #expect(text.contains(#""totals":{"pending":3,"in_flight":null,"#))
        #expect(text.contains(#"{"id":"p","state":"paused","slots":2,"in_flight":null,"#))
        #expect(text.contains(#""requests":[],"requests_not_shown":null}"#))
    }

    @Test func `passwords in the address are not shown`() {
        #expect(TopCommand.shown("https://u:p@h:1/x@y") == "https://h:1/x@y")
        #expect(TopCommand.shown("http://h:1/x@y") == "http://h:1/x@y")
    }
}
