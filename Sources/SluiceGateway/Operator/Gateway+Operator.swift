import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceTelemetry
import SluiceWire

// The operator's API: /api/...
extension Gateway {
    func operate(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        let parts = request.path.split(separator: "/").dropFirst().map(String.init)
        switch (parts.first, parts.count) {
        case ("requests", 2), ("requests", 3): return try await self.oneRequest(request, parts)
        default: try self.requireOperator(request)
        }
        switch (parts.first, parts.count) {
        case ("requests", 1):
            try Self.require(request, [.get, .head])
            return try await self.listRequests(request)
        case ("pools", 1):
            try Self.require(request, [.get, .head])
            return self.listPools()
        case ("pools", 2), ("pools", 3): return try self.onePool(request, parts)
        case ("budgets", 1):
            try Self.require(request, [.get, .head])
            return self.listBudgets()
        case ("events", 1):
            try Self.require(request, [.get])
            return try self.events(request)
        case ("llm-dispatch", 2) where parts[1] == "runtime":
            try Self.require(request, [.get, .head])
            return try await self.runtime(request)
        case ("version", 1):
            try Self.require(request, [.get, .head])
            var json = JSONWriter()
            json.object { $0.field("version", self.configuration.version) }
            return Self.json(json)
        default:
            throw .notFound(
                "There is nothing at '\(request.path.prefix(200))'. See /api/requests, /api/pools, /api/budgets, "
                    + "/api/events, /api/llm-dispatch/runtime, /api/version.",
                code: "not_found"
            )
        }
    }

    static func limit(_ request: HTTPRequest, default preset: Int, maximum: Int) throws(GatewayError) -> Int {
        guard let text = request.parameter("limit") else { return preset }
        guard let limit = Int(text), (1...maximum).contains(limit) else {
            throw .invalid("The parameter 'limit' must be a whole number from 1 to \(maximum).", param: "limit")
        }
        return limit
    }

    // MARK: Pools

