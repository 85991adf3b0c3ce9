import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTelemetry
import SluiceWire

// From the list to the engine.
extension FabricDispatcher {
    /// Takes requests of one pool for as long as there is room, through every error.
    func pull(_ pool: ServedPool) async {
        var pop = Pop(link: self.link, pool: pool, configuration: self.configuration)
        var backoff = self.makeBackoff()
        var hasFailed = false
        while let room = await self.awaitRoom(pool) {
            do throws(ValkeyError) {
                if self.needsReconciling(pool) { try await self.reconcile(pool) }
                let elements = try await pop.next(most: room, clock: self.clock)
                backoff.reset()
                // The store may have come back without anything that says who we are.
                if hasFailed { self.beating.poke() }
                hasFailed = false
                if elements.isEmpty && pop.isStoreFull {
                    await pool.pause.wait(until: self.clock.now() + .milliseconds(100), canBePoked: false)
                }
                if await self.accept(elements, pool) == .full {
                    await self.giveBack(pool)
                    // Room for a start is not all that the engine asks for.
                    await pool.pause.wait(until: self.clock.now() + .milliseconds(100), canBePoked: false)
                }
            } catch {
                hasFailed = true
                self.note(error, pool)
                if error.mayHaveExecuted { self.suspect(pool) }
                await pool.pause.wait(until: self.clock.now() + backoff.next(), canBePoked: false)
            }
        }
        await pop.close()
        if pool.doubt.withLock({ $0 != nil }) {
            do throws(ValkeyError) { try await self.reconcile(pool) } catch { self.note(error, pool) }
        }
        self.pullerEnded()
    }

    /// How many requests may be taken now, at least 1; `nil` at the end.
    private func awaitRoom(_ pool: ServedPool) async -> Int? {
        while true {
            await self.giveBack(pool)
            let (phase, held, bytes) = self.state.withLock {
                ($0.phase, $0.held.count + $0.leftovers.count, $0.heldBytes)
            }
            guard phase == .running else { return nil }
            if held < self.configuration.maximumHeld * self.pools.count && bytes < self.configuration.maximumHeldBytes {
                let room = self.room(pool)
                if room > 0 { return min(room, self.configuration.takeCount) }
            }
            // What frees a slot pokes; what opens a pool or a circuit does not.
            await pool.pause.wait(until: self.clock.now() + .milliseconds(100), canBePoked: true)
        }
    }

    enum Acceptance: Sendable, Equatable {
        case done
        /// Some are to go back.
        case full
    }

    /// What becomes of elements that were popped.
    func accept(_ elements: [[UInt8]], _ pool: ServedPool) async -> Acceptance {
        guard !elements.isEmpty else { return .done }
        pool.count { $0.batches += 1 }
        pool.batches.withLock { $0.sizes.record(Int64(elements.count)) }
        let batch = PopBatch(poppedAt: self.clock.now())
        let poppedAt = self.epoch
        let limits = EnvelopeLimits(elementBytes: self.configuration.maximumElementBytes)
        var requests: [(HeldRequest, PoppedRequest)] = []
        for element in elements {
            pool.count { $0.taken += 1 }
            do throws(UnreadableEnvelope) {
                let envelope = try RequestEnvelope.read(element, limits: limits)
                let popped = PoppedRequest(element: element, mark: ElementMark(element), envelope: envelope)
                requests.append((self.hold(popped, pool, batch, poppedAt: poppedAt), popped))
            } catch {
                self.refuse(ElementMark(element), error, pool)
            }
        }
        guard !requests.isEmpty else { return .done }
        // A pop that had begun before may end when nothing may start any more.
        var living: [Bool]?
        if self.phase == .running && !self.isBlocked(pool) { living = await self.admit(requests.map(\.0), pool) }
        // Nothing is sent if we were asked to stop while the store was asked.
        guard let living, self.phase == .running else {
            for (held, _) in requests { self.goBack(held) }
            return .full
        }
        var acceptance = Acceptance.done
        for (index, (held, popped)) in requests.enumerated() {
            if index < living.count, living[index] {
                if !self.start(held, popped) { acceptance = .full }
            } else {
                self.dropOffline(held, popped)
            }
        }
        return acceptance
    }

    private func isBlocked(_ pool: ServedPool) -> Bool {
        switch self.engine.blockage(pool: pool.name) {
        case .poolPaused, .circuitOpen, .rateLimited: true
        default: false
        }
    }

    func begin(_ operation: @escaping @Sendable () async -> Void) { _ = self.spawn(operation) }

    /// Which producers live. Asks until the store answers, because an error says nothing about anybody.
    /// - Returns: `nil` when the dispatcher is to stop first.
    private func admit(_ requests: [HeldRequest], _ pool: ServedPool) async -> [Bool]? {
        let keys = [pool.index] + requests.map { DispatchKeys.producerAlive($0.producerID) }
        let arguments = requests.flatMap { [.text($0.requestID), .bytes($0.entry)] as [ValkeyArgument] }
        var backoff = self.makeBackoff()
        while true {
            do throws(ValkeyError) {
                let value = try await self.link.evaluate(FabricScript.admit, keys: keys, arguments: arguments)
                guard let answers = value.array, answers.count == requests.count else {
                    throw .protocolViolation("admit")
                }
                return answers.map { $0.int == 1 }
            } catch {
                self.note(error, pool)
            }
            guard self.phase == .running else { return nil }
            await pool.pause.wait(until: self.clock.now() + backoff.next(), canBePoked: false)
        }
    }

