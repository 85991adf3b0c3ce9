import SluiceBasics
import SluiceCore

// The dispatchers that hold leases, and the backends that they call.
extension Simulation {
    mutating func accept(_ number: Int, _ handle: RequestHandle) throws(Violation) {
        let request = self.requests[number]
        guard self.pools[request.pool].mode != .draining else {
            throw self.violation("a draining pool accepted request \(number)")
        }
        let tenant = request.submission.tenant
        let limit = self.pools[request.pool].configuration.maximumRequestsPerTenant ?? .max
        guard self.pools[request.pool].tenants[tenant, default: 0] < limit else {
            throw self.violation("tenant \(tenant) has more than \(limit) requests in pool \(request.pool)")
        }
        self.requests[number].phase = .queued
        self.requests[number].handle = handle
        self.requests[number].sequence = number
        self.pools[request.pool].accepted += 1
        self.pools[request.pool].queued += 1
        self.pools[request.pool].bytes += request.submission.payloadBytes
        self.pools[request.pool].tenants[tenant, default: 0] += 1
        self.pools[request.pool].makeReady(number, self.requests[number])
    }

    /// A slot was given to the request: was it its turn, and was there a slot?
    mutating func grant(_ number: Int, _ lease: QueueLease) throws(Violation) {
        let request = self.requests[number]
        let pool = request.pool
        guard request.phase == .queued, request.due == nil else {
            throw self.violation(
                "request \(number) was granted a slot while \(request.phase), due \(request.due as Any)"
            )
        }
        guard request.submission.deadline > self.now else {
            throw self.violation("request \(number) was granted a slot after its deadline")
        }
        try self.checkTurn(number, pool: pool)
        guard self.pools[pool].mode != .paused else { throw self.violation("paused pool \(pool) started \(number)") }
        guard self.pools[pool].throttledUntil <= self.now else {
            throw self.violation("request \(number) was granted a slot while its backend asks for patience")
        }
        self.pools[pool].takeReady(request)
        self.pools[pool].queued -= 1
        self.pools[pool].inFlight += 1
        guard self.pools[pool].inFlight <= self.pools[pool].configuration.slots else {
            throw self.violation(
                "\(self.pools[pool].inFlight) in \(self.pools[pool].configuration.slots) slots of pool \(pool)"
            )
        }
        let flight = self.flights.count
        self.requests[number].phase = .claimed
        self.requests[number].owner = flight
        self.pools[pool].launch(request)
        try self.checkLimit(pool)
        self.airborne.append(flight)
        self.flights.append(
            Flight(
                request: number,
                lease: lease,
                expiry: self.now + self.pools[pool].configuration.lease,
                forgetsToExtend: self.random.unit() < self.plan.zombieShare,
                probeEpoch: try self.passBreaker(pool)
            )
        )
        let isLate = self.flights[flight].forgetsToExtend && self.random.unit() < 0.3
        let pause = Duration.milliseconds(Int.random(in: 0...(isLate ? 20_000 : 5), using: &self.random))
        self.agenda.add(.start(flight: flight), at: self.now + pause)
        if self.plan.leaseMode == .expiring && !self.flights[flight].forgetsToExtend {
            self.agenda.add(.beat(flight: flight), at: self.now + .seconds(3))
        }
        self.report.note(number)
    }

    /// Returns the breaker's epoch if the call is a probe.
    private mutating func passBreaker(_ pool: Int) throws(Violation) -> Int? {
        let backend = self.pools[pool].backend
        switch self.backends[backend].state {
        case .closed: return nil
        case .open: throw self.violation("a request was granted a slot while circuit \(backend) is open")
        case .halfOpen:
            self.backends[backend].probes += 1
            guard self.backends[backend].probes == 1 else {
                throw self.violation("\(self.backends[backend].probes) probes at once of backend \(backend)")
            }
            return self.backends[backend].epoch
        }
    }

    /// A flight has no claim on its request any more.
    mutating func land(_ number: Int) {
        guard !self.flights[number].isOver else { return }
        self.flights[number].isOver = true
        let backend = self.pools[self.requests[self.flights[number].request].pool].backend
        guard self.flights[number].probeEpoch == self.backends[backend].epoch else { return }
        self.backends[backend].probes -= 1
    }

    /// The token that the holder of a flight shows.
    private func token(_ number: Int) -> LeaseToken {
        let flight = self.flights[number]
        guard self.bug == .staleTokenIsAccepted, let owner = self.requests[flight.request].owner else {
            return flight.lease.token
        }
        return self.flights[owner].lease.token
    }

    private func owns(_ number: Int) -> Bool { self.requests[self.flights[number].request].owner == number }

    mutating func start(_ number: Int) throws(Violation) {
        let flight = self.flights[number]
        let owns = self.owns(number)
        var effects = DispatchEffects()
        let departure = self.machine.start(flight.lease.handle, self.token(number), now: self.now, &effects)
        switch departure {
        case .fenced:
            self.report.staleCalls += 1
            guard !owns else { throw self.violation("the holder of request \(flight.request) was refused at start") }
        case .ended(let ended):
            guard owns else { throw self.violation("a stale start ended request \(flight.request)") }
            self.land(number)
            try self.end(ended, result: nil, isDirect: true)
        case .proceed:
            guard owns else { throw self.violation("a stale start of request \(flight.request) was let through") }
            try self.send(number)
        }
        try self.absorb(effects)
    }

