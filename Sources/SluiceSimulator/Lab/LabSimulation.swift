import SluiceBasics
import SluiceCore

/// A pool that goes on for ever in simulated time, and everything about which may be changed meanwhile: the dispatch
/// machine of the runtime, with drawn or recorded arrivals for clients and a model for a backend.
///
/// DESIGN. As in `PoolSimulation`, at equal times ends come first, then the machine's own wake, then the ends of steps
/// of the series, then arrivals. Time is given by whoever drives it. The same seed, and the same changes at the same
/// simulated times, give the same frames. Memory is bounded: by the requests that live, by the ring of those that have
/// ended, and by the points of the series.
package struct LabSimulation: Sendable {
    /// Ended requests that are shown.
    package static let keptDone = 50
    /// Least step of time for wakes that do not move on.
    private static let leastWake = Duration.microseconds(100)
    /// Instead of no deadline: far beyond every run.
    private static let patience = Duration.seconds(100 * 365 * 86_400)
    private static let minute = 60

    struct Life: Sendable {
        var message: LabMessage
        var arrival: Arrival
        var handle: RequestHandle?
        var lease: QueueLease?
        /// Whether it has counted as one that waits.
        var waits = false
    }

    package internal(set) var scenario: LabScenario
    package internal(set) var now = Instant.zero
    package internal(set) var totals = LabTotals()
    var machine: DispatchMachine
    var arrivals: LabArrivals
    /// By seat.
    var lives: [Life?] = []
    private var freeSeats: [Int] = []
    /// By seat: ends of calls.
    private var agenda = IndexedHeap()
    private var earliestTick = Instant.zero
    private var nextStep = Instant.zero + LabSeries.step
    private var steps = 0
    package internal(set) var series = LabSeries()
    var fairness = LabFairness()
    var recentWaits = [RecentWaits](repeating: RecentWaits(), count: Priority.allCases.count)
    /// The oldest first.
    var ended: [LabMessage] = []
    var running = 0
    private var busySince = Instant.zero
    var tenantBooks: [LabFrame.Tenant] = []
    var classBooks = Priority.allCases.map { LabFrame.Class(priority: $0) }

    /// - Parameter trace: what arrives; `nil`: as the scenario draws it.
    package init(_ scenario: LabScenario, trace: Workload? = nil) {
        self.scenario = scenario
        self.machine = DispatchMachine(
            pools: [scenario.pool],
            backends: [BackendPolicy(name: LabScenario.backendName)],
            seed: scenario.seed
        )
        self.arrivals = LabArrivals(scenario, trace: trace)
        self.followTenants()
    }

    /// Requests that live: pending, delayed and processing.
    package var live: Int { self.lives.count - self.freeSeats.count }

    // MARK: Time

    /// Goes on until a time, or until so many things have happened.
    ///
    /// - Returns: how many have; less than `most` when the time was reached.
    package mutating func advance(to target: Instant, most: Int) -> Int {
        var happened = 0
        while happened < most, self.step(before: target) { happened += 1 }
        if happened < most, target > self.now {
            self.noteBusy(until: target)
            self.now = target
        }
        return happened
    }

    /// What came of looking for the next thing that happens.
    package enum Look: Sendable {
        case happened
        /// Nothing so far.
        case silent
        /// Nothing ever will.
        case never
    }

    /// Lets the next thing happen that is more than the end of a step. Wakes that change nothing are passed over.
    ///
    /// - Parameter silent: how many of those may be; taken from.
    package mutating func stepOnce(silent: inout Int) -> Look {
        let before = self.totals
        let running = self.running
        while silent > 0 {
            guard self.step(before: .distantFuture) else { return .never }
            if self.totals != before || self.running != running { return .happened }
            silent -= 1
        }
        return .silent
    }

    private mutating func step(before target: Instant) -> Bool {
        let agenda = self.agenda.first
        let wake =
            self.machine.wake == .distantFuture ? Instant.distantFuture : max(self.machine.wake, self.earliestTick)
        let arrival = self.arrivals.due
        let next = min(agenda?.at ?? .distantFuture, wake, self.nextStep, arrival)
        if self.live == 0, arrival == .distantFuture, target == .distantFuture { return false }
        guard next <= target else { return false }
        self.noteBusy(until: max(self.now, next))
        self.now = max(self.now, next)
        if let agenda, agenda.at <= self.now {
            self.agenda.remove(agenda.item)
            self.land(Int(agenda.item))
        } else if wake <= self.now {
            self.tick()
        } else if self.nextStep <= self.now {
            self.closeStep()
        } else if let arrival = self.arrivals.take(at: self.now) {
            self.submit(arrival)
        }
        return true
    }

    private mutating func noteBusy(until now: Instant) {
        let seconds = (now - self.busySince).inSeconds
        self.busySince = now
        guard seconds > 0 else { return }
        let slots = Double(self.scenario.slots)
        let busy = min(slots, Double(self.running)) * seconds
        self.series.note { sample in
            sample.busy += busy
            sample.slotSeconds += slots * seconds
        }
    }

    private mutating func closeStep() {
        let (tokens, requests) = self.machine.allowance(0, now: self.now)
        let (pending, running) = (self.live - self.running, self.running)
        self.series.note { sample in
            sample.pending = pending
            sample.processing = running
            sample.tokensLeft = tokens
            sample.requestsLeft = requests
        }
        self.series.close()
        self.steps += 1
        self.nextStep = self.nextStep + LabSeries.step
        guard self.steps % Self.minute == 0 else { return }
        let books = self.tenantBooks
        self.fairness.closeMinute { books[$0].weight }
    }

    // MARK: Events

    /// As if it had just arrived.
    mutating func submit(_ arrival: Arrival) {
        self.totals.arrived += 1
        self.series.note { $0.arrived += 1 }
        self.followTenants()
        let number = UInt64(self.totals.arrived)
        let seat = self.freeSeats.popLast() ?? self.lives.count
        if seat == self.lives.count { self.lives.append(nil) }
        let message = LabMessage(
            number: number,
            state: .pending,
            tenant: arrival.tenant,
            priority: arrival.priority,
            promptTokens: arrival.promptTokens,
            completionTokens: arrival.completionTokens,
            tokenEstimate: arrival.tokenEstimate,
            arrivedAt: self.now
        )
        self.lives[seat] = Life(message: message, arrival: arrival)
        self.wait(seat, 1)
        let submission = Submission(
            id: RequestID(high: UInt64(seat) + 1, low: number),
            pool: LabScenario.poolName,
            tenant: self.arrivals.names[arrival.tenant],
            priority: arrival.priority,
            model: LabScenario.backendName,
            operation: "chat/completions",
            messageCount: 1,
            tokenEstimate: arrival.tokenEstimate,
            completionEstimate: arrival.completionEstimate,
            deadline: self.now + (arrival.deadline ?? Self.patience)
        )
        var effects = DispatchEffects()
        switch self.machine.submit(submission, seat: UInt64(seat), now: self.now, &effects) {
        case .rejected(let rejection): self.end(seat, rejection.reason)
        case .accepted(let handle, let lease):
            self.lives[seat]?.handle = handle
            if let lease { self.depart(seat, lease, &effects) }
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
    mutating func absorb(_ effects: inout DispatchEffects) {
        while !effects.isEmpty {
            let due = effects
            effects = DispatchEffects()
            for ended in due.ended {
                let seat = Int(ended.record.submission.id.high) - 1
                self.end(seat, ended.record.reason ?? .backend)
            }
            for seat in due.cancellations {
                guard let lease = self.lives[Int(seat)]?.lease else { continue }
                self.agenda.remove(UInt32(seat))
                let failure = AttemptFailure(.deadline, message: "the deadline passed")
                self.finish(Int(seat), lease, .failure(failure), &effects)
            }
            due.grants.forEach { grant in self.depart(Int(grant.seat), grant.lease, &effects) }
        }
    }

    private mutating func depart(_ seat: Int, _ lease: QueueLease, _ effects: inout DispatchEffects) {
        let scoring = self.machine.scoring(lease.handle, own: true, now: self.now)
        switch self.machine.start(lease.handle, lease.token, now: self.now, &effects) {
        case .fenced: break
        case .ended(let ended): self.end(seat, ended.record.reason ?? .backend)
        case .proceed:
            guard var life = self.lives[seat] else { return }
            self.wait(seat, -1)
            self.running += 1
            self.totals.started += 1
            life.waits = false
            life.lease = lease
            life.message.state = .processing
            life.message.startedAt = self.now
            life.message.attempts += 1
            life.message.score = scoring.map { $0.weights.breakdown($0.facts) }
            life.message.weights = scoring?.weights
            let service = self.scenario.backend.service(
                of: life.arrival,
                running: self.running,
                slots: self.scenario.slots
            )
            let due = self.now + service
            life.message.dueAt = due
            self.lives[seat] = life
            self.agenda.set(UInt32(seat), at: due)
            self.noteStart(life.message)
        }
    }

    private mutating func land(_ seat: Int) {
        guard let life = self.lives[seat], let lease = life.lease else { return }
        var effects = DispatchEffects()
        if self.fails(life.message) {
            let failure = AttemptFailure(.serverError, status: 500, message: "simulated error")
            self.finish(seat, lease, .failure(failure), &effects)
        } else {
            let usage = TokenUsage(prompt: life.arrival.promptTokens, completion: life.arrival.completionTokens)
            self.finish(seat, lease, .success(status: 200, usage: usage), &effects)
        }
        self.absorb(&effects)
    }

    /// From the seed, the request and the attempt alone.
    private func fails(_ message: LabMessage) -> Bool {
        guard self.scenario.failureRate > 0 else { return false }
        var random = SeededRandom(
            seed: self.scenario.seed &+ message.number &* 0xD134_2543_DE82_EF95 &+ UInt64(message.attempts)
        )
        return random.unit() < self.scenario.failureRate
    }

    private mutating func finish(
        _ seat: Int,
        _ lease: QueueLease,
        _ result: AttemptResult,
        _ effects: inout DispatchEffects
    ) {
        self.noteBusy(until: self.now)
        self.running -= 1
        self.noteStop(seat)
        self.lives[seat]?.lease = nil
        switch self.machine.finish(lease.handle, lease.token, result, now: self.now, &effects) {
        case .ended(let ended): self.end(seat, ended.record.reason ?? .backend)
        case .requeued(let delay):
            self.totals.retries += 1
            self.lives[seat]?.message.state = .delayed
            self.lives[seat]?.message.dueAt = self.now + delay
            self.wait(seat, 1)
        case .fenced: break
        }
    }

    private mutating func end(_ seat: Int, _ reason: OutcomeReason) {
        guard var life = self.lives[seat] else { return }
        if life.waits { self.wait(seat, -1) }
        life.message.endedAt = self.now
        life.message.reason = reason
        life.message.dueAt = nil
        switch reason.outcome {
        case .done: life.message.state = .done
        case .rejected: life.message.state = .refused
        case .expired: life.message.state = .expired
        default: life.message.state = .failed
        }
        self.noteEnd(life.message)
        self.lives[seat] = nil
        self.freeSeats.append(seat)
        self.ended.append(life.message)
        if self.ended.count >= 2 * Self.keptDone { self.ended.removeFirst(self.ended.count - Self.keptDone) }
    }
}
