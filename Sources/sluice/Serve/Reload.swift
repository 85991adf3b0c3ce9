import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceGateway

/// SIGHUP: takes over what can change while running, and says what cannot.
struct Reload: Sendable {
    let loader: ConfigurationLoader
    let gateway: Gateway
    let dispatcher: Dispatcher
    let log: EventLog

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
        self.gateway.keys.replace(keys)
        var changed: [String] = []
        for pool in Wiring.pools(configuration) {
            guard let current = self.dispatcher.pool(pool.name)?.configuration else {
                self.log.record(
                    GatewayLogEntry(.warning, "a new pool needs a restart", [("pool", pool.name)]))
                continue
            }
            guard current != pool else { continue }
            changed.append(pool.name)
            _ = self.dispatcher.update(pool: pool.name) { $0 = pool }
        }
        self.log.record(
            GatewayLogEntry(
                .info, "configuration read again",
                [("keys", String(keys.count)), ("changed_pools", changed.joined(separator: ","))]))
    }

    private func refuse(_ message: String) {
        self.log.record(GatewayLogEntry(.error, "configuration not taken over", [("detail", message)]))
    }
}
