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
            for pool in self.pools {
                do throws(ValkeyError) {
                    for dead in try await self.deadDispatchers(of: pool) { try await self.clearUp(after: dead, pool) }
                } catch {
                    self.note(error, pool)
                }
            }
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

    private static let sweepBatch = 16

    private func clearUp(after dead: String, _ pool: ServedPool) async throws(ValkeyError) {
        let records = try await self.entries(of: dead, pool)
        let keys = [
            DispatchKeys.dispatcherAlive(dead), DispatchKeys.inflight(pool: pool.name, dispatcher: dead),
            pool.requests, pool.index, pool.dispatchers,
        ]
        // What no private list holds, because it was popped without one, is named from the index.
        var named = Array(records.keys)
        while true {
            let batch = named.prefix(Self.sweepBatch)
            named.removeFirst(batch.count)
            let arguments: [ValkeyArgument] =
                [
                    .text(self.configuration.orphans.rawValue), .integer(Self.sweepBatch), .text(dead),
                    .bytes(InflightRecord.start(dispatcher: dead)),
                ] + batch.map { .text($0) }
            let value = try await self.link.evaluate(FabricScript.sweepOrphans, keys: keys, arguments: arguments)
            guard case .swept(let elements, let entries, let left) = SweepAnswer(value) else { return }
            for id in elements { await self.orphaned(id, records[id], of: dead, pool, wasElement: true) }
            for id in entries { await self.orphaned(id, records[id], of: dead, pool, wasElement: false) }
            guard left > 0 || !named.isEmpty else { return }
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
                remote: RemoteOrigin(requestID: id, submittedAt: now - .seconds(min(age, 315_360_000)))
            ),
            .dispatcherCrash,
            message: message
        )
        if let record, record.takesNotice { await self.giveNotice(id, record, message, pool) }
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
        do throws(ValkeyError) {
            _ = try await self.link.evaluate(
                FabricScript.publishReply,
                keys: [
                    DispatchKeys.producerAlive(record.producerID), DispatchKeys.replies(producer: record.producerID),
                ],
                arguments: [.integer(Int(self.configuration.replyTTL.inMilliseconds)), .bytes(reply.write())]
            )
        } catch {
            // It times out, as without a notice.
            self.note(error, pool)
        }
    }

    // MARK: Our own private list

    private static let markBytes = 512

    /// Finds what was moved into our private list by pops whose answers were lost, and puts it back at the head of the
    /// queue. Called by the puller between two pops, when nothing is on its way.
    func reconcile(_ pool: ServedPool) async throws(ValkeyError) {
        guard self.configuration.popMode == .blmove else {
            pool.needsReconciling.withLock { $0 = false }
            return
        }
        let value = try await self.link.evaluate(
            FabricScript.heldElements,
            keys: [pool.inflight],
            arguments: [.integer(self.configuration.maximumHeld * 2), .integer(ElementMark.wholeBytes)]
        )
        guard let elements = HeldElement.list(value) else { throw .protocolViolation("heldElements") }
        var known = self.state.withLock { $0.held.values.filter { $0.pool === pool }.map(\.mark) }
        // From the end: what came last goes back last but one, so that the order stays.
        for element in elements.reversed() {
            let mark = ElementMark(size: element.size, head: element.head, tail: element.tail)
            if let index = known.firstIndex(of: mark) {
                known.remove(at: index)
                continue
            }
            let id = PendingSummary.read(head: element.head[...], tail: element.tail[...]).identity.requestID ?? ""
            guard element.size <= self.configuration.maximumElementBytes else {
                self.disposeUnread(element, mark, pool)
                continue
            }
            _ = try await self.link.evaluate(
                FabricScript.putBack,
                keys: [pool.inflight, pool.requests, pool.index],
                arguments: [.text(id), .bytes(self.entryStart)] + mark.arguments
            )
            pool.count { $0.recovered += 1 }
        }
        pool.needsReconciling.withLock { $0 = false }
    }

    /// Too large to be popped at all: it would come back for ever.
    private func disposeUnread(_ element: HeldElement, _ mark: ElementMark, _ pool: ServedPool) {
        let error = EnvelopeError.tooLarge(bytes: element.size, limit: self.configuration.maximumElementBytes)
        let identity = PendingSummary.read(head: element.head[...], tail: element.tail[...]).identity
        self.refuse(mark, UnreadableEnvelope(error, identity: identity), pool)
    }
}