    private func dropOffline(_ held: HeldRequest, _ popped: PoppedRequest) {
        let submission = self.submission(held, popped, FabricDemand(operation: "", tokenEstimate: 0))
        self.say(
            .warning,
            "request dropped",
            [
                ("request", held.requestID), ("producer", held.producerID), ("pool", held.pool.name),
                ("reason", OutcomeReason.offlineProducerBeforeDispatch.rawValue),
            ]
        )
        self.begin {
            guard await self.settle(held, reply: nil) != .leftBehind else { return }
            held.pool.count { $0.offlineRequests += 1 }
            self.engine.book(
                submission,
                .offlineProducerBeforeDispatch,
                message: "Its producer was gone before it was dispatched."
            )
        }
    }

    /// Hands a request to the engine and starts its task.
    /// - Returns: `false` if there is no place for it now.
    private func start(_ held: HeldRequest, _ popped: PoppedRequest) -> Bool {
        let demand: FabricDemand
        switch self.runner.examine(popped.envelope, pool: held.pool.name) {
        case .success(let found): demand = found
        case .failure(let failure):
            held.pool.count { $0.malformed += 1 }
            let submission = self.submission(held, popped, FabricDemand(operation: "", tokenEstimate: 0))
            self.engine.reject(submission, Rejection(.malformed, message: failure.message))
            let reply = self.errorReply(held, failure, ReplyExtras(status: 400, outcome: "rejected/malformed"))
            self.begin { await self.answer(held, reply, nil) }
            return true
        }
        let submission = self.submission(held, popped, demand)
        guard submission.deadline > self.clock.now() else {
            self.expire(held, submission)
            return true
        }
        let cancellation = LateCancellation()
        do throws(Rejection) {
            let ticket = try self.engine.submit(submission, cancellation: cancellation)
            held.engineID.withLock { $0 = submission.id }
            let envelope = popped.envelope
            let frames = envelope.extras?.streaming == nil ? nil : FrameWriter(self, held)
            let job = FabricJob(ticket: ticket, submission: submission, envelope: envelope, frames: frames)
            cancellation.set(self.spawn { await self.carry(job, held, frames) })
            // Draining may have begun before the engine could be asked for it.
            if self.phase != .running { self.withdraw(held) }
            return true
        } catch {
            return self.turnedAway(held, error)
        }
    }

    private func expire(_ held: HeldRequest, _ submission: Submission) {
        let message = "Its deadline passed while it waited in the queue; it was never sent."
        let failure = ReplyFailure(type: "APITimeoutError", message: message)
        let reply = self.errorReply(held, failure, ReplyExtras(status: 504, attempts: 0, outcome: "expired/deadline"))
        self.begin {
            await self.answer(held, reply, nil) {
                held.pool.count { $0.expired += 1 }
                self.engine.book(submission, .deadline, message: message)
            }
        }
    }

    /// - Returns: `false` if it goes back.
    private func turnedAway(_ held: HeldRequest, _ rejection: Rejection) -> Bool {
        if rejection.reason == .paused || rejection.reason == .full {
            self.goBack(held)
            return false
        }
        let failure = ReplyFailure(type: ErrorType.of(rejection.reason), message: rejection.message)
        let extras = ReplyExtras(
            status: rejection.reason == .tenantFull ? 429 : 503,
            retryAfterMilliseconds: rejection.retryAfter.map { Int($0.inMilliseconds) },
            attempts: 0,
            outcome: "rejected/\(rejection.reason.rawValue)"
        )
        let reply = self.errorReply(held, failure, extras)
        self.begin { await self.answer(held, reply, nil) }
        return true
    }

    private func submission(_ held: HeldRequest, _ popped: PoppedRequest, _ demand: FabricDemand) -> Submission {
        let envelope = popped.envelope
        let now = self.clock.now()
        let wall = self.epoch
        let skew = envelope.submittedAt - wall
        if skew > self.configuration.clockTolerance.inSeconds {
            held.pool.count { $0.skewedClocks += 1 }
            self.say(
                .warning,
                "a producer's clock is ahead",
                [("producer", held.producerID), ("seconds", String(Int(skew)))]
            )
        }
        // A clock that is ahead must not give more time than was asked for.
        let age = max(0, -skew)
        let deadline = envelope.extras?.deadlineMilliseconds.map { Double($0) / 1000 - envelope.submittedAt }
        let timeout = deadline ?? envelope.timeoutSeconds ?? self.configuration.defaultTimeout.inSeconds
        let remaining = timeout - age
        let known = RequestID(envelope.requestID).flatMap { self.engine.isLive($0) ? nil : $0 }
        return Submission(
            id: known ?? self.newID(),
            pool: held.pool.name,
            tenant: envelope.extras?.tenant ?? "default",
            priority: envelope.extras?.priority.flatMap { Priority(name: $0) } ?? .normal,
            producer: held.producerID,
            model: envelope.call.model,
            operation: demand.operation,
            isStream: envelope.extras?.streaming != nil,
            payloadBytes: held.bytes,
            messageCount: envelope.call.messageCount,
            tokenEstimate: demand.tokenEstimate,
            completionEstimate: demand.completionEstimate,
            isCompletionLimited: demand.isCompletionLimited,
            deadline: now + .seconds(min(max(remaining, -1), 315_360_000)),
            traceparent: envelope.traceparent,
            tracestate: envelope.traceparent.flatMap { _ in envelope.tracestate },
            remote: RemoteOrigin(
                requestID: held.requestID,
                submittedAt: now - .seconds(min(age, 315_360_000)),
                profileKey: envelope.dispatchProfileKey,
                isToldByProducer: envelope.extras?.tellsEnds ?? false
            )
        )
    }
}
