import SluiceBasics

// Why a request does not run yet.
extension DispatchMachine {
    /// Everything that stands between a request and its start; `nil` for a handle of a request that has ended.
    /// O(log n): nothing that waits is looked through.
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
        explanation.predictedStart = waiting.estimatedStart
        explanation.gates = self.backendGates(handle, pool: pool, now: now)
        explanation.gates += self.capacityGates(pool: pool, position: waiting.position)
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
            gates.append(
                Explanation.Reading(
                    .backOff,
                    isOpen: due <= now,
                    value: max(.zero, due - now).inMilliseconds,
                    threshold: 0,
                    unit: .milliseconds,
                    reopensIn: due > now ? due - now : nil,
                    detail: self.pools[pool].queue.isThrottled(handle) ? "throttled by the backend" : nil
                )
            )
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
        if patience > now {
            gates.append(
                Explanation.Reading(
                    .backendPatience,
                    isOpen: false,
                    value: (patience - now).inMilliseconds,
                    threshold: 0,
                    unit: .milliseconds,
                    reopensIn: patience - now,
                    detail: backend.name
                )
            )
        }
        return gates
    }

    private mutating func capacityGates(pool: Int, position: Int) -> [Explanation.Reading] {
        let slots = self.pools[pool].configuration.slots
        let inFlight = self.pools[pool].stats().inFlight
        return [
            Explanation.Reading(
                .slots,
                isOpen: inFlight < slots,
                value: Double(inFlight),
                threshold: Double(slots),
                unit: .slots
            ),
            Explanation.Reading(
                .order,
                isOpen: position <= 1,
                value: Double(position - 1),
                threshold: 0,
                unit: .requests
            ),
        ]
    }
}
