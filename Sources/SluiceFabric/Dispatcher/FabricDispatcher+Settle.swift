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
            return await self.putBack(held)
        }
        let streamEnd = await frames?.finish() ?? .sent
        let reply = self.reply(held, answer, streamBroke: streamEnd == .failed)
        await self.answer(held, reply, record, producerGone: streamEnd == .producerGone)
    }

    /// Delivers a reply and books how the request ended.
    ///
    /// - Parameter record: `nil` if the books know of it already.
    func answer(
        _ held: HeldRequest,
        _ reply: ReplyEnvelope,
        _ record: RequestRecord?,
        producerGone: Bool = false
    ) async {
        let settlement = await self.settle(held, reply: producerGone ? nil : reply.write())
        let now = self.epoch
        held.pool.count { counts in
            counts.processed += 1
            counts.lastProcessedAt = now
            if !reply.isOK { counts.failures += 1 }
        }
        guard let record else { return }
        switch producerGone ? .producerGone : settlement {
        case .delivered: self.engine.conclude(record)
        case .deliveredLate:
            held.pool.count { $0.late += 1 }
            self.engine.conclude(record, as: record.reason == .ok ? .late : nil)
        case .producerGone:
            held.pool.count { $0.offlineReplies += 1 }
            self.conclude(record, held, "Its producer was gone before the reply.")
        case .givenUp:
            held.pool.count { $0.repliesGivenUp += 1 }
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
    }

    /// Pushes the reply and lets go of the request, through every error of the store, for as long as a reply lives.
    func settle(_ held: HeldRequest, reply: [UInt8]?) async -> Settlement {
        let end = self.clock.now() + self.configuration.replyTTL
        let pool = held.pool
        let keys = [
            DispatchKeys.producerAlive(held.producerID), DispatchKeys.replies(producer: held.producerID),
            pool.inflight, pool.index,
        ]
        let arguments =
            [
                .bytes(reply ?? []), .integer(Int(self.configuration.replyTTL.inMilliseconds)),
                .text(held.requestID), .bytes(self.entryStart),
            ] + held.mark.arguments
        var backoff = self.makeBackoff()
        var settlement = Settlement.givenUp
        var believedUntil: Instant?
        while true {
            do throws(ValkeyError) {
                let value = try await self.link.evaluate(FabricScript.settle, keys: keys, arguments: arguments)
                guard let answer = SettleAnswer(value) else { throw .protocolViolation("settle") }
                settlement = self.settlement(answer)
                let now = self.clock.now()
                let limit = believedUntil ?? min(end, now + self.configuration.forgottenGrace)
                guard answer.isForgotten, now < limit else { break }
                believedUntil = limit
            } catch {
                self.note(error, pool)
                held.stage.withLock { $0 = .init(stage: .replying, since: self.epoch, attempt: $0.attempt) }
            }
            let next = self.clock.now() + backoff.next()
            guard next < end, self.phase != .stopped else { break }
            await self.sleep(until: next)
        }
        self.release(held)
        return settlement
    }

    private func settlement(_ answer: SettleAnswer) -> Settlement {
        if answer.delivery == .producerGone { return .producerGone }
        let isSwept = self.configuration.popMode == .blmove && !answer.wasHeld
        return isSwept ? .deliveredLate : .delivered
    }

    func sleep(until end: Instant) async {
        let promise = Promise<Void>()
        let alarm = self.alarms.set(at: end) { promise.fulfil(()) }
        await promise.value()
        self.alarms.cancel(alarm)
    }

    /// Gives a request back, unsent, to the head of its list.
    func putBack(_ held: HeldRequest) async {
        let pool = held.pool
        var backoff = self.makeBackoff()
        let end = self.clock.now() + self.configuration.replyTTL
        while true {
            do throws(ValkeyError) {
                if let element = held.element {
                    let values = try await self.link.send([
                        ValkeyCommand("LPUSH", [.text(pool.requests), .bytes(element)]),
                        ValkeyCommand("HDEL", [.text(pool.index), .text(held.requestID)]),
                    ])
                    if case .error(let refusal) = values.first { throw .server(refusal) }
                } else {
                    _ = try await self.link.evaluate(
                        FabricScript.putBack,
                        keys: [pool.inflight, pool.requests, pool.index],
                        arguments: [.text(held.requestID), .bytes(self.entryStart)] + held.mark.arguments
                    )
                }
                pool.count { $0.putBack += 1 }
                break
            } catch {
                self.note(error, pool)
                // A push that may have been done is not done again; the private list can be looked at again.
                if held.element != nil && error.mayHaveExecuted { break }
            }
            let next = self.clock.now() + backoff.next()
            guard next < end, self.phase != .stopped else { break }
            await self.sleep(until: next)
        }
        self.release(held)
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
        self.begin { await self.dispose(mark, reply, pool) }
    }

    private func dispose(_ mark: ElementMark, _ reply: ReplyEnvelope?, _ pool: ServedPool) async {
        let producer = reply?.producerID ?? ""
        let keys = [
            DispatchKeys.producerAlive(producer), DispatchKeys.replies(producer: producer), pool.inflight, pool.index,
        ]
        let arguments =
            [
                .bytes(reply?.write() ?? []), .integer(Int(self.configuration.replyTTL.inMilliseconds)),
                .text(reply?.requestID ?? ""), .bytes(self.entryStart),
            ] + mark.arguments
        var backoff = self.makeBackoff()
        let end = self.clock.now() + self.configuration.replyTTL
        while true {
            do throws(ValkeyError) {
                _ = try await self.link.evaluate(FabricScript.settle, keys: keys, arguments: arguments)
                return
            } catch {
                self.note(error, pool)
            }
            let next = self.clock.now() + backoff.next()
            guard next < end, self.phase != .stopped else { return }
            await self.sleep(until: next)
        }
    }
}
