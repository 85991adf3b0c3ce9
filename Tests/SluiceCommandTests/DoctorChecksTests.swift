import Testing

@testable import SluiceDoctor
@testable import sluice

/// Each check with a case that it must find and one beside it that it must not.
@Suite struct DoctorChecksTests {
    /// A gateway that was looked at so often, a second apart.
    private func seen(
        _ looks: Int = 3,
        ended: [DoctorRequest]? = nil,
        live: [DoctorRequest] = [],
        _ change: (Int, inout DoctorSample) -> Void = { _, _ in }
    ) -> DoctorCase {
        let samples = (0..<looks).map { index in
            var sample = DoctorSample(at: Double(index), localTime: 1000 + Double(index))
            sample.gatewayTime = 1000 + Double(index)
            sample.health = .init(word: "ok")
            sample.readiness = .init(word: "ready")
            sample.pools = [Self.pool()]
            sample.failuresByClass = [:]
            change(index, &sample)
            return sample
        }
        return DoctorCase(samples: samples, ended: ended, live: live)
    }

    private static func pool(_ id: String = "default", ended: [String: Int] = [:]) -> PoolReading {
        var pool = PoolReading(id: id)
        (pool.mode, pool.queued, pool.inFlight, pool.slots, pool.breaker) = ("running", 0, 0, 8, "closed")
        pool.ended = ended
        return pool
    }

    private static func dispatcher(
        _ id: String,
        _ change: (inout RuntimeReading.Dispatcher) -> Void = { _ in }
    )
        -> RuntimeReading.Dispatcher
    {
        var row = RuntimeReading.Dispatcher(id: id, pools: ["default"])
        (row.usesValkey, row.isRunning, row.isDraining) = (true, true, false)
        (row.fabricGroup, row.gateway) = ("fabric", "gateway")
        change(&row)
        return row
    }

    private static func running(_ id: String, _ seconds: Double, timeout: Double = 600) -> RuntimeReading.Request {
        var row = RuntimeReading.Request(id: id)
        (row.pool, row.stage, row.waited, row.inFlightFor, row.timeout) = ("default", "executing", 0, seconds, timeout)
        return row
    }

    private static func request(
        _ outcome: String?,
        _ reason: String = "ok",
        endedAt: Double? = 1000,
        attempts: [DoctorRequest.Attempt] = [.init()]
    ) -> DoctorRequest {
        DoctorRequest(id: "r", outcome: outcome, reason: reason, endedAt: endedAt, attempts: attempts)
    }

    private func codes(_ seen: DoctorCase) -> [DoctorFinding.Code] { DoctorChecks.all(seen).map(\.code) }

    @Test func `a healthy gateway has no finding, busy or idle`() {
        #expect(self.codes(self.seen()) == [])
        let busy = self.seen(ended: (0..<100).map { _ in Self.request("done") }) { index, sample in
            sample.pools[0].queued = [0, 9, 2][index]
            sample.pools[0].inFlight = 8
            sample.pools[0].waitingReason = "slots_full"
            sample.pools[0].ended = ["done/ok": 100 * index]
            sample.pools[0].meanServiceMilliseconds = 20_000
            sample.runtime.requests = [Self.running("r", 60)]
        }
        #expect(self.codes(busy) == [])
    }

    // MARK: Access

    @Test func `unreachable, refused and unreadable are told apart`() {
        #expect(self.codes(self.seen(1) { $1.trouble = .unreachable("refused") }) == [.gatewayUnreachable])
        #expect(self.codes(self.seen(1) { $1.trouble = .refused(status: 401, "no") }) == [.keyRefused])
        #expect(self.codes(self.seen(1) { $1.trouble = .unreadable("x") }) == [.answerUnreadable])
        let once = DoctorChecks.all(self.seen { if $0 == 1 { $1.trouble = .unreachable("timeout") } })
        #expect(once.map(\.code) == [.gatewayUnreachable])
        #expect(once[0].evidence == ["1 of 3 looks failed", "timeout"])
    }

