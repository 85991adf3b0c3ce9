import SluiceBasics
import SluiceCore

// Pools with several targets. The names come from the configuration.
extension MetricPage {
    mutating func writeTargets(_ pools: [PoolStatus]) {
        let routed = pools.filter { !$0.targets.isEmpty }
        guard !routed.isEmpty else { return }
        self.perTarget(routed, "sluice_target_in_flight", "Calls under way.") { Double($0.inFlight) }
        self.perTarget(routed, "sluice_target_ready", "1 while the target is asked; 0 while it cools down.") {
            $0.state == .ready ? 1 : 0
        }
        self.perTarget(routed, "sluice_target_first_token_seconds", "First content of streams, moving mean.") {
            $0.firstToken?.inSeconds
        }
        self.perTarget(routed, "sluice_target_answer_seconds", "Whole answers, moving mean.") { $0.answer?.inSeconds }
        self.perTarget(routed, "sluice_target_attempts_total", "Calls made.", .counter) { Double($0.attempts) }
        self.perTarget(routed, "sluice_target_failures_total", "Calls that failed.", .counter) {
            Double($0.failures)
        }
        self.perTarget(routed, "sluice_target_cool_downs_total", "How often it was left alone.", .counter) {
            Double($0.timesCooled)
        }
        self.family("sluice_hedges_total", .counter, "Second calls, by whether they came first.")
        for pool in routed {
            let name = ("pool", pool.configuration.name)
            self.sample([name, ("won", "true")], Double(pool.hedgesWon))
            let lost = pool.hedges >= pool.hedgesWon ? pool.hedges - pool.hedgesWon : 0
            self.sample([name, ("won", "false")], Double(lost))
        }
    }

    /// - Parameter value: `nil`: not measured yet.
    private mutating func perTarget(
        _ pools: [PoolStatus],
        _ name: String,
        _ help: String,
        _ kind: Kind = .gauge,
        _ value: (RouteTargetStatus) -> Double?
    ) {
        self.family(name, kind, help)
        for pool in pools {
            for target in pool.targets {
                guard let value = value(target) else { continue }
                self.sample([("pool", pool.configuration.name), ("target", target.target.name)], value)
            }
        }
    }
}