    private mutating func send(_ number: Int) throws(Violation) {
        let index = self.flights[number].request
        let request = self.requests[index]
        guard request.submission.deadline > self.now else {
            throw self.violation("request \(index) was sent after its deadline")
        }
        guard request.cancelCause == nil else {
            throw self.violation("request \(index) was sent after its cancellation")
        }
        let limit = self.pools[request.pool].configuration.retry.maximumAttempts
        self.requests[index].attempts += 1
        guard self.requests[index].attempts <= limit + self.requests[index].recoveries else {
            throw self.violation(
                "request \(index) was sent for the \(self.requests[index].attempts)th time of \(limit)"
            )
        }
        self.requests[index].phase = .running
        self.report.calls += 1
        self.pools[request.pool].starts.append(self.now)
        let backend = self.pools[request.pool].backend
        self.backends[backend].backend.advance(to: self.now, random: &self.random)
        var fate = self.backends[backend].backend.fate(service: self.plan.service, random: &self.random)
        // A dispatcher that stalls, and wakes up when its lease may be somebody else's.
        if self.flights[number].forgetsToExtend { fate.after = fate.after + .seconds(15) * self.random.unit() }
        let deadline = request.submission.deadline
        if fate.hangs || self.now + fate.after > deadline {
            fate.after = deadline - self.now
            fate.result = .failure(AttemptFailure(.readTimeout, message: "timed out"))
        }
        self.flights[number].fate = fate
        if let span = fate.firstByteAfter, span < fate.after {
            self.agenda.add(.firstByte(flight: number), at: self.now + span)
        }
        self.agenda.add(.complete(flight: number, version: 0), at: self.now + fate.after)
    }

    mutating func firstByte(_ number: Int) throws(Violation) {
        var effects = DispatchEffects()
        let flight = self.flights[number]
        let limits = self.random.unit() < 0.3 ? SimulationPlan.observation(&self.random) : nil
        self.machine.firstByte(flight.lease.handle, flight.lease.token, limits: limits, now: self.now, &effects)
        let state = self.machine.record(flight.lease.handle)?.state
        guard !self.owns(number) || state == .streaming else {
            throw self.violation("request \(flight.request) is \(state as Any) after its first byte")
        }
        try self.absorb(effects)
    }

    mutating func complete(_ number: Int, _ version: Int) throws(Violation) {
        let flight = self.flights[number]
        guard flight.version == version, let fate = flight.fate else { return }
        self.flights[number].fate = nil
        let owns = self.owns(number)
        let phase = self.requests[flight.request].phase
        var told = fate.result
        if self.bug == .retryAfterIsIgnored, case .failure(var failure) = told {
            failure.retryAfter = nil
            told = .failure(failure)
        }
        var effects = DispatchEffects()
        let ending = self.machine.finish(
            flight.lease.handle,
            self.token(number),
            told,
            now: self.now,
            &effects
        )
        self.land(number)
        switch ending {
        case .fenced:
            self.report.staleCalls += 1
            guard !owns else { throw self.violation("the holder of request \(flight.request) was refused at finish") }
            var isSuccess = false
            if case .success = fate.result { isSuccess = true }
            guard !(isSuccess && phase == .queued) else {
                throw self.violation("a late success of request \(flight.request), held by nobody, was refused")
            }
        case .ended(let ended):
            guard owns || (phase == .queued && ended.record.reason == .late) else {
                throw self.violation("a stale finish ended request \(flight.request), which was \(phase)")
            }
            self.noteThrottle(fate.result, flight.request)
            try self.end(ended, result: fate.result, isDirect: true)
        case .requeued(let delay):
            guard owns else { throw self.violation("a stale finish requeued request \(flight.request)") }
            self.noteThrottle(fate.result, flight.request)
            try self.requeue(flight.request, fate.result, delay)
        }
        try self.absorb(effects)
    }

    mutating func beat(_ number: Int) throws(Violation) {
        let flight = self.flights[number]
        guard !flight.isOver else { return }
        let answer = self.machine.extend(flight.lease.handle, flight.lease.token, now: self.now)
        guard (answer != .fenced) == self.owns(number) else {
            throw self.violation("extend of request \(flight.request) answered \(answer)")
        }
        guard answer != .fenced else { return }
        self.flights[number].expiry = self.now + self.pools[self.requests[flight.request].pool].configuration.lease
        self.agenda.add(.beat(flight: number), at: self.now + .seconds(3))
    }

    /// Time took the lease away: the request is in the queue again, or ends in this tick.
    mutating func loseLease(_ number: Int) {
        guard self.owns(number), self.flights[number].expiry <= self.now else { return }
        let index = self.flights[number].request
        let pool = self.requests[index].pool
        self.land(number)
        self.report.recovered += 1
        self.requests[index].owner = nil
        self.requests[index].recoveries += 1
        self.requests[index].phase = .queued
        self.pools[pool].inFlight -= 1
        self.pools[pool].land(self.requests[index], nil)
        self.pools[pool].queued += 1
        self.pools[pool].makeReady(index, self.requests[index])
    }
}
