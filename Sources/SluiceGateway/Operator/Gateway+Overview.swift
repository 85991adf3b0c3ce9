import SluiceBasics
import SluiceCore
import SluiceDoctor
import SluiceEngine
import SluiceTelemetry
import SluiceWire

// GET /api/overview, and its event in the live stream.
extension Gateway {
    /// Seconds that rates are told over.
    private static let rateWindow = 10
    private static let sparkline = (window: 300, step: 5)

    func overview() async -> HTTPResponse {
        var json = JSONWriter(reserving: 16 << 10)
        let pools = await self.shownPools()
        json.object { self.writeOverview(pools, withSeries: true, to: &$0) }
        return Self.json(json)
    }

    /// Without the series: the stream's readers have them and add what they see.
    func overviewEvent() async -> [UInt8] {
        let pools = await self.shownPools()
        var json = JSONWriter(reserving: 4 << 10)
        json.object { self.writeOverview(pools, withSeries: false, to: &$0) }
        return SSEWriter.event(name: "overview", data: json.bytes)
    }

    private func writeOverview(_ pools: [ShownPool], withSeries: Bool, to json: inout JSONWriter) {
        let now = self.clock.wallClockNanoseconds()
        let second = Int(now / 1_000_000_000)
        let series = self.observatory.series
        let recent = pools.flatMap { pool in
            (series[pool.name]?.part(window: Self.rateWindow, step: 1, at: second).points ?? []).compactMap { $0 }
        }
        // As many looks as there have been, so that the first seconds after the start are told rightly.
        let looks = Double(max(1, recent.count)) / Double(max(1, pools.count))
        func rate(_ value: KeyPath<PoolPoint, Double>) -> Double? {
            recent.isEmpty ? nil : (recent.reduce(0) { $0 + $1[keyPath: value] } / looks * 1000).rounded() / 1000
        }
        json.field("at", Double(now / 1_000_000) / 1000)
        json.object("rates") { json in
            json.field("window_s", Self.rateWindow)
            json.field("in", rate(\.accepted))
            json.field("done", rate(\.done))
            json.field("failed", rate(\.failed))
            json.field("dropped", rate(\.dropped))
            json.field("rejected", rate(\.rejected))
            json.field("tokens", rate(\.tokens))
        }
        json.object("totals") { json in
            json.field("queued", pools.reduce(0) { $0 + $1.queued })
            json.field("in_flight", pools.reduce(0) { $0 + $1.inFlight })
            json.field("oldest_queued_ms", pools.compactMap(\.oldest).max()?.inMilliseconds)
        }
        json.array("pools") { json in
            for pool in pools {
                json.object { json in
                    self.writeShort(pool, to: &json)
                    guard withSeries else { return }
                    let part = (series[pool.name] ?? PoolSeries())
                        .part(window: Self.sparkline.window, step: Self.sparkline.step, at: second)
                    json.object("series") { SeriesView.writeShort(part, to: &$0) }
                }
            }
        }
        json.array("findings") { json in
            for finding in self.observatory.findings { json.object { FindingView.write(finding, to: &$0) } }
        }
    }

    private func writeShort(_ pool: ShownPool, to json: inout JSONWriter) {
        json.field("id", pool.name)
        json.field("mode", pool.status.mode.rawValue)
        json.field("queued", pool.queued)
        json.field("in_flight", pool.inFlight)
        json.field("slots", pool.slots)
        json.field("utilisation", pool.slots > 0 ? min(1, Double(pool.inFlight) / Double(pool.slots)) : nil)
        json.field("oldest_queued_ms", pool.oldest?.inMilliseconds)
        json.field("waiting_reason", pool.waitingReason)
        json.field("breaker", pool.breaker)
    }

    // MARK: One pool

    func poolSeries(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let name = try self.pool(request.names[0]).configuration.name
        let window = try Self.seconds(request, "window_s") ?? 300
        let step = try Self.seconds(request, "step_s")
        let second = Int(self.clock.wallClockNanoseconds() / 1_000_000_000)
        let part = (self.observatory.series[name] ?? PoolSeries()).part(window: window, step: step, at: second)
        var json = JSONWriter(reserving: 64 * part.points.count)
        json.object { SeriesView.write(part, to: &$0) }
        return Self.json(json)
    }

    private static func seconds(_ request: OperatorRequest, _ name: String) throws(GatewayError) -> Int? {
        guard let text = request.parameter(name) else { return nil }
        guard let seconds = Int(text), (1...PoolSeries.longestWindow).contains(seconds) else {
            throw .invalid(
                "The parameter '\(name)' must be a whole number of seconds from 1 to \(PoolSeries.longestWindow).",
                param: name
            )
        }
        return seconds
    }

