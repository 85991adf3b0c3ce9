import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTelemetry
import SluiceWire

// GET /api/requests/{id}/explain: why not me yet.
extension Gateway {
    func explain(_ record: RequestRecord, _ id: RequestID, isOperator: Bool) async -> HTTPResponse {
        let now = self.clock.now()
        // It may have ended, or started, since the record was read.
        let found = self.dispatcher.explain(id)
        let record = found?.record ?? self.telemetry.history.find(id) ?? record
        var explanation = found?.explanation ?? Self.past(record, now)
        if record.state == .started, let place = await self.whereabouts([record])[id] {
            explanation = await self.explanation(of: record, at: place, explanation)
        }
        if !isOperator { explanation = explanation.seen(byTenant: record.submission.tenant) }
        let shown = explanation
        var json = JSONWriter(reserving: 2048)
        json.object { json in
            ExplanationView.write(shown, record.submission, id: id.description, to: &json)
            json.field("outcome", record.reason?.outcome.rawValue)
            json.field("outcome_reason", record.reason?.rawValue)
        }
        return Self.json(json)
    }

    private static func past(_ record: RequestRecord, _ now: Instant) -> Explanation {
        Explanation(
            pool: record.submission.pool,
            state: .ended,
            waited: (record.claimedAt ?? record.endedAt ?? now) - record.submittedAt,
            remaining: record.submission.deadline - now
        )
    }

    // MARK: On a list

    /// A request that this gateway has put onto a list: its own engine knows only that it has been sent.
    private func explanation(
        of record: RequestRecord,
        at place: Whereabouts,
        _ local: Explanation
    ) async -> Explanation {
        var explanation = local
        guard case .waiting = place, let fabric = self.fabric else { return explanation }
        explanation.state = .queued
        explanation.reason = .aheadInQueue
        explanation.position = nil
        explanation.predictedStart = nil
        explanation.waited = self.clock.now() - record.submittedAt
        explanation.score = nil
        explanation.winner = nil
        explanation.tenant = nil
        let snapshot: FabricSnapshot?
        do throws(ValkeyError) {
            snapshot = try await fabric.view.look(limit: Self.placesLookedAt)
        } catch {
            snapshot = nil
        }
        guard let snapshot, let pool = snapshot.pools.first(where: { $0.name == explanation.pool }) else {
            explanation.gates = [Explanation.Reading(.list, isOpen: false, detail: "Valkey cannot be asked")]
            return explanation
        }
        let id = record.submission.id.description
        let ahead = pool.sample.firstIndex { $0.identity.requestID == id }
        explanation.queued = pool.pending
        explanation.position = ahead.map { $0 + 1 }
        explanation.gates = Self.gates(pool, snapshot, place: ahead.map { $0 + 1 })
        return explanation
    }

    /// Elements at the head of a list among which a request's place is looked for.
    private static let placesLookedAt = 250

    private static func gates(
        _ pool: FabricSnapshot.Pool,
        _ snapshot: FabricSnapshot,
        place: Int?
    ) -> [Explanation.Reading] {
        let dispatchers = snapshot.dispatchers.compactMap(\.heartbeat).filter { !$0.isDraining }
        let serving = dispatchers.compactMap { beat in beat.pools.first { $0.poolID == pool.name } }
        let reason = FabricRows.reason(pool, snapshot)
        let slots = serving.reduce(0) { $0 + $1.slots }
        return [
            Explanation.Reading(
                .list,
                isOpen: false,
                value: place.map { Double($0) },
                threshold: Double(pool.pending),
                unit: .requests,
                detail: Self.sentence(reason, dispatchers: serving.count)
            ),
            Explanation.Reading(
                .slots,
                isOpen: !serving.isEmpty && pool.inflight < slots,
                value: Double(pool.inflight),
                threshold: Double(slots),
                unit: .slots,
                detail: serving.count == 1 ? "1 dispatcher" : "\(serving.count) dispatchers"
            ),
        ]
    }

    private static func sentence(_ reason: String, dispatchers: Int) -> String {
        let all = dispatchers == 1 ? "the only dispatcher" : "each of the \(dispatchers) dispatchers"
        return switch reason {
        case "no_dispatcher": "because no dispatcher serves this pool"
        case WaitingReason.poolPaused.rawValue: "because the pool is paused at \(all)"
        case WaitingReason.circuitOpen.rawValue: "because the circuit to the backend is open at \(all)"
        case WaitingReason.rateLimited.rawValue: "because \(all) keeps to a rate limit"
        case WaitingReason.slotsFull.rawValue: "because all slots are in use at \(all)"
        default: "because others are before it"
        }
    }
}
