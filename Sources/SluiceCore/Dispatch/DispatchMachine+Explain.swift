import SluiceBasics

// Why a request does not run yet.
extension DispatchMachine {
    /// Everything that stands between a request and its start; `nil` for a handle of a request that has ended.
    /// As much work as choosing whom to start: what waits is not looked through.
    package mutating func explain(_ handle: RequestHandle, now: Instant) -> Explanation? {
        let pool = Int(handle.pool)
        guard pool < self.pools.count, let record = self.pools[pool].queue.record(handle) else { return nil }
        var explanation = Explanation(
            pool: self.pools[pool].configuration.name,
            state: record.state,
            queued: self.pools[pool].stats().queued,
            waited: max(.zero, (record.claimedAt ?? now) - record.submittedAt),
            remaining: record.submission.deadline - now
        )
        guard record.state == .queued, let waiting = self.waiting(handle, now: now) else { return explanation }
        explanation.waited = max(.zero, now - record.submittedAt)
        explanation.reason = waiting.reason
        explanation.position = waiting.position
        explanation.tenant = self.pools[pool].queue.share(handle)
        let budget = self.pools[pool].limit.budget(at: now).map { max(0, $0) }
        self.followLanes(pool, now: now)
        let best = self.pools[pool].queue.winner(budget: budget, now: now)
        explanation.score = self.pools[pool].queue.score(handle, budget: budget, now: now)
        if let best, best.handle != handle { explanation.winner = best.winner }
        explanation.gates = self.backendGates(handle, pool: pool, now: now)
        explanation.gates += self.limitGates(handle, pool: pool, now: now)
        explanation.gates += self.providerGates(handle, pool: pool, now: now)
        explanation.gates += self.slotGates(pool: pool, explanation)
        explanation.gates += self.orderGates(pool: pool, explanation)
        // What it waits for by itself comes on top of those before it.
        let closedFor = explanation.gates.compactMap { $0.isOpen || $0.gate == .ageing ? nil : $0.reopensIn }.max()
        explanation.predictedStart = waiting.estimatedStart.map { max($0, closedFor ?? .zero) }
        return explanation
    }

    /// What closes for everybody, and this request's own delay.
    private mutating func backendGates(
        _ handle: RequestHandle,
        pool: Int,
        now: Instant
    ) -> [Explanation.Reading] {
        let mode = self.pools[pool].mode
        var gates = [Explanation.Reading(.poolMode, isOpen: mode != .paused, detail: mode.rawValue)]
        if let due = self.pools[pool].queue.due(handle) {
            let detail = self.pools[pool].queue.isThrottled(handle) ? "throttled by the backend" : nil
            gates.append(.until(due, .backOff, now: now, detail: detail))
        }
        if let reading = self.targetsReading(pool, now: now) {
            gates.append(reading)
            return gates
        }
        let backend = self.backends[self.pools[pool].backend]
        let openFor = backend.breaker.openUntil.map { max(.zero, $0 - now) }
        gates.append(
            Explanation.Reading(
                .circuitBreaker,
                isOpen: backend.breaker.admits(at: now),
                value: Double(backend.breaker.consecutiveFailures),
                threshold: Double(backend.breaker.configuration.consecutiveFailures),
                unit: .failures,
                reopensIn: openFor == .zero ? nil : openFor,
                detail: "\(backend.name) \(backend.breaker.state.rawValue)"
            )
        )
        let patience = self.pools[pool].throttledUntil
        if patience > now { gates.append(.until(patience, .backendPatience, now: now, detail: backend.name)) }
        return gates
    }

