import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceWire

/// A frame as JSON. Messages are rows, in the order of the columns that are named in docs/lab.md: there are many.
enum LabFrameView {
    static func event(_ state: inout LabSession.State) -> [UInt8] {
        SSEWriter.event(name: "frame", data: Self.document(&state))
    }

    static func document(_ state: inout LabSession.State) -> [UInt8] {
        var json = JSONWriter(reserving: 16 << 10)
        let frame = state.simulation.frame()
        let names = state.simulation.tenantNames
        json.object { json in
            json.field("sequence", state.sequence)
            json.field("now_s", Self.rounded((frame.now - .zero).inSeconds))
            json.field("paused", state.isPaused)
            json.field("speed", state.speed)
            json.field("running_at", state.isPaused ? 0 : Self.rounded(state.runningAt))
            json.field("waiting_reason", frame.waitingReason?.rawValue)
            json.field("breaker", frame.breaker.rawValue)
            json.field("arrives_next_in_ms", frame.arrivesNextAt.map { Self.rounded(($0 - frame.now).inMilliseconds) })
            json.object("counts") { Self.writeCounts(frame, to: &$0) }
            json.object("recent") { Self.writeRecent(frame, state.simulation.scenario, to: &$0) }
            json.object("buckets") { Self.writeBuckets(frame, state.simulation.scenario.limit, to: &$0) }
            json.array("classes") { json in
                for one in frame.classes { json.object { Self.write(one, to: &$0) } }
            }
            json.array("tenants") { json in
                for tenant in frame.tenants { json.object { Self.write(tenant, to: &$0) } }
            }
            json.array("pending") { json in
                for place in frame.pending { Self.write(place, frame.now, names, to: &json) }
            }
            json.array("processing") { json in
                for message in frame.processing { Self.writeRunning(message, frame.now, names, to: &json) }
            }
            json.array("done") { json in
                for message in frame.done { Self.writeEnded(message, frame.now, names, to: &json) }
            }
        }
        return json.bytes
    }

    static func rounded(_ value: Double) -> Double { (value * 1_000).rounded() / 1_000 }

    private static func writeCounts(_ frame: LabFrame, to json: inout JSONWriter) {
        json.field("pending", frame.pendingCount)
        json.field("delayed", frame.delayedCount)
        json.field("processing", frame.processingCount)
        json.field("arrived", frame.totals.arrived)
        json.field("started", frame.totals.started)
        json.field("done", frame.totals.done)
        json.field("failed", frame.totals.failed)
        json.field("expired", frame.totals.expired)
        json.field("refused", frame.totals.refused)
        json.field("retries", frame.totals.retries)
        json.field("tokens", frame.totals.tokens)
    }

    /// Per second, over the last minute.
    private static func writeRecent(_ frame: LabFrame, _ scenario: LabScenario, to json: inout JSONWriter) {
        let seconds = Double(frame.lastMinuteSeconds)
        func rate(_ count: Int) -> Double? { seconds > 0 ? Self.rounded(Double(count) / seconds) : nil }
        let minute = frame.lastMinute
        json.field("window_s", frame.lastMinuteSeconds)
        json.field("arrived", rate(minute.arrived))
        json.field("started", rate(minute.started))
        json.field("done", rate(minute.done))
        json.field("missed", rate(minute.missed))
        json.field("tokens", rate(minute.tokens))
        json.field(
            "utilisation",
            minute.slotSeconds > 0 ? Self.rounded(min(1, minute.busy / minute.slotSeconds)) : nil
        )
        json.field("fairness", frame.fairness.map { Self.rounded($0) })
    }

    private static func writeBuckets(_ frame: LabFrame, _ limit: RateLimit, to json: inout JSONWriter) {
        func bucket(_ name: String, _ left: Int?, _ perMinute: Int?, _ burst: Int?) {
            guard let perMinute else { return json.nullField(name) }
            json.object(name) { json in
                json.field("left", left)
                json.field("capacity", limit.mode == .strict ? perMinute : burst ?? perMinute)
                json.field("per_minute", perMinute)
            }
        }
        bucket("requests", frame.requestsLeft, limit.requestsPerMinute, limit.burstRequests)
        bucket("tokens", frame.tokensLeft, limit.tokensPerMinute, limit.burstTokens)
    }

