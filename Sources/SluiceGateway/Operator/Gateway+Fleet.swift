import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceProviders
import SluiceTelemetry
import SluiceWire

// GET /api/fleet, GET /api/fabrics: who is there, since when, doing what.
extension Gateway {
    /// What this process is called where others have names.
    var processName: String { self.configuration.gatewayName ?? "this process" }

    private static let fleetRows = 250
    private static let maximumProducers = 500

    func fleet() async -> HTTPResponse {
        var snapshot: FabricSnapshot?
        var complaint: String?
        if let fabric = self.fabric {
            do throws(ValkeyError) {
                snapshot = try await fabric.view.look(limit: Self.fleetRows)
            } catch {
                complaint = error.message
            }
        }
        let producers = await self.producers(snapshot)
        let isGateway = self.fabric?.producer != nil
        var json = JSONWriter(reserving: 8 << 10)
        json.object { json in
            if self.fabric != nil { json.field("fabric_error", complaint) }
            json.array("gateways") { self.writeGateways(snapshot, to: &$0) }
            json.array("dispatchers") { json in
                for dispatcher in snapshot?.dispatchers ?? [] { json.object { Self.write(dispatcher, to: &$0) } }
                // A runtime that takes HTTP as well is a dispatcher of its own for that.
                if self.configuration.takesWork, !isGateway { json.object { self.writeSelf(to: &$0) } }
            }
            json.array("producers") { json in
                for producer in producers { json.object { producer.write(to: &$0) } }
            }
            json.array("backends") { json in
                if isGateway {
                    Self.writeBackends(snapshot, to: &json)
                } else {
                    self.writeBackends(to: &json)
                }
            }
        }
        return Self.json(json)
    }

    private func writeGateways(_ snapshot: FabricSnapshot?, to json: inout JSONWriter) {
        let uptime = (self.clock.now() - self.startedAt).inSeconds
        let own = self.configuration.gatewayName
        if self.configuration.takesWork {
            json.object { json in
                json.field("id", self.processName)
                json.field("here", true)
                json.field("version", self.configuration.version)
                json.field("fabric_group", self.configuration.fabricGroup)
                json.field("since_at", Double(self.clock.wallClockNanoseconds()) / 1e9 - uptime)
                json.field("state", self.draining ? "draining" : "running")
            }
        }
        // Others are known by what their dispatchers say of them.
        let others = Set((snapshot?.dispatchers ?? []).compactMap { $0.heartbeat?.gatewayID }).subtracting([own ?? ""])
        for other in others.sorted() {
            json.object { json in
                json.field("id", other)
                json.field("here", false)
            }
        }
    }

    private static func write(_ dispatcher: FabricSnapshot.Dispatcher, to json: inout JSONWriter) {
        let beat = dispatcher.heartbeat
        json.field("id", dispatcher.id)
        json.field("state", beat.map { $0.isDraining ? "draining" : "running" } ?? "gone")
        json.field("since_at", beat?.startedAt)
        json.field("last_seen_at", beat?.beatAt ?? dispatcher.lastBeat.map { Double($0) })
        json.field("in_flight", beat?.pools.reduce(0) { $0 + $1.inflight })
        json.field("slots", beat?.pools.reduce(0) { $0 + $1.slots })
        json.array("pools") { json in for pool in dispatcher.pools { json.value(pool) } }
        json.field("version", beat?.version)
        json.field("gateway", beat?.gatewayID)
        json.field("processed", beat?.pools.reduce(0) { $0 + $1.processed })
        json.field("failures", beat?.pools.reduce(0) { $0 + $1.failures })
        json.field("last_error", beat == nil ? "Its heartbeat has gone." : beat?.lastError)
    }

    private func writeSelf(to json: inout JSONWriter) {
        let pools = self.dispatcher.pools()
        let wall = Double(self.clock.wallClockNanoseconds()) / 1e9
        json.field("id", self.processName)
        json.field("state", self.draining ? "draining" : "running")
        json.field("since_at", wall - (self.clock.now() - self.startedAt).inSeconds)
        json.field("last_seen_at", wall)
        json.field("in_flight", pools.reduce(0) { $0 + $1.inFlight })
        json.field("slots", pools.reduce(0) { $0 + $1.configuration.slots })
        json.array("pools") { json in for pool in pools { json.value(pool.configuration.name) } }
        json.field("version", self.configuration.version)
        json.field("gateway", self.configuration.gatewayName)
        json.nullField("last_error")
    }

    // MARK: Producers

    private struct ProducerRow: Sendable {
        var id: String
        /// `nil`: nobody can tell; a key has no connection of its own.
        var isAlive: Bool?
        var inFlight = 0
        var waiting = 0
        var isKey = false

        func write(to json: inout JSONWriter) {
            json.field("id", self.id)
            json.field("alive", self.isAlive)
            json.nullField("since_at")
            json.field("in_flight", self.inFlight)
            json.field("waiting", self.waiting)
            json.field("kind", self.isKey ? "key" : "producer")
        }
    }

