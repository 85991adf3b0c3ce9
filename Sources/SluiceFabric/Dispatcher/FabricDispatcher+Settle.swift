import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

// From the engine back to the producer.
extension FabricDispatcher {
    /// The task of one request.
    func carry(_ job: FabricJob, _ held: HeldRequest, _ frames: FrameWriter?) async {
        let answer = await self.runner.run(job)
        // The slot is free; the reply need not have gone out for the next request to begin.
        held.pool.pause.poke()
        let record = answer.record
        if record.reason == .shutdown && record.attempts.isEmpty {
            self.engine.forget(record)
            return self.goBack(held)
        }
        self.arrived(held)
        let streamEnd = await frames?.finish(isStreamed: answer.isStreamed) ?? .sent
        let reply = self.reply(held, answer, streamBroke: streamEnd == .failed)
        await self.answer(held, reply, record, producerGone: streamEnd == .producerGone)
    }

    /// Delivers a reply and books how the request ended.
    ///
    /// - Parameters:
    ///   - record: `nil` if the engine has none.
    ///   - book: books the end where there is no record.
    func answer(
        _ held: HeldRequest,
        _ reply: ReplyEnvelope,
        _ record: RequestRecord?,
        producerGone: Bool = false,
        book: @Sendable () -> Void = {}
    ) async {
        let settled = await self.settle(held, reply: producerGone ? nil : reply.write())
        let settlement = producerGone && settled != .leftBehind ? .producerGone : settled
        if settlement != .leftBehind { book() }
        let now = self.epoch
        held.pool.count { counts in
            switch settlement {
            case .delivered, .deliveredLate:
                counts.processed += 1
                counts.lastProcessedAt = now
                if !reply.isOK { counts.failures += 1 }
                if settlement == .deliveredLate { counts.late += 1 }
            case .producerGone: counts.offlineReplies += 1
            case .givenUp: counts.repliesGivenUp += 1
            case .leftBehind: break
            }
        }
        guard let record else { return }
        switch settlement {
        case .delivered: self.engine.conclude(record)
        case .deliveredLate: self.engine.conclude(record, as: record.reason == .ok ? .late : nil)
        case .leftBehind: self.engine.forget(record)
        case .producerGone: self.conclude(record, held, "Its producer was gone before the reply.")
        case .givenUp:
            self.conclude(record, held, "Valkey did not take its reply for as long as replies are kept.")
        }
    }

    private func conclude(_ record: RequestRecord, _ held: HeldRequest, _ message: String) {
        // What failed on its own account stays failed.
        let drops = record.reason?.outcome == .done || record.reason == .clientGone
        self.engine.conclude(record, as: drops ? .offlineProducerBeforeReply : nil, message: message)
        self.say(
            .warning,
            "reply dropped",
            [
                ("request", held.requestID), ("producer", held.producerID), ("pool", held.pool.name),
                ("reason", OutcomeReason.offlineProducerBeforeReply.rawValue), ("detail", message),
            ]
        )
    }

    enum Settlement: Sendable, Equatable {
        case delivered
        /// Somebody took us for dead meanwhile and swept the request.
        case deliveredLate
        case producerGone
        /// The store was away for longer than a reply lives.
        case givenUp
        /// The store was away when we had to end. Somebody else finds it, and books what becomes of it.
        case leftBehind
    }

    /// Pushes the reply and lets go of the request, through every error of the store, for as long as a reply lives.
    func settle(_ held: HeldRequest, reply: [UInt8]?) async -> Settlement {
        let end = self.clock.now() + self.configuration.replyTTL
        let pool = held.pool
        let keys = [
            DispatchKeys.producerAlive(held.producerID), DispatchKeys.replies(producer: held.producerID),
            pool.inflight, pool.index,
        ]
        var reply = reply
        let rest =
            [
                .integer(Int(self.configuration.replyTTL.inMilliseconds)), .text(held.requestID),
                .bytes(self.entryStart),
            ] + held.mark.arguments
        var backoff = self.makeBackoff()
        // Then it is not known who took the element away.
        var mayBeDone = false
        var isGivenUp = false
        var believedUntil: Instant?
        while true {
            var settlement: Settlement?
            do throws(ValkeyError) {
                let arguments = [.bytes(reply ?? [])] + rest
                let value = try await self.link.evaluate(FabricScript.settle, keys: keys, arguments: arguments)
                guard let answer = SettleAnswer(value) else { throw .protocolViolation("settle") }
                settlement = isGivenUp ? .givenUp : self.settlement(answer, mayBeRepeated: mayBeDone)
                let now = self.clock.now()
                let limit = believedUntil ?? min(end, now + self.configuration.forgottenGrace)
                if answer.isForgotten && now < limit { believedUntil = limit } else { believedUntil = nil }
            } catch {
                self.note(error, pool)
                mayBeDone = mayBeDone || error.mayHaveExecuted
                if error.isForGood { isGivenUp = true }
                self.isReplying(held)
            }
            let next = self.clock.now() + backoff.next()
            let isStopped = self.phase == .stopped
            if let settlement, believedUntil == nil || next >= end || isStopped {
                self.release(held)
                return settlement
            }
            guard !isStopped else { break }
            // Only the reply is given up. The element would be run again, and is held until it has been taken away.
            if next >= end { isGivenUp = true }
            if isGivenUp { reply = nil }
            await self.sleep(until: next)
        }
        pool.leavesBehind.withLock { $0 = true }
        self.release(held)
        return .leftBehind
    }

