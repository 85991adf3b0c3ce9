import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceGateway
import SluiceProviders
import SluiceTransport
import SluiceWire

/// The parts around calls as the configuration has them: the cache, webhooks, the log of calls.
struct AroundWiring {
    let configuration: Configuration
    let role: Role
    var environment: [String: String] = [:]

    // MARK: Cache

    /// - Parameter routes: of pools with several targets.
    func configure(_ gateway: inout GatewayConfiguration, routes: [String: RoutePlan] = [:]) {
        gateway.callLogging = self.configuration.text("log.requests").flatMap { CallLogging(rawValue: $0) } ?? .all
        gateway.showsPrompts = self.configuration.toggle("log.prompts")
        gateway.cacheLimits = CacheLimits(
            maximumBytes: self.configuration.integer("cache.max_bytes") ?? 256 << 20,
            maximumEntry: self.configuration.integer("cache.max_entry") ?? 4 << 20
        )
        for pool in self.configuration.names("pools") where self.configuration.toggle("pools.\(pool).cache") {
            gateway.caches[pool] = CachePolicy(
                timeToLive: self.configuration.duration("pools.\(pool).cache_ttl"),
                backend: self.identity(pool),
                route: routes[pool]
            )
        }
    }

    /// A digest of everything that is said of the backends that a pool may use: another address, credential, header or
    /// alias makes other answers. What only decides when to call, or what we learn of it, is left out.
    private func identity(_ pool: String) -> [UInt8] {
        var writer = CanonicalJSON()
        let settings = self.configuration.settings.filter { setting in
            switch setting.key.wildcard?.section {
            case "backends": !setting.path.contains(".breaker.") && !setting.path.hasSuffix(".stream_usage")
            // Which targets there are, and which models they are asked for.
            case "pools": setting.path.hasPrefix("pools.\(pool).route.")
            default: false
            }
        }
        // Behind a gateway without backends are those of its group's dispatchers.
        writer.append(part: self.role.rawValue)
        writer.append(part: self.role.usesFabric ? self.configuration.text("fabric.group_id") ?? "" : "")
        writer.append(part: self.configuration.text("pools.\(pool).backend") ?? "")
        for setting in settings.sorted(by: { $0.path < $1.path }) where setting.source != .standard {
            writer.append(part: setting.path)
            writer.append(part: "\(setting.value)")
        }
        for (name, value) in self.credentials { writer.append(part: name + "=" + value) }
        return Hashing.sha256(writer.bytes)
    }

    /// What the providers of the backends look for in the environment, and nothing else: what differs from process to
    /// process for other reasons must not keep them from sharing answers.
    private var credentials: [(key: String, value: String)] {
        var names: Set<String> = []
        for backend in self.configuration.names("backends") {
            guard let provider = self.configuration.text("backends.\(backend).provider") else { continue }
            if provider == BackendWiring.byModel {
                for entry in ProviderRegistry.entries { names.formUnion(entry.environment) }
            } else if let entry = ProviderRegistry.entry(named: provider) {
                names.formUnion(entry.environment)
            }
        }
        return self.environment.filter { names.contains($0.key) }.sorted { $0.key < $1.key }
    }

    /// `nil`: answers are kept in memory, or not at all.
    func cacheStore(
        _ reactors: ReactorGroup,
        _ clock: any TimeSource
    ) throws(ValkeyAddressError) -> (any CacheStore)? {
        let isUsed = self.configuration.names("pools").contains { self.configuration.toggle("pools.\($0).cache") }
        guard isUsed, self.configuration.text("cache.store") == "valkey",
            let url = self.configuration.text("fabric.url")
        else { return nil }
        let settings = ValkeyConfiguration(
            address: try ValkeyAddress(url: url),
            fabric: self.configuration,
            clientName: "sluice-cache"
        )
        return ValkeyCacheStore(
            link: ValkeyClient(configuration: settings, reactors: reactors, seed: Digest.random()),
            maximumEntry: self.configuration.integer("cache.max_entry") ?? 4 << 20,
            timeout: self.configuration.duration("cache.timeout"),
            clock: clock,
            tasks: CacheTasks(
                spawn: { reactors.spawn($0) },
                sleep: { try await reactors.sleep(for: $0) }
            )
        )
    }

    // MARK: Webhooks

    func webhooks(_ reactors: ReactorGroup, _ clock: any TimeSource, _ log: EventLog) -> [WebhookSender] {
        let receivers = self.configuration.names("callbacks").compactMap { self.webhook($0) }
        guard !receivers.isEmpty else { return [] }
        let wiring = Wiring(configuration: self.configuration, role: self.role)
        let client = ReactorHTTPClient(configuration: wiring.clientConfiguration(), reactors: reactors)
        return receivers.map { receiver in
            WebhookSender(
                receiver,
                client: client,
                clock: clock,
                seed: Digest.random(),
                spawn: { reactors.spawn($0) },
                sleep: { try await reactors.sleep(for: $0) },
                log: { log.record($0) }
            )
        }
    }

    /// `nil` when it has no address.
    func webhook(_ name: String) -> WebhookConfiguration? {
        let path = "callbacks.\(name)"
        guard let url = self.configuration.text("\(path).url") else { return nil }
        var webhook = WebhookConfiguration(name: name, url: url)
        webhook.secret = self.configuration.text("\(path).secret").flatMap { WebhookConfiguration.key($0) } ?? []
        let events = self.configuration.list("\(path).events") ?? []
        webhook.events = Set(events.compactMap { WebhookEvent(rawValue: $0) })
        webhook.showsContent = self.configuration.toggle("\(path).content")
        webhook.headers = self.configuration.table("\(path).headers").map { ($0.name, $0.value) }
        webhook.timeout = self.configuration.duration("\(path).timeout")
        webhook.maximumAttempts = self.configuration.integer("\(path).attempts") ?? webhook.maximumAttempts
        webhook.maximumEvents = self.configuration.integer("\(path).max_events") ?? webhook.maximumEvents
        webhook.maximumBytes = self.configuration.integer("\(path).max_bytes") ?? webhook.maximumBytes
        return webhook
    }
}

extension ValkeyConfiguration {
    /// The server of the fabric, with its keys and certificates.
    init(address: ValkeyAddress, fabric: Configuration, clientName: String) {
        self.init(address: address)
        self.tls.authoritiesFile = fabric.text("fabric.ca_file")
        self.tls.certificateFile = fabric.text("fabric.certificate_file")
        self.tls.keyFile = fabric.text("fabric.key_file")
        self.tls.verifies = fabric.toggle("fabric.verify_tls")
        self.clientName = clientName
        self.mostBackoff = .milliseconds(500)
    }
}
