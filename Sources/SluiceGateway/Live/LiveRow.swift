import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceWire

/// A live request, wherever it is.
enum LiveRow: Sendable {
    /// In this process, and where the fabric has it if it was sent there.
    case own(LiveRequest, Whereabouts?)
    /// Held by another process's dispatcher.
    case held(id: String, pool: String, InflightRecord)
    /// On a list, from another producer; why it is not taken.
    case pending(PendingSummary, pool: String, reason: String)

    var id: String {
        switch self {
        case .own(let live, _): live.record.submission.id.description
        case .held(let id, _, _): id
        case .pending(let summary, _, _): summary.identity.requestID ?? ""
        }
    }

    var state: RequestState {
        switch self {
        case .own(let live, let place): place.state(live.record)
        case .held(_, _, let record): Self.state(record.stage)
        case .pending: .queued
        }
    }

    static func state(_ stage: InflightStage) -> RequestState {
        switch stage {
        case .dispatching: .claimed
        case .executing: .started
        case .replying: .streaming
        }
    }

    /// Everything of it that changes but for the mere passing of time, and its place in line, which changes with every
    /// request that starts before it.
    var sign: [String] {
        switch self {
        case .own(let live, let place):
            var sign = [place.state(live.record).rawValue, live.waiting?.reason.rawValue ?? ""]
            sign.append(String(live.record.attempts.count))
            if let attempt = live.record.attempts.last { sign.append(attempt.endedAt == nil ? "runs" : "ended") }
            if case .held(let held) = place { sign += [held.dispatcherID, held.stage.rawValue] }
            return sign
        case .held(_, _, let record): return [record.dispatcherID, record.stage.rawValue, String(record.attempt)]
        case .pending(_, _, let reason): return [reason]
        }
    }
}

/// Live rows as JSON, all in the shape of `/api/requests`.
struct LiveRowView {
    let view: RequestView
    /// What this process is called.
    let process: String

    func write(_ row: LiveRow, to json: inout JSONWriter) {
        switch row {
        case .own(let live, let place):
            self.view.write(live.record, live.waiting, place, to: &json)
            self.writePlace(live, place, to: &json)
        case .held(let id, let pool, let record): self.write(id, pool, record, to: &json)
        case .pending(let summary, let pool, let reason): self.write(summary, pool, reason, to: &json)
        }
    }

    private func writePlace(_ live: LiveRequest, _ place: Whereabouts?, to json: inout JSONWriter) {
        json.object("place") { json in
            switch place {
            case .waiting:
                json.field("process", "valkey")
                json.field("stage", "pending")
            case .held(let held):
                json.field("process", held.dispatcherID)
                json.field("stage", held.stage.rawValue)
            case nil:
                json.field("process", self.process)
                json.field("stage", Gateway.stage(live.record.state))
            }
        }
    }

    private var epochNow: Double { Double(self.view.wallClock) / 1e9 }

    private static func milliseconds(_ seconds: Double?) -> Double? { seconds.map { ($0 * 1000).rounded() } }

    private func write(_ id: String, _ pool: String, _ record: InflightRecord, to json: inout JSONWriter) {
        let now = self.epochNow
        json.field("id", id)
        json.field("state", LiveRow.state(record.stage).rawValue)
        json.field("dispatcher", record.dispatcherID)
        self.writeNone(["outcome", "reason", "message"], to: &json)
        json.field("pool", pool)
        json.field("tenant", record.tenant)
        json.field("priority", record.priority)
        json.field("model", record.model)
        json.field("producer", record.producerID)
        json.field("message_count", record.messageCount)
        json.field("token_estimate", record.estimatedCostUnits)
        self.writeTimes(submitted: record.submittedAt, timeout: record.timeoutSeconds, now, to: &json)
        json.nullField("waiting")
        json.object("timings_ms") { json in
            json.field("claimed", Self.milliseconds(max(0, record.poppedAt - record.submittedAt)))
            let since = Self.milliseconds(max(0, record.since - record.submittedAt))
            json.field("started", record.stage == .executing ? since : nil)
            json.field("first_byte", record.stage == .replying ? since : nil)
            json.nullField("ended")
        }
        self.writeNone(["usage", "cost_dollars"], to: &json)
        json.array("attempts") { _ in }
        json.field("attempt", record.attempt)
        json.object("place") { json in
            json.field("process", record.dispatcherID)
            json.field("stage", record.stage.rawValue)
        }
    }

    private func write(_ row: PendingSummary, _ pool: String, _ reason: String, to json: inout JSONWriter) {
        json.field("id", row.identity.requestID)
        json.field("state", RequestState.queued.rawValue)
        self.writeNone(["outcome", "reason", "message"], to: &json)
        json.field("pool", pool)
        self.writeNone(["tenant", "priority"], to: &json)
        // By custom the profile is the model, which stands too deep to be read here.
        json.field("model", row.dispatchProfileKey)
        json.field("producer", row.identity.producerID)
        json.nullField("message_count")
        json.field("token_estimate", row.estimatedCostUnits)
        self.writeTimes(submitted: row.submittedAt, timeout: row.timeoutSeconds, self.epochNow, to: &json)
        json.object("waiting") { json in
            json.field("reason", reason)
            self.writeNone(["position", "estimated_start_ms"], to: &json)
        }
        json.object("timings_ms") { self.writeNone(["claimed", "started", "first_byte", "ended"], to: &$0) }
        self.writeNone(["usage", "cost_dollars"], to: &json)
        json.array("attempts") { _ in }
        json.object("place") { json in
            json.field("process", "valkey")
            json.field("stage", "pending")
        }
    }

    private func writeNone(_ names: [String], to json: inout JSONWriter) { for name in names { json.nullField(name) } }

    private func writeTimes(submitted: Double?, timeout: Double?, _ now: Double, to json: inout JSONWriter) {
        let age = submitted.map { max(0, now - $0) }
        json.field("submitted_at", submitted)
        json.field("timeout_ms", Self.milliseconds(timeout))
        json.field("age_ms", Self.milliseconds(age))
        json.field("deadline_in_ms", Self.milliseconds(timeout.flatMap { left in age.map { left - $0 } }))
    }
}
