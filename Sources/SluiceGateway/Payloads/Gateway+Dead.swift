import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

// GET /api/dead, POST /api/dead/redrive, POST /api/dead/purge.
extension Gateway {
    private static let filterNames = ["pool", "model", "tenant", "outcome", "q"]

    func listDead(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let limit = try Self.limit(request.http, default: 100, maximum: 1_000)
        var filter = try Self.filter(
            request.http.query.filter { !["limit", "cursor", "redriven"].contains($0.name) }
        )
        filter.includesRedriven = ["1", "true"].contains(request.parameter("redriven") ?? "")
        var before: UInt64?
        if let cursor = request.parameter("cursor") {
            guard let place = UInt64(cursor) else {
                throw .invalid("The parameter 'cursor' is not one that this list gave.", param: "cursor")
            }
            before = place
        }
        let (rows, next, total) = self.dead.query(filter, limit: limit, before: before)
        let view = RequestView(now: self.clock.now(), wallClock: self.clock.wallClockNanoseconds())
        var json = JSONWriter(reserving: 1024 * (rows.count + 1))
        json.object { json in
            json.field("total", total)
            json.array("rows") { json in
                for row in rows {
                    json.object { json in
                        view.write(row.record, nil, to: &json)
                        json.field("ended_at", view.epoch(row.record.endedAt))
                        json.field("redrivable", row.call != nil && row.redrivenTo == nil)
                        json.field("redriven_to", row.redrivenTo?.description)
                        json.field("redriven_from", self.dead.origin(of: row.record.submission.id)?.description)
                    }
                }
            }
            json.field("next_cursor", next.map { String($0) })
        }
        return Self.json(json)
    }

    // MARK: Which

    private struct Selection {
        var ids: [RequestID] = []
        /// In words, for the audit.
        var words = ""
        /// That match, when that is more than are taken at once.
        var total = 0
        var isDryRun = false
    }

    private func selection(_ body: [UInt8]) throws(GatewayError) -> Selection {
        let asked = try RequestSelection(body, emptyIsAll: true)
        var selection = Selection(words: asked.words, isDryRun: asked.isDryRun)
        if let ids = asked.ids {
            selection.ids = ids
            selection.total = ids.count
        } else if let values = asked.filter {
            let found = self.dead.query(try Self.filter(values), limit: RequestSelection.maximumAtOnce)
            selection.ids = found.rows.map(\.record.submission.id)
            selection.total = found.total
        }
        return selection
    }

    /// A name may be given several times: one of its values, or with `!` before them none of them.
    private static func filter(_ values: [(name: String, value: String)]) throws(GatewayError) -> DeadBox.Filter {
        var filter = DeadBox.Filter()
        for (name, value) in values {
            switch name {
            case "pool": try LiveQuery.add(value, to: &filter.pools, name)
            case "model": try LiveQuery.add(value, to: &filter.models, name)
            case "tenant": try LiveQuery.add(value, to: &filter.tenants, name)
            case "q": filter.text = value.isEmpty ? nil : TextFilter(String(value.prefix(128)))
            case "outcome":
                guard let outcome = Outcome(rawValue: value), [.dead, .lost, .failed].contains(outcome) else {
                    throw .invalid("The outcome must be one of: dead, lost, failed.", param: "outcome")
                }
                filter.outcomes.insert(outcome)
            default:
                throw .invalid(
                    "There is no filter '\(name.prefix(64))'. Known: \(Self.filterNames.joined(separator: ", ")).",
                    param: String(name.prefix(64)),
                    code: "unknown_parameter"
                )
            }
        }
        return filter
    }

    // MARK: Redrive

    func redrive(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let selection = try self.selection(request.http.body)
        if selection.isDryRun { return Self.count(selection) { self.refusal($0) } }
        guard !self.draining else {
            throw .unavailable("This gateway is shutting down; nothing new is taken.", code: "draining")
        }
        let outcome = self.drive(selection.ids)
        let pairs = outcome.driven + outcome.waiting
        let audit = self.note(
            "dead.redrive",
            selection.words,
            by: request,
            after: Self.audited(pairs, outcome.skipped.count, most: RequestSelection.auditedInMemory),
            count: pairs.count,
            inFull: (before: nil, after: Self.audited(pairs, outcome.skipped.count, most: .max))
        )
        self.driveSlowly()
        var json = JSONWriter(reserving: 96 * (selection.ids.count + 1))
        json.object { json in
            json.field("count", pairs.count)
            Self.write(pairs, to: &json)
            json.array("skipped") { json in
                for (id, why) in outcome.skipped {
                    json.object { json in
                        json.field("id", id.description)
                        json.field("why", why)
                    }
                }
            }
            // Of `redriven`, the last: they follow at `rate` a second.
            json.field("waiting", outcome.waiting.count)
            json.field("rate", self.redrives.rate)
            json.field("matched", selection.total)
        }
        return Self.json(json, status: outcome.waiting.isEmpty ? 200 : 202).naming(audit: audit)
    }

