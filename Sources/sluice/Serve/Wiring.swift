import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceGateway
import SluiceProviders
import SluiceTelemetry
import SluiceTransport
import SluiceWire

/// Rings for the dispatcher on a reactor's timer.
struct ReactorWakeTimer: WakeTimer {
    let alarm: Alarm
    let clock: any TimeSource

    func wake(at: Instant, _ action: @escaping @Sendable () -> Void) {
        self.alarm.set(after: max(.zero, at - self.clock.now()), action)
    }
}

/// Builds the runtime's parts from the configuration and joins them.
struct Wiring {
    let configuration: Configuration
    var role = Role.serve
    /// Where providers' keys are looked for that the configuration does not say.
    var environment: [String: String] = [:]
    /// Instead of the configured backends' addresses; for `--demo`.
    var backendOverride: String?

    static func pools(_ configuration: Configuration) -> [PoolConfiguration] {
        configuration.names("pools").map { name in
            let path = "pools.\(name)"
            let route = configuration.route(path)
            return PoolConfiguration(
                name: name,
                backend: route?.targets.first?.backend ?? configuration.text("\(path).backend") ?? "default",
                slots: configuration.integer("\(path).slots") ?? 64,
                maximumRequests: configuration.integer("\(path).max_requests") ?? 10_000,
                maximumBytes: configuration.integer("\(path).max_bytes") ?? 256 << 20,
                maximumRequestsPerTenant: configuration.integer("\(path).max_requests_per_tenant"),
                retry: RetryPolicy(
                    mode: configuration.text("\(path).retry.mode").flatMap { RetryMode(rawValue: $0) } ?? .auto,
                    maximumAttempts: configuration.integer("\(path).retry.attempts") ?? 3,
                    baseDelay: configuration.duration("\(path).retry.base_delay"),
                    maximumDelay: configuration.duration("\(path).retry.max_delay"),
                    maximumRetryAfter: configuration.duration("\(path).retry.max_retry_after"),
                    budgetRatio: configuration.ratio("\(path).retry.budget_ratio"),
                    budgetFloor: configuration.integer("\(path).retry.budget_floor") ?? 10,
                    maximumThrottles: configuration.integer("\(path).retry.max_throttles") ?? 20
                ),
                lease: configuration.duration("\(path).lease"),
                scheduling: configuration.scheduling(path),
                route: route
            )
        }
    }

    private func backendPolicies() -> [BackendPolicy] {
        if self.role == .gateway {
            // Never opens: dispatchers have breakers, and a fault of theirs is none of Valkey's.
            var breaker = BreakerConfiguration()
            breaker.consecutiveFailures = .max
            breaker.minimumCalls = .max
            return [BackendPolicy(name: "fabric", breaker: breaker)]
        }
        return self.configuration.names("backends").map { name in
            let path = "backends.\(name).breaker"
            return BackendPolicy(
                name: name,
                breaker: BreakerConfiguration(
                    consecutiveFailures: self.configuration.integer("\(path).consecutive_failures") ?? 5,
                    failureRatio: self.configuration.ratio("\(path).failure_ratio"),
                    minimumCalls: self.configuration.integer("\(path).min_calls") ?? 20,
                    window: self.configuration.duration("\(path).window"),
                    openFor: self.configuration.duration("\(path).open_for"),
                    probesToClose: self.configuration.integer("\(path).probes") ?? 3
                )
            )
        }
    }

    /// The pools as this process has them. A gateway's lead to the lists: whoever serves those knows slots, retries and
    /// breakers; here a request only waits.
    func pools() -> [PoolConfiguration] {
        let pools = Self.pools(self.configuration)
        guard self.role == .gateway else { return pools }
        return pools.map { pool in
            var pool = pool
            pool.backend = "fabric"
            pool.slots = self.configuration.integer("fabric.max_waiting") ?? 20_000
            pool.route = nil
            pool.retry.mode = .neverAfterSend
            // Valkey's absence is waited out within the deadline; nothing has been sent then.
            pool.retry.maximumAttempts = 1_000
            pool.retry.maximumDelay = .seconds(2)
            pool.retry.budgetFloor = 1_000_000
            pool.retry.maximumThrottles = 0
            // Whoever calls the backend keeps to its limits and shares it out.
            pool.scheduling.limit = nil
            pool.scheduling.followsProviderLimits = false
            pool.scheduling.isAdaptive = false
            pool.scheduling.tenants.maximumInFlight = nil
            pool.scheduling.shedding.target = nil
            return pool
        }
    }

    func backend(_ name: String) throws(ProviderError) -> Backend {
        if self.role == .gateway { return .fabric() }
        return try BackendWiring(
            configuration: self.configuration,
            environment: self.environment,
            addressOverride: self.backendOverride
        ).backend(name)
    }

    /// Where a backend is, for people.
    func address(of backend: String) -> String { (try? self.backend(backend).address) ?? "" }

