import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceWire

// POST /api/live/cancel: many at once, named or by what they have in common.
extension Gateway {
    /// Requests that a dry run names.
    private static let maximumNamed = 100_000
    /// Of those that other processes have.
    private static let elsewhereNamed = 100
    private static let placedAtOnce = 1_000

    private struct Chosen {
        var ids: [RequestID] = []
        var skipped: [(id: String, why: String)] = []
        /// That match, here and elsewhere; more than `ids` when so many are not taken at once.
        var matched = 0
        /// Of them, those that other processes have.
        var elsewhere = 0
        /// Why nothing is known of those.
        var complaint: String?
    }

    func cancelLive(_ request: OperatorRequest) async throws(GatewayError) -> HTTPResponse {
        let asked = try RequestSelection(request.http.body, emptyIsAll: false)
        let query: LiveQuery? = if let filter = asked.filter { try Self.query(filter) } else { nil }
        var chosen = Chosen()
        if let ids = asked.ids {
            chosen = try await self.chosen(ids, query)
        } else if let query {
            chosen = try await self.chosen(query)
        }
        guard !asked.isDryRun else { return Self.dryRun(chosen) }
        var cancelled: [RequestID] = []
        var told = 0
        for id in chosen.ids.prefix(RequestSelection.maximumAtOnce) {
            switch self.dispatcher.cancel(id, cause: .operatorRequest) {
            case .cancelled: cancelled.append(id)
            case .cancelling:
                cancelled.append(id)
                told += 1
            case .alreadyEnded, .unknown: chosen.skipped.append((id.description, "it has ended"))
            }
        }
        var json = JSONWriter(reserving: 64 * chosen.skipped.count + 256)
        json.object { json in
            json.field("count", cancelled.count)
            // Of them, those that ran.
            json.field("cancelling", told)
            Self.write(chosen, to: &json)
        }
        let response = Self.json(json, status: told > 0 ? 202 : 200)
        guard !cancelled.isEmpty else { return response }
        return response.naming(
            audit: self.note(
                "request.cancel",
                asked.words,
                by: request,
                before: RequestSelection.audited(cancelled, most: RequestSelection.auditedInMemory),
                count: cancelled.count,
                inFull: (before: RequestSelection.audited(cancelled, most: .max), after: nil)
            )
        )
    }

    private static func query(_ filter: [(name: String, value: String)]) throws(GatewayError) -> LiveQuery {
        let placing = ["sort", "offset", "limit", "overview"]
        if let wrong = filter.first(where: { placing.contains($0.name) }) {
            throw .invalid("'\(wrong.name)' does not say which requests are meant.", param: wrong.name)
        }
        return try LiveQuery(filter)
    }

    // MARK: Which

    private func chosen(_ query: LiveQuery) async throws(GatewayError) -> Chosen {
        var chosen = Chosen()
        var all = query
        // Of what is on a list, only the fabric knows whether it waits or runs.
        if self.fabric?.producer != nil { all.states = [] }
        all.limit = Self.maximumNamed
        let page = self.dispatcher.page(all)
        let rows = try await self.inStates(of: query, page.rows)
        chosen.ids = Self.inOrder(rows)
        chosen.matched = rows.count + page.matched - page.rows.count
        guard let fabric = self.fabric else { return chosen }
        do throws(ValkeyError) {
            let others = try await self.others(query, fabric).rows
            chosen.elsewhere = others.count
            chosen.matched += others.count
            chosen.skipped = others.prefix(Self.elsewhereNamed).map { ($0.row.id, "another process has it") }
        } catch {
            chosen.complaint = error.message
        }
        return chosen
    }

    private func chosen(_ ids: [RequestID], _ query: LiveQuery?) async throws(GatewayError) -> Chosen {
        var chosen = Chosen(matched: ids.count)
        var rows: [LiveRequest] = []
        for id in ids {
            if let live = self.dispatcher.find(id), live.record.state != .ended {
                rows.append(live)
            } else {
                chosen.skipped.append((id.description, "it is not live here"))
            }
        }
        guard let query else {
            chosen.ids = Self.inOrder(rows)
            return chosen
        }
        var conditions = query
        if self.fabric?.producer != nil { conditions.states = [] }
        let now = self.clock.now()
        let matching = rows.filter { live in
            conditions.matches(live.record, at: now)
                && (query.waiting.isEmpty || live.waiting.map { query.waiting.contains($0.reason) } ?? false)
        }
        chosen.ids = Self.inOrder(try await self.inStates(of: query, matching))
        let kept = Set(chosen.ids)
        for row in rows where !kept.contains(row.record.submission.id) {
            chosen.skipped.append((row.record.submission.id.description, "it does not match any more"))
        }
        return chosen
    }

    /// Those of a gateway that the fabric says are in the wanted states.
    private func inStates(of query: LiveQuery, _ rows: [LiveRequest]) async throws(GatewayError) -> [LiveRequest] {
        guard !query.states.isEmpty, self.fabric?.producer != nil else { return rows }
        var places: [RequestID: Whereabouts] = [:]
        do throws(ValkeyError) {
            for start in stride(from: 0, to: rows.count, by: Self.placedAtOnce) {
                let part = rows[start..<min(rows.count, start + Self.placedAtOnce)]
                try await self.askWhereabouts(part.map(\.record), &places)
            }
        } catch {
            throw .unavailable(
                "Valkey cannot be asked which of them wait and which run (\(error.message)); nothing was cancelled.",
                code: "fabric_unavailable"
            )
        }
        return rows.filter { query.states.contains(places[$0.record.submission.id].state($0.record)) }
    }

    /// Those that wait before those that run: a slot that comes free must not start one that is to go next.
    private static func inOrder(_ rows: [LiveRequest]) -> [RequestID] {
        let waiting = rows.filter { $0.record.state == .queued }
        let running = rows.filter { $0.record.state != .queued }
        return (waiting + running).map(\.record.submission.id)
    }

    // MARK: Answers

    /// Exactly those that would be taken, so that these can be asked for and no others.
    private static func dryRun(_ chosen: Chosen) -> HTTPResponse {
        var json = JSONWriter(reserving: 64 * (chosen.ids.count + chosen.skipped.count + 1))
        json.object { json in
            json.field("count", chosen.ids.count)
            json.field("dry_run", true)
            json.array("ids") { json in for id in chosen.ids { json.value(id.description) } }
            Self.write(chosen, to: &json)
        }
        return Self.json(json)
    }

    private static func write(_ chosen: Chosen, to json: inout JSONWriter) {
        json.field("matched", chosen.matched)
        json.field("elsewhere", chosen.elsewhere)
        if let complaint = chosen.complaint { json.field("fabric_error", complaint) }
        json.array("skipped") { json in
            for (id, why) in chosen.skipped {
                json.object { json in
                    json.field("id", id)
                    json.field("why", why)
                }
            }
        }
    }
}
