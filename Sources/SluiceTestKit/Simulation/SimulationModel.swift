import SluiceBasics
import SluiceCore

/// One request as the harness knows it, independent of the machine.
struct SimulatedRequest {
    enum Phase {
        case unborn
        case queued
        case claimed
        case running
        case ended
    }

    var submission: Submission
    var pool: Int
    var sequence = 0
    var phase = Phase.unborn
    var handle: RequestHandle?
    /// In no slot, but not before then.
    var due: Instant?
    var cancelCause: CancelCause?
    /// Calls that count as attempts.
    var attempts = 0
    var throttles = 0
    var recoveries = 0
    /// The flight that holds its lease.
    var owner: Int?
}

/// One lease and what its holder does with it.
struct Flight {
    var request: Int
    var lease: QueueLease
    var fate: Fate?
    var version = 0
    var isOver = false
    var expiry: Instant
    var forgetsToExtend: Bool
    /// Granted as a probe, in this epoch of the breaker.
    var probeEpoch: Int?
}

/// What the harness counts by itself about one pool.
struct PoolModel {
    var configuration: PoolConfiguration
    var backend: Int
    var mode = PoolMode.running
    /// In the order in which they must run.
    var ready: [(rank: UInt8, sequence: Int, request: Int)] = []
    var queued = 0
    var inFlight = 0
    var bytes = 0
    var accepted: UInt64 = 0
    var ended: UInt64 = 0
    var tenants: [String: Int] = [:]
    var throttledUntil = Instant.zero
    var starts: [Instant] = []
    var retries: [Instant] = []
    /// Tokens that backends have counted.
    var spent = 0
    /// The limit has been the same from the start.
    var isSpendingKnown = true
    var running: [String: Int] = [:]

    /// Whether requests run exactly in line.
    var isExact: Bool {
        if case .scored = self.configuration.scheduling.policy.order { return false }
        return true
    }

    /// Whether what the backend says about its limits holds anything back.
    var followsLimits: Bool { self.configuration.scheduling.followsProviderLimits }

    /// Whether the tenant may have one more in flight.
    func mayRun(_ tenant: String) -> Bool {
        self.running[tenant, default: 0] < self.configuration.scheduling.tenants.maximumInFlight ?? .max
    }

    mutating func launch(_ request: SimulatedRequest) {
        self.running[request.submission.tenant, default: 0] += 1
    }

    /// What was counted is spent for certain; what is under way is charged by what the machine has learned.
    mutating func land(_ request: SimulatedRequest, _ result: AttemptResult?) {
        self.running[request.submission.tenant, default: 0] -= 1
        guard case .success(_, let usage, _) = result, let usage else { return }
        let used = usage.prompt + usage.completion
        let isStrict = self.configuration.scheduling.limit?.mode == .strict
        // What goes beyond the estimate is charged as well, but cannot be kept out of a window that has passed.
        self.spent += isStrict ? min(request.submission.tokenEstimate, used) : used
    }

    func rank(_ priority: Priority) -> UInt8 { self.configuration.order == .fifo ? 0 : priority.rawValue }

    func position(_ rank: UInt8, _ sequence: Int) -> Int {
        var low = 0
        var high = self.ready.count
        while low < high {
            let middle = (low + high) / 2
            let entry = self.ready[middle]
            if (entry.rank, entry.sequence) < (rank, sequence) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The place that a request that is ready must name, give or take what weights are rounded by.
    func places(
        _ entry: (rank: UInt8, sequence: Int, request: Int),
        _ requests: [SimulatedRequest]
    ) -> ClosedRange<Int> {
        let rank = self.position(entry.rank, entry.sequence)
        let policy = self.configuration.scheduling.tenants
        guard policy.isFair else { return (rank + 1)...(rank + 1) }
        func weight(_ tenant: String) -> Double { policy.weights[tenant] ?? policy.defaultWeight }
        let tenant = requests[entry.request].submission.tenant
        var waiting: [String: Int] = [:]
        for other in self.ready { waiting[requests[other.request].submission.tenant, default: 0] += 1 }
        let own = self.ready[..<rank].count { requests[$0.request].submission.tenant == tenant }
        var least = own
        var most = own
        for (other, count) in waiting where other != tenant {
            let turns = Double(own + 1) * weight(other) / weight(tenant)
            least += min(count, Int(turns * 0.99))
            // Those at their cap are counted together.
            most += policy.maximumInFlight == nil ? min(count, Int(turns * 1.01) + 1) : count
        }
        return (min(rank, least) + 1)...(min(rank, most) + 1)
    }

    mutating func makeReady(_ number: Int, _ request: SimulatedRequest) {
        let rank = self.rank(request.submission.priority)
        self.ready.insert(
            (rank, request.sequence, number),
            at: self.position(rank, request.sequence)
        )
    }

    mutating func takeReady(_ request: SimulatedRequest) {
        let index = self.position(self.rank(request.submission.priority), request.sequence)
        guard index < self.ready.count, self.ready[index].sequence == request.sequence else { return }
        self.ready.remove(at: index)
    }

    mutating func reorder(_ requests: [SimulatedRequest]) {
        self.ready = self.ready.map { entry in
            (self.rank(requests[entry.request].submission.priority), entry.sequence, entry.request)
        }
        self.ready.sort { ($0.rank, $0.sequence) < ($1.rank, $1.sequence) }
    }
}

/// What the harness knows about one backend.
struct BackendModel {
    var backend = SimulatedBackend()
    var state = BreakerState.closed
    var openUntil = Instant.zero
    var epoch = 0
    var probes = 0
}

package struct SimulationReport: Sendable, Equatable {
    package var seed: UInt64 = 0
    package var steps = 0
    package var accepted = 0
    package var rejected = 0
    package var calls = 0
    package var retries = 0
    package var recovered = 0
    package var staleCalls = 0
    package var openings = 0
    package var outcomes = OutcomeCounts()
    /// Of everything that happened, in order.
    package var trace: UInt64 = 0xCBF2_9CE4_8422_2325

    /// FNV-1a.
    mutating func note(_ value: Int) {
        self.trace = (self.trace ^ UInt64(truncatingIfNeeded: value)) &* 0x100_0000_01B3
    }
}