    private func isReplying(_ held: HeldRequest) {
        let since = self.epoch
        held.stage.withLock { stage in
            guard stage.stage != .replying else { return }
            stage = .init(stage: .replying, since: since, attempt: stage.attempt, isWritten: false)
        }
    }

    /// Lets go of a request whose entry may still stand in the index.
    func abandon(_ held: HeldRequest) {
        let serial = self.keepLeftover(held.mark, held.pool)
        self.release(held)
        self.begin { await self.dispose(serial, held.mark, id: held.requestID, nil, held.pool) }
    }

    private func settlement(_ answer: SettleAnswer, mayBeRepeated: Bool) -> Settlement {
        if answer.delivery == .producerGone { return .producerGone }
        let isSwept = self.configuration.popMode == .blmove && !answer.wasHeld && !mayBeRepeated
        return isSwept ? .deliveredLate : .delivered
    }

    func sleep(until end: Instant) async {
        let promise = Promise<Void>()
        let alarm = self.alarms.set(at: end) { promise.fulfil(()) }
        await promise.value()
        self.alarms.cancel(alarm)
    }

    /// Answers an element that could not be read, if it says who waits, and takes it away.
    func refuse(_ mark: ElementMark, _ element: UnreadableEnvelope, _ pool: ServedPool) {
        pool.count { counts in
            counts.malformed += 1
            if case .unsupportedVersion = element.error { counts.unsupportedVersions += 1 }
        }
        let now = self.clock.now()
        self.engine.reject(
            Submission(
                id: self.newID(),
                pool: pool.name,
                tenant: "default",
                producer: element.identity.producerID,
                model: "",
                operation: "",
                deadline: now,
                remote: RemoteOrigin(requestID: element.identity.requestID ?? "", submittedAt: now)
            ),
            Rejection(.malformed, message: element.error.message)
        )
        self.say(
            .warning,
            "malformed request",
            [
                ("pool", pool.name), ("kind", element.error.label), ("detail", element.error.message),
                ("request", element.identity.requestID ?? ""), ("producer", element.identity.producerID ?? ""),
            ]
        )
        let reply = ReplyEnvelope.refusal(
            of: element,
            pool: pool.name,
            dispatcherID: self.configuration.dispatcherID,
            completedAt: self.epoch
        )
        let serial = self.keepLeftover(mark, pool)
        self.begin { await self.dispose(serial, mark, id: reply?.requestID ?? "", reply, pool) }
    }

    /// Takes an element out of the private list, however long it takes, and answers it, for as long as replies live.
    private func dispose(
        _ serial: Int,
        _ mark: ElementMark,
        id: String,
        _ reply: ReplyEnvelope?,
        _ pool: ServedPool
    ) async {
        let producer = reply?.producerID ?? ""
        let keys = [
            DispatchKeys.producerAlive(producer), DispatchKeys.replies(producer: producer), pool.inflight, pool.index,
        ]
        let identity =
            [
                .integer(Int(self.configuration.replyTTL.inMilliseconds)), .text(id), .bytes(self.entryStart),
            ] + mark.arguments
        var backoff = self.makeBackoff()
        var text = reply?.write() ?? []
        let end = self.clock.now() + self.configuration.replyTTL
        while true {
            do throws(ValkeyError) {
                _ = try await self.link.evaluate(FabricScript.settle, keys: keys, arguments: [.bytes(text)] + identity)
                break
            } catch {
                self.note(error, pool)
                if error.isForGood { text = [] }
            }
            guard self.phase != .stopped else { break }
            let next = self.clock.now() + backoff.next()
            if next >= end { text = [] }
            await self.sleep(until: next)
        }
        self.releaseLeftover(serial)
    }
}

extension ValkeyError {
    /// A producer's list that is no list will not become one.
    var isForGood: Bool {
        if case .server(let refusal) = self { refusal.kind == .wrongType } else { false }
    }
}