    private static func write(_ one: LabFrame.Class, to json: inout JSONWriter) {
        json.field("priority", one.priority.name)
        json.field("pending", one.pending)
        json.field("processing", one.processing)
        json.field("done", one.done)
        json.field("wait_p50_s", one.p50.map { Self.rounded($0) })
        json.field("wait_p95_s", one.p95.map { Self.rounded($0) })
    }

    private static func write(_ tenant: LabFrame.Tenant, to json: inout JSONWriter) {
        json.field("name", tenant.name)
        json.field("weight", tenant.weight)
        json.field("pending", tenant.pending)
        json.field("processing", tenant.processing)
        json.field("done", tenant.done)
        json.field("tokens", tenant.tokens)
        json.field("service", tenant.service.map { Self.rounded($0) })
    }

    // MARK: Messages

    private static func writeHead(_ message: LabMessage, _ now: Instant, _ names: [String], to json: inout JSONWriter) {
        json.value(Int(clamping: message.number))
        json.value(Int(message.priority.rawValue))
        json.value(names[message.tenant])
        json.value(message.tokenEstimate)
        json.value(Int(message.waited(at: now).inMilliseconds))
    }

    private static func write(
        _ place: LabFrame.Place,
        _ now: Instant,
        _ names: [String],
        to json: inout JSONWriter
    ) {
        json.array { json in
            Self.writeHead(place.message, now, names, to: &json)
            Self.value(place.total, to: &json)
            json.value(place.message.state == .delayed ? "delayed" : place.isOverdue ? "overdue" : "pending")
            json.value(place.message.attempts)
        }
    }

    private static func writeRunning(
        _ message: LabMessage,
        _ now: Instant,
        _ names: [String],
        to json: inout JSONWriter
    ) {
        let started = message.startedAt ?? now
        json.array { json in
            Self.writeHead(message, now, names, to: &json)
            Self.value(message.score?.total, to: &json)
            json.value(message.attempts)
            json.value(Int((now - started).inMilliseconds))
            json.value(Int(((message.dueAt ?? now) - started).inMilliseconds))
        }
    }

    private static func writeEnded(
        _ message: LabMessage,
        _ now: Instant,
        _ names: [String],
        to json: inout JSONWriter
    ) {
        let ended = message.endedAt ?? now
        json.array { json in
            Self.writeHead(message, now, names, to: &json)
            Self.value(message.score?.total, to: &json)
            json.value(message.attempts)
            json.value(message.state.rawValue)
            json.value(Int((ended - (message.startedAt ?? ended)).inMilliseconds))
            json.value(Int((now - ended).inMilliseconds))
        }
    }

    private static func value(_ score: Double?, to json: inout JSONWriter) {
        if let score { json.value(Self.rounded(score)) } else { json.rawValue(Array("null".utf8)) }
    }
}

/// The recent past as JSON: a column for each measure.
enum LabSeriesView {
    static func event(_ series: LabSeries, level: Int, _ scenario: LabScenario) -> [UInt8] {
        SSEWriter.event(name: "series", data: Self.document(series, level: level))
    }

    static func document(_ series: LabSeries, level: Int) -> [UInt8] {
        var json = JSONWriter(reserving: 16 << 10)
        let samples = series.samples(level)
        let step = LabSeries.step(level).inSeconds
        json.object { json in
            json.field("level", level)
            json.field("step_s", step)
            json.field("from_s", Double(series.closed(level) - samples.count) * step)
            func column(_ name: String, _ value: (LabSample) -> Double?) {
                json.array(name) { json in
                    for sample in samples {
                        if let value = value(sample) {
                            json.value(LabFrameView.rounded(value))
                        } else {
                            json.rawValue(Array("null".utf8))
                        }
                    }
                }
            }
            column("arrived") { Double($0.arrived) / step }
            column("started") { Double($0.started) / step }
            column("done") { Double($0.done) / step }
            column("missed") { Double($0.missed) / step }
            column("tokens") { Double($0.tokens) / step }
            column("utilisation") { $0.slotSeconds > 0 ? min(1, $0.busy / $0.slotSeconds) : nil }
            column("pending") { Double($0.pending) }
            column("processing") { Double($0.processing) }
            column("tokens_left") { $0.tokensLeft.map { Double($0) } }
            column("requests_left") { $0.requestsLeft.map { Double($0) } }
            for priority in Priority.allCases {
                column("wait_\(priority.name)") { sample in
                    let waits = sample.waits[Int(priority.rawValue)]
                    return waits.count > 0 ? waits.sum / Double(waits.count) : nil
                }
            }
        }
        return json.bytes
    }
}
