import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceWire

// /api/lab/...: the same whether a gateway or the lab alone answers.
extension Laboratory {
    /// Whoever may look may use the lab: it changes nothing of the runtime. Pages of other sites may not, nevertheless.
    package func answer(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        if request.method != .get && request.method != .head { try BrowserGuard.admitAction(request.headers) }
        let parts = request.path.split(separator: "/").dropFirst(2).map(String.init)
        switch (request.method, parts.first ?? "", parts.count) {
        case (.get, "presets", 1), (.head, "presets", 1):
            return Self.json(LabPresetsView.document(self.configuration, start: self.start))
        case (.post, "traces", 1): return try await self.takeTrace(request)
        case (.post, "runs", 1): return try await self.compare(request)
        case (.post, "sessions", 1): return try await self.openSession(request)
        case (_, "sessions", 2...4): return try await self.oneSession(request, parts)
        default: throw .notFound("There is nothing at '\(request.path.prefix(200))'.", code: "not_found")
        }
    }

    static func json(_ bytes: [UInt8], status: Int = 200) -> HTTPResponse {
        HTTPResponse(
            status: status,
            headers: HTTPFields([("Content-Type", "application/json"), ("Cache-Control", "no-store")]),
            body: .bytes(bytes)
        )
    }

    // MARK: Sessions

    private func openSession(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        let body = request.body
        let document = try await self.bench { () throws(GatewayError) -> [UInt8] in
            let command = try LabOrder.read(body, over: LabPreset.all[0].scenario) { command, root throws(LabFault) in
                try command.takeSettings(root)
            }
            let session = try self.open(command.scenario)
            return session.change(at: self.clock.now()) { state -> [UInt8] in
                Self.apply(command, to: &state)
                return LabSessionView.document(session.id, state)
            }
        }
        return Self.json(document, status: 201)
    }

    private func oneSession(_ request: HTTPRequest, _ parts: [String]) async throws(GatewayError) -> HTTPResponse {
        let session = try self.find(parts[1])
        let body = request.body
        switch (request.method, parts.count > 2 ? parts[2] : "", parts.count) {
        case (.get, "", 2), (.head, "", 2):
            return Self.json(
                await self.bench {
                    session.change(at: self.clock.now()) { LabSessionView.document(session.id, $0) }
                }
            )
        case (.patch, "", 2): return try await self.change(session, body)
        case (.delete, "", 2):
            await self.bench { self.close(session) }
            return HTTPResponse(status: 204, body: .bytes([]))
        case (.get, "frame", 3):
            return Self.json(
                await self.bench { session.change(at: self.clock.now()) { LabFrameView.document(&$0) } }
            )
        case (.get, "stream", 3): return try await self.stream(session)
        case (.get, "messages", 4):
            guard let number = UInt64(parts[3]) else {
                throw .invalid("A message has a whole number.", param: "number")
            }
            return try await self.message(number, session)
        case (.post, "step", 3): return try await self.step(session, body)
        case (.post, "reset", 3): return try await self.reset(session, body)
        case (.post, "add", 3): return try await self.add(session, body)
        default: throw .notFound("There is nothing at '\(request.path.prefix(200))'.", code: "not_found")
        }
    }

    private static func apply(_ command: LabOrder, to state: inout LabSession.State) {
        if let speed = command.speed { state.speed = speed }
        if let isPaused = command.isPaused { state.isPaused = isPaused }
        if let level = command.level { state.level = level }
    }

    private func change(_ session: LabSession, _ body: [UInt8]) async throws(GatewayError) -> HTTPResponse {
        let document = try await self.bench { () throws(GatewayError) -> [UInt8] in
            let now = self.clock.now()
            return try session.change(at: now) { state throws(GatewayError) -> [UInt8] in
                let current = state.simulation.scenario
                let command = try LabOrder.read(body, over: current) { command, root throws(LabFault) in
                    try command.takeSettings(root)
                }
                let wanted = command.scenario
                guard state.simulation.hasRoom(for: wanted) else {
                    throw .invalid("So many tenants have been here that a reset is needed.", param: "tenants")
                }
                if state.isPaused && command.isPaused == false { state.resumeClock(now) }
                Self.apply(command, to: &state)
                if wanted.seed != current.seed || wanted.trace != current.trace {
                    state.reset(wanted, trace: try self.trace(of: wanted), now)
                } else {
                    state.simulation.change(to: wanted)
                }
                let document = LabSessionView.document(session.id, state)
                state.note("session", document)
                return document
            }
        }
        return Self.json(document)
    }

    private func reset(_ session: LabSession, _ body: [UInt8]) async throws(GatewayError) -> HTTPResponse {
        let document = try await self.bench { () throws(GatewayError) -> [UInt8] in
            let now = self.clock.now()
            return try session.change(at: now) { state throws(GatewayError) -> [UInt8] in
                let command = try LabOrder.read(body, over: state.simulation.scenario) {
                    command,
                    root throws(LabFault) in
                    try command.takeSettings(root)
                }
                Self.apply(command, to: &state)
                state.reset(command.scenario, trace: try self.trace(of: command.scenario), now)
                let document = LabSessionView.document(session.id, state)
                state.note("session", document)
                return document
            }
        }
        return Self.json(document)
    }