    /// - Throws: `ProviderError` for a backend that cannot be called as it is configured.
    func gatewayConfiguration(keys: [APIKey]) throws(ProviderError) -> GatewayConfiguration {
        var backends: [String: Backend] = [:]
        let pools = self.pools()
        for pool in pools { backends[pool.name] = try self.backend(pool.backend) }
        var result = GatewayConfiguration(
            version: Version.text,
            defaultPool: self.configuration.text("default_pool") ?? "default",
            backends: backends
        )
        for target in pools.flatMap({ $0.route?.targets ?? [] }) where result.targets[target.backend] == nil {
            result.targets[target.backend] = try self.backend(target.backend)
        }
        result.poolsThatNeverResend = Set(pools.filter { $0.retry.mode == .neverAfterSend }.map(\.name))
        result.modelRules = pools.flatMap { pool in
            (self.configuration.list("pools.\(pool.name).models") ?? []).map { (pattern: $0, pool: pool.name) }
        }
        result.keys = keys
        result.isLocal = self.listen.isLoopback
        result.takesWork = self.role != .dispatcher
        result.defaultTimeout = self.configuration.duration("request_timeout")
        result.maximumTimeout = self.configuration.duration("max_request_timeout")
        result.maximumResponseBytes = self.configuration.integer("client.max_response") ?? 64 << 20
        result.poolsInterval = self.configuration.duration("events.pools_interval")
        result.heartbeat = self.configuration.duration("events.heartbeat")
        result.resultAge = self.configuration.duration("results.keep")
        result.maximumResultBytes = self.configuration.integer("results.max_bytes") ?? 256 << 20
        result.fabricGroup = self.configuration.text("fabric.group_id")
        result.gatewayName = self.configuration.text("fabric.gateway_id")
        let routes = Dictionary(pools.compactMap { pool in pool.route.map { (pool.name, $0) } }) { first, _ in first }
        result.tracing = TelemetrySettings(self.configuration).tracing
        AroundWiring(configuration: self.configuration, role: self.role, environment: self.environment)
            .configure(&result, routes: routes)
        OperatorWiring(configuration: self.configuration).configure(&result)
        return result
    }

    var listen: ListenAddress {
        guard let setting = self.configuration.setting("listen"), setting.source != .standard,
            let address = self.configuration.address("listen")
        else { return self.role.standardListen }
        return address
    }

    func serverConfiguration() -> HTTPServerConfiguration {
        let address = self.listen
        var server = HTTPServerConfiguration(host: address.host, port: address.port)
        server.maximumBodyBytes = (self.configuration.integer("max_payload") ?? 16 << 20) + 64 << 10
        server.maximumHeadBytes = self.configuration.integer("http.max_head") ?? 32 << 10
        server.headTimeout = self.configuration.duration("http.head_timeout")
        server.minimumBodyRate = self.configuration.integer("http.min_body_rate") ?? 16 << 10
        server.idleTimeout = self.configuration.duration("http.idle_timeout")
        server.maximumConnectionsPerReactor = self.configuration.integer("http.max_connections") ?? 8192
        server.maximumConnectionsPerAddress = self.configuration.integer("http.max_connections_per_address")
        server.tlsCertificateFile = self.configuration.text("tls.certificate_file")
        server.tlsKeyFile = self.configuration.text("tls.key_file")
        return server
    }

    func clientConfiguration() -> HTTPClientConfiguration {
        var client = HTTPClientConfiguration()
        client.connectTimeout = self.configuration.duration("client.connect_timeout")
        client.verifiesTLS = self.configuration.toggle("client.verify_tls")
        client.certificateAuthorityFile = self.configuration.text("client.ca_file")
        client.proxy = self.configuration.text("client.proxy")
        client.streamBufferBytes = self.configuration.integer("client.stream_buffer") ?? 256 << 10
        client.maximumTransfersPerReactor = self.configuration.integer("client.max_transfers") ?? 65_536
        return client
    }

    func dispatcher(_ reactors: ReactorGroup, _ telemetry: Telemetry, _ clock: any TimeSource) -> Dispatcher {
        Dispatcher(
            pools: self.pools(),
            backends: self.backendPolicies(),
            clock: clock,
            seed: Digest.random(),
            timer: ReactorWakeTimer(alarm: reactors.alarm(), clock: clock),
            observer: telemetry
        )
    }

    func telemetry(
        _ clock: any TimeSource,
        _ spending: SpendingBook,
        _ sinks: [any ExecutionSink]
    ) -> Telemetry {
        Telemetry(
            configuration: TelemetryConfiguration(
                historyCapacity: max(1, self.configuration.integer("history.max_requests") ?? 10_000),
                historyAge: self.configuration.duration("history.max_age")
            ),
            clock: clock,
            metrics: Metrics(clock: clock, provider: self.providers()),
            pricing: { spending.ended($0) },
            sinks: sinks
        )
    }

    /// Who answers for a model behind a backend, in the words of GenAI's conventions; `nil`: the fabric's lists, behind
    /// which it is the dispatcher who knows.
    private func providers() -> @Sendable (_ backend: String, _ model: String) -> String? {
        guard self.role != .gateway else { return { _, _ in nil } }
        var backends: [String: Backend] = [:]
        for name in self.configuration.names("backends") { backends[name] = try? self.backend(name) }
        let known = backends
        return { GenAI.provider(known[$0]?.provider(of: $1)) }
    }

    func spending(_ clock: any TimeSource) throws(SpendingWiring.Problem) -> SpendingBook {
        let wiring = SpendingWiring(configuration: self.configuration)
        var names = ModelNames()
        for backend in self.configuration.names("backends") {
            let table = self.configuration.table("backends.\(backend).aliases")
            names.byBackend[backend] = Dictionary(table.map { ($0.name, $0.value) }) { _, last in last }
        }
        for pool in Self.pools(self.configuration) {
            names.byPool[pool.name] = names.byBackend[pool.backend]
            names.routes[pool.name] = pool.route
        }
        return SpendingBook(rules: wiring.rules(), prices: try wiring.prices(), clock: clock, names: names)
    }
}