    /// The pool's own limits: what is left of them against what the request takes.
    private mutating func limitGates(
        _ handle: RequestHandle,
        pool: Int,
        now: Instant
    ) -> [Explanation.Reading] {
        // A copy: a shared limit would take a question for a need.
        var limit = self.pools[pool].limit
        let share = limit.share?.account(at: now)
        var gates: [Explanation.Reading] = []
        if let requests = limit.availableRequests(at: now) {
            gates.append(
                Explanation.Reading(
                    .requestsPerMinute,
                    isOpen: requests >= 1,
                    value: Double(requests),
                    threshold: 1,
                    unit: .requests,
                    reopensIn: requests >= 1 ? nil : limit.check(0, at: now)?.availableIn,
                    detail: share
                )
            )
        }
        if let tokens = limit.availableTokens(at: now) {
            let needs = self.pools[pool].queue.chargeable(handle)
            let isKept = self.pools[pool].limit.isHeld && !self.pools[pool].limit.mayStart(at: now)
            gates.append(
                Explanation.Reading(
                    .tokensPerMinute,
                    isOpen: tokens >= needs && !isKept,
                    value: Double(tokens),
                    threshold: Double(needs),
                    unit: .tokens,
                    reopensIn: isKept
                        ? self.pools[pool].limit.due.map { $0 - now } : limit.check(needs, at: now)?.availableIn,
                    detail: isKept ? "kept for a request that has waited for longer than max_wait" : share
                )
            )
        }
        return gates
    }

    private mutating func slotGates(pool: Int, _ explanation: Explanation) -> [Explanation.Reading] {
        let slots = self.pools[pool].configuration.slots
        let inFlight = self.pools[pool].stats().inFlight
        var gates = [
            Explanation.Reading(
                .slots,
                isOpen: inFlight < slots,
                value: Double(inFlight),
                threshold: Double(slots),
                unit: .slots
            )
        ]
        if let tenant = explanation.tenant, let maximum = tenant.maximumInFlight {
            gates.append(
                Explanation.Reading(
                    .tenantInFlight,
                    isOpen: tenant.inFlight < maximum,
                    value: Double(tenant.inFlight),
                    threshold: Double(maximum),
                    unit: .requests
                )
            )
        }
        return gates
    }

    /// Who is before it.
    private func orderGates(pool: Int, _ explanation: Explanation) -> [Explanation.Reading] {
        let policy = self.pools[pool].configuration.scheduling.policy
        var gates: [Explanation.Reading] = []
        if let tenant = explanation.tenant, let counter = tenant.counter {
            let least = tenant.leastCounter ?? counter
            let isTurn = counter <= least || explanation.winner == nil
            gates.append(
                Explanation.Reading(
                    .tenantTurn,
                    isOpen: isTurn,
                    value: counter,
                    threshold: least,
                    unit: .virtualTokens,
                    detail: isTurn ? nil : tenant.leastTenant
                )
            )
        }
        let ahead = (explanation.position ?? 1) - 1
        gates.append(
            Explanation.Reading(.order, isOpen: ahead == 0, value: Double(ahead), threshold: 0, unit: .requests)
        )
        if let score = explanation.score {
            // Scores are compared within a tenant: between tenants their turns decide.
            let rival = explanation.winner.flatMap { winner in
                explanation.tenant?.counter == nil || winner.tenant == explanation.tenant?.name ? winner.score : nil
            }
            gates.append(
                Explanation.Reading(
                    .score,
                    isOpen: rival == nil,
                    value: score.total,
                    threshold: (rival ?? score).total
                )
            )
        }
        let left = policy.maximumWait - explanation.waited
        gates.append(
            Explanation.Reading(
                .ageing,
                isOpen: left <= .zero,
                value: explanation.waited.inMilliseconds,
                threshold: policy.maximumWait.inMilliseconds,
                unit: .milliseconds,
                reopensIn: left > .zero ? left : nil
            )
        )
        return gates
    }
}

extension Explanation.Reading {
    /// Closed until a time.
    fileprivate static func until(
        _ time: Instant,
        _ gate: Explanation.Gate,
        now: Instant,
        detail: String?
    ) -> Explanation.Reading {
        Explanation.Reading(
            gate,
            isOpen: time <= now,
            value: max(.zero, time - now).inMilliseconds,
            threshold: 0,
            unit: .milliseconds,
            reopensIn: time > now ? time - now : nil,
            detail: detail
        )
    }
}

extension ThrottleAnswer {
    fileprivate var availableIn: Duration? {
        guard case .refused(let refusal) = self else { return nil }
        return refusal.availableIn
    }
}