    private func listPools() -> HTTPResponse {
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            json.array("pools") { json in
                for pool in self.dispatcher.pools() { json.object { self.write(pool, to: &$0) } }
            }
        }
        return Self.json(json)
    }

    private func onePool(_ request: HTTPRequest, _ parts: [String]) throws(GatewayError) -> HTTPResponse {
        let name = parts[1]
        guard self.dispatcher.pool(name) != nil else {
            let known = self.dispatcher.pools().map(\.configuration.name).joined(separator: ", ")
            throw .notFound("There is no pool '\(name.prefix(128))'. Known pools: \(known).", code: "pool_not_found")
        }
        if parts.count == 3 {
            try Self.require(request, [.post])
            guard !self.draining else {
                throw .unavailable("This gateway is shutting down; its pools stay as they are.", code: "draining")
            }
            let mode: PoolMode =
                switch parts[2] {
                case "pause": .paused
                case "resume": .running
                case "drain": .draining
                default: throw .notFound("A pool takes pause, resume or drain.", code: "not_found")
                }
            _ = self.dispatcher.setMode(mode, pool: name)
            self.note([("mode", mode.rawValue)], pool: name, request)
        } else if request.method == .patch {
            try self.change(name, request)
        } else {
            try Self.require(request, [.get, .head, .patch])
        }
        var json = JSONWriter()
        if let pool = self.dispatcher.pool(name) { json.object { self.write(pool, to: &$0) } }
        return Self.json(json)
    }

    private func change(_ name: String, _ request: HTTPRequest) throws(GatewayError) {
        let change = try PoolChange.read(request.body)
        if self.configuration.backends[name]?.isFabric == true, let field = change.fieldForDispatchers {
            throw .invalid(
                "The field '\(field)' is for whoever calls the backend, and this gateway puts requests onto lists. "
                    + "Send the change to the dispatchers.",
                param: field,
                code: "not_a_dispatcher"
            )
        }
        var refusal: GatewayError?
        // Checked on the configuration as it is when it changes, not as it was when somebody looked.
        _ = self.dispatcher.update(pool: name) { configuration in
            do throws(GatewayError) {
                try change.apply(to: &configuration)
            } catch {
                refusal = error
            }
        }
        if let refusal { throw refusal }
        self.note([("changes", change.words.joined(separator: " "))], pool: name, request)
    }

    /// One line for every change of a pool: who did what.
    private func note(_ fields: [(String, String)], pool: String, _ request: HTTPRequest) {
        let caller = try? self.keys.caller(request.headers)
        let who = [("pool", pool), ("by", caller?.keyName ?? "anybody"), ("client", request.remoteAddress)]
        self.log(LogEntry(.info, "pool changed", who + fields))
    }

    func write(_ pool: PoolStatus, to json: inout JSONWriter) {
        let configuration = pool.configuration
        json.field("id", configuration.name)
        json.field("mode", pool.mode.rawValue)
        json.field("queued", pool.queued)
        json.field("in_flight", pool.inFlight)
        json.field("slots", configuration.slots)
        json.field("held_bytes", pool.bytes)
        json.field("oldest_queued_ms", pool.oldestQueuedAge?.inMilliseconds)
        json.field("waiting_reason", pool.waitingReason?.rawValue)
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

    private func oneRequest(_ request: HTTPRequest, _ parts: [String]) async throws(GatewayError) -> HTTPResponse {
        let caller = try self.keys.caller(request.headers)
        let unknown = GatewayError.notFound(
            "Request '\(parts[1].prefix(64))' is not known: it never was, or is older than what is kept.",
            code: "request_not_found"
        )
        guard let id = RequestID(parts[1]) else { throw unknown }
        let live = self.dispatcher.find(id)
        let record = live?.record ?? self.telemetry.history.find(id)
        guard let record else {
            // History keeps so many of all requests; an answer is kept for its own time.
            guard parts.count == 2, let result = self.results.find(id, at: self.clock.now()),
                caller.isOperator || caller.tenant == result.tenant
            else { throw unknown }
            try Self.require(request, [.get, .head])
            var json = JSONWriter(reserving: result.body.count + 256)
            json.object { json in
                json.field("id", id.description)
                json.field("state", RequestState.ended.rawValue)
                Self.write(result, to: &json)
            }
            return Self.json(json)
        }
        guard caller.isOperator || caller.tenant == record.submission.tenant else { throw unknown }
        guard parts.count == 3 else {
            try Self.require(request, [.get, .head])
            // Who is told of the end is told the result.
            if record.state == .ended && record.submission.respondsLater { await self.results.settled(id) }
            let place = await self.whereabouts([record])[id]
            return self.answer(record, live?.waiting, place)
        }
        if parts[2] == "explain" {
            try Self.require(request, [.get, .head])
            return await self.explain(record, id, isOperator: caller.isOperator)
        }
        guard parts[2] == "cancel" else { throw .notFound("A request takes cancel or explain.", code: "not_found") }
        try Self.require(request, [.post])
        let answer = self.dispatcher.cancel(id, cause: .operatorRequest)
        var json = JSONWriter()
        json.object { json in
            json.field("id", parts[1])
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
        _ record: RequestRecord,
        _ waiting: WaitingStatus?,
        _ place: Whereabouts?
    ) -> HTTPResponse {
        let now = self.clock.now()
        var json = JSONWriter(reserving: 2048)
        json.object { json in
            RequestView(now: now, wallClock: self.clock.wallClockNanoseconds())
                .write(record, waiting, place, to: &json)
            if record.submission.respondsLater {
                if let result = self.results.find(record.submission.id, at: now) {
                    Self.write(result, to: &json)
                } else {
                    json.nullField("result")
                }
            }
        }
        return Self.json(json)
    }

    private static func write(_ result: ResultStore.Result, to json: inout JSONWriter) {
        json.object("result") { json in
            json.field("status", result.status)
            if result.isJSON {
                json.rawField("body", result.body)
            } else {
                json.field("body", String(decoding: result.body, as: UTF8.self))
            }
        }
    }
}
