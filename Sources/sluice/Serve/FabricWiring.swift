import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceGateway
import SluiceProviders
import SluiceTransport
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The parts of this process that belong to the fabric, and their joints.
struct FabricWiring {
    let configuration: Configuration
    let role: Role
    let reactors: ReactorGroup
    let clock: any TimeSource
    let log: EventLog
    let valkey: ValkeyClient
    /// For looking on: what is looked at in the background neither holds up work nor decides when its connection is
    /// given up.
    let onlooker: ValkeyClient
    /// Where Valkey is, without user and password.
    let place: String
    /// What this process calls itself as a dispatcher.
    let dispatcherID: String
    /// What works until something happens.
    var warnings: [String] = []

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// `nil` when this process has nothing to do with the fabric.
    static func make(
        _ wiring: Wiring,
        _ reactors: ReactorGroup,
        _ clock: any TimeSource,
        _ log: EventLog
    ) throws -> FabricWiring? {
        let configuration = wiring.configuration
        guard wiring.role.usesFabric || configuration.toggle("fabric.enabled") else { return nil }
        guard let url = configuration.text("fabric.url") else {
            throw Failure(
                description:
                    "fabric.url: no Valkey is named; set LLM_QUEUE_VALKEY_URL=redis://host:6379/0 or --valkey-url"
            )
        }
        try Self.checkKeys(wiring)
        let address: ValkeyAddress
        do throws(ValkeyAddressError) {
            address = try ValkeyAddress(url: url)
        } catch {
            throw Failure(description: "fabric.url: \(error.message)")
        }
        var settings = ValkeyConfiguration(address: address)
        settings.tls.authoritiesFile = configuration.text("fabric.ca_file")
        settings.tls.certificateFile = configuration.text("fabric.certificate_file")
        settings.tls.keyFile = configuration.text("fabric.key_file")
        settings.tls.verifies = configuration.toggle("fabric.verify_tls")
        settings.clientName = "sluice-\(wiring.role.rawValue)"
        settings.mostBackoff = .milliseconds(500)
        return FabricWiring(
            configuration: configuration,
            role: wiring.role,
            reactors: reactors,
            clock: clock,
            log: log,
            valkey: ValkeyClient(configuration: settings, reactors: reactors, seed: Digest.random()),
            onlooker: ValkeyClient(configuration: settings, reactors: reactors, seed: Digest.random()),
            place: address.description,
            dispatcherID: "\(Self.servedPools(configuration).first?.name ?? "default"):\(Self.randomName(12))"
        )
    }

    // MARK: The start

    /// A dispatcher without a key would fail every request that it takes.
    private static func checkKeys(_ wiring: Wiring) throws {
        guard wiring.role != .gateway, wiring.backendOverride == nil else { return }
        for pool in Wiring.pools(wiring.configuration)
        where wiring.configuration.text("backends.\(pool.backend).key") == nil
            // A provider's key is looked for, and missed, where the backend is made.
            && wiring.configuration.text("backends.\(pool.backend).provider") == nil
        {
            throw Failure(
                description: "backends.\(pool.backend).key: pool '\(pool.name)' has no API key for its backend; set "
                    + "OPENAI_API_KEY, or OPENAI_API_KEY=EMPTY for a server that wants none"
            )
        }
    }

    /// Says exactly what is wrong before anything begins.
    ///
    /// - Returns: what works until something happens, a sentence each.
    func probe() throws -> [String] {
        let answer = Lock<Result<ValkeyServerFacts, ValkeyError>?>(nil)
        let valkey = self.valkey
        self.reactors.runAndWait {
            do throws(ValkeyError) {
                let facts = try await valkey.probe()
                answer.withLock { $0 = .success(facts) }
            } catch {
                answer.withLock { $0 = .failure(error) }
            }
        }
        switch answer.withLock({ $0 }) {
        case .failure(let error): throw Failure(description: "Valkey at \(self.place): \(error.message)")
        case .success(let facts):
            let assessment = ValkeyAssessment(facts)
            guard assessment.problems.isEmpty else {
                let problems = assessment.problems.joined(separator: " ")
                throw Failure(description: "Valkey at \(self.place): \(problems)")
            }
            return assessment.warnings
        case nil: return []
        }
    }

    // MARK: The parts

    private static func seconds(_ span: Duration) -> Int { max(1, Int(span.inSeconds.rounded(.up))) }

