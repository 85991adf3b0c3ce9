import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

// POST /api/live/cancel: many at once, named or by what they have in common.
extension Gateway {
    private static let elsewhere = "another process has it; cancel it there"
    private static let gone = "it has ended"

    private struct Chosen {
        var ids: [RequestID] = []
        var skipped: [(id: String, why: String)] = []
        /// That match, when that is more than are taken at once.
        var matched = 0
    }

    func cancelLive(_ request: OperatorRequest) async throws(GatewayError) -> HTTPResponse {
        let asked = try RequestSelection(request.http.body)
        var chosen = try await self.chosen(asked.which)
        guard !asked.isDryRun else { return Self.dryRun(chosen) }
        var cancelled: [RequestID] = []
        var told = 0
        for id in chosen.ids {
            switch self.dispatcher.cancel(id, cause: .operatorRequest) {
            case .cancelled: cancelled.append(id)
            case .cancelling:
                cancelled.append(id)
                told += 1
            case .alreadyEnded, .unknown: chosen.skipped.append((id.description, Self.gone))
            }
        }
        let audit = self.note(
            "request.cancel",
            asked.words,
            by: request,
            before: RequestSelection.audited(cancelled, most: RequestSelection.auditedInMemory),
            count: cancelled.count,
            inFull: (before: RequestSelection.audited(cancelled, most: .max), after: nil)
        )
        var json = JSONWriter(reserving: 64 * chosen.skipped.count + 256)
        json.object { json in
            json.field("count", cancelled.count)
            // Of them, those that ran: their backends are told to stop.
            json.field("cancelling", told)
            Self.write(chosen, to: &json)
        }
        return Self.json(json, status: told > 0 ? 202 : 200).naming(audit: audit)
    }

    private func chosen(_ which: RequestSelection.Which) async throws(GatewayError) -> Chosen {
        switch which {
        case .ids(let ids):
            var chosen = Chosen(matched: ids.count)
            for id in ids {
                if self.dispatcher.find(id).map({ $0.record.state != .ended }) ?? false {
                    chosen.ids.append(id)
                } else {
                    chosen.skipped.append((id.description, Self.gone))
                }
            }
            return chosen
        case .filter(let values):
            let placing = ["sort", "offset", "limit", "overview"]
            if let wrong = values.first(where: { placing.contains($0.name) }) {
                throw .invalid("'\(wrong.name)' does not say which requests are meant.", param: wrong.name)
            }
            var query = try LiveQuery(values)
            query.limit = RequestSelection.maximumAtOnce
            let view = await self.live(query)
            var chosen = Chosen(matched: view.matched)
            for row in view.rows {
                if case .own(let live, _) = row {
                    chosen.ids.append(live.record.submission.id)
                } else {
                    chosen.skipped.append((row.id, Self.elsewhere))
                }
            }
            return chosen
        }
    }

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
