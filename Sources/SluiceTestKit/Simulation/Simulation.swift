import SluiceBasics
import SluiceCore

/// A dispatch machine in a world of its own: virtual time, random clients, operators, backends and dispatchers, all
/// from one seed. A model keeps its own books, and after every step both must agree.
///
///     SLUICE_SIMULATION_SEED=17 swift test --filter SimulationTests     replays one seed
package struct Simulation {
    let plan: SimulationPlan
    let bug: PlantedBug?
    let seed: UInt64
    var random: SeededRandom
    var machine: DispatchMachine
    var agenda = Agenda()
    var now = Instant(nanoseconds: 1_000_000_000)
    var armed = Instant.distantFuture
    var requests: [SimulatedRequest] = []
    var flights: [Flight] = []
    /// Flights that were not over at the last tick, and requests that wait for a delay.
    var airborne: [Int] = []
    var delayed: [Int] = []
    var pools: [PoolModel]
    var backends: [BackendModel]
    var report = SimulationReport()
    var arrivals = 0

    package init(seed: UInt64, bug: PlantedBug? = nil, requests: Int? = nil) {
        self.seed = seed
        self.bug = bug
        self.random = SeededRandom(seed: seed &* 0x9E37_79B9 &+ 77)
        self.plan = SimulationPlan(seed: seed, random: &self.random, requests: requests)
        let backendNames = self.plan.backends.map(\.name)
        self.pools = self.plan.pools.map { configuration in
            PoolModel(
                configuration: configuration,
                backend: backendNames.firstIndex(of: configuration.backend) ?? 0
            )
        }
        self.backends = self.plan.backends.map { _ in BackendModel() }
        self.machine = DispatchMachine(
            pools: self.plan.pools.map { Self.perturbed($0, bug) },
            backends: self.plan.backends.map { Self.perturbed($0, bug) },
            seed: seed,
            leaseMode: self.plan.leaseMode
        )
        self.report.seed = seed
    }

    static func perturbed(_ configuration: PoolConfiguration, _ bug: PlantedBug?) -> PoolConfiguration {
        var changed = configuration
        switch bug {
        case .oneSlotTooMany: changed.slots += 1
        case .oneAttemptTooMany: changed.retry.maximumAttempts += 1
        case .repeatsWhatWasSent: changed.retry.mode = .auto
        case .retryBudgetIsIgnored: changed.retry.budgetFloor = 1_000_000
        case .tenantLimitIsIgnored: changed.maximumRequestsPerTenant = nil
        case .tokenLimitIsDoubled:
            let limit = changed.scheduling.limit
            changed.scheduling.limit?.tokensPerMinute = limit?.tokensPerMinute.map { $0 * 2 }
            changed.scheduling.limit?.burstTokens = limit?.burstTokens.map { $0 * 2 }
        case .tenantCapIsExceeded:
            changed.scheduling.tenants.maximumInFlight = changed.scheduling.tenants.maximumInFlight.map { $0 + 1 }
        default: break
        }
        return changed
    }

    private static func perturbed(_ policy: BackendPolicy, _ bug: PlantedBug?) -> BackendPolicy {
        guard bug == .circuitClosesAtOnce else { return policy }
        var changed = policy
        changed.breaker.openFor = .milliseconds(1)
        return changed
    }

    package mutating func run() throws(Violation) -> SimulationReport {
        self.agenda.add(.arrive, at: self.now)
        var isWindingUp = false
        while true {
            guard let (at, event) = self.agenda.next() else {
                if isWindingUp { break }
                // Nothing more will happen by itself: let out what operators have locked in.
                isWindingUp = true
                for pool in self.pools.indices { try self.setMode(.running, pool: pool) }
                continue
            }
            self.now = max(self.now, at)
            self.report.steps += 1
            try self.handle(event)
            try self.check()
        }
        try self.checkEnd()
        return self.report
    }

    private mutating func handle(_ event: Agenda.Event) throws(Violation) {
        switch event {
        case .arrive: try self.arrive()
        case .start(let flight): try self.start(flight)
        case .firstByte(let flight): try self.firstByte(flight)
        case .complete(let flight, let version): try self.complete(flight, version)
        case .clientLeaves(let request): try self.cancel(request, .clientGone)
        case .operate: try self.operate()
        case .tick: try self.tick()
        case .beat(let flight): try self.beat(flight)
        }
    }

    // MARK: Clients

    private mutating func arrive() throws(Violation) {
        self.arrivals += 1
        if self.arrivals < self.plan.requests {
            let gap = self.plan.spacing * (2 * self.random.unit())
            // Bursts: a tenth of the arrivals brings company at the same instant.
            self.agenda.add(.arrive, at: self.now + (self.random.unit() < 0.1 ? .zero : gap))
        }
        let number = self.requests.count
        let pool = Int.random(in: 0..<self.pools.count, using: &self.random)
        let isHurried = self.random.unit() < self.plan.hurryShare
        let timeout = isHurried ? Int.random(in: 5...5_000, using: &self.random) : 600_000
        var submission = Submission.sample(
            UInt64(number),
            pool: self.pools[pool].configuration.name,
            tenant: "tenant-\(Int.random(in: 0..<self.plan.tenants, using: &self.random))",
            priority: Priority.allCases.randomElement(using: &self.random) ?? .normal,
            bytes: Int.random(in: 1...2_000, using: &self.random),
            tokens: Int.random(in: 1...20_000, using: &self.random),
            deadline: self.now + .milliseconds(timeout)
        )
        self.requests.append(SimulatedRequest(submission: submission, pool: pool))
        self.perturb(&submission)
        var effects = DispatchEffects()
        var own: (request: Int, lease: QueueLease)?
        let admission = self.machine.submit(submission, seat: UInt64(number), now: self.now, &effects)
        switch admission {
        case .rejected(let rejection):
            self.report.rejected += 1
            try self.checkRejection(rejection, number)
        case .accepted(let handle, let lease):
            self.report.accepted += 1
            try self.accept(number, handle)
            own = lease.map { (number, $0) }
        }
        try self.absorb(effects, own: own)
        if self.random.unit() < self.plan.cancelShare {
            let patience = self.plan.service * (3 * self.random.unit())
            self.agenda.add(.clientLeaves(request: number), at: self.now + patience)
        }
        if self.random.unit() < self.plan.operatorShare { self.agenda.add(.operate, at: self.now) }
    }

    private func perturb(_ submission: inout Submission) {
        switch self.bug {
        case .deadlineIsIgnored: submission.deadline = submission.deadline + .seconds(3_600)
        case .orderIsReversed:
            submission.priority = Priority(rawValue: Priority.low.rawValue - submission.priority.rawValue) ?? .low
        case .bytesAreMiscounted: submission.payloadBytes += 1
        default: break
        }
    }

    mutating func cancel(_ number: Int, _ cause: CancelCause) throws(Violation) {
        guard let handle = self.requests[number].handle else { return }
        let phase = self.requests[number].phase
        let isQueued = phase == .queued
        if phase != .ended, self.requests[number].cancelCause == nil { self.requests[number].cancelCause = cause }
        if self.bug == .cancelIsForgotten && isQueued { return }
        var effects = DispatchEffects()
        let answer = self.machine.cancel(handle, cause: cause, now: self.now, &effects)
        let expected: CancelAnswer =
            phase == .ended || phase == .unborn ? .unknown : isQueued ? .cancelled : .cancelling
        guard answer == expected else {
            throw self.violation("cancel of request \(number) (\(phase)) answered \(answer)")
        }
        try self.absorb(effects)
    }

    // MARK: Time and operators

    private mutating func tick() throws(Violation) {
        if self.armed <= self.now {
            self.armed = .distantFuture
        } else if self.random.unit() < 0.9 {
            // Replaced by a sooner one since; some ring all the same.
            return
        }
        if self.plan.leaseMode == .expiring {
            self.airborne.removeAll { self.flights[$0].isOver }
            for number in self.airborne { self.loseLease(number) }
        }
        for number in self.delayed {
            guard let due = self.requests[number].due, due <= self.now else { continue }
            self.requests[number].due = nil
            self.pools[self.requests[number].pool].makeReady(number, self.requests[number])
        }
        self.delayed.removeAll { self.requests[$0].due == nil }
        var effects = DispatchEffects()
        self.machine.tick(now: self.now, &effects)
        try self.absorb(effects)
        self.arm()
    }

    mutating func arm() {
        guard self.machine.wake < self.armed else { return }
        self.armed = self.machine.wake
        let delay = self.plan.lateness > .zero ? self.plan.lateness * self.random.unit() : .zero
        self.agenda.add(.tick, at: max(self.armed, self.now) + delay)
    }

    private mutating func operate() throws(Violation) {
        let pool = Int.random(in: 0..<self.pools.count, using: &self.random)
        switch Int.random(in: 0..<6, using: &self.random) {
        case 0: try self.setMode(.paused, pool: pool)
        case 1: try self.setMode(.draining, pool: pool)
        case 2, 3: try self.setMode(.running, pool: pool)
        case 4: try self.reconfigure(pool)
        default:
            guard !self.requests.isEmpty else { return }
            try self.cancel(Int.random(in: 0..<self.requests.count, using: &self.random), .operatorRequest)
        }
        if self.arrivals < self.plan.requests, self.random.unit() < 0.5 {
            self.agenda.add(.operate, at: self.now + self.plan.spacing * 4)
        }
    }

    private mutating func setMode(_ mode: PoolMode, pool: Int) throws(Violation) {
        self.pools[pool].mode = mode
        if self.bug == .pauseIsIgnored && mode == .paused { return }
        var effects = DispatchEffects()
        _ = self.machine.setMode(
            mode,
            pool: self.pools[pool].configuration.name,
            now: self.now,
            &effects
        )
        try self.absorb(effects)
        self.arm()
    }

    private mutating func reconfigure(_ pool: Int) throws(Violation) {
        self.pools[pool].configuration.slots = Int.random(in: 1...10, using: &self.random)
        self.pools[pool].configuration.maximumRequests = Int.random(in: 10...400, using: &self.random)
        if self.random.unit() < 0.3 {
            if self.pools[pool].isExact {
                self.pools[pool].configuration.order = self.random.unit() < 0.5 ? .fifo : .priority
                self.pools[pool].reorder(self.requests)
            } else {
                let limit = self.random.unit() < 0.5 ? SimulationPlan.limit(&self.random) : nil
                self.pools[pool].configuration.scheduling.limit = limit
                self.pools[pool].configuration.scheduling.isAdaptive = self.random.unit() < 0.5
                self.pools[pool].configuration.scheduling.shedding = SimulationPlan.shedding(&self.random)
                self.pools[pool].configuration.scheduling.tenants.isFair = self.random.unit() < 0.5
                // What was under way when the limit changed belongs to neither.
                self.pools[pool].isSpendingKnown = false
            }
        }
        var effects = DispatchEffects()
        _ = self.machine.configure(
            Self.perturbed(self.pools[pool].configuration, self.bug),
            now: self.now,
            &effects
        )
        try self.absorb(effects)
    }

    func violation(_ message: String) -> Violation {
        Violation(
            seed: self.seed,
            step: self.report.steps,
            milliseconds: Double(self.now.nanoseconds) / 1e6,
            message: message
        )
    }
}
