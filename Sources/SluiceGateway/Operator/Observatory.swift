import SluiceBasics
import SluiceCore
import SluiceDoctor
import SluiceFabric
import SluiceTelemetry
import SluiceWire

/// What lies on a pool's list and is held from it anywhere, as the gateway last saw it.
struct ListedPool: Sendable {
    var pending: Int
    var inFlight: Int
    /// Of all dispatchers that live.
    var slots: Int
    /// Seconds since 1970 of the oldest that waits, by its producer's clock.
    var oldestAt: Double?
    var reason: String?
    /// The worst of its dispatchers' breakers.
    var breaker: String?

    init(_ pool: FabricSnapshot.Pool, _ snapshot: FabricSnapshot) {
        let beats = snapshot.dispatchers.compactMap(\.heartbeat)
            .compactMap { beat in beat.pools.first { $0.poolID == pool.name } }
        self.pending = pool.pending
        self.inFlight = pool.inflight
        self.slots = beats.reduce(0) { $0 + $1.slots }
        self.oldestAt = pool.sample.first?.submittedAt
        self.reason = pool.pending > 0 ? FabricRows.reason(pool, snapshot) : nil
        let states = beats.compactMap(\.breakerState)
        self.breaker = ["open", "half_open", "closed"].first { states.contains($0) }
    }
}

/// A pool as operators see it: what waits on its list waits, wherever our own books have it.
struct ShownPool: Sendable {
    var status: PoolStatus
    let listed: ListedPool?
    /// Whether its work goes onto a list, so that our own in flight are not.
    let isGateway: Bool
    /// Seconds since 1970.
    let now: Double

    func showing(_ status: PoolStatus) -> ShownPool {
        var shown = self
        shown.status = status
        return shown
    }

    var name: String { self.status.configuration.name }
    var queued: Int { self.status.queued + (self.listed?.pending ?? 0) }
    var inFlight: Int { self.isGateway ? self.listed?.inFlight ?? self.status.inFlight : self.status.inFlight }
    var slots: Int { self.isGateway ? self.listed?.slots ?? 0 : self.status.configuration.slots }
    var waitingReason: String? { self.status.waitingReason?.rawValue ?? self.listed?.reason }
    var breaker: String { self.isGateway ? self.listed?.breaker ?? "closed" : self.status.breaker.state.rawValue }

    var oldest: Duration? {
        let listed = self.listed?.oldestAt.map { Duration.milliseconds(Int64(min(1e12, max(0, self.now - $0) * 1000))) }
        return [self.status.oldestQueuedAge, listed].compactMap { $0 }.max()
    }
}

/// What the gateway has seen of itself: series of its pools, what is wrong, what lies on lists. Bounded; fed by
/// `Gateway.observe`.
final class Observatory: Sendable {
    private struct State: Sendable {
        var series: [String: PoolSeries] = [:]
        var listed: [String: ListedPool] = [:]
        var listedAt: Instant?
        var failedAt: Instant?
        var samples: [DoctorSample] = []
        var findings: [DoctorFinding] = []
    }

    private let state = Lock(State())

    /// Pools that have a series.
    private static let maximumPools = 256
    /// Looks that the checks compare: a quarter of a minute.
    private static let maximumSamples = 4

    var series: [String: PoolSeries] { self.state.withLock { $0.series } }
    var findings: [DoctorFinding] { self.state.withLock { $0.findings } }
    var listed: [String: ListedPool] { self.state.withLock { $0.listed } }

    func add(_ readouts: [(pool: String, readout: PoolReadout)], at second: Int) {
        self.state.withLock { state in
            for (pool, readout) in readouts {
                guard state.series[pool] != nil || state.series.count < Self.maximumPools else { continue }
                state.series[pool, default: PoolSeries()].add(readout, at: second)
            }
        }
    }

    // MARK: Lists

    /// Whether the lists should be looked at: not while Valkey has just failed to answer.
    func mayLook(at now: Instant, patience: Duration) -> Bool {
        self.state.withLock { state in state.failedAt.map { now - $0 >= patience } ?? true }
    }

    /// - Parameter snapshot: `nil`: Valkey did not answer. What was seen before is forgotten: it says nothing of now.
    func saw(_ snapshot: FabricSnapshot?, at now: Instant) {
        self.state.withLock { state in
            guard let snapshot else {
                state.failedAt = now
                state.listed = [:]
                return
            }
            state.failedAt = nil
            let pools = snapshot.pools.map { ($0.name, ListedPool($0, snapshot)) }
            state.listed = Dictionary(pools) { first, _ in first }
        }
    }

    // MARK: Findings

    /// Takes a look down and judges again.
    func examine(_ sample: DoctorSample, ended: [DoctorRequest], live: [DoctorRequest]) {
        let samples = self.state.withLock { state in
            state.samples.append(sample)
            if state.samples.count > Self.maximumSamples { state.samples.removeFirst() }
            return state.samples
        }
        var seen = DoctorCase(samples: samples)
        seen.ended = ended
        seen.live = live
        let findings = DoctorChecks.all(seen).enumerated().sorted { left, right in
            (left.element.code.severity.rank, left.offset) < (right.element.code.severity.rank, right.offset)
        }
        self.state.withLock { $0.findings = findings.map(\.element) }
    }
}