    func poolTenants(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let name = try self.pool(request.names[0]).configuration.name
        let accounts = self.dispatcher.tenants(pool: name, limit: Self.maximumTenants)
        let ended = self.telemetry.tenants.counts(pool: name)
        let total = accounts.reduce(0) { $0 + $1.weight }
        var json = JSONWriter(reserving: 128 * (accounts.count + ended.count))
        json.object { json in
            json.array("tenants") { json in
                for account in accounts {
                    let count = ended[account.name]
                    json.object { json in
                        json.field("id", account.name)
                        json.field("weight", account.weight)
                        json.field("share", total > 0 ? account.weight / total : nil)
                        json.field("queued", account.queued)
                        json.field("in_flight", account.inFlight)
                        json.field("done", Int(clamping: count?.done ?? 0))
                        json.field("tokens", Int(clamping: count?.tokens ?? 0))
                        json.field("virtual_service", account.service)
                    }
                }
                let here = Set(accounts.map(\.name))
                // They have nothing here now.
                for (tenant, count) in ended.sorted(by: { $0.key < $1.key }) where !here.contains(tenant) {
                    json.object { json in
                        json.field("id", tenant)
                        json.field("weight", self.dispatcher.weight(of: tenant, pool: name))
                        json.nullField("share")
                        json.field("queued", 0)
                        json.field("in_flight", 0)
                        json.field("done", Int(clamping: count.done))
                        json.field("tokens", Int(clamping: count.tokens))
                        json.nullField("virtual_service")
                    }
                }
            }
        }
        return Self.json(json)
    }

    /// Tenants of one answer.
    private static let maximumTenants = 1_000
}

/// Series as JSON: arrays of equal length, null where nothing is known.
enum SeriesView {
    static func writeShort(_ part: PoolSeries.Part, to json: inout JSONWriter) {
        self.writeHead(part, to: &json)
        self.write("done", part, \.done, to: &json)
        self.write("failed", part, \.failed, to: &json)
    }

    static func write(_ part: PoolSeries.Part, to json: inout JSONWriter) {
        self.writeHead(part, to: &json)
        self.write("in", part, \.accepted, to: &json)
        self.write("done", part, \.done, to: &json)
        self.write("failed", part, \.failed, to: &json)
        self.write("dropped", part, \.dropped, to: &json)
        self.write("rejected", part, \.rejected, to: &json)
        self.write("tokens", part, \.tokens, to: &json)
        self.writeOptional("p50_ms", part, to: &json) { $0.median }
        self.writeOptional("p95_ms", part, to: &json) { $0.slow }
        json.array("breaker") { json in
            for point in part.points {
                if let point { json.value(point.breaker.rawValue) } else { json.rawValue(Self.null) }
            }
        }
        self.writeOptional("concurrency_limit", part, to: &json) { $0.concurrencyLimit.map { Double($0) } }
    }

    private static let null = Array("null".utf8)

    private static func writeHead(_ part: PoolSeries.Part, to json: inout JSONWriter) {
        json.field("step_s", part.step)
        json.field("from", part.from)
        self.writeOptional("queued", part, to: &json) { Double($0.queued) }
        self.writeOptional("in_flight", part, to: &json) { Double($0.inFlight) }
    }

    private static func write(
        _ name: String,
        _ part: PoolSeries.Part,
        _ value: KeyPath<PoolPoint, Double>,
        to json: inout JSONWriter
    ) {
        self.writeOptional(name, part, to: &json) { $0[keyPath: value] }
    }

    private static func writeOptional(
        _ name: String,
        _ part: PoolSeries.Part,
        to json: inout JSONWriter,
        _ value: (PoolPoint) -> Double?
    ) {
        json.array(name) { json in
            for point in part.points {
                if let number = point.flatMap(value) {
                    json.value((number * 1000).rounded() / 1000)
                } else {
                    json.rawValue(Self.null)
                }
            }
        }
    }
}

/// What is wrong, in words.
enum FindingView {
    static func write(_ finding: DoctorFinding, to json: inout JSONWriter) {
        json.field("code", finding.code.rawValue)
        json.field("severity", finding.code.severity.rawValue)
        json.field("title", finding.code.symptom)
        json.array("evidence") { json in for text in finding.evidence { json.value(text) } }
        json.array("look") { json in for text in finding.look { json.value(text) } }
        json.field("pool", finding.pool)
        json.field("href", Self.page(finding))
    }

    /// The first place to look in the console.
    private static func page(_ finding: DoctorFinding) -> String {
        let pool = finding.pool.map { Self.escaped($0) }
        switch finding.code {
        case .pendingGrows: return "#/dispatch?state=pending" + (pool.map { "&pool=\($0)" } ?? "")
        case .inFlightSticks: return "#/dispatch?state=in_flight&sort=-age" + (pool.map { "&pool=\($0)" } ?? "")
        case .requestsVanish: return "#/dead"
        case .backendErrors: return "#/fleet"
        case .budgetRejections: return "#/history?outcome=failed"
        case .admissionRefuses: return pool.map { "#/pools/\($0)" } ?? "#/overview"
        case .historyMissing: return "#/history"
        case .dispatcherGone, .valkeyTrouble, .clockSkew: return "#/fleet"
        case .gatewayUnreachable, .keyRefused, .answerUnreadable, .gatewayStuck, .gatewayDraining: return "#/overview"
        }
    }

    /// For a part of a URL.
    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
