import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

/// Judges by progress, not by mere life: work that could run and does not means that something is stuck.
final class HealthMonitor: Sendable {
    private struct Sight: Sendable {
        var started: UInt64
        var since: Instant
    }

    /// Reasons to wait though slots are free.
    private static let patience: [WaitingReason] = [.backoff, .rateLimited, .tenantSlotsFull, .circuitOpen]

    private let stuckAfter: Duration
    private let sights = Lock<[String: Sight]>([:])

    init(stuckAfter: Duration) { self.stuckAfter = stuckAfter }

    /// What is stuck, in a sentence, or `nil`.
    func complaint(_ pools: [PoolStatus], at now: Instant) -> String? {
        // What the backend takes at once is shared by its pools.
        var shared: [String: Int] = [:]
        for pool in pools where pool.backendLimit != nil {
            shared[pool.configuration.backend, default: 0] += pool.inFlight
        }
        for pool in pools {
            let name = pool.configuration.name
            let isBackendFull = pool.backendLimit.map { shared[pool.configuration.backend, default: 0] >= $0 } ?? false
            let couldRun =
                pool.queued > 0 && pool.inFlight < pool.configuration.slots && !isBackendFull && pool.mode != .paused
                && pool.breaker.state == .closed && (pool.waitingReason.map { !Self.patience.contains($0) } ?? true)
            let stuckFor = self.sights.withLock { sights -> Duration in
                guard couldRun, let sight = sights[name], sight.started == pool.attemptsStarted else {
                    sights[name] = Sight(started: pool.attemptsStarted, since: now)
                    return .zero
                }
                return now - sight.since
            }
            if stuckFor >= self.stuckAfter {
                return "pool '\(name)' has \(pool.queued) queued requests and free slots, but has started nothing for "
                    + "\(stuckFor.components.seconds) s"
            }
        }
        return nil
    }
}

extension Gateway {
    /// What is stuck; looking is what progress is measured by.
    func healthComplaint() -> String? { self.health.complaint(self.dispatcher.pools(), at: self.clock.now()) }

    func healthz() -> HTTPResponse {
        let complaint = self.healthComplaint()
        var json = JSONWriter()
        json.object { json in
            json.field("status", complaint == nil ? "ok" : "stuck")
            json.field("detail", complaint)
            json.field("live_requests", self.dispatcher.liveCount)
            json.field("uptime_seconds", (self.clock.now() - self.startedAt).inSeconds)
        }
        return Self.json(json, status: complaint == nil ? 200 : 503)
    }

    func readiness() -> (isReady: Bool, word: String, detail: String?) {
        let troubles = self.fabric?.troubles ?? []
        let isReady = !self.draining && troubles.isEmpty
        let word = self.draining ? "draining" : isReady ? "ready" : "not_ready"
        return (isReady, word, troubles.isEmpty ? nil : troubles.joined(separator: " "))
    }

    func readyz() -> HTTPResponse {
        let readiness = self.readiness()
        var json = JSONWriter()
        json.object { json in
            json.field("status", readiness.word)
            json.field("detail", readiness.detail)
        }
        return Self.json(json, status: readiness.isReady ? 200 : 503)
    }
}
