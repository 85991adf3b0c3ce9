import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

// What others, or lost answers, have left behind.
extension FabricDispatcher {
    /// Looks again and again for dispatchers whose heartbeat has gone.
    func sweep() async {
        while self.phase == .running {
            let share = self.state.withLock { 0.8 + 0.4 * $0.random.unit() }
            let span = Duration.nanoseconds(Int64(Double(self.configuration.sweepEvery.wholeNanoseconds) * share))
            await self.sweeping.wait(until: self.clock.now() + span, canBePoked: true)
            guard self.phase == .running else { return }
            guard self.mayJudge else { continue }
            for pool in self.pools {
                do throws(ValkeyError) {
                    for dead in try await self.deadDispatchers(of: pool) {
                        guard self.phase == .running else { return }
                        try await self.clearUp(after: dead, pool)
                    }
                } catch {
                    self.note(error, pool)
                }
            }
        }
    }

    /// When the store has been away for so long that heartbeats have gone, others have to be given time to beat again.
    private var mayJudge: Bool {
        let now = self.clock.now()
        return self.state.withLock { state in
            guard let last = state.lastBeat, now - last < self.configuration.heartbeatTTL else { return false }
            return now - state.knownSince >= self.configuration.beatEvery
        }
    }

    private static let maximumDispatchers = 4_096

    private func deadDispatchers(of pool: ServedPool) async throws(ValkeyError) -> [String] {
        let value = try await self.link.send(ValkeyCommand("HKEYS", [.text(pool.dispatchers)]))
        let others = (value.array ?? []).compactMap(\.text).filter { $0 != self.configuration.dispatcherID }
            .prefix(Self.maximumDispatchers)
        guard !others.isEmpty else { return [] }
        let answers = try await self.link.send(
            others.map { ValkeyCommand("EXISTS", [.text(DispatchKeys.dispatcherAlive($0))]) }
        )
        return zip(others, answers).filter { $0.1.int == 0 }.map(\.0)
    }

    /// First what its private list holds, then what only the index knows, because it was popped without a list: an
    /// element that is still in the list must not be booked by its entry and then once more.
    private func clearUp(after dead: String, _ pool: ServedPool) async throws(ValkeyError) {
        var records = try await self.entries(of: dead, pool)
        var isListEmpty = false
        while true {
            let names = isListEmpty ? Array(records.keys.sorted().prefix(self.configuration.sweepCount)) : []
            let isLast = names.count == records.count
            guard
                case .swept(let elements, let entries, let left)? =
                    try await self.sweepOnce(dead, pool, names, isLast: isLast)
            else { return }
            for id in elements {
                await self.orphaned(id, records.removeValue(forKey: id), of: dead, pool, wasElement: true)
            }
            for id in entries { await self.orphaned(id, records[id], of: dead, pool, wasElement: false) }
            for id in names { records[id] = nil }
            isListEmpty = left == 0
            if isListEmpty && isLast { return }
        }
    }

    /// One call of the script, repeated while its answer may have been lost: the script remembers what it answered.
    private func sweepOnce(
        _ dead: String,
        _ pool: ServedPool,
        _ names: [String],
        isLast: Bool
    ) async throws(ValkeyError) -> SweepAnswer? {
        let keys = [
            DispatchKeys.dispatcherAlive(dead), DispatchKeys.inflight(pool: pool.name, dispatcher: dead),
            pool.requests, pool.index, pool.dispatchers,
            DispatchKeys.swept(dispatcher: self.configuration.dispatcherID),
        ]
        let receipt = self.state.withLock { $0.random.next() }
        let arguments: [ValkeyArgument] =
            [
                .text(self.configuration.orphans.rawValue), .integer(self.configuration.sweepCount), .text(dead),
                .bytes(InflightRecord.start(dispatcher: dead)), .text(String(receipt)), .integer(isLast ? 1 : 0),
            ] + names.map { .text($0) }
        let end = self.clock.now() + FabricScript.receiptsLive
        var backoff = self.makeBackoff()
        var mayBeDone = false
        while true {
            do throws(ValkeyError) {
                let value = try await self.link.evaluate(FabricScript.sweepOrphans, keys: keys, arguments: arguments)
                return SweepAnswer(value)
            } catch {
                mayBeDone = mayBeDone || error.mayHaveExecuted
                let next = self.clock.now() + backoff.next()
                guard mayBeDone, next < end, self.phase == .running else { throw error }
                self.note(error, pool)
                await self.sweeping.wait(until: next, canBePoked: false)
            }
        }
    }

    private func entries(of dead: String, _ pool: ServedPool) async throws(ValkeyError) -> [String: InflightRecord] {
        let start = InflightRecord.start(dispatcher: dead)
        var records: [String: InflightRecord] = [:]
        var cursor = "0"
        repeat {
            let value = try await self.link.send(
                ValkeyCommand("HSCAN", [.text(pool.index), .text(cursor), "COUNT", 512])
            )
            guard let parts = value.array, parts.count == 2, let next = parts[0].text, let fields = parts[1].array
            else {
                throw .protocolViolation("HSCAN")
            }
            for index in stride(from: 0, to: fields.count - 1, by: 2) {
                guard let id = fields[index].text, let entry = fields[index + 1].bytes, entry.starts(with: start) else {
                    continue
                }
                records[id] = try? InflightRecord.read(entry)
            }
            cursor = next
        } while cursor != "0"
        return records
    }

