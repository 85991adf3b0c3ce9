import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

// Who did what, and taking it back.
extension Gateway {
    /// Entries kept in memory.
    static let maximumAuditEntries = 10_000

    /// Writes down what an operator has done.
    ///
    /// - Parameter inFull: `before` and `after` for the file, where they are longer than memory should hold.
    /// - Returns: the entry's id, for the header `x-sluice-audit-id`.
    @discardableResult
    func note(
        _ action: String,
        _ object: String,
        by request: OperatorRequest,
        before: [UInt8]? = nil,
        after: [UInt8]? = nil,
        count: Int? = nil,
        reversal: AuditEntry.Reversal? = nil,
        undoes: String? = nil,
        inFull: (before: [UInt8]?, after: [UInt8]?)? = nil
    ) -> String {
        let entry = AuditEntry(
            id: "aud_" + self.newID().description.dropFirst(4),
            at: self.clock.wallClockNanoseconds(),
            who: request.caller.keyName,
            role: request.caller.role,
            client: request.http.remoteAddress,
            action: action,
            object: object,
            before: before,
            after: after,
            count: count,
            reversal: reversal
        )
        let whole = inFull.map { inFull in
            var whole = entry
            whole.before = inFull.before
            whole.after = inFull.after
            return whole
        }
        self.audit.add(entry, undoes: undoes, inFull: whole)
        // Changes of pools have a line of their own, in their own words.
        guard !action.hasPrefix("pool.") else { return entry.id }
        self.log(
            LogEntry(
                .info,
                "operator action",
                [
                    ("action", action), ("object", object), ("by", entry.who ?? "anybody"),
                    ("client", entry.client), ("audit", entry.id),
                ]
            )
        )
        return entry.id
    }

    /// Writes down that the configuration has been read again.
    ///
    /// - Parameter changes: the settings that were taken over.
    package func noteReload(_ changes: [String]) {
        let entry = AuditEntry(
            id: "aud_" + self.newID().description.dropFirst(4),
            at: self.clock.wallClockNanoseconds(),
            who: "SIGHUP",
            role: nil,
            client: "",
            action: "configuration.reload",
            object: changes.isEmpty ? "nothing has changed" : changes.joined(separator: " "),
            count: changes.count
        )
        self.audit.add(entry)
    }

    /// Writes down what of a pool that has changed.
    package func noteReload(pool: String, from before: PoolConfiguration, to after: PoolConfiguration) {
        let entry = AuditEntry(
            id: "aud_" + self.newID().description.dropFirst(4),
            at: self.clock.wallClockNanoseconds(),
            who: "SIGHUP",
            role: nil,
            client: "",
            action: "pool.change",
            object: pool,
            before: before.difference(from: after),
            after: after.difference(from: before),
            reversal: .configuration(from: before, to: after)
        )
        self.audit.add(entry)
    }

    // MARK: GET /api/audit

    func listAudit(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let limit = try Self.limit(request.http, default: 100, maximum: 1_000)
        var filter = AuditLog.Filter()
        filter.who = request.parameter("who")
        filter.action = request.parameter("action")
        if let text = request.parameter("since") {
            guard let seconds = Double(text), (0...1e11).contains(seconds) else {
                throw .invalid("The parameter 'since' must be seconds since 1970.", param: "since")
            }
            filter.since = Int64(min(9e9, seconds) * 1e9)
        }
        guard let (rows, next) = self.audit.query(filter, limit: limit, before: request.parameter("cursor")) else {
            throw .invalid("The parameter 'cursor' is not one that this list gave, or is too old.", param: "cursor")
        }
        var json = JSONWriter(reserving: 512 * (rows.count + 1))
        json.object { json in
            json.array("rows") { json in
                for row in rows { json.object { row.write(to: &$0) } }
            }
            json.field("next_cursor", next)
        }
        return Self.json(json)
    }

    // MARK: POST /api/audit/{id}/undo

