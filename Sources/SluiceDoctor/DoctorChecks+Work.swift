// What waits and what runs.
extension DoctorChecks {
    /// A queue that grew by less may just breathe.
    private static let growth = (requests: 3, share: 0.1)
    /// With free slots, waiting for longer means that nobody takes.
    private static let stallSeconds = 5.0
    /// What cannot end by waiting alone.
    private static let blocks: Set<String> = ["pool_paused", "circuit_open", "no_dispatcher", "rate_limited"]

    private struct Queue {
        var pool: String
        var pending: [Int]
        var waitingReason: String?
        var oldest: Double?
        var slots: Int?
        var inFlight: Int?

        /// Nobody takes although there is room.
        var stalls: Bool {
            guard let slots = self.slots, let inFlight = self.inFlight, let oldest = self.oldest else { return false }
            return inFlight < slots && oldest > stallSeconds && ["ahead_in_queue", nil].contains(self.waitingReason)
        }

        var grows: Bool {
            guard let first = self.pending.first, let last = self.pending.last, let least = self.pending.min() else {
                return false
            }
            let enough = max(Double(growth.requests), Double(first) * growth.share)
            return least > 0 && last == self.pending.max() && Double(last - first) >= enough
        }
    }

    static func pending(_ seen: DoctorCase) -> [DoctorFinding] {
        guard let last = seen.last else { return [] }
        var names: Set<String> = []
        let all =
            last.pools.map(\.id) + last.runtime.dispatchers.flatMap(\.pools) + last.runtime.requests.compactMap(\.pool)
        return all.filter { names.insert($0).inserted }.compactMap { id in
            let queue = Self.queue(id, seen, last)
            guard let now = queue.pending.last, now > 0, (queue.pending.min() ?? 0) > 0 else { return nil }
            let isBlocked = queue.waitingReason.map { Self.blocks.contains($0) } ?? false
            guard queue.grows || queue.stalls || isBlocked else { return nil }
            return Self.finding(queue, seen)
        }
    }

    private static func queue(_ id: String, _ seen: DoctorCase, _ last: DoctorSample) -> Queue {
        func pending(_ sample: DoctorSample) -> Int? {
            let servers = DoctorCase.servers(id, in: sample)
            let rows = sample.runtime.requests.count { $0.pool == id && $0.isPending }
            let own = sample.pools.first { $0.id == id }?.queued
            guard let depth = servers.compactMap(\.queueDepth).max() else { return own.map { max($0, rows) } ?? rows }
            return max(depth, rows)
        }
        let servers = DoctorCase.servers(id, in: last)
        let rows = last.runtime.requests.filter { $0.pool == id }
        let waiting = rows.filter(\.isPending)
        let pool = seen.pool(id, in: last)
        let fromList = waiting.first { $0.source == "valkey" }?.waitingReason
        let ages = waiting.compactMap(\.waited) + [pool?.oldestQueuedMilliseconds.map { $0 / 1000 }].compactMap { $0 }
        let alive = servers.filter { $0.isRunning != false }
        return Queue(
            pool: id,
            pending: seen.samples.filter { $0.trouble == nil }.compactMap(pending),
            waitingReason: fromList ?? pool?.waitingReason ?? waiting.lazy.compactMap(\.waitingReason).first,
            oldest: ages.max(),
            slots: servers.isEmpty ? pool?.slots : alive.compactMap(\.slots).reduce(0, +),
            inFlight: servers.isEmpty ? pool?.inFlight : alive.compactMap(\.inFlight).reduce(0, +)
        )
    }

    private static func finding(_ queue: Queue, _ seen: DoctorCase) -> DoctorFinding {
        let first = queue.pending.first ?? 0
        let last = queue.pending.last ?? 0
        let oldest = queue.oldest.map { ", the oldest for \(Self.span($0))" } ?? ""
        var evidence = ["\(Self.plural(last, "request")) waiting\(oldest)"]
        var numbers = ["pending": Double(last), "pending_before": Double(first)]
        numbers["oldest_wait_seconds"] = queue.oldest
        if seen.watched > 0 {
            let change = last == first ? "as many as" : "\(abs(last - first)) \(last > first ? "more" : "fewer") than"
            evidence.append("\(change) \(Self.span(seen.watched)) before")
            let ended =
                (seen.rise(queue.pool, \.completed) ?? 0) + seen.rise(of: \.processed, pool: queue.pool)
            let perSecond = Double(ended) / seen.watched
            let coming = perSecond + Double(last - first) / seen.watched
            evidence.append("\(Self.tenths(perSecond))/s end, \(Self.tenths(coming))/s come")
            numbers["ended_per_second"] = perSecond
        }
        if let slots = queue.slots, let inFlight = queue.inFlight {
            evidence.append("\(inFlight) of \(Self.plural(slots, "slot")) in use")
            numbers["slots"] = Double(slots)
            numbers["in_flight"] = Double(inFlight)
        }
        evidence.append("waiting for \(queue.waitingReason ?? "a reason that is not known")")
        return DoctorFinding(
            code: .pendingGrows,
            pool: queue.pool,
            evidence: evidence,
            look: Self.advice(queue, seen),
            numbers: numbers
        )
    }

