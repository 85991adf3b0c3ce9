import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceTelemetry
import SluiceWire

// The operator's API: /api/...
extension Gateway {
    static func limit(_ request: HTTPRequest, default preset: Int, maximum: Int) throws(GatewayError) -> Int {
        guard let text = request.parameter("limit") else { return preset }
        guard let limit = Int(text), (1...maximum).contains(limit) else {
            throw .invalid("The parameter 'limit' must be a whole number from 1 to \(maximum).", param: "limit")
        }
        return limit
    }

    // MARK: Pools

    func listPools() async -> HTTPResponse { self.poolsAnswer(await self.shownPools()) }

    func poolsAnswer(_ pools: [ShownPool]) -> HTTPResponse {
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            json.array("pools") { json in
                for pool in pools { json.object { self.write(pool, to: &$0) } }
            }
        }
        return Self.json(json)
    }

    func showPool(_ request: OperatorRequest) async throws(GatewayError) -> HTTPResponse {
        let name = try self.pool(request.names[0]).configuration.name
        let shown = await self.shownPools().first { $0.name == name }
        var json = JSONWriter()
        if let shown { json.object { self.write(shown, to: &$0) } }
        return Self.json(json)
    }

    func pool(_ name: String) throws(GatewayError) -> PoolStatus {
        if let pool = self.dispatcher.pool(name) { return pool }
        let known = self.dispatcher.pools().map(\.configuration.name).joined(separator: ", ")
        throw .notFound("There is no pool '\(name.prefix(128))'. Known pools: \(known).", code: "pool_not_found")
    }

    private func answer(_ pool: PoolStatus) -> HTTPResponse {
        var json = JSONWriter()
        json.object { self.write(self.known(pool), to: &$0) }
        return Self.json(json)
    }

    /// With its list, as that was when somebody last looked.
    func known(_ pool: PoolStatus) -> ShownPool {
        self.knownPools().first { $0.name == pool.configuration.name }
            ?? ShownPool(status: pool, listed: nil, isGateway: false, now: 0)
    }

    func setMode(_ mode: PoolMode, _ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let name = try self.pool(request.names[0]).configuration.name
        guard !self.draining else {
            throw .unavailable("This gateway is shutting down; its pools stay as they are.", code: "draining")
        }
        let before = self.dispatcher.exchangeMode(mode, pool: name) ?? mode
        let audit = self.note(
            "pool.\(Self.verb(mode))",
            name,
            by: request,
            before: Self.object([("mode", before.rawValue)]),
            after: Self.object([("mode", mode.rawValue)]),
            reversal: before == mode ? nil : .mode(from: before, to: mode)
        )
        self.tell([("mode", mode.rawValue)], pool: name, request)
        return self.answer(try self.pool(name)).naming(audit: audit)
    }

    private static func verb(_ mode: PoolMode) -> String {
        switch mode {
        case .paused: "pause"
        case .running: "resume"
        case .draining: "drain"
        }
    }

    func changePool(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let name = try self.pool(request.names[0]).configuration.name
        let change = try PoolChange.read(request.http.body)
        if self.configuration.backends[name]?.isFabric == true, let field = change.fieldForDispatchers {
            throw .invalid(
                "The field '\(field)' is for whoever calls the backend, and this gateway puts requests onto lists. "
                    + "Send the change to the dispatchers.",
                param: field,
                code: "not_a_dispatcher"
            )
        }
        var refusal: GatewayError?
        var reversal: (from: PoolConfiguration, to: PoolConfiguration)?
        // Checked on the configuration as it is when it changes, not as it was when somebody looked.
        let updated = self.dispatcher.update(pool: name) { configuration in
            let before = configuration
            do throws(GatewayError) {
                try change.apply(to: &configuration)
                reversal = (before, configuration)
            } catch {
                refusal = error
            }
        }
        if let refusal { throw refusal }
        // As the dispatcher took it over: later it may be what somebody else has made of it.
        let current = try self.pool(name).configuration
        let adopted = updated?.configuration ?? current
        let before = reversal?.from ?? adopted
        let audit = self.note(
            "pool.change",
            name,
            by: request,
            before: before.difference(from: adopted),
            after: adopted.difference(from: before),
            reversal: before == adopted ? nil : .configuration(from: before, to: adopted)
        )
        self.tell([("changes", change.words.joined(separator: " "))], pool: name, request)
        return self.answer(try self.pool(name)).naming(audit: audit)
    }

    /// One line for every change of a pool: who did what.
    private func tell(_ fields: [(String, String)], pool: String, _ request: OperatorRequest) {
        let who = [
            ("pool", pool), ("by", request.caller.keyName ?? "anybody"), ("client", request.http.remoteAddress),
        ]
        self.log(LogEntry(.info, "pool changed", who + fields))
    }

    func write(_ shown: ShownPool, to json: inout JSONWriter) {
        let pool = shown.status
        let configuration = pool.configuration
        json.field("id", configuration.name)
        json.field("mode", pool.mode.rawValue)
        json.field("queued", shown.queued)
        json.field("in_flight", shown.inFlight)
        json.field("slots", configuration.slots)
        json.field("held_bytes", pool.bytes)
        json.field("oldest_queued_ms", shown.oldest?.inMilliseconds)
        json.field("waiting_reason", shown.waitingReason)
        json.field("mean_service_ms", pool.meanServiceTime?.inMilliseconds)
        SchedulingView.write(configuration.scheduling, to: &json)
        json.field("concurrency_limit", pool.concurrency?.limit)
        json.field("concurrency_state", pool.concurrency?.movement)
        json.field("latency_stretch", pool.concurrency?.stretch)
        json.field("is_shedding", pool.isShedding)
        json.field("maximum_requests", configuration.maximumRequests)
        json.field("maximum_bytes", configuration.maximumBytes)
        json.field("maximum_requests_per_tenant", configuration.maximumRequestsPerTenant)
        json.field("retry", configuration.retry.mode.rawValue)
        json.field("maximum_attempts", configuration.retry.maximumAttempts)
        json.field("backend", configuration.backend)
        json.field("backend_address", self.configuration.backends[configuration.name]?.address)
        json.object("breaker") { json in
            json.field("state", pool.breaker.state.rawValue)
            json.field("consecutive_failures", pool.breaker.consecutiveFailures)
            json.field("probe_in_ms", pool.breaker.opensProbeIn?.inMilliseconds)
            json.field("times_opened", pool.breaker.timesOpened)
        }
        json.object("books") { json in
            json.field("accepted", pool.accepted)
            json.field("redriven", pool.redriven)
            json.field("live", pool.queued + pool.inFlight)
            json.object("ended") { json in
                for reason in OutcomeReason.allCases {
                    guard let count = pool.ended[reason], count > 0 else { continue }
                    json.field("\(reason.outcome.rawValue)/\(reason.rawValue)", count)
                }
            }
        }
        json.field("attempts", pool.attemptsStarted)
        json.field("retries", pool.retries)
        json.field("hedges", pool.hedges)
        json.field("hedges_won", pool.hedgesWon)
        json.array("targets") { json in
            for target in pool.targets { json.object { target.write(to: &$0) } }
        }
    }

    // MARK: One request

    private static func unknown(_ id: String) -> GatewayError {
        .notFound(
            "Request '\(id.prefix(64))' is not known: it never was, or is older than what is kept.",
            code: "request_not_found"
        )
    }

    /// A request that the caller may see: live, among the last that ended, or kept because it failed or for what it
    /// asked.
    func visible(
        _ request: OperatorRequest
    ) throws(GatewayError) -> (id: RequestID, record: RequestRecord, waiting: WaitingStatus?) {
        let text = request.names[0]
        guard let id = RequestID(text) else { throw Self.unknown(text) }
        let live = self.dispatcher.find(id)
        let record =
            live?.record ?? self.telemetry.history.find(id) ?? self.dead.find(id)?.record ?? self.shelf.find(id)?.record
        guard let record,
            request.caller.seesAll || request.caller.tenant == record.submission.tenant
        else { throw Self.unknown(text) }
        return (id, record, live?.waiting)
    }

    func showRequest(_ request: OperatorRequest) async throws(GatewayError) -> HTTPResponse {
        var first = try? self.visible(request)
        if first == nil, let id = RequestID(request.names[0]), self.dispatcher.find(id) == nil {
            // At its end it leaves the queue a moment before it is in history and its answer is there.
            await self.results.settled(id)
            first = try? self.visible(request)
        }
        if first == nil, let known = try await self.noLongerRecent(request) { return known }
        let found: (id: RequestID, record: RequestRecord, waiting: WaitingStatus?)
        if let first { found = first } else { found = try self.visible(request) }
        // Who is told of the end is told the result.
        if found.record.state == .ended && found.record.submission.respondsLater {
            await self.results.settled(found.id)
        }
        let place = await self.whereabouts([found.record])[found.id]
        return self.answer(found, place, for: request.caller)
    }

    /// Whoever waits for an answer gets it without history being asked; operators are told all that is known.
    private func noLongerRecent(_ request: OperatorRequest) async throws(GatewayError) -> HTTPResponse? {
        let kept = self.keptAnswer(request)
        if let kept, !request.caller.seesAll { return kept }
        do throws(GatewayError) {
            return try await self.remembered(request) ?? kept
        } catch {
            guard let kept else { throw error }
            return kept
        }
    }

    /// What only history still knows.
    private func remembered(_ request: OperatorRequest) async throws(GatewayError) -> HTTPResponse? {
        guard let id = RequestID(request.names[0]), let row = try await self.keptExecution(id.description),
            request.caller.seesAll || request.caller.tenant == row.tenant
        else { return nil }
        var json = JSONWriter(reserving: 1024)
        json.object { json in
            ExecutionView.writeRequest(row, to: &json)
            if let result = self.results.find(id, at: self.clock.now()) {
                self.write(result, for: request.caller, to: &json)
            }
        }
        return Self.json(json)
    }

    /// History keeps so many of all requests; an answer is kept for its own time.
    private func keptAnswer(_ request: OperatorRequest) -> HTTPResponse? {
        guard let id = RequestID(request.names[0]), let result = self.results.find(id, at: self.clock.now()),
            request.caller.seesAll || request.caller.tenant == result.tenant
        else { return nil }
        var json = JSONWriter(reserving: result.body.count + 256)
        json.object { json in
            json.field("id", id.description)
            json.field("state", RequestState.ended.rawValue)
            self.write(result, for: request.caller, to: &json)
        }
        return Self.json(json)
    }

    func explainRequest(_ request: OperatorRequest) async throws(GatewayError) -> HTTPResponse {
        let found = try self.visible(request)
        return await self.explain(found.record, found.id, isOperator: request.caller.seesAll)
    }

    func cancelRequest(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let (id, record, _) = try self.visible(request)
        // Whoever has sent it may take it back: any key of its tenant, but of those with a role only the very same.
        let caller = request.caller
        let isOwn =
            caller.keyName != nil
            && (caller.role == nil
                ? caller.tenant == record.submission.tenant : caller.keyName == record.submission.producer)
        if !isOwn { try self.require(.operator, of: caller) }
        let answer = self.dispatcher.cancel(id, cause: .operatorRequest)
        if caller.role != nil, answer == .cancelled || answer == .cancelling {
            let before = Self.object([("state", record.state.rawValue)])
            self.note("request.cancel", id.description, by: request, before: before)
        }
        var json = JSONWriter()
        json.object { json in
            json.field("id", id.description)
            switch answer {
            case .cancelled: json.field("answer", "cancelled")
            case .cancelling: json.field("answer", "cancelling")
            case .alreadyEnded, .unknown:
                json.field("answer", "already_ended")
                json.field("reason", record.reason?.rawValue)
            }
        }
        return Self.json(json, status: answer == .cancelling ? 202 : 200)
    }

    private func answer(
        _ found: (id: RequestID, record: RequestRecord, waiting: WaitingStatus?),
        _ place: Whereabouts?,
        for caller: Caller
    ) -> HTTPResponse {
        let now = self.clock.now()
        let record = found.record
        var json = JSONWriter(reserving: 2048)
        json.object { json in
            RequestView(now: now, wallClock: self.clock.wallClockNanoseconds())
                .write(record, found.waiting, place, to: &json)
            self.writeOrigins(record, to: &json)
            if record.submission.respondsLater {
                if let result = self.results.find(record.submission.id, at: now) {
                    self.write(result, for: caller, to: &json)
                } else {
                    json.nullField("result")
                }
            }
        }
        return Self.json(json)
    }

    /// Where else to look for it.
    private func writeOrigins(_ record: RequestRecord, to json: inout JSONWriter) {
        let id = record.submission.id
        json.field("source", record.state == .ended ? "recent" : "live")
        let trace = TraceIdentity(record.submission)
        json.object("trace") { json in
            json.field("trace_id", trace.traceText)
            json.field("span_id", trace.spanText)
        }
        json.field("redriven_from", self.dead.origin(of: id)?.description)
        json.field("redriven_to", self.dead.find(id)?.redrivenTo?.description)
        json.field("retryable", self.shelf.find(id) != nil || self.dead.find(id)?.call != nil)
    }

    /// What was answered is for whoever asked. Operators reveal it, which is an admin's right and written down.
    private func write(_ result: ResultStore.Result, for caller: Caller, to json: inout JSONWriter) {
        let isOwner =
            caller.keyName == nil ? !self.configuration.console.isReadOnly : caller.tenant == result.tenant
        json.object("result") { json in
            json.field("status", result.status)
            guard isOwner else {
                json.field("withheld", true)
                return
            }
            if result.isJSON {
                json.rawField("body", result.body)
            } else {
                json.field("body", String(decoding: result.body, as: UTF8.self))
            }
        }
    }
}