    /// What became of those that were to be driven again.
    private struct Redrive {
        var driven: [RedrivePace.Pair] = []
        var waiting: [RedrivePace.Pair] = []
        var skipped: [(id: RequestID, why: String)] = []
    }

    private func drive(_ ids: [RequestID]) -> Redrive {
        var outcome = Redrive()
        for id in ids {
            let pair = RedrivePace.Pair(from: id, to: self.newID())
            let claim = self.dead.claim(id, as: pair.to)
            guard case .call(let call) = claim else {
                outcome.skipped.append((id, claim.refusal ?? ""))
                continue
            }
            if self.redrives.enter(at: self.clock.now()) {
                if let why = self.drive(pair, call) {
                    outcome.skipped.append((id, why))
                } else {
                    outcome.driven.append(pair)
                }
            } else if self.dead.hold(call, as: pair.to), self.redrives.wait(pair) {
                outcome.waiting.append(pair)
            } else {
                self.dead.release(id, from: pair.to)
                outcome.skipped.append((id, "as many as may wait to be redriven do already"))
            }
        }
        return outcome
    }

    /// - Returns: why not.
    private func drive(_ pair: RedrivePace.Pair, _ call: KeptCall) -> String? {
        do throws(GatewayError) {
            try self.again(call, as: pair.to, edits: [], origin: pair.from)
            return nil
        } catch {
            self.dead.release(pair.from, from: pair.to)
            return error.message
        }
    }

    /// So many a second and no more. What has been purged when its turn comes is not sent.
    private func driveSlowly() {
        guard self.redrives.begins() else { return }
        _ = self.spawn {
            repeat {
                do { try await self.sleep(.seconds(1)) } catch {
                    return self.redrives.giveUp().forEach { self.dead.release($0.from, from: $0.to) }
                }
                self.redrives.beginSecond(at: self.clock.now())
                while let pair = self.redrives.next() {
                    guard let call = self.dead.claimed(as: pair.to) else {
                        self.redrives.giveBack()
                        continue
                    }
                    guard let why = self.drive(pair, call) else { continue }
                    self.log(
                        LogEntry(.warning, "not redriven", [("request", pair.from.description), ("detail", why)])
                    )
                }
            } while !self.redrives.ends()
        }
    }

    private static func write(_ pairs: some Sequence<RedrivePace.Pair>, to json: inout JSONWriter) {
        json.array("redriven") { json in
            for pair in pairs {
                json.object { json in
                    json.field("from", pair.from.description)
                    json.field("to", pair.to.description)
                }
            }
        }
    }

    // MARK: For the audit

    private static func audited(_ pairs: [RedrivePace.Pair], _ skipped: Int, most: Int) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            Self.write(pairs.prefix(most), to: &json)
            if pairs.count > most { json.field("more", pairs.count - most) }
            json.field("skipped", skipped)
        }
        return json.bytes
    }

    // MARK: Purge

    func purge(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let selection = try self.selection(request.http.body)
        if selection.isDryRun {
            return Self.count(selection) { self.dead.find($0) == nil ? Self.gone : nil }
        }
        var purged: [RequestID] = []
        var skipped: [RequestID] = []
        for id in selection.ids {
            if self.dead.purge(id) { purged.append(id) } else { skipped.append(id) }
        }
        let audit = self.note(
            "dead.purge",
            selection.words,
            by: request,
            before: RequestSelection.audited(purged, most: RequestSelection.auditedInMemory),
            count: purged.count,
            inFull: (before: RequestSelection.audited(purged, most: .max), after: nil)
        )
        var json = JSONWriter()
        json.object { json in
            json.field("count", purged.count)
            json.array("skipped") { json in
                for id in skipped {
                    json.object { json in
                        json.field("id", id.description)
                        json.field("why", Self.gone)
                    }
                }
            }
            json.field("matched", selection.total)
        }
        return Self.json(json).naming(audit: audit)
    }

    // MARK: Dry runs

    private static let gone = "it is not among the dead any more"

    /// Why a request could not be driven again now.
    private func refusal(_ id: RequestID) -> String? {
        guard let entry = self.dead.find(id) else { return Self.gone }
        if let other = entry.redrivenTo { return "it has been redriven already, as \(other)" }
        return entry.call == nil ? "what it asked is not kept" : nil
    }

    /// Exactly those that would be taken, so that these can be asked for and no others.
    private static func count(_ selection: Selection, refusal: (RequestID) -> String?) -> HTTPResponse {
        let looked = selection.ids.map { (id: $0, why: refusal($0)) }
        let ids = looked.filter { $0.why == nil }.map(\.id.description)
        var json = JSONWriter(reserving: 64 * (looked.count + 1))
        json.object { json in
            json.field("count", ids.count)
            json.field("dry_run", true)
            json.field("matched", selection.total)
            json.array("ids") { json in
                for id in ids { json.value(id) }
            }
            json.array("redriven") { _ in }
            json.array("skipped") { json in
                for (id, why) in looked {
                    guard let why else { continue }
                    json.object { json in
                        json.field("id", id.description)
                        json.field("why", why)
                    }
                }
            }
        }
        return Self.json(json)
    }
}