    private static func advice(_ queue: Queue, _ seen: DoctorCase) -> [String] {
        let pool = queue.pool
        let backend = seen.address(pool).map { "the backend at \($0)" } ?? "the backend of pool \(pool)"
        switch queue.waitingReason {
        case "pool_paused": return ["somebody paused it: sluice pools resume \(pool)"]
        case "circuit_open":
            return [
                "\(backend): it failed repeatedly; requests wait until it answers a probe",
                "sluice ls --state failed, sluice show ID: class and status of the attempts",
            ]
        case "no_dispatcher":
            return [
                "no dispatcher alive serves this pool: start one, sluice dispatcher, with this pool among its own",
                "LLM_QUEUE_VALKEY_URL and the pool's name there: same server, same database, same spelling?",
            ]
        case "rate_limited":
            return ["the provider's limits: sluice show ID (429, Retry-After); fewer slots, or a higher limit there"]
        case "ahead_in_queue", nil:
            return ["there are free slots, but nobody takes: sluice top, section DISPATCHER (beat), and their logs"]
        case "backoff": return ["\(backend): sluice show ID tells what the last attempt met"]
        default:
            return [
                "more comes than the slots take. More slots, if the backend can: sluice pools set \(pool) --slots N",
                "\(backend): latency and load; depth of list:llm:requests:\(pool) when it is fed over Valkey",
            ]
        }
    }

    // MARK: In flight

    static func inFlight(_ seen: DoctorCase) -> [DoctorFinding] {
        guard let last = seen.last else { return [] }
        let running = last.runtime.requests.filter { !$0.isPending }
        let dead = Set(
            last.runtime.dispatchers.filter {
                $0.usesValkey == true && $0.isRunning == false && $0.isDraining != true
            }.map(\.id)
        )
        var byPool: [String: [(row: RuntimeReading.Request, why: String)]] = [:]
        for row in running {
            let pool = row.pool ?? "unknown"
            let usual = seen.pool(pool, in: last)?.meanServiceMilliseconds.map { $0 / 1000 }
            guard let why = Self.whyStuck(row, usual: usual, seen.stuckAfter, dead) else { continue }
            byPool[pool, default: []].append((row, why))
        }
        return byPool.sorted { $0.key < $1.key }.map { pool, rows in
            let worst = rows.sorted { ($0.row.inFlightFor ?? 0) > ($1.row.inFlightFor ?? 0) }
            let total = running.count { ($0.pool ?? "unknown") == pool }
            var evidence = ["\(rows.count) of \(Self.plural(total, "request")) in flight that were seen"]
            evidence += worst.prefix(4).map { row, why in "\(row.id): \(why), stage \(row.stage ?? "unknown")" }
            return DoctorFinding(
                code: .inFlightSticks,
                pool: pool,
                evidence: evidence,
                look: [
                    "the backend's latency and its own log: "
                        + (seen.address(pool) ?? "its address is not known"),
                    "the dispatchers: sluice top, section DISPATCHER (beat, last error)",
                    "sluice cancel ID ends one at once; all end at their deadline",
                ],
                numbers: [
                    "stuck": Double(rows.count), "in_flight": Double(total),
                    "longest_seconds": worst.first?.row.inFlightFor ?? 0,
                ]
            )
        }
    }

    /// Usual work may take this many times the mean.
    private static let usualTimes = 5.0
    /// An end that is late by less may be on its way.
    private static let lateSeconds = 5.0

    private static func whyStuck(
        _ row: RuntimeReading.Request,
        usual: Double?,
        _ stuckAfter: Double,
        _ dead: Set<String>
    ) -> String? {
        let held = row.inFlightFor.map { "in flight for \(Self.span($0))" } ?? "in flight"
        if let dispatcher = row.dispatcher, dead.contains(dispatcher) {
            return "\(held) at dispatcher \(dispatcher), which has no heartbeat"
        }
        if let age = row.age, let timeout = row.timeout, age > timeout + Self.lateSeconds {
            return "\(held), \(Self.span(age - timeout)) past its timeout of \(Self.span(timeout))"
        }
        guard let inFlightFor = row.inFlightFor, inFlightFor > stuckAfter else { return nil }
        guard let usual else { return "\(held); what is usual is not known yet" }
        guard inFlightFor > usual * Self.usualTimes else { return nil }
        return "\(held), usual are \(Self.span(usual))"
    }
}