    @Test func `what health and readiness say is passed on`() {
        #expect(self.codes(self.seen { $1.health = .init(word: "stuck", detail: "d") }) == [.gatewayStuck])
        #expect(self.codes(self.seen { $1.readiness = .init(word: "draining") }) == [.gatewayDraining])
        let valkey = DoctorChecks.all(self.seen { $1.readiness = .init(word: "not_ready", detail: "no alive key") })
        #expect(valkey.map(\.code) == [.valkeyTrouble] && valkey[0].evidence == ["/readyz: no alive key"])
        #expect(self.codes(self.seen { $1.runtime.fabricError = "refused" }) == [.valkeyTrouble])
        #expect(self.codes(self.seen { $1.runtimeTrouble = "timeout" }) == [.valkeyTrouble])
        let depth = self.seen { _, sample in
            sample.runtime.dispatchers = [Self.dispatcher("d") { $0.queueDepthError = "timeout" }]
        }
        #expect(self.codes(depth) == [.valkeyTrouble])
    }

    @Test(arguments: [(0.0, false), (4, false), (-4, false), (7, true), (-6, true)])
    func `clocks may differ by five seconds`(ahead: Double, isFound: Bool) {
        let gateway = self.seen { $1.localTime += ahead }
        #expect(self.codes(gateway) == (isFound ? [.clockSkew] : []))
        let producer = self.seen { _, sample in
            var row = Self.running("r", 1)
            row.submittedAt = 1002 + ahead
            sample.runtime.requests = [row]
        }
        #expect(self.codes(producer) == (ahead > 6 && isFound ? [.clockSkew] : []))
        let dispatcher = self.seen { _, sample in
            sample.runtime.dispatchers = [Self.dispatcher("d") { $0.beatAt = 1002 + ahead }]
        }
        #expect(self.codes(dispatcher) == (ahead > 6 ? [.clockSkew] : []))
    }

    // MARK: Pending