    /// Goes on by events or by simulated seconds, in slices and within bounds; most of use while paused.
    private func step(_ session: LabSession, _ body: [UInt8]) async throws(GatewayError) -> HTTPResponse {
        let scenario = LabScenario()
        let command = try LabOrder.read(body, over: scenario) { command, root throws(LabFault) in
            try command.takeStep(root)
        }
        let until = self.clock.now() + LabConfiguration.longestStep
        if let seconds = command.seconds {
            let from = await self.bench { session.state.withLock { $0.simulation.now } }
            try await self.inSlices { session.step(seconds: seconds, self.clock, until, from: from) }
        } else {
            let left = Lock(LabSession.Steps(events: command.steps))
            try await self.inSlices {
                left.withLock { left in
                    left = session.step(left, self.clock)
                    return left.isDone || self.clock.now() >= until
                }
            }
        }
        return Self.json(await self.bench { session.change(at: self.clock.now()) { LabFrameView.document(&$0) } })
    }

    private func add(_ session: LabSession, _ body: [UInt8]) async throws(GatewayError) -> HTTPResponse {
        let document = try await self.bench { () throws(GatewayError) -> [UInt8] in
            try session.change(at: self.clock.now()) { state throws(GatewayError) -> [UInt8] in
                let command = try LabOrder.read(body, over: state.simulation.scenario) {
                    command,
                    root throws(LabFault) in
                    try command.takeAddition(root)
                }
                let wanted = command.body ?? LabOrder.Addition()
                let added = state.simulation.add(
                    wanted.count,
                    tenant: wanted.tenant,
                    priority: wanted.priority,
                    tokens: wanted.tokens
                )
                guard let added else { throw .invalid("There is no such tenant.", param: "tenant") }
                var json = JSONWriter()
                json.object { json in
                    json.field("first", Int(clamping: added.lowerBound))
                    json.field("last", Int(clamping: added.upperBound))
                }
                return json.bytes
            }
        }
        return Self.json(document, status: 201)
    }

    private func message(_ number: UInt64, _ session: LabSession) async throws(GatewayError) -> HTTPResponse {
        let document = await self.bench {
            session.state.withLock { state -> [UInt8]? in
                let now = state.simulation.now
                return state.simulation.explain(number).map { LabMessageView.document($0, now: now) }
            }
        }
        guard let document else {
            throw .notFound(
                "Message \(number) has not come yet, or ended too long ago: "
                    + "the last \(LabSimulation.keptDone) are kept.",
                code: "lab_message_not_found"
            )
        }
        return Self.json(document)
    }

    private func stream(_ session: LabSession) async throws(GatewayError) -> HTTPResponse {
        let watcher = try await self.bench { () throws(GatewayError) -> LabWatcher in try self.watch(session) }
        let headers = HTTPFields([
            ("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"),
        ])
        return HTTPResponse(
            headers: headers,
            body: .stream { writer in
                defer { self.unwatch(watcher, session) }
                while let bytes = await watcher.next() { try await writer.write(bytes) }
                try await writer.write(SSEWriter.event(name: "gone", data: Array("{}".utf8)))
            }
        )
    }

    // MARK: Traces and runs

    private func takeTrace(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        let body = request.body
        guard !body.isEmpty else { throw .invalid("The body must be a trace: JSON lines, a request each.") }
        let document = try await self.bench { () throws(GatewayError) -> [UInt8] in
            let workload: Workload
            do throws(TraceProblem) { workload = try TraceReader.read(body) } catch {
                throw .invalid("\(error.message).", code: "invalid_trace")
            }
            let name = LabTraces.name(of: body)
            guard LabSimulation.mayReplay(workload) else {
                throw .invalid("The trace has more tenants than the lab follows.", code: "too_many_tenants")
            }
            guard self.keep(workload, named: name) else {
                throw .invalid("The trace is larger than lab.max_trace_bytes.", code: "trace_too_large")
            }
            return LabSessionView.trace(name, workload)
        }
        return Self.json(document, status: 201)
    }

    private func compare(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        let command = try LabOrder.read(request.body, over: LabPreset.all[0].scenario) {
            command,
            root throws(LabFault) in
            try command.takeRun(root)
        }
        guard !command.contenders.isEmpty else {
            throw .invalid("policies must be a list of 1 to \(LabComparison.mostPolicies).", param: "policies")
        }
        let trace = try self.trace(of: command.scenario)
        let (comparison, took) = try await self.run {
            LabComparison(
                command.scenario,
                trace: trace,
                contenders: command.contenders,
                requests: command.requests
            )
        }
        return Self.json(await self.bench { LabRunView.document(comparison, tookMilliseconds: took.inMilliseconds) })
    }
}

/// A session as it is set.
enum LabSessionView {
    static func document(_ id: String, _ state: LabSession.State) -> [UInt8] {
        var json = JSONWriter(reserving: 2048)
        json.object { json in
            json.field("id", id)
            json.field("speed", state.speed)
            json.field("paused", state.isPaused)
            json.field("level", state.level)
            json.field("now_s", LabFrameView.rounded((state.simulation.now - .zero).inSeconds))
            json.object("scenario") { state.simulation.scenario.write(to: &$0) }
        }
        return json.bytes
    }

    static func event(_ id: String, _ state: LabSession.State) -> [UInt8] {
        SSEWriter.event(name: "session", data: Self.document(id, state))
    }

    static func trace(_ name: String, _ workload: Workload) -> [UInt8] {
        var json = JSONWriter()
        let last = workload.arrivals.last?.at ?? .zero
        json.object { json in
            json.field("trace", name)
            json.field("requests", workload.arrivals.count)
            json.field("duration_s", last.inSeconds)
            json.array("tenants") { json in
                for tenant in workload.tenants.prefix(LabScenario.mostTenants) { json.value(tenant) }
            }
            json.array("models") { json in
                for model in workload.models.prefix(LabScenario.mostTenants) { json.value(model) }
            }
        }
        return json.bytes
    }
}
