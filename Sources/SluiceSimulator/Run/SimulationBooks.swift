import SluiceBasics
import SluiceCore

/// What became of one request.
package struct SimulatedLife: Sendable, Equatable {
    package var arrivedAt = Instant.zero
    package var startedAt: Instant?
    package var endedAt: Instant?
    /// `nil`: it never came, or has not ended.
    package var reason: OutcomeReason?
}

/// What happened in a run: told of every step, with the time; counts on its own, without asking the machine.
struct SimulationBooks {
    let workload: Workload
    let configuration: PoolSimulation.Configuration
    private(set) var lives: [SimulatedLife]
    /// Requests in the order in which they started.
    private(set) var starts: [Int] = []
    private(set) var live = 0
    private(set) var minutes: MinuteBooks
    /// Slots · seconds that were free while something waited that could have used them.
    private(set) var idle = 0.0
    private(set) var busy = 0.0
    private var now = Instant.zero
    private var running = 0
    private var runningOf: [Int]
    private var waitingOf: [Int]
    private var waiting = 0
    private var budget: ShadowBudget?
    private let hasGroups: Bool

    init(_ workload: Workload, _ configuration: PoolSimulation.Configuration) {
        self.workload = workload
        self.configuration = configuration
        self.lives = Array(repeating: SimulatedLife(), count: workload.arrivals.count)
        self.starts.reserveCapacity(workload.arrivals.count)
        self.runningOf = Array(repeating: 0, count: workload.tenants.count)
        self.waitingOf = Array(repeating: 0, count: workload.tenants.count)
        let policy = configuration.pool.scheduling.tenants
        self.minutes = MinuteBooks(weights: workload.tenants.map { policy.weights[$0] ?? policy.defaultWeight })
        let maximumWait = configuration.pool.scheduling.policy.maximumWait
        self.hasGroups = policy.isFair
        let groups = self.hasGroups ? workload.tenants.count : 1
        self.budget = configuration.pool.scheduling.limit.map {
            ShadowBudget($0, maximumWait: maximumWait, groups: groups, now: .zero)
        }
    }

    // MARK: Time

    mutating func advance(to now: Instant) {
        guard now > self.now else { return }
        let slots = self.configuration.pool.slots
        self.busy += Double(min(self.running, slots)) * (now - self.now).inSeconds
        let free = max(0, slots - self.running)
        if free > 0, self.waiting > 0 {
            let from = self.budget.map { $0.feasibleFrom(self.now) } ?? self.now
            if from < now {
                self.idle += Double(min(free, self.startable)) * (now - max(from, self.now)).inSeconds
            }
        }
        self.minutes.advance(to: now)
        self.now = now
        self.budget?.advance(to: now)
    }

    /// Requests that wait and that their tenant's bound would let start.
    private var startable: Int {
        guard let bound = self.configuration.pool.scheduling.tenants.maximumInFlight else { return self.waiting }
        return self.waitingOf.indices.reduce(0) { sum, tenant in
            sum + min(self.waitingOf[tenant], max(0, bound - self.runningOf[tenant]))
        }
    }

    // MARK: Steps

    mutating func arrived(_ request: Int, at now: Instant) {
        self.lives[request].arrivedAt = now
        self.live += 1
        self.waits(request, by: 1)
    }

    mutating func started(_ request: Int, at now: Instant) {
        let arrival = self.workload.arrivals[request]
        self.lives[request].startedAt = now
        self.starts.append(request)
        self.waits(request, by: -1)
        self.running += 1
        self.runningOf[arrival.tenant] += 1
        let completion = Double(arrival.completionTokens)
        let weighted =
            Double(arrival.promptTokens) + self.configuration.pool.scheduling.tenants.completionWeight * completion
        self.minutes.serve(tenant: arrival.tenant, tokens: arrival.tokens, service: weighted)
        self.budget?.start(request, estimate: arrival.tokenEstimate, at: now)
    }

    /// The call is over, however it ended.
    mutating func stopped(_ request: Int, at now: Instant) {
        self.running -= 1
        self.runningOf[self.workload.arrivals[request].tenant] -= 1
        self.budget?.stop(request, actual: self.workload.arrivals[request].tokens, at: now)
    }

    mutating func ended(_ request: Int, _ reason: OutcomeReason, at now: Instant) {
        if self.lives[request].startedAt == nil { self.waits(request, by: -1) }
        self.lives[request].endedAt = now
        self.lives[request].reason = reason
        self.live -= 1
    }

    private mutating func waits(_ request: Int, by change: Int) {
        let arrival = self.workload.arrivals[request]
        self.waiting += change
        self.waitingOf[arrival.tenant] += change
        self.minutes.waits(tenant: arrival.tenant, self.waitingOf[arrival.tenant], all: self.waiting, at: self.now)
        let group = self.hasGroups ? arrival.tenant : 0
        if change > 0 {
            self.budget?.waits(request, estimate: arrival.tokenEstimate, group: group)
        } else {
            self.budget?.leaves(request, estimate: arrival.tokenEstimate, group: group)
        }
    }

    /// Every request is where it should be; `nil`, or what is wrong.
    func audit() -> String? {
        let open = self.lives.filter { $0.reason == nil && $0.arrivedAt > .zero }.count
        guard self.live == 0 else { return "\(self.live) requests live on" }
        guard self.running == 0, self.waiting == 0, self.waitingOf.allSatisfy({ $0 == 0 }) else {
            return "\(self.running) run and \(self.waiting) wait at the end"
        }
        return open > 0 ? "\(open) requests arrived and never ended" : nil
    }
}