    @Test func `a queue that grows is found with its rates`() {
        let found = DoctorChecks.all(
            self.seen { index, sample in
                sample.pools[0].queued = [10, 20, 30][index]
                sample.pools[0].inFlight = 8
                sample.pools[0].waitingReason = "slots_full"
                sample.pools[0].oldestQueuedMilliseconds = 12_000
                sample.pools[0].ended = ["done/ok": 5 * index]
            }
        )
        #expect(found.map(\.code) == [.pendingGrows] && found[0].pool == "default")
        #expect(
            found[0].evidence == [
                "30 requests waiting, the oldest for 12 s", "20 more than 2 s before", "5.0/s end, 15.0/s come",
                "8 of 8 slots in use", "waiting for slots_full",
            ]
        )
        #expect(found[0].numbers["pending"] == 30 && found[0].numbers["ended_per_second"] == 5)
        #expect(found[0].look[0].contains("sluice pools set default --slots N"))
    }

    @Test(arguments: [
        ([10, 11, 12], "slots_full", false), ([30, 20, 10], "slots_full", false), ([0, 5, 9], "slots_full", false),
        ([5, 20, 10], "slots_full", false), ([100, 101, 105], "slots_full", false), ([10, 11, 13], "slots_full", true),
        ([2, 2, 2], "pool_paused", true), ([0, 0, 2], "pool_paused", false), ([1, 1, 1], "circuit_open", true),
        ([1, 1, 1], "rate_limited", true), ([1, 1, 1], "backoff", false),
    ])
    func `growth is more than breathing, and a block is found at once`(pending: [Int], reason: String, isFound: Bool) {
        let found = DoctorChecks.pending(
            self.seen { index, sample in
                sample.pools[0].queued = pending[index]
                sample.pools[0].waitingReason = reason
            }
        )
        #expect(found.map(\.code) == (isFound ? [.pendingGrows] : []))
    }

    @Test func `a list that nobody serves is found, and says so`() {
        func list(_ dispatchers: [RuntimeReading.Dispatcher], _ reason: String) -> DoctorCase {
            self.seen { _, sample in
                var row = RuntimeReading.Request(id: "r")
                (row.pool, row.stage, row.source, row.waitingReason) = ("bulk", "pending", "valkey", reason)
                sample.runtime.requests = [row]
                sample.runtime.dispatchers = dispatchers
            }
        }
        let found = DoctorChecks.all(list([], "no_dispatcher"))
        #expect(found.map(\.code) == [.pendingGrows] && found[0].pool == "bulk")
        #expect(found[0].look[0].contains("sluice dispatcher"))
        #expect(self.codes(list([Self.dispatcher("d")], "ahead_in_queue")) == [])
    }

    @Test(arguments: [(6.0, 1, true), (4, 1, false), (6, 4, false)])
    func `a list that nobody takes from in spite of free slots is found`(waited: Double, inFlight: Int, isFound: Bool) {
        let found = DoctorChecks.all(
            self.seen { _, sample in
                var row = RuntimeReading.Request(id: "r")
                (row.pool, row.stage, row.source) = ("default", "pending", "valkey")
                (row.waitingReason, row.waited) = ("ahead_in_queue", waited)
                sample.runtime.requests = [row]
                sample.runtime.dispatchers = [Self.dispatcher("d") { ($0.slots, $0.inFlight) = (4, inFlight) }]
            }
        )
        #expect(found.map(\.code) == (isFound ? [.pendingGrows] : []))
    }

    // MARK: In flight

    @Test func `much longer than usual is stuck`() {
        func held(_ seconds: Double, mean: Double?) -> [DoctorFinding] {
            DoctorChecks.inFlight(
                self.seen { _, sample in
                    sample.runtime.requests = [Self.running("r1", seconds), Self.running("r2", 1)]
                    sample.pools[0].meanServiceMilliseconds = mean
                }
            )
        }
        #expect(held(29, mean: 10).isEmpty)
        #expect(held(31, mean: 10_000).isEmpty)
        #expect(
            held(31, mean: nil)[0].evidence[1]
                == "r1: in flight for 31 s; what is usual is not known yet, stage executing"
        )
        let found = held(60, mean: 2000)
        #expect(
            found[0].evidence == [
                "1 of 2 requests in flight that were seen", "r1: in flight for 60 s, usual are 2 s, stage executing",
            ]
        )
        #expect(found[0].numbers == ["stuck": 1, "in_flight": 2, "longest_seconds": 60])
    }

    @Test func `past its timeout, or with a dispatcher that is gone, is stuck however short`() {
        let late = self.seen { $1.runtime.requests = [Self.running("r", 20, timeout: 10)] }
        #expect(self.codes(late) == [.inFlightSticks])
        let ending = self.seen { $1.runtime.requests = [Self.running("r", 12, timeout: 10)] }
        #expect(self.codes(ending) == [])
        func held(_ isRunning: Bool, draining: Bool? = nil) -> DoctorCase {
            self.seen { _, sample in
                var row = Self.running("r", 2)
                row.dispatcher = "d"
                sample.runtime.requests = [row]
                sample.runtime.dispatchers = [
                    Self.dispatcher("d") { ($0.isRunning, $0.isDraining, $0.beatAt) = (isRunning, draining, 990) }
                ]
            }
        }
        let found = DoctorChecks.all(held(false))
        #expect(found.map(\.code) == [.dispatcherGone, .inFlightSticks])
        #expect(found[0].evidence == ["dispatcher d: last beat 12 s ago, holds 1 request"])
        #expect(found[1].evidence[1].contains("at dispatcher d, which has no heartbeat"))
        #expect(self.codes(held(true)) == [])
        #expect(self.codes(held(false, draining: true)) == [])
    }

    // MARK: Vanished

    @Test(arguments: ["dropped/offline_producer_before_dispatch", "lost/dispatcher_crash", "expired/deadline"])
    func `what vanishes while we watch is found, what vanished long ago is not`(name: String) {
        let rising = DoctorChecks.all(self.seen { $1.pools[0].ended = $0 == 0 ? [:] : [name: $0] })
        #expect(rising.map(\.code) == [.requestsVanish] && rising[0].evidence == ["\(name): 2 more in 2 s"])
        #expect(self.codes(self.seen { $1.pools[0].ended = [name: 7] }) == [])
        let parts = name.split(separator: "/").map(String.init)
        let recent = [Self.request(parts[0], parts[1], endedAt: 900), Self.request("done")]
        #expect(self.codes(self.seen(ended: recent)) == [.requestsVanish])
        let old = [Self.request(parts[0], parts[1], endedAt: 600), Self.request("done")]
        #expect(self.codes(self.seen(ended: old)) == [])
    }

    @Test func `drops of dispatchers are found, also of one that begins anew beside it`() {
        func drops(_ before: Int, _ after: Int) -> DoctorCase {
            self.seen { index, sample in
                sample.runtime.dispatchers = [
                    Self.dispatcher("d1") { $0.offlineRequestsDropped = index == 0 ? before : after },
                    Self.dispatcher("d2") { $0.lost = index == 0 ? 50 : 1 },
                ]
            }
        }
        let found = DoctorChecks.all(drops(3, 5))
        #expect(found.map(\.code) == [.requestsVanish])
        #expect(found[0].evidence == ["dispatchers, requests of offline producers dropped: 2 more in 2 s"])
        #expect(self.codes(drops(5, 5)) == [])
    }

    @Test func `one client that hangs up is daily life, many are not`() {
        let few = [Self.request("cancelled", "client_gone")] + (0..<50).map { _ in Self.request("done") }
        #expect(self.codes(self.seen(ended: few)) == [])
        let many = [Self.request("cancelled", "client_gone")] + (0..<5).map { _ in Self.request("done") }
        #expect(self.codes(self.seen(ended: many)) == [.requestsVanish])
    }

    // MARK: Backend, budgets

    @Test func `failing attempts are found by their share, with classes and the last error`() {
        func ended(_ failures: Int, of total: Int, _ failure: String, _ status: Int?) -> DoctorCase {
            let bad = DoctorRequest.Attempt(failure: failure, status: status, message: "it broke")
            return self.seen(
                ended: (0..<total).map { Self.request("done", attempts: [$0 < failures ? bad : .init(status: 200)]) }
            )
        }
        let found = DoctorChecks.all(ended(10, of: 100, "server_error", 500))
        #expect(found.map(\.code) == [.backendErrors])
        #expect(
            found[0].evidence == [
                "10 of 100 attempts failed (10 %)", "classes: server_error 10 (status 500)", "last error: it broke",
            ]
        )
        #expect(self.codes(ended(4, of: 100, "server_error", 500)) == [])
        #expect(self.codes(ended(50, of: 100, "cancelled", nil)) == [])
        #expect(self.codes(ended(50, of: 100, "deadline", nil)) == [])
        #expect(self.codes(ended(50, of: 100, "rate_limited", 429)) == [.budgetRejections])
        #expect(self.codes(ended(1, of: 100, "provider_rejected", 402)) == [.budgetRejections])
    }

    @Test func `an open breaker and failing dispatchers are found`() {
        let open = DoctorChecks.all(
            self.seen { _, sample in
                sample.pools[0].breaker = "open"
                sample.pools[0].timesOpened = 2
                sample.pools[0].consecutiveFailures = 5
            }
        )
        #expect(open.map(\.code) == [.backendErrors])
        #expect(
            open[0].evidence[0] == "pool default: breaker open, opened 2 times, 5 failures in a row, address unknown"
        )
        func failing(_ failures: Int) -> DoctorCase {
            self.seen { index, sample in
                sample.runtime.dispatchers = [
                    Self.dispatcher("d") { row in
                        (row.processed, row.failures, row.lastError) = (100 * index, failures * index, "refused")
                    }
                ]
            }
        }
        let found = DoctorChecks.all(failing(10))
        #expect(found.map(\.code) == [.backendErrors])
        #expect(found[0].evidence == ["dispatchers: 20 of 200 failed in 2 s", "last error: refused"])
        #expect(self.codes(failing(1)) == [])
        let breaker = self.seen { $1.runtime.dispatchers = [Self.dispatcher("d") { $0.breaker = "half_open" }] }
        #expect(self.codes(breaker) == [.backendErrors])
    }

    @Test func `a quota is found by its words, and a hold-back by its reason`() {
        let quota = DoctorRequest.Attempt(
            failure: "invalid_request",
            status: 400,
            message: "ExceededBudget: over budget"
        )
        #expect(
            self.codes(self.seen(ended: [Self.request("failed", "backend", attempts: [quota])])) == [.budgetRejections]
        )
        let plain = DoctorRequest.Attempt(failure: "invalid_request", status: 400, message: "no such field")
        #expect(self.codes(self.seen(ended: [Self.request("failed", "backend", attempts: [plain])])) == [])
        #expect(self.codes(self.seen { $1.pools[0].waitingReason = "rate_limited" }) == [.budgetRejections])
        #expect(self.codes(self.seen { $1.failuresByClass = ["rate_limited": $0] }) == [.budgetRejections])
        #expect(self.codes(self.seen { $1.failuresByClass = ["rate_limited": 7] }) == [])
    }

    @Test func `attempts of requests that still wait are evidence too`() {
        let bad = DoctorRequest.Attempt(failure: "connect_refused", message: "refused")
        #expect(self.codes(self.seen(live: [Self.request(nil, attempts: [bad])])) == [.backendErrors])
    }

    // MARK: Admission, history

    @Test func `refusals at the door are found while they happen`() {
        let found = DoctorChecks.all(self.seen { $1.pools[0].ended = $0 == 0 ? [:] : ["rejected/full": 4] })
        #expect(found.map(\.code) == [.admissionRefuses] && found[0].evidence == ["rejected/full: 4 more in 2 s"])
        #expect(self.codes(self.seen { $1.pools[0].ended = ["rejected/full": 4] }) == [])
        #expect(self.codes(self.seen { $1.pools[0].ended = ["rejected/malformed": $0] }) == [])
    }

    @Test func `history without names, or without rows, is found`() {
        func named(_ group: String?, _ gateway: String?, valkey: Bool = true) -> [DoctorFinding] {
            DoctorChecks.all(
                self.seen { _, sample in
                    sample.runtime.dispatchers = [
                        Self.dispatcher("d") { ($0.fabricGroup, $0.gateway, $0.usesValkey) = (group, gateway, valkey) }
                    ]
                }
            )
        }
        #expect(named("f", "g").isEmpty && named(nil, nil, valkey: false).isEmpty)
        #expect(named(nil, "g").map(\.code) == [.historyMissing])
        #expect(named("f", "")[0].evidence == ["dispatcher d has no gateway_id"])
        func ended(_ list: [DoctorRequest]?, _ rise: Int) -> DoctorCase {
            self.seen(ended: list) { $1.pools[0].ended = ["done/ok": 100 + rise * $0] }
        }
        #expect(self.codes(ended([], 3)) == [.historyMissing])
        #expect(self.codes(ended([], 0)) == [] && self.codes(ended(nil, 3)) == [])
        #expect(self.codes(ended([Self.request("done")], 3)) == [])
    }

    // MARK: Readers and report

    @Test func `metrics are read by class over all pools`() {
        let page = """
            # TYPE sluice_attempt_failures_total counter
            sluice_attempt_failures_total{pool="a",class="server_error"} 3
            sluice_attempt_failures_total{pool="b",class="server_error"} 4
            sluice_attempt_failures_total{pool="b",class="rate_limited"} 1e300
            sluice_attempt_failures_total{pool="b"
            """
        #expect(FailureMetrics.read(Array(page.utf8)) == ["server_error": 7])
        #expect(FailureMetrics.read(Array("not found".utf8)) == nil)
    }

    @Test func `the report is safe on a terminal and whole for machines`() {
        let report = DoctorReport(
            url: "http://h",
            findings: [
                DoctorFinding(
                    code: .pendingGrows,
                    pool: "p\u{1B}[2J",
                    evidence: ["a\u{07}"],
                    look: ["l"],
                    numbers: ["n": 1]
                )
            ],
            watched: 5,
            looks: 6
        )
        let text = report.text(style: TextStyle(isEnabled: false), display: DisplayText(isUnicode: false))
        #expect(
            text.hasPrefix(
                "Requests wait and do not get their turn (pool p?[2J)\n  saw      a?\n  look at  l\n\n1 finding"
            )
        )
        #expect(
            String(decoding: report.document, as: UTF8.self).hasPrefix(
                #"{"url":"http://h","watched_seconds":5,"looks":6,"findings":[{"code":"pending_grows","#
            )
        )
        let codes = DoctorFinding.Code.allCases
        #expect(Set(codes.map(\.symptom)).count == codes.count)
    }
}
