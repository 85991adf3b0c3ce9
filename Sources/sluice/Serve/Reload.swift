import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceGateway

/// SIGHUP: takes over what can change while running, and says what cannot.
final class Reload: Sendable {
    private let loader: ConfigurationLoader
    private let gateway: Gateway
    private let dispatcher: Dispatcher
    private let log: EventLog
    private let role: Role
    /// What the process runs with; restart-only changes are compared with the start.
    private let current: Lock<Configuration>

    init(
        loader: ConfigurationLoader,
        wiring: Wiring,
        gateway: Gateway,
        dispatcher: Dispatcher,
        log: EventLog
    ) {
        self.loader = loader
        self.role = wiring.role
        self.current = Lock(wiring.configuration)
        self.gateway = gateway
        self.dispatcher = dispatcher
        self.log = log
    }

    func run() {
        let configuration: Configuration
        let keys: [APIKey]
        do {
            configuration = try self.loader.load()
            keys = try KeysFile.keys(configuration)
        } catch let problems as ConfigurationProblems {
            return self.refuse(problems.text)
        } catch let problem as KeysFile.Problem {
            return self.refuse(problem.message)
        } catch {
            return self.refuse("\(error)")
        }
        let before = self.current.withLock { $0 }
        let changes = ConfigurationChanges(from: before, to: configuration)
        // What would be in force: a new address is not, so its keys must not go because the new one would need none.
        let effective = configuration.keeping(changes.needRestart, of: before)
        let problems = effective.check()
        guard problems.isEmpty else { return self.refuse(ConfigurationProblems(problems: problems).text) }
        self.gateway.keys.replace(keys)
        self.gateway.spending.replace(SpendingWiring(configuration: effective).rules())
        // Where the file says what it said before, what operators have set since stays.
        if changes.live.contains("log.level") { self.log.setLevel(configuration.text("log.level") ?? "info") }
        let pools = Wiring(configuration: before, role: self.role).pools()
        for pool in Wiring(configuration: configuration, role: self.role).pools() {
            guard let old = pools.first(where: { $0.name == pool.name }), old != pool else { continue }
            var running: PoolConfiguration?
            let adopted = self.dispatcher.update(pool: pool.name) { configuration in
                running = configuration
                configuration.take(from: pool, whatDiffersFrom: old)
            }
            guard let running, let adopted = adopted?.configuration, running != adopted else { continue }
            self.gateway.noteReload(pool: pool.name, from: running, to: adopted)
        }
        self.current.withLock { $0 = effective }
        self.gateway.noteReload(changes.live)
        self.log.record(
            LogEntry(
                .info,
                "configuration read again",
                [("applied", changes.live.joined(separator: ",")), ("keys", String(keys.count))]
            )
        )
        guard !changes.needRestart.isEmpty else { return }
        self.log.record(
            LogEntry(
                .warning,
                "changes that need a restart",
                [("needs_restart", changes.needRestart.joined(separator: ","))]
            )
        )
    }

    private func refuse(_ message: String) {
        self.log.record(LogEntry(.error, "configuration not taken over", [("detail", message)]))
    }
}

/// Which keys differ between two configurations.
struct ConfigurationChanges: Equatable {
    private(set) var live: [String] = []
    private(set) var needRestart: [String] = []

    init(from before: Configuration, to after: Configuration) {
        let oldPools = before.names("pools")
        for setting in after.settings where before.setting(setting.path)?.value != setting.value {
            // A pool that did not exist at the start has no place in the dispatcher.
            let isNewPool = setting.key.wildcard?.section == "pools" && !oldPools.contains(setting.name)
            self.add(setting, isLive: setting.key.isLive && !isNewPool)
        }
        for setting in before.settings where after.setting(setting.path) == nil {
            self.add(setting, isLive: setting.key.isLive && Self.vanishing.contains(setting.key.wildcard?.section))
        }
    }

    /// Sections whose members may go while the program runs.
    private static let vanishing: Set<String?> = ["api_keys", "budgets"]

    private mutating func add(_ setting: Setting, isLive: Bool) {
        if isLive { self.live.append(setting.path) } else { self.needRestart.append(setting.path) }
    }
}
