import SluiceBasics

// What operators do and see.
extension DispatchMachine {
    package mutating func cancel(
        _ handle: RequestHandle,
        cause: CancelCause,
        now: Instant,
        _ effects: inout DispatchEffects
    ) -> CancelAnswer {
        let pool = Int(handle.pool)
        guard pool < self.pools.count else { return .unknown }
        switch self.pools[pool].queue.cancel(handle, cause: cause, now: now) {
        case .unknown: return .unknown
        case .pending:
            if let seat = self.pools[pool].queue.seat(handle) { effects.cancellations.append(seat) }
            return .cancelling
        case .ended(let request):
            self.report(request.record, .ended, now, &effects)
            effects.ended.append(request)
            self.reconsider(pool, now: now, &effects)
            self.assertBooks(pool)
            return .cancelled
        }
    }

    /// Somebody for whom tokens were kept may be gone.
    private mutating func reconsider(_ pool: Int, now: Instant, _ effects: inout DispatchEffects) {
        guard self.pools[pool].limit.due != nil else { return }
        self.pools[pool].limit.depart()
        _ = self.pump(pool, now: now, &effects, own: nil)
    }

    package func handle(of id: RequestID) -> RequestHandle? {
        for pool in self.pools {
            if let handle = pool.queue.handle(of: id) { return handle }
        }
        return nil
    }

    package func backendName(_ handle: RequestHandle) -> String {
        Int(handle.pool) < self.pools.count ? self.backends[self.pools[Int(handle.pool)].backend].name : ""
    }

    package func record(_ handle: RequestHandle) -> RequestRecord? {
        Int(handle.pool) < self.pools.count ? self.pools[Int(handle.pool)].queue.record(handle) : nil
    }

    /// Returns `false` for an unknown pool.
    package mutating func setMode(
        _ mode: PoolMode,
        pool name: String,
        now: Instant,
        _ effects: inout DispatchEffects
    ) -> Bool {
        guard let pool = self.poolIndex(name) else { return false }
        guard self.pools[pool].mode != mode else { return true }
        self.pools[pool].mode = mode
        effects.changes.append(PoolEvent(pool: name, change: .mode(mode), at: now))
        _ = self.pump(pool, now: now, &effects, own: nil)
        self.rearm(pool, now: now)
        return true
    }

    /// Changes everything but the pool's name and backend. What runs goes on, also beyond a smaller number of slots.
    package mutating func configure(
        _ configuration: PoolConfiguration,
        now: Instant,
        _ effects: inout DispatchEffects
    ) -> Bool {
        guard let pool = self.poolIndex(configuration.name) else { return false }
        var adopted = configuration
        adopted.backend = self.pools[pool].configuration.backend
        adopted.route = self.pools[pool].configuration.route
        adopted.slots = max(0, adopted.slots)
        self.pools[pool].configuration = adopted
        self.pools[pool].limit.configure(adopted.scheduling.limit, now: now)
        self.pools[pool].shedding.configure(adopted.scheduling.shedding)
        self.adoptConcurrency(self.pools[pool].backend, now: now)
        self.pools[pool].queue.configure(DispatchPool.rules(adopted, self.pools[pool].limit))
        self.noteBudget(pool, &effects)
        effects.changes.append(PoolEvent(pool: configuration.name, change: .configured, at: now))
        _ = self.pump(pool, now: now, &effects, own: nil)
        self.rearm(pool, now: now)
        return true
    }

    private mutating func rearm(_ pool: Int, now: Instant) {
        let gate = self.gate(pool, now: now)
        if gate > .zero && self.pools[pool].readyCount() > 0 { self.wake(by: now + gate) }
    }

    /// Why a queued request does not run, its place and the probable wait; `nil` unless queued. O(log n).
    package mutating func waiting(_ handle: RequestHandle, now: Instant) -> WaitingStatus? {
        let pool = Int(handle.pool)
        guard pool < self.pools.count, let ahead = self.pools[pool].queue.ahead(of: handle) else { return nil }
        let due = self.pools[pool].queue.due(handle)
        var estimate = self.estimatedWait(pool, ahead: ahead, now: now)
        if let due, let wait = estimate { estimate = max(wait, due - now) }
        return WaitingStatus(
            reason: self.waitingReason(handle, pool: pool, ahead: ahead, now: now),
            position: ahead + 1,
            estimatedStart: estimate
        )
    }

    /// Only why a queued request does not run: for looking through many.
    package func reason(_ handle: RequestHandle, now: Instant) -> WaitingReason? {
        let pool = Int(handle.pool)
        guard pool < self.pools.count else { return nil }
        let isHead = self.pools[pool].queue.head == handle
        return self.waitingReason(handle, pool: pool, ahead: isHead ? 0 : 1, now: now)
    }

