import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

// Doing again what a request asked: retry with edits, and the redriving of the dead.
extension Gateway {
    /// Fields of one `edits`.
    private static let maximumEdits = 64

    // MARK: POST /api/requests/{id}/retry

    func retryRequest(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let (id, record, _) = try self.visible(request)
        let dead = self.dead.find(id)
        guard let kept = self.shelf.find(id)?.call ?? dead?.call else {
            throw self.notKept("What request '\(id)' asked is not kept")
        }
        guard !self.draining else {
            throw .unavailable("This gateway is shutting down; nothing new is taken.", code: "draining")
        }
        let edits = try Self.edits(request.http.body)
        let new = self.newID()
        // What is asked once more as it was is what a redrive does, and must not be done by that as well.
        if dead != nil, edits.isEmpty, case .redriven(let other) = self.dead.claim(id, as: new, kept: kept) {
            throw Self.conflict("Request '\(id)' has been redriven already, as \(other).", code: "already_redriven")
        }
        do throws(GatewayError) {
            try self.again(kept, as: new, edits: edits, origin: id)
        } catch {
            self.dead.release(id, from: new)
            throw error
        }
        let audit = self.note(
            "request.retry",
            id.description,
            by: request,
            before: Self.object([("outcome", record.reason?.outcome.rawValue), ("state", record.state.rawValue)]),
            after: Self.object([("id", new.description), ("edited", edits.map(\.name).joined(separator: ","))])
        )
        let location = "\(self.configuration.console.pathPrefix)/api/requests/\(new)"
        var json = JSONWriter()
        json.object { json in
            json.field("id", new.description)
            json.field("location", location)
            json.field("redriven_from", id.description)
            if let other = dead?.redrivenTo { json.field("redriven_to", other.description) }
        }
        var response = Self.json(json, status: 202).naming(audit: audit)
        response.headers.append("Location", location)
        return response
    }

    /// The members of `edits`, as they stand in the body.
    private static func edits(_ body: [UInt8]) throws(GatewayError) -> [RawMember] {
        guard !body.isEmpty else { return [] }
        let isGood = try? JSON.read(body) { root in
            root.kind == .object && (root["edits"].map { $0.kind == .object || $0.isNull } ?? true)
        }
        guard isGood == true else {
            throw .invalid("The body must be an object with 'edits', an object of fields and their new values.")
        }
        guard let value = JSONMembers.values(of: ["edits"], in: body[...])[0] else { return [] }
        let members = JSONMembers.scan(value)
        guard members.count <= Self.maximumEdits else {
            throw .invalid("At most \(Self.maximumEdits) fields can be edited at once.", param: "edits")
        }
        return members
    }

    /// Asks again, as a request of its own whose answer is kept to be fetched.
    func again(
        _ kept: KeptCall,
        as new: RequestID,
        edits: [RawMember],
        origin: RequestID
    ) throws(GatewayError) {
        let body = Self.edited(kept.body, edits)
        let head: OpenAIRequestHead
        do throws(InvalidRequest) {
            head = try OpenAIRequestHead.read(body, operation: kept.operation)
        } catch {
            throw GatewayError(error)
        }
        let old = kept.submission
        let submission = Submission(
            id: new,
            pool: old.pool,
            tenant: old.tenant,
            priority: old.priority,
            producer: old.producer,
            model: head.model,
            operation: kept.operation.rawValue,
            payloadBytes: body.count,
            messageCount: head.messageCount,
            tokenEstimate: head.tokenEstimate,
            completionEstimate: head.completionEstimate,
            isCompletionLimited: head.estimate.isCompletionLimited,
            deadline: self.clock.now() + self.configuration.defaultTimeout,
            respondsLater: true
        )
        let request = HTTPRequest(
            method: .post,
            path: "/v1/\(kept.operation.rawValue)",
            headers: kept.headers,
            body: body
        )
        let late = LateCancellation()
        self.dead.note(new, comesFrom: origin)
        let call = try self.call(request, submission, kept.operation, cancellation: late)
        _ = self.later(call, late)
    }

    /// The body with other values for some of its members; null takes one away. Nobody listens to a stream here, so it
    /// is asked for in one piece.
    static func edited(_ body: [UInt8], _ edits: [RawMember]) -> [UInt8] {
        let null = Array("null".utf8)
        var values: [String: ArraySlice<UInt8>?] = ["stream": nil, "stream_options": nil]
        for edit in edits { values[edit.name] = edit.value.elementsEqual(null) ? .some(nil) : edit.value }
        values["stream"] = .some(nil)
        var json = JSONWriter(reserving: body.count + 256)
        json.object { json in
            for member in JSONMembers.scan(body) {
                guard let edit = values[member.name] else {
                    json.rawField(member.name, member.value)
                    continue
                }
                if let value = edit { json.rawField(member.name, value) }
                // Whether it was there or comes anew; of duplicates the first counts.
                values[member.name] = .some(nil)
            }
            for edit in edits {
                if case .some(.some(let value)) = values[edit.name] { json.rawField(edit.name, value) }
                values[edit.name] = .some(nil)
            }
        }
        return json.bytes
    }

    // MARK: POST /api/requests/{id}/reveal

    /// Bytes of a part that are shown.
    private static let revealedBytes = 1 << 20

    func reveal(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let id = try self.revealable(request)
        let asked = try? JSON.read(request.http.body) { $0["part"]?.string }
        guard let part = asked ?? nil, ["request", "answer"].contains(part) else {
            throw .invalid("The field 'part' must be request or answer.", param: "part")
        }
        let body: [UInt8]? =
            if part == "request" {
                self.shelf.find(id)?.call.body ?? self.dead.find(id)?.call?.body
            } else {
                self.shelf.find(id)?.answer ?? self.results.find(id, at: self.clock.now())?.body
            }
        guard let body else { throw self.notKept("The \(part) of request '\(id)' is not kept") }
        let audit = self.note("request.reveal", id.description, by: request, after: Self.object([("part", part)]))
        let isJSON = (try? JSON.read(body) { _ in true }) ?? false
        let isStream = body.starts(with: "data:".utf8) || body.starts(with: "event:".utf8)
        var json = JSONWriter(reserving: min(body.count, Self.revealedBytes) + 256)
        json.object { json in
            json.field("content_type", isJSON ? "application/json" : isStream ? "text/event-stream" : "text/plain")
            json.field("body", String(decoding: body.prefix(Self.revealedBytes), as: UTF8.self))
            json.field("truncated", body.count > Self.revealedBytes)
            json.field("bytes", body.count)
        }
        return Self.json(json).naming(audit: audit)
    }

    /// An answer is kept for its own time, which may be longer than its request is known.
    private func revealable(_ request: OperatorRequest) throws(GatewayError) -> RequestID {
        if let id = RequestID(request.names[0]), self.results.find(id, at: self.clock.now()) != nil { return id }
        return try self.visible(request).id
    }

    private func notKept(_ what: String) -> GatewayError {
        .notFound(
            "\(what): payloads.max_bytes keeps requests and answers (it is "
                + "\(self.shelf.isOn ? "on, but holds only so much for so long" : "off"))"
                + ", dead.max_bytes keeps what failed, dead and lost requests asked.",
            code: "payload_not_kept"
        )
    }

    static func object(_ fields: [(String, String?)]) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in for (name, value) in fields { json.field(name, value) } }
        return json.bytes
    }
}