    /// The end that puts requests onto lists.
    func producer(_ wiring: Wiring) -> Producer {
        var settings = ProducerConfiguration(
            producerID: self.configuration.text("fabric.producer_id") ?? Self.newName()
        )
        settings.defaultPool = self.configuration.text("default_pool") ?? "default"
        settings.aliveTTL = self.configuration.duration("fabric.producer_ttl")
        let refresh = self.configuration.duration("fabric.producer_refresh")
        settings.refreshInterval = refresh > .zero ? refresh : nil
        settings.popSeconds = Self.seconds(self.configuration.duration("fabric.reply_pop_timeout"))
        settings.maximumPayloadBytes = self.configuration.integer("max_payload") ?? settings.maximumPayloadBytes
        settings.maximumQueuedRequests = self.configuration.integer("fabric.max_queued") ?? 10_000
        settings.maximumQueuedBytes = self.configuration.integer("fabric.max_queued_bytes") ?? 4 << 30
        settings.maximumWaiting = self.configuration.integer("fabric.max_waiting") ?? 20_000
        let cancellations = Cancellations(link: self.valkey, producerID: settings.producerID)
        let reactors = self.reactors
        return Producer(
            settings,
            link: self.valkey,
            clock: self.clock,
            timer: ReactorWakeTimer(alarm: self.reactors.alarm(), clock: self.clock),
            seed: Digest.random(),
            abandoned: { id, pool in reactors.spawn { await cancellations.announce(id, pool: pool) } }
        )
    }

    private static func servedPools(_ configuration: Configuration) -> [PoolConfiguration] {
        Wiring.pools(configuration).filter { pool in
            configuration.list("fabric.pools").map { $0.contains(pool.name) } ?? true
        }
    }

    /// The end that takes requests off lists.
    func dispatcher(_ wiring: Wiring, _ engine: Dispatcher, _ gateway: Gateway) -> FabricDispatcher {
        let pools = Self.servedPools(self.configuration)
        var settings = FabricDispatcherConfiguration(
            dispatcherID: self.dispatcherID,
            pools: pools.map { .init(name: $0.name, backendAddress: wiring.address(of: $0.backend)) }
        )
        settings.gatewayID = self.configuration.text("fabric.gateway_id")
        settings.fabricGroupID = self.configuration.text("fabric.group_id")
        settings.version = Version.text
        settings.popMode = self.configuration.text("fabric.pop").flatMap { PopMode(rawValue: $0) } ?? .blmove
        settings.orphans = self.configuration.text("fabric.orphans").flatMap { OrphanPolicy(rawValue: $0) } ?? .drop
        settings.popSeconds = Self.seconds(self.configuration.duration("fabric.dispatch_pop_timeout"))
        // HTTP's own requests have the other half.
        settings.reservedShare = self.role == .serve ? 0.5 : 0
        settings.replyTTL = self.configuration.duration("fabric.reply_ttl")
        settings.heartbeatTTL = self.configuration.duration("fabric.dispatcher_ttl")
        settings.sweepEvery = max(.milliseconds(200), .nanoseconds(settings.heartbeatTTL.wholeNanoseconds / 3))
        settings.defaultTimeout = self.configuration.duration("request_timeout")
        let reactors = self.reactors
        let log = self.log
        return FabricDispatcher(
            settings,
            engine: engine,
            runner: RelayRunner(gateway),
            link: self.valkey,
            clock: self.clock,
            timer: ReactorWakeTimer(alarm: self.reactors.alarm(), clock: self.clock),
            seed: Digest.random(),
            spawn: { reactors.spawn(on: reactors.nextInTurn(), $0) },
            log: { log.record($0) }
        )
    }

    func view() -> FabricView {
        let reactors = self.reactors
        return FabricView(
            link: self.onlooker,
            clock: self.clock,
            timer: ReactorWakeTimer(alarm: reactors.alarm(), clock: self.clock),
            pools: Wiring.pools(self.configuration).map(\.name),
            spawn: { reactors.spawn($0) }
        )
    }

    /// `host:process:random`, as the contract's producers call themselves.
    private static func newName() -> String {
        var host = [CChar](repeating: 0, count: 256)
        let hasName = gethostname(&host, host.count - 1) == 0
        let bytes = host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let name = hasName && !bytes.isEmpty ? String(decoding: bytes, as: UTF8.self) : "host"
        return "\(name):\(getpid()):\(Self.randomName(32))"
    }

    private static func randomName(_ digits: Int) -> String {
        var text = ""
        while text.utf8.count < digits {
            let part = String(Digest.random(), radix: 16)
            text += String(repeating: "0", count: 16 - part.utf8.count) + part
        }
        return String(text.prefix(digits))
    }
}
