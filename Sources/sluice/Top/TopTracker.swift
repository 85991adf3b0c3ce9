import SluiceDoctor

/// One look at the gateway.
struct TopObservation: Sendable {
    /// Seconds on our own monotonic clock.
    var at: Double
    /// Seconds since 1970 by the gateway's clock, from its answer's `Date`.
    var gatewayTime: Double?
    var pools: [PoolReading]
    var runtime: RuntimeReading
}

/// What is asked once per connection, because it does not change.
struct GatewayIdentity: Sendable, Equatable {
    var version: String?
    /// Seconds, and when they were so on our monotonic clock.
    var uptime: (seconds: Double, at: Double)?

    static func == (left: GatewayIdentity, right: GatewayIdentity) -> Bool {
        left.version == right.version && left.uptime?.seconds == right.uptime?.seconds
            && left.uptime?.at == right.uptime?.at
    }
}

/// Makes models from observations; remembers what rates need.
struct TopTracker: Sendable {
    let url: String
    var identity = GatewayIdentity()
    private var meter = RateMeter()

    init(url: String) { self.url = url }

    mutating func model(_ seen: TopObservation) -> TopModel {
        let dispatchers = Self.byPool(seen.runtime.dispatchers)
        var names: Set<String> = []
        var done: [Double?] = []
        var failed: [Double?] = []
        var pools: [TopModel.Pool] = []
        for id in Self.poolNames(seen) {
            let rows = dispatchers[id] ?? []
            let reading = seen.pools.first { $0.id == id }
            let configured = seen.runtime.pools.first { $0.id == id }
            var pool = Self.pool(id, reading, configured, rows)
            let pending = seen.runtime.requests.filter { $0.isPending && $0.pool == id }
            if Self.runsOnValkey(reading, rows), let reason = pending.lazy.compactMap(\.waitingReason).first {
                pool.waitingReason = reason
            }
            pool.oldestWait = ([pool.oldestWait] + pending.map(\.waited)).compactMap { $0 }.max()
            if Self.runsOnValkey(reading, rows) {
                var sums = (ended: [Double?](), failed: [Double?]())
                for row in rows {
                    sums.ended.append(self.rate("ended \(row.id) \(id)", row.processed, seen.at, &names))
                    sums.failed.append(self.rate("failed \(row.id) \(id)", row.failures, seen.at, &names))
                }
                let ended = Self.sum(sums.ended)
                let failures = Self.sum(sums.failed)
                pool.requestsPerSecond = ended
                failed.append(failures)
                done.append(ended.flatMap { ended in failures.map { max(0, ended - $0) } })
            } else {
                pool.requestsPerSecond = self.rate("ended \(id)", reading?.completed, seen.at, &names)
                done.append(self.rate("done \(id)", reading?.done, seen.at, &names))
                failed.append(self.rate("failed \(id)", reading?.failed, seen.at, &names))
            }
            pools.append(pool)
        }
        var model = TopModel(url: self.url, version: self.identity.version)
        model.uptime = self.identity.uptime.map { $0.seconds + max(0, seen.at - $0.at) }
        model.fabricGroup = seen.runtime.dispatchers.lazy.compactMap(\.fabricGroup).first
        model.fabricError = seen.runtime.fabricError
        model.pools = pools
        model.dispatchers = self.dispatchers(seen, &names)
        model.requests = seen.runtime.requests
        model.totals = Self.totals(seen, pools)
        // What all pools have together, the only one has.
        if model.pools.count == 1 {
            model.pools[0].inFlight = model.pools[0].inFlight ?? model.totals.inFlight
            model.pools[0].pending = model.pools[0].pending ?? model.totals.pending
        }
        model.totals.donePerSecond = Self.sum(done)
        model.totals.failedPerSecond = Self.sum(failed)
        self.meter.keep(names)
        return model
    }

    private mutating func rate(_ name: String, _ count: Int?, _ at: Double, _ names: inout Set<String>) -> Double? {
        names.insert(name)
        return self.meter.rate(name, count, at: at)
    }

    /// Of what is known; unknown when nothing is.
    private static func sum(_ rates: [Double?]) -> Double? {
        let known = rates.compactMap { $0 }
        return known.isEmpty ? nil : known.reduce(0, +)
    }

    /// Unknown when a part is.
    private static func sum(_ counts: [Int?]) -> Int? {
        let known = counts.compactMap { $0 }
        return known.isEmpty || known.count < counts.count ? nil : known.reduce(0, +)
    }

    private static func byPool(_ rows: [RuntimeReading.Dispatcher]) -> [String: [RuntimeReading.Dispatcher]] {
        var result: [String: [RuntimeReading.Dispatcher]] = [:]
        for row in rows { for pool in row.pools { result[pool, default: []].append(row) } }
        return result
    }