    /// A request that died with its dispatcher.
    private func orphaned(
        _ id: String,
        _ record: InflightRecord?,
        of dead: String,
        _ pool: ServedPool,
        wasElement: Bool
    ) async {
        let isRequeued = wasElement && self.configuration.orphans == .requeue
        var fields = [
            ("request", id), ("pool", pool.name), ("dispatcher", dead), ("producer", record?.producerID ?? ""),
            ("stage", record?.stage.rawValue ?? ""), ("attempt", record.map { String($0.attempt) } ?? ""),
        ]
        guard !isRequeued else {
            pool.count { $0.requeued += 1 }
            return self.say(.warning, "request requeued", fields)
        }
        pool.count { $0.lost += 1 }
        fields.append(("reason", OutcomeReason.dispatcherCrash.rawValue))
        self.say(.error, "request lost", fields)
        let now = self.clock.now()
        let age = record.map { max(0, self.epoch - $0.submittedAt) } ?? 0
        let stage = record.map { " while \($0.stage.rawValue)" } ?? ""
        let message = "Dispatcher \(dead) died with it\(stage)."
        self.engine.book(
            Submission(
                id: RequestID(id).flatMap { self.engine.isLive($0) ? nil : $0 } ?? self.newID(),
                pool: pool.name,
                tenant: record?.tenant ?? "default",
                producer: record?.producerID,
                model: record?.model ?? "",
                operation: "",
                messageCount: record?.messageCount ?? 0,
                deadline: now,
                traceparent: record?.traceparent,
                remote: RemoteOrigin(requestID: id, submittedAt: now - .seconds(min(age, 315_360_000)))
            ),
            .dispatcherCrash,
            message: message
        )
        if let record, record.takesNotice { self.begin { await self.giveNotice(id, record, message, pool) } }
    }

    /// Sluice's own producers are told at once; others wait for their time-out, as they always had to.
    private func giveNotice(_ id: String, _ record: InflightRecord, _ message: String, _ pool: ServedPool) async {
        let reply = ReplyEnvelope(
            requestID: id,
            producerID: record.producerID,
            poolID: pool.name,
            completedAt: self.epoch,
            dispatcherID: self.configuration.dispatcherID,
            outcome: .failure(ReplyFailure(type: "DispatcherLost", message: message)),
            extras: ReplyExtras(status: 502, attempts: record.attempt, outcome: "lost/dispatcher_crash")
        )
        let end = self.clock.now() + self.configuration.replyTTL
        var backoff = self.makeBackoff()
        while self.phase != .stopped {
            do throws(ValkeyError) {
                _ = try await self.link.evaluate(
                    FabricScript.publishReply,
                    keys: [
                        DispatchKeys.producerAlive(record.producerID),
                        DispatchKeys.replies(producer: record.producerID),
                    ],
                    arguments: [.integer(Int(self.configuration.replyTTL.inMilliseconds)), .bytes(reply.write())]
                )
                return
            } catch {
                self.note(error, pool)
                if error.isForGood { return }
            }
            // Said twice it is late the second time; never said, its producer waits for its time-out.
            let next = self.clock.now() + backoff.next()
            guard next < end else { return }
            await self.sleep(until: next)
        }
    }

    // MARK: Our own private list

    /// A pop whose answer will not come may have been executed, or still be: a server does not know at once that a
    /// connection has gone.
    func suspect(_ pool: ServedPool) {
        let until = self.clock.now() + .seconds(max(1, self.configuration.popSeconds) + 1)
        pool.doubt.withLock { $0 = .init(until: until) }
    }

    /// Once as soon as possible, and once when no pop of before can be waiting any more.
    func needsReconciling(_ pool: ServedPool) -> Bool {
        let now = self.clock.now()
        return pool.doubt.withLock { $0.map { !$0.hasLooked || $0.until <= now } ?? false }
    }

    private func haveLooked(_ pool: ServedPool, _ began: Instant) {
        pool.doubt.withLock { doubt in
            doubt?.hasLooked = true
            if let until = doubt?.until, until <= began { doubt = nil }
        }
    }

    /// Finds what was moved into our private list by pops whose answers were lost, and puts it back at the head of the
    /// queue. Called by the puller between two pops, when nothing is on its way.
    func reconcile(_ pool: ServedPool) async throws(ValkeyError) {
        let began = self.clock.now()
        guard self.configuration.popMode == .blmove else { return pool.doubt.withLock { $0 = nil } }
        let value = try await self.link.evaluate(
            FabricScript.heldElements,
            keys: [pool.inflight],
            arguments: [
                .integer(self.configuration.maximumHeld * (self.pools.count + 1)), .integer(ElementMark.endBytes),
            ]
        )
        guard let elements = HeldElement.list(value) else { throw .protocolViolation("heldElements") }
        let marks = self.state.withLock { state in
            state.held.values.filter { $0.pool === pool }.map(\.mark)
                + state.leftovers.values.filter { $0.pool === pool }.map(\.mark)
        }
        var known: [HeldElement: Int] = [:]
        for mark in marks { known[mark.ends, default: 0] += 1 }
        // From the end: what came last goes back last but one, so that the order stays.
        for element in elements.reversed() {
            if let count = known[element], count > 0 {
                known[element] = count - 1
                continue
            }
            let mark = element.mark
            let id = PendingSummary.read(head: element.head[...], tail: element.tail[...]).identity.requestID ?? ""
            guard element.size <= self.configuration.maximumElementBytes else {
                self.disposeUnread(element, mark, pool)
                continue
            }
            if try await self.putBack(mark, id: id, pool) { pool.count { $0.recovered += 1 } }
        }
        self.haveLooked(pool, began)
    }

    /// Too large to be popped at all: it would come back for ever.
    private func disposeUnread(_ element: HeldElement, _ mark: ElementMark, _ pool: ServedPool) {
        let error = EnvelopeError.tooLarge(bytes: element.size, limit: self.configuration.maximumElementBytes)
        let identity = PendingSummary.read(head: element.head[...], tail: element.tail[...]).identity
        self.refuse(mark, UnreadableEnvelope(error, identity: identity), pool)
    }
}