    /// The first of these that holds: what would have to change first for the request to run.
    private func waitingReason(_ handle: RequestHandle, pool: Int, ahead: Int, now: Instant) -> WaitingReason {
        if self.pools[pool].mode == .paused { return .poolPaused }
        if !self.backends[self.pools[pool].backend].breaker.admits(at: now) { return .circuitOpen }
        if var router = self.pools[pool].router, !router.admits(at: now) {
            return router.isRateLimited ? .rateLimited : .circuitOpen
        }
        // A delay that has passed is no reason: then a tick is missing, which health by progress has to see.
        if let due = self.pools[pool].queue.due(handle), due > now {
            return self.pools[pool].queue.isThrottled(handle) ? .rateLimited : .backoff
        }
        if self.pools[pool].throttledUntil > now || !self.pools[pool].limit.mayStart(at: now) { return .rateLimited }
        let lane = self.pools[pool].queue.lane(handle)
        let room = self.backends[self.pools[pool].backend].lanes.room(lane, at: now)
        if room < self.pools[pool].queue.chargeable(handle) { return .rateLimited }
        if self.pools[pool].queue.isTenantAtCap(handle) { return .tenantSlotsFull }
        return ahead > 0 ? .aheadInQueue : .slotsFull
    }

    package func status(_ name: String, now: Instant) -> PoolStatus? {
        self.poolIndex(name).map { self.status($0, now: now) }
    }

    package func statuses(now: Instant) -> [PoolStatus] { self.pools.indices.map { self.status($0, now: now) } }

    private func status(_ index: Int, now: Instant) -> PoolStatus {
        let pool = self.pools[index]
        let stats = pool.queue.stats
        var status = PoolStatus(
            configuration: pool.configuration,
            breaker: self.breakerStatus(pool.backend, now: now)
        )
        status.mode = pool.mode
        status.queued = stats.queued
        status.inFlight = stats.inFlight
        status.bytes = stats.bytes
        status.oldestQueuedAge = pool.queue.oldestQueuedAt.map { now - $0 }
        status.accepted = stats.accepted
        status.redriven = stats.redriven
        status.ended = stats.ended.table.merging(pool.rejections.table) { $0 + $1 }
        status.attemptsStarted = pool.attemptsStarted
        status.retries = pool.retries
        status.meanServiceTime = pool.service.average
        status.isShedding = pool.shedding.isShedding
        if pool.configuration.scheduling.isAdaptive, let limit = self.backends[pool.backend].concurrency {
            status.backendLimit = limit.limit
            status.concurrency = ConcurrencyStatus(
                limit: min(limit.limit, pool.configuration.slots),
                stretch: limit.stretch,
                movement: limit.movement.rawValue
            )
        }
        if let router = pool.router {
            status.targets = router.statuses(now: now)
            (status.hedges, status.hedgesWon) = router.hedgeCounts
        }
        if let head = pool.queue.head {
            status.waitingReason = self.waitingReason(head, pool: index, ahead: 0, now: now)
        }
        return status
    }

    private func breakerStatus(_ index: Int, now: Instant) -> BreakerStatus {
        let backend = self.backends[index]
        return BreakerStatus(
            backend: backend.name,
            state: backend.breaker.state,
            consecutiveFailures: backend.breaker.consecutiveFailures,
            opensProbeIn: backend.breaker.openUntil.map { max(.zero, $0 - now) },
            timesOpened: backend.breaker.timesOpened
        )
    }

    package var liveCount: Int { self.pools.reduce(0) { $0 + $1.queue.stats.live } }

    /// The books of one pool as they stand.
    package func stats(_ name: String) -> QueueStats? { self.poolIndex(name).map { self.pools[$0].queue.stats } }

    package mutating func stats(at pool: Int) -> QueueStats { self.pools[pool].stats() }

    package func breakerState(at pool: Int) -> BreakerState { self.backends[self.pools[pool].backend].breaker.state }

    package func liveHandles(pool: Int, slots: Range<Int>, _ body: (RequestHandle, RequestRecord) -> Void) {
        guard pool < self.pools.count else { return }
        self.pools[pool].queue.forEachLive(in: slots, body)
    }

    package func slotCount(pool: Int) -> Int { pool < self.pools.count ? self.pools[pool].queue.slotCount : 0 }

    package func tenantCount(_ tenant: String, pool name: String) -> Int {
        self.poolIndex(name).map { self.pools[$0].queue.count(tenant: tenant) } ?? 0
    }

    /// Counts everything again; `nil` when the books balance, else what is wrong. O(n log n).
    package func checkBooks() -> String? {
        for pool in self.pools {
            if let complaint = pool.queue.audit() { return "Pool \(pool.configuration.name): \(complaint)" }
        }
        return nil
    }

    @inline(always)
    mutating func assertBooks(_ pool: Int) {
        #if DEBUG
            let isBalanced = self.pools[pool].balances()
            assert(isBalanced, "books of pool \(pool): \(self.pools[pool].queue.stats)")
        #endif
    }
}

extension InMemoryQueue {
    func isThrottled(_ handle: RequestHandle) -> Bool {
        self.slot(handle).map { self.entries[$0].notes.isThrottled } ?? false
    }

    /// Who runs next, or, if all are delayed, who becomes ready first.
    var head: RequestHandle? {
        if let first = self.ready.first { return self.handle(Int(first.value)) }
        return self.scheduled.first.map { self.handle(Int($0.item)) }
    }
}