    private static func poolNames(_ seen: TopObservation) -> [String] {
        var known: Set<String> = []
        let all =
            seen.pools.map(\.id) + seen.runtime.pools.map(\.id) + seen.runtime.dispatchers.flatMap(\.pools)
            + seen.runtime.requests.compactMap(\.pool)
        return all.filter { known.insert($0).inserted }
    }

    /// Dispatchers on Valkey also run what others submitted, which the gateway's own books know nothing of.
    private static func runsOnValkey(_ reading: PoolReading?, _ rows: [RuntimeReading.Dispatcher]) -> Bool {
        reading?.isServedByFabric == true || rows.contains { $0.usesValkey == true }
    }

    private static func pool(
        _ id: String,
        _ reading: PoolReading?,
        _ configured: RuntimeReading.Pool?,
        _ rows: [RuntimeReading.Dispatcher]
    ) -> TopModel.Pool {
        var pool = TopModel.Pool(id: id)
        pool.state = reading?.mode ?? (configured?.isEnabled == false ? "disabled" : nil)
        pool.slots = configured?.slots ?? reading?.slots
        pool.inFlight = reading?.inFlight
        pool.concurrencyLimit = reading?.concurrencyLimit
        pool.isShedding = reading?.isShedding
        pool.pending = reading?.queued
        pool.address = reading?.address ?? configured?.address
        if Self.runsOnValkey(reading, rows) {
            // A row that serves several pools counts them together.
            let own = rows.filter { $0.pools.count == 1 }
            // One that is gone has none.
            let alive = own.filter { $0.isRunning != false || $0.slots != nil }
            if !own.isEmpty { pool.slots = alive.isEmpty ? 0 : Self.sum(alive.map(\.slots)) }
            // What the gateway itself counts is only what came through it. One that is gone may have left work behind
            // that nobody counts.
            pool.inFlight = Self.sum(own.map(\.inFlight))
            // All look at the same list.
            pool.pending = own.compactMap(\.queueDepth).max()
            pool.address = rows.lazy.compactMap(\.address).first ?? configured?.address
        }
        pool.oldestWait = reading?.oldestQueuedMilliseconds.map { $0 / 1000 }
        pool.breaker = reading?.breaker ?? rows.lazy.compactMap(\.breaker).first
        pool.waitingReason = reading?.waitingReason ?? rows.lazy.compactMap(\.waitingReason).first
        return pool
    }

    private static func totals(_ seen: TopObservation, _ pools: [TopModel.Pool]) -> TopModel.Totals {
        let summary = seen.runtime.summary
        return TopModel.Totals(
            pending: summary.pending ?? Self.sum(pools.map(\.pending)),
            inFlight: summary.inFlight ?? Self.sum(pools.map(\.inFlight)),
            slots: Self.sum(pools.map(\.slots)),
            dropped: summary.dropped,
            registeredDispatchers: summary.registeredDispatchers,
            runningDispatchers: summary.runningDispatchers
        )
    }

    /// One row for each dispatcher, whatever number of pools it serves.
    private mutating func dispatchers(_ seen: TopObservation, _ names: inout Set<String>) -> [TopModel.Dispatcher] {
        var order: [String] = []
        var rows: [String: [RuntimeReading.Dispatcher]] = [:]
        for row in seen.runtime.dispatchers {
            if rows[row.id] == nil { order.append(row.id) }
            rows[row.id, default: []].append(row)
        }
        return order.map { id in
            let parts = rows[id] ?? []
            let processed = Self.sum(parts.map(\.processed))
            let beat = parts.compactMap { part in
                part.beatAt.flatMap { beat in seen.gatewayTime.map { max(0, $0 - beat) } }
            }.min()
            let last = parts.compactMap(\.lastProcessedAt).max()
            var pools: [String] = []
            for pool in parts.flatMap(\.pools) where !pools.contains(pool) { pools.append(pool) }
            let running = parts.compactMap(\.isRunning)
            return TopModel.Dispatcher(
                id: id,
                isRunning: running.isEmpty ? nil : running.contains(true),
                isDraining: parts.compactMap(\.isDraining).first,
                pools: pools,
                inFlight: Self.sum(parts.map(\.inFlight)),
                processed: processed,
                failures: Self.sum(parts.map(\.failures)),
                requestsPerSecond: self.rate("processed \(id)", processed, seen.at, &names),
                lastError: parts.lazy.compactMap(\.lastError).first,
                heartbeatAge: beat,
                lastProcessedAge: last.flatMap { last in seen.gatewayTime.map { max(0, $0 - last) } }
            )
        }
    }
}