    /// Keys with work here, and producers with work on lists or with dispatchers, as far as those were looked at.
    private func producers(_ snapshot: FabricSnapshot?) async -> [ProducerRow] {
        var rows: [String: ProducerRow] = [:]
        for (name, counts) in self.dispatcher.producers(limit: Self.maximumProducers) {
            rows[name] = ProducerRow(id: name, inFlight: counts.inFlight, waiting: counts.queued, isKey: true)
        }
        guard let snapshot, let fabric = self.fabric else { return rows.values.sorted { $0.id < $1.id } }
        var listed: [String: ProducerRow] = [:]
        if let own = fabric.producer {
            listed[own.configuration.producerID] = ProducerRow(id: own.configuration.producerID)
        }
        for pool in snapshot.pools {
            for (_, record) in pool.held where listed.count < Self.maximumProducers {
                listed[record.producerID, default: ProducerRow(id: record.producerID)].inFlight += 1
            }
            for row in pool.sample {
                guard let id = row.identity.producerID, listed.count < Self.maximumProducers else { continue }
                listed[id, default: ProducerRow(id: id)].waiting += 1
            }
        }
        let ids = listed.keys.sorted()
        let alive = try? await fabric.view.alive(producers: ids)
        for id in ids { listed[id]?.isAlive = alive.map { $0.contains(id) } }
        return rows.values.sorted { $0.id < $1.id } + listed.values.sorted { $0.id < $1.id }
    }

    // MARK: Backends

    private func writeBackends(to json: inout JSONWriter) {
        let now = self.clock.now()
        let figures = self.telemetry.backends.snapshot()
        let pools = self.dispatcher.pools()
        var known: [String: Backend] = self.configuration.targets
        for pool in pools where pool.targets.isEmpty {
            known[pool.configuration.backend] = self.configuration.backends[pool.configuration.name]
        }
        for (name, backend) in known.sorted(by: { $0.key < $1.key }) {
            let direct = pools.filter { $0.targets.isEmpty && $0.configuration.backend == name }
            let routed = pools.filter { $0.targets.contains { $0.target.backend == name } }
            let targets = routed.flatMap(\.targets).filter { $0.target.backend == name }
            let recent = figures[name]?.recent(at: now)
            json.object { json in
                json.field("id", name)
                json.field("address", backend.address)
                json.field("provider", self.provider(backend))
                json.array("pools") { json in
                    for pool in direct + routed { json.value(pool.configuration.name) }
                }
                json.field("breaker", direct.first?.breaker.state.rawValue ?? targets.first?.state.rawValue)
                json.field(
                    "in_flight",
                    direct.reduce(0) { $0 + $1.inFlight } + targets.reduce(0) { $0 + $1.inFlight }
                )
                json.field("requests", figures[name]?.requests ?? 0)
                json.field("failures", figures[name]?.failures ?? 0)
                json.field("error_rate", recent.flatMap { Self.ratio($0.failures, $0.requests) })
                json.field("p50_ms", recent?.answer.quantile(0.5).map { $0 * 1000 })
                json.field("p95_ms", recent?.answer.quantile(0.95).map { $0 * 1000 })
                json.field("first_token_p50_ms", recent?.firstToken.quantile(0.5).map { $0 * 1000 })
            }
        }
    }

    private func provider(_ backend: Backend) -> String? {
        switch backend.way {
        case .fabric: "fabric"
        case .fixed(let target): target.provider
        case .byModel: "auto"
        }
    }

    private static func ratio(_ part: UInt64, _ whole: UInt64) -> Double? {
        whole == 0 ? nil : Double(part) / Double(whole)
    }

    /// Those of the dispatchers that serve the lists, as they tell of them.
    private static func writeBackends(_ snapshot: FabricSnapshot?, to json: inout JSONWriter) {
        var pools: [String: [DispatcherHeartbeat.Pool]] = [:]
        for beat in (snapshot?.dispatchers ?? []).compactMap(\.heartbeat) {
            for pool in beat.pools { pools[pool.backendAddress ?? "unknown", default: []].append(pool) }
        }
        for (address, served) in pools.sorted(by: { $0.key < $1.key }) {
            let requests = served.reduce(0) { $0 + $1.processed }
            let failures = served.reduce(0) { $0 + $1.failures }
            json.object { json in
                json.field("id", address)
                json.field("address", address)
                json.nullField("provider")
                json.array("pools") { json in for name in Set(served.map(\.poolID)).sorted() { json.value(name) } }
                let states = served.compactMap(\.breakerState)
                json.field("breaker", ["open", "half_open", "closed"].first { states.contains($0) })
                json.field("in_flight", served.reduce(0) { $0 + $1.inflight })
                json.field("requests", requests)
                json.field("failures", failures)
                json.field("error_rate", requests > 0 ? Double(failures) / Double(requests) : nil)
                for name in ["p50_ms", "p95_ms", "first_token_p50_ms"] { json.nullField(name) }
            }
        }
    }

    // MARK: Fabrics

    func fabrics() -> HTTPResponse {
        var json = JSONWriter()
        json.object { json in
            json.array("fabrics") { json in
                json.object { json in
                    json.field("id", self.configuration.fabricGroup ?? self.processName)
                    json.field("here", true)
                    json.field("url", "./")
                    let isReady = !self.draining && self.fabric?.troubles.isEmpty ?? true
                    json.field("state", self.draining ? "draining" : isReady ? "ready" : "not_ready")
                    json.field("gateway", self.configuration.gatewayName)
                    json.field("fabric", self.fabric != nil)
                    json.field("version", self.configuration.version)
                }
                // Nobody here asks them: a browser that goes there sees.
                for (name, url) in self.configuration.console.fabrics {
                    json.object { json in
                        json.field("id", name)
                        json.field("here", false)
                        json.field("url", url)
                        json.nullField("state")
                    }
                }
            }
        }
        return Self.json(json)
    }
}
