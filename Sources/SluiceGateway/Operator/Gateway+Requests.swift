import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry
import SluiceWire

// GET /api/requests: live requests, oldest first, then ended ones, newest first.
extension Gateway {
    private struct Query {
        var wantsLive = true
        var wantsEnded = true
        var live = LiveFilter()
        var ended = HistoryFilter()
    }

    /// Where a list goes on: `live-ID` or `ended-POSITION`.
    private enum Cursor {
        case live(RequestID)
        case ended(UInt64)

        init?(_ text: String) {
            if text.hasPrefix("live-"), let id = RequestID(text.dropFirst(5)) {
                self = .live(id)
            } else if text.hasPrefix("ended-"), let position = UInt64(text.dropFirst(6)) {
                self = .ended(position)
            } else {
                return nil
            }
        }
    }

    func listRequests(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        let limit = try Self.limit(request, default: 50, maximum: 1000)
        var query = try Self.query(request)
        var after: RequestID?
        var before: UInt64?
        if let text = request.parameter("cursor") {
            guard let cursor = Cursor(text) else {
                throw .invalid("The parameter 'cursor' is not one that this list gave.", param: "cursor")
            }
            switch cursor {
            case .live(let id): after = id
            case .ended(let position):
                before = position
                query.wantsLive = false
            }
        }
        // What a gateway has sent may wait on its list: the fabric decides whether that is queued or started.
        let wanted = query.live.state
        let asksFabric = self.fabric?.producer != nil && (wanted == .queued || wanted == .started)
        if asksFabric { query.live.state = nil }
        let live = query.wantsLive ? self.dispatcher.live(query.live, limit: limit, after: after) : []
        var ended: (records: [RequestRecord], next: UInt64?) = ([], nil)
        let room = limit - live.count
        if query.wantsEnded && room > 0 {
            ended = self.telemetry.history.query(query.ended, limit: room, before: before)
        }
        let places = await self.whereabouts(live.map(\.record))
        let view = RequestView(now: self.clock.now(), wallClock: self.clock.wallClockNanoseconds())
        var json = JSONWriter(reserving: 16 << 10)
        json.object { json in
            json.array("requests") { json in
                for row in live where !asksFabric || places[row.record.submission.id].state(row.record) == wanted {
                    json.object { view.write(row.record, row.waiting, places[row.record.submission.id], to: &$0) }
                }
                for record in ended.records { json.object { view.write(record, nil, to: &$0) } }
            }
            if live.count == limit, let last = live.last {
                json.field("next_cursor", "live-\(last.record.submission.id)")
            } else {
                json.field("next_cursor", ended.next.map { "ended-\($0)" })
            }
        }
        return Self.json(json)
    }

    private static func query(_ request: HTTPRequest) throws(GatewayError) -> Query {
        var query = Query()
        for (name, value) in request.query {
            switch name {
            case "pool": (query.live.pool, query.ended.pool) = (value, value)
            case "tenant": (query.live.tenant, query.ended.tenant) = (value, value)
            case "model": (query.live.model, query.ended.model) = (value, value)
            case "producer": (query.live.producer, query.ended.producer) = (value, value)
            case "request_id": (query.live.remoteID, query.ended.remoteID) = (value, value)
            case "state": try Self.readState(value, &query)
            case "reason": try Self.readReason(value, &query)
            case "limit", "cursor": break
            default:
                throw .invalid(
                    "The parameter '\(name.prefix(64))' is not known. "
                        + "Known: state, pool, tenant, model, producer, request_id, reason, limit, cursor.",
                    param: String(name.prefix(64)),
                    code: "unknown_parameter"
                )
            }
        }
        return query
    }

    private static func readState(_ value: String, _ query: inout Query) throws(GatewayError) {
        if value == "live" {
            query.wantsEnded = false
        } else if value == "ended" {
            query.wantsLive = false
        } else if let state = RequestState(rawValue: value) {
            query.live.state = state
            query.wantsEnded = false
        } else if let outcome = Outcome(rawValue: value) {
            query.ended.outcome = outcome
            query.wantsLive = false
        } else {
            let known = RequestState.allCases.map(\.rawValue) + ["live"] + Outcome.allCases.map(\.rawValue)
            throw .invalid("The parameter 'state' must be one of: \(known.joined(separator: ", ")).", param: "state")
        }
    }

    private static func readReason(_ value: String, _ query: inout Query) throws(GatewayError) {
        if let reason = OutcomeReason(rawValue: value) {
            query.ended.reason = reason
            query.wantsLive = false
        } else if let waiting = WaitingReason(rawValue: value) {
            query.live.waiting = waiting
            query.wantsEnded = false
        } else {
            let known = OutcomeReason.allCases.map(\.rawValue) + WaitingReason.allCases.map(\.rawValue)
            throw .invalid("The parameter 'reason' must be one of: \(known.joined(separator: ", ")).", param: "reason")
        }
    }
}
