import SluiceBasics
import SluiceCore
import SluiceDoctor
import SluiceEngine
import SluiceProviders
import SluiceWire

// What `sluice doctor` reads out of the answers, made of the same figures without writing them down in between. A test
// compares both.
extension Gateway {
    func reading(_ shown: ShownPool) -> PoolReading {
        let pool = shown.status
        var reading = PoolReading(id: shown.name)
        reading.mode = pool.mode.rawValue
        reading.queued = shown.queued
        reading.inFlight = shown.inFlight
        reading.slots = shown.slots
        reading.concurrencyLimit = pool.concurrency?.limit
        reading.isShedding = pool.isShedding
        reading.oldestQueuedMilliseconds = shown.oldest?.inMilliseconds
        reading.waitingReason = shown.waitingReason
        reading.meanServiceMilliseconds = pool.meanServiceTime?.inMilliseconds
        reading.address = self.configuration.backends[shown.name]?.address
        reading.breaker = pool.breaker.state.rawValue
        reading.consecutiveFailures = pool.breaker.consecutiveFailures
        reading.timesOpened = pool.breaker.timesOpened
        reading.attempts = Int(clamping: pool.attemptsStarted)
        reading.retries = Int(clamping: pool.retries)
        let ended = pool.ended.filter { $0.value > 0 }
        reading.ended = Dictionary(
            uniqueKeysWithValues: ended.map {
                ("\($0.key.outcome.rawValue)/\($0.key.rawValue)", Int(clamping: $0.value))
            }
        )
        return reading
    }

    /// Of a process without a fabric.
    func runtimeReading(limit: Int) -> RuntimeReading {
        let pools = self.dispatcher.pools()
        let live = self.dispatcher.live(LiveFilter(), limit: limit, after: nil)
        let now = self.clock.now()
        let view = RequestView(now: now, wallClock: self.clock.wallClockNanoseconds())
        var reading = RuntimeReading()
        let dropped = RuntimeDrops(pools)
        reading.summary.pending = pools.reduce(0) { $0 + $1.queued }
        reading.summary.inFlight = pools.reduce(0) { $0 + $1.inFlight }
        reading.summary.executionFailures = dropped.executionFailures
        reading.summary.malformedDropped = dropped.malformed
        reading.summary.offlineRequestsDropped = dropped.offlineRequests
        reading.summary.offlineRepliesDropped = dropped.offlineReplies
        reading.pools = pools.map { pool in
            var row = RuntimeReading.Pool.named(pool.configuration.name)
            row.address = self.configuration.backends[pool.configuration.name]?.address
            row.slots = pool.configuration.slots
            row.isEnabled = pool.mode == .running
            return row
        }
        reading.requests = Self.sorted(live).map { self.reading($0, view, now) }
        reading.dispatchers = pools.map { self.dispatcherReading($0) }
        return reading
    }

    private func reading(_ row: LiveRequest, _ view: RequestView, _ now: Instant) -> RuntimeReading.Request {
        let record = row.record
        let submission = record.submission
        var reading = RuntimeReading.Request.named(submission.id.description)
        reading.producer = submission.producer
        reading.pool = submission.pool
        reading.model = submission.model
        reading.stage = Self.stage(record.state)
        reading.source = record.state == .queued ? "memory" : "dispatcher"
        reading.submittedAt = view.epoch(record.submittedAt)
        reading.waited = ((record.claimedAt ?? now) - record.submittedAt).inSeconds
        reading.inFlightFor = record.claimedAt.map { (now - $0).inSeconds }
        reading.dispatcher = record.state == .queued ? nil : self.dispatcherName(submission.pool)
        reading.timeout = (submission.deadline - record.submittedAt).inSeconds
        reading.waitingReason = row.waiting?.reason.rawValue
        reading.error = record.decisiveAttempt?.message
        return reading
    }

    private func dispatcherReading(_ pool: PoolStatus) -> RuntimeReading.Dispatcher {
        let name = pool.configuration.name
        var reading = RuntimeReading.Dispatcher.named(self.dispatcherName(name))
        let dropped = RuntimeDrops([pool])
        reading.pools = [name]
        reading.fabricGroup = self.configuration.fabricGroup
        reading.gateway = self.configuration.gatewayName
        reading.isEnabled = true
        reading.isRunning = pool.mode == .running
        reading.usesValkey = false
        reading.address = self.configuration.backends[name]?.address
        reading.processed = Int(clamping: dropped.processed)
        reading.failures = Int(pool.ended[.backend] ?? 0) + Int(pool.ended[.malformedResponse] ?? 0)
        reading.malformedDropped = Int(pool.ended[.malformed] ?? 0)
        reading.offlineRequestsDropped = Int(pool.ended[.offlineProducerBeforeDispatch] ?? 0)
        reading.offlineRepliesDropped = Int(pool.ended[.offlineProducerBeforeReply] ?? 0)
        reading.inFlight = pool.inFlight
        reading.queueDepth = pool.queued
        reading.slots = pool.configuration.slots
        reading.waitingReason = pool.waitingReason?.rawValue
        reading.breaker = pool.breaker.state.rawValue
        return reading
    }
}

/// What ended otherwise than well, as the runtime's view counts it.
struct RuntimeDrops: Sendable {
    let executionFailures: Int
    let malformed: Int
    let offlineRequests: Int
    let offlineReplies: Int
    let processed: UInt64

    init(_ pools: [PoolStatus]) {
        func sum(_ reasons: [OutcomeReason]) -> Int {
            pools.reduce(0) { total, pool in total + reasons.reduce(0) { $0 + Int(pool.ended[$1] ?? 0) } }
        }
        self.executionFailures = sum([.backend, .malformedResponse, .resultTooLarge, .outcomeUnknown, .attempts])
        self.malformed = sum([.malformed])
        self.offlineRequests = sum([.offlineProducerBeforeDispatch, .clientGone])
        self.offlineReplies = sum([.offlineProducerBeforeReply])
        self.processed = pools.reduce(0) { total, pool in
            total + pool.ended.filter { $0.key.outcome != .rejected }.reduce(0) { $0 + $1.value }
        }
    }
}
