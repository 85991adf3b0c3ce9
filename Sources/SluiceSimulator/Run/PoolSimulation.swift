import SluiceBasics
import SluiceCore

/// One pool under one policy: the dispatch machine of the runtime in virtual time, with a workload for clients and a
/// model for a backend.
///
/// DESIGN. Arrivals come from an array, everything else from one heap: flights that end, users who ask again. At equal
/// times ends come first, then the machine's own wake, then arrivals. Nothing is drawn here but the pauses of a closed
/// loop, each from the seed of its request: a run depends on workload, policy and seed alone.
package struct PoolSimulation {
    package struct Configuration: Sendable, Equatable {
        package var pool: PoolConfiguration
        package var backend: BackendModel
        package var seed: UInt64
        /// No arrival after this; `nil`: all of them.
        package var duration: Duration?

        package init(
            policy: SimulatedPolicy,
            slots: Int,
            limit: RateLimit? = nil,
            backend: BackendModel = BackendModel(),
            seed: UInt64 = 1,
            duration: Duration? = nil
        ) {
            var scheduling = policy.scheduling
            if let limit { scheduling.limit = limit }
            self.pool = PoolConfiguration(
                name: Self.poolName,
                backend: Self.backendName,
                slots: slots,
                maximumRequests: .max,
                maximumBytes: .max,
                scheduling: scheduling
            )
            self.backend = backend
            self.seed = seed
            self.duration = duration
        }

        static let poolName = "simulated"
        static let backendName = "model"
    }

    /// Instead of no deadline: far beyond every run.
    private static let patience = Duration.seconds(100 * 365 * 86_400)
    /// Least step of time for wakes that do not move on, so that a run ends whatever the machine answers.
    private static let leastWake = Duration.microseconds(100)

    let workload: Workload
    let configuration: Configuration
    private var machine: DispatchMachine
    private(set) var books: SimulationBooks
    private var now = Instant.zero
    private var nextArrival = 0
    /// By request: flights' ends and, in a closed loop, arrivals.
    private var agenda = IndexedHeap()
    private var flights: [QueueLease?]
    private var earliestTick = Instant.zero
    private var running = 0

    package init(_ workload: Workload, _ configuration: Configuration) {
        self.workload = workload
        self.configuration = configuration
        self.machine = DispatchMachine(
            pools: [configuration.pool],
            backends: [BackendPolicy(name: Configuration.backendName)],
            seed: configuration.seed
        )
        self.books = SimulationBooks(workload, configuration)
        self.flights = Array(repeating: nil, count: workload.arrivals.count)
        guard let loop = workload.loop else { return }
        self.nextArrival = workload.arrivals.count
        for user in 0..<min(loop.users, workload.arrivals.count) {
            self.agenda.set(UInt32(user), at: self.now + self.think(user))
        }
    }

    /// Runs until nobody waits and nothing runs.
    package static func run(
        _ workload: Workload,
        _ configuration: Configuration,
        name: String = ""
    ) -> SimulationReport {
        var simulation = PoolSimulation(workload, configuration)
        return simulation.finish(name: name)
    }

    /// Goes on until nobody waits and nothing runs.
    package mutating func finish(name: String = "") -> SimulationReport {
        while self.step() {}
        return self.books.report(name: name)
    }

    /// By request, in the order of the workload.
    package var lives: [SimulatedLife] { self.books.lives }
    /// Requests in the order in which they started.
    package var starts: [Int] { self.books.starts }

    /// After the end: `nil`, or which request is unaccounted for.
    package func audit() -> String? { self.machine.checkBooks() ?? self.books.audit() }

    /// Lets the next thing happen. `false` when nothing is left to happen.
    package mutating func step() -> Bool {
        let arrival = self.arrivalTime
        let agenda = self.agenda.first
        let wake =
            self.machine.wake == .distantFuture ? Instant.distantFuture : max(self.machine.wake, self.earliestTick)
        let isIdle = self.books.live == 0
        let next = min(arrival, agenda?.at ?? .distantFuture, isIdle ? .distantFuture : wake)
        guard next < .distantFuture else { return false }
        self.now = max(self.now, next)
        self.books.advance(to: self.now)
        if let agenda, agenda.at <= self.now {
            self.agenda.remove(agenda.item)
            let request = Int(agenda.item)
            if self.flights[request] == nil { self.submit(request) } else { self.land(request) }
        } else if wake <= self.now {
            self.tick()
        } else {
            self.nextArrival += 1
            self.submit(self.nextArrival - 1)
        }
        return true
    }

    private var arrivalTime: Instant {
        guard self.nextArrival < self.workload.arrivals.count else { return .distantFuture }
        let at = self.workload.arrivals[self.nextArrival].at
        if let duration = self.configuration.duration, at >= duration { return .distantFuture }
        return Instant.zero + at
    }

    // MARK: Events

    private mutating func submit(_ request: Int) {
        let arrival = self.workload.arrivals[request]
        self.books.arrived(request, at: self.now)
        var effects = DispatchEffects()
        let submission = Submission(
            id: RequestID(high: 1, low: UInt64(request)),
            pool: Configuration.poolName,
            tenant: self.workload.tenants[arrival.tenant],
            priority: arrival.priority,
            model: self.workload.models[arrival.model],
            operation: "chat/completions",
            messageCount: 1,
            tokenEstimate: arrival.tokenEstimate,
            completionEstimate: arrival.completionEstimate,
            deadline: self.now + (arrival.deadline ?? Self.patience)
        )
        switch self.machine.submit(submission, seat: UInt64(request), now: self.now, &effects) {
        case .rejected(let rejection): self.end(request, rejection.reason)
        case .accepted(_, let lease):
            if let lease { self.depart(request, lease, &effects) }
        }
        self.absorb(&effects)
    }

    private mutating func tick() {
        var effects = DispatchEffects()
        self.machine.tick(now: self.now, &effects)
        self.earliestTick = self.now + Self.leastWake
        self.absorb(&effects)
    }

    /// Carries out what the machine asks for, and what follows from that.
    private mutating func absorb(_ effects: inout DispatchEffects) {
        while !effects.isEmpty {
            let due = effects
            effects = DispatchEffects()
            for ended in due.ended { self.end(Self.number(ended), ended.record.reason ?? .backend) }
            for seat in due.cancellations {
                let request = Int(seat)
                guard let lease = self.flights[request] else { continue }
                self.agenda.remove(UInt32(request))
                let failure = AttemptFailure(.deadline, message: "the deadline passed")
                self.finish(request, lease, .failure(failure), &effects)
            }
            due.grants.forEach { grant in self.depart(Int(grant.seat), grant.lease, &effects) }
        }
    }

    private mutating func depart(_ request: Int, _ lease: QueueLease, _ effects: inout DispatchEffects) {
        switch self.machine.start(lease.handle, lease.token, now: self.now, &effects) {
        case .fenced: break
        case .ended(let ended): self.end(request, ended.record.reason ?? .backend)
        case .proceed:
            self.running += 1
            self.flights[request] = lease
            self.books.started(request, at: self.now)
            let slots = self.configuration.pool.slots
            let service = self.configuration.backend.service(
                of: self.workload.arrivals[request],
                running: self.running,
                slots: slots
            )
            self.agenda.set(UInt32(request), at: self.now + service)
        }
    }

    private mutating func land(_ request: Int) {
        guard let lease = self.flights[request] else { return }
        var effects = DispatchEffects()
        let arrival = self.workload.arrivals[request]
        let usage = TokenUsage(prompt: arrival.promptTokens, completion: arrival.completionTokens)
        self.finish(request, lease, .success(status: 200, usage: usage), &effects)
        self.absorb(&effects)
    }

    private mutating func finish(
        _ request: Int,
        _ lease: QueueLease,
        _ result: AttemptResult,
        _ effects: inout DispatchEffects
    ) {
        self.running -= 1
        self.flights[request] = nil
        self.books.stopped(request, at: self.now)
        let ending = self.machine.finish(lease.handle, lease.token, result, now: self.now, &effects)
        guard case .ended(let ended) = ending else { return }
        self.end(request, ended.record.reason ?? .backend)
    }

    private mutating func end(_ request: Int, _ reason: OutcomeReason) {
        self.books.ended(request, reason, at: self.now)
        guard let loop = self.workload.loop else { return }
        let next = request + loop.users
        guard next < self.workload.arrivals.count else { return }
        let at = self.now + self.think(next)
        if let duration = self.configuration.duration, at - .zero >= duration { return }
        self.agenda.set(UInt32(next), at: at)
    }

    private func think(_ request: Int) -> Duration {
        guard let loop = self.workload.loop else { return .zero }
        var random = SeededRandom(seed: self.configuration.seed &+ UInt64(request) &* 0xD134_2543_DE82_EF95)
        return .nanoseconds(Int64(min(9e18, loop.think.inSeconds * random.exponential() * 1e9)))
    }

    private static func number(_ ended: EndedRequest) -> Int { Int(truncatingIfNeeded: ended.record.submission.id.low) }
}