    /// Restores exactly what was, if nobody has changed it since.
    func undo(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let id = request.names[0]
        guard let entry = self.audit.find(id) else {
            throw .notFound(
                "Audit entry '\(id.prefix(64))' is not known: it never was, or is older than what is kept.",
                code: "audit_not_found"
            )
        }
        guard let reversal = entry.reversal else {
            throw Self.conflict("What '\(entry.action)' did cannot be taken back.", code: "not_undoable")
        }
        if let by = entry.undoneBy {
            throw Self.conflict("It has been undone already (\(by)).", code: "already_undone")
        }
        guard !self.draining || !reversal.isOfPool else {
            throw .unavailable("This gateway is shutting down; its pools stay as they are.", code: "draining")
        }
        guard self.restore(reversal, pool: entry.object) else {
            throw Self.conflict(
                "\(reversal.subject(entry.object)) has been changed since; what it was then is in 'before' of "
                    + "\(entry.id).",
                code: "changed_since"
            )
        }
        let audit = self.note(
            "audit.undo",
            entry.object,
            by: request,
            before: entry.after,
            after: entry.before,
            reversal: reversal.inverse,
            undoes: entry.id
        )
        var json = JSONWriter()
        json.object { json in
            json.field("id", entry.id)
            json.field("undone", true)
            json.field("undone_by", audit)
            if reversal.isOfPool, let pool = self.dispatcher.pool(entry.object) {
                json.object("pool") { self.write(self.known(pool), to: &$0) }
            }
        }
        return Self.json(json).naming(audit: audit)
    }

    /// `false` when it is not as the action left it. Compared and set at once.
    private func restore(_ reversal: AuditEntry.Reversal, pool: String) -> Bool {
        switch reversal {
        case .mode(let from, let to): return self.dispatcher.setMode(from, pool: pool, ifIs: to)
        case .logLevel(let from, let to): return self.logSteering?.setLevel(from, ifIs: to) ?? false
        case .configuration(let from, let to):
            var isRestored = false
            _ = self.dispatcher.update(pool: pool) { configuration in
                guard configuration == to else { return }
                configuration = from
                isRestored = true
            }
            return isRestored
        }
    }

    static func conflict(_ message: String, code: String) -> GatewayError {
        GatewayError(status: 409, message: message, type: "invalid_request_error", code: code)
    }
}

extension AuditEntry.Reversal {
    fileprivate var isOfPool: Bool {
        switch self {
        case .mode, .configuration: true
        case .logLevel: false
        }
    }

    fileprivate func subject(_ object: String) -> String { self.isOfPool ? "Pool '\(object)'" : "The log's level" }
}

extension HTTPResponse {
    func naming(audit id: String) -> HTTPResponse {
        var response = self
        response.headers.append("x-sluice-audit-id", id)
        return response
    }
}

extension PoolConfiguration {
    /// What operators can change of it and what differs from another, as JSON.
    func difference(from other: PoolConfiguration) -> [UInt8] {
        let theirs = other.settings
        var json = JSONWriter()
        json.object { json in
            for (index, setting) in self.settings.enumerated() where setting.value != theirs[index].value {
                json.rawField(setting.name, setting.value)
            }
        }
        return json.bytes
    }

    /// In the shape in which `PATCH /api/pools/{id}` takes them.
    private var settings: [(name: String, value: [UInt8])] {
        func text(_ value: Int?) -> [UInt8] { Array((value.map { String($0) } ?? "null").utf8) }
        var json = JSONWriter()
        json.object { SchedulingView.write(self.scheduling, to: &$0) }
        let scheduling = JSONMembers.scan(json.bytes).map { ($0.name, Array($0.value)) }
        return [
            ("slots", text(self.slots)), ("maximum_requests", text(self.maximumRequests)),
            ("maximum_bytes", text(self.maximumBytes)),
            ("maximum_requests_per_tenant", text(self.maximumRequestsPerTenant)),
        ] + scheduling
    }
}
