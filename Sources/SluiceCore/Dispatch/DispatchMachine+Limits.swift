import SluiceBasics

// What backends show and say of how much they take: their providers' limits, and the concurrency that suits them.
extension DispatchMachine {
    // MARK: Providers' limits

    /// Whose limits apply to a request beside the pool's.
    mutating func lane(_ submission: Submission, pool: Int, now: Instant) -> UInt8 {
        // Several targets have limits of their own each: whose are used up is left alone.
        guard self.pools[pool].configuration.scheduling.followsProviderLimits, self.pools[pool].router == nil else {
            return 0
        }
        return self.backends[self.pools[pool].backend].lanes.lane(of: submission.model, now: now)
    }

    /// The backend has said something about its limits.
    mutating func note(_ limits: ProviderObservation?, _ facts: AttemptFacts, pool: Int, now: Instant) {
        guard let limits, facts.lane > 0 else { return }
        self.backends[self.pools[pool].backend].lanes.note(
            limits,
            lane: facts.lane,
            account: facts.notes.account,
            tokens: facts.notes.reservedTokens,
            claimedAt: facts.claimedAt,
            now: now
        )
    }

    /// Tells the line what each lane has left.
    mutating func followLanes(_ pool: Int, now: Instant) {
        let backend = self.pools[pool].backend
        if self.backends[backend].lanes.isEmpty && self.pools[pool].queue.lineup.laneRooms.isEmpty { return }
        self.backends[backend].lanes.fill(&self.pools[pool].queue.lineup.laneRooms, at: now)
        // What fits a lane has to be found behind any number that do not.
        if !self.pools[pool].queue.lineup.laneRooms.isEmpty { self.pools[pool].queue.lineup.trackSizes(true) }
    }

    /// Nothing that waits fits.
    mutating func awaitLanes(_ pool: Int, now: Instant) {
        let needs = self.pools[pool].queue.lineup.laneNeeds
        guard let due = self.backends[self.pools[pool].backend].lanes.due(needs: needs, at: now) else { return }
        self.pools[pool].laneDue = due
        self.wake(by: due)
    }

    // MARK: Adaptive concurrency

    /// Makes, changes or removes the limit of a backend as its pools' configurations say.
    mutating func adoptConcurrency(_ backend: Int, now: Instant) {
        var slots = 0
        for pool in self.backends[backend].pools where self.pools[pool].configuration.scheduling.isAdaptive {
            let sum = slots.addingReportingOverflow(self.pools[pool].configuration.slots)
            slots = sum.overflow ? .max : sum.partialValue
        }
        if slots == 0 {
            self.backends[backend].concurrency = nil
        } else {
            let policy = AdaptiveConcurrencyPolicy(minimum: 1, maximum: slots)
            if self.backends[backend].concurrency == nil {
                self.backends[backend].concurrency = ConcurrencyLimit(policy, now: now)
            } else {
                self.backends[backend].concurrency?.configure(policy)
            }
        }
        self.followConcurrency(backend)
    }

    /// In flight at the backend, of the pools that share its limit.
    private mutating func adaptiveInFlight(_ backend: Int) -> Int {
        var sum = 0
        for pool in self.backends[backend].pools where self.pools[pool].configuration.scheduling.isAdaptive {
            sum += self.pools[pool].stats().inFlight
        }
        return sum
    }

    /// Tells the pools how many more requests their backend takes.
    mutating func followConcurrency(_ backend: Int) {
        let limit = self.backends[backend].concurrency?.limit
        let room = limit.map { max(0, $0 - self.adaptiveInFlight(backend)) } ?? .max
        for pool in self.backends[backend].pools {
            self.pools[pool].room = self.pools[pool].configuration.scheduling.isAdaptive ? room : .max
            self.pools[pool].ceiling = self.pools[pool].configuration.scheduling.isAdaptive ? limit ?? .max : .max
        }
    }

    mutating func noteStart(_ pool: Int, now: Instant) {
        let backend = self.pools[pool].backend
        guard self.pools[pool].configuration.scheduling.isAdaptive else { return }
        let inFlight = self.adaptiveInFlight(backend)
        self.backends[backend].concurrency?.started(inFlight: inFlight, at: now)
    }

    /// An attempt has ended; its request is still in flight.
    mutating func noteEnd(
        _ result: AttemptResult,
        _ verdict: BackendVerdict,
        _ facts: AttemptFacts,
        pool: Int,
        now: Instant
    ) {
        let backend = self.pools[pool].backend
        guard self.pools[pool].configuration.scheduling.isAdaptive, facts.wasStarted else { return }
        let inFlight = max(0, self.adaptiveInFlight(backend) - 1)
        self.backends[backend].concurrency?.ended(
            result.ending(verdict),
            latency: now - facts.claimedAt,
            tokens: result.written ?? facts.tokens,
            inFlight: inFlight,
            at: now
        )
    }
}

extension DispatchMachine {
    /// What the backend's own limits, said or seen, have to do with a request that waits.
    mutating func providerGates(_ handle: RequestHandle, pool: Int, now: Instant) -> [Explanation.Reading] {
        var gates: [Explanation.Reading] = []
        let backend = self.pools[pool].backend
        let lane = self.pools[pool].queue.lane(handle)
        let room = self.backends[backend].lanes.room(lane, at: now)
        if room < .max {
            let needs = self.pools[pool].queue.chargeable(handle)
            let lacksRequests = self.backends[backend].lanes.lacksRequests(lane, at: now)
            let wait = self.backends[backend].lanes.wait(lane, tokens: needs, at: now)
            gates.append(
                Explanation.Reading(
                    .providerLimit,
                    isOpen: room >= needs,
                    value: lacksRequests ? 0 : Double(max(0, room)),
                    threshold: lacksRequests ? 1 : Double(needs),
                    unit: lacksRequests ? .requests : .tokens,
                    reopensIn: room < needs && wait > .zero ? wait : nil,
                    detail: self.pools[pool].queue.record(handle)?.submission.model
                )
            )
        }
        if self.pools[pool].configuration.scheduling.isAdaptive,
            let limit = self.backends[backend].concurrency?.limit
        {
            let inFlight = self.adaptiveInFlight(backend)
            gates.append(
                Explanation.Reading(
                    .adaptiveLimit,
                    isOpen: inFlight < limit,
                    value: Double(inFlight),
                    threshold: Double(limit),
                    unit: .slots,
                    detail: self.backends[backend].name
                )
            )
        }
        return gates
    }
}

extension AttemptResult {
    /// Reading a token takes a backend about a thirtieth of the time of writing one.
    private static let tokensReadPerWritten = 32

    /// What was written, and what was read in the same time; `nil`: not said.
    fileprivate var written: Int? {
        guard case .success(_, let usage?, _) = self else { return nil }
        let read = max(0, usage.prompt) / Self.tokensReadPerWritten
        let sum = max(0, usage.completion).addingReportingOverflow(read)
        return sum.overflow ? .max : sum.partialValue
    }

    fileprivate func ending(_ verdict: BackendVerdict) -> ConcurrencyLimit.Ending {
        switch self {
        case .success: return .served
        case .failure(let failure):
            switch failure.failureClass {
            // A smaller concurrency does not help where the rate is limited.
            case .rateLimited: return failure.limits?.isUsedUp == true ? .neutral : .refused
            case .overloaded: return .refused
            default: return verdict == .failing ? .failed : .neutral
            }
        }
    }
}
